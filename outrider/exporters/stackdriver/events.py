"""Kubernetes events become Cloud Logging entries, as GKE's own event exporter writes them
(GoogleCloudPlatform/k8s-stackdriver, `event-exporter/sinks/stackdriver`).

    {"insertId":"<uid>-<resource version>","timestamp":…,"severity":"WARNING","jsonPayload":{"kind":"Event",…},
     "logName":"projects/acme/logs/events","resource":{"type":"k8s_pod",…}}

It belongs to the pod or the node that it is about, if it comes from a namespace that may speak for it: a pod's own, and
those where nodes have theirs. Everything else belongs to the cluster. `count` and `firstTimestamp` are left out, since
every repetition is an entry of its own.

Where this differs: an event without `lastTimestamp` and `series` has its `eventTime`, or the time of its creation (the
exporter leaves the time to the server, and so a repeat would be another entry); `metadata.managedFields` is left out;
the labels with the owner of the pod are not there, since nobody reads all pods of the cluster for them.
"""

from typing import Any

import msgspec

from outrider.exporters.stackdriver.context import log_name
from outrider.exporters.stackdriver.limits import MAX_ENTRY, SURE, fits, shorten
from outrider.exporters.stackdriver.times import Timestamps
from outrider.model.clock import Clock
from outrider.model.cluster import Cluster
from outrider.model.happening import Happening

NODES_SPEAK_IN = frozenset({"default", "kube-system", "kube-node-lease"})
"""Namespaces where events about nodes come from (event-exporter, `trustedNodeEventNamespaces`)."""
_LEFT_OUT = ("count", "firstTimestamp")
_dumps = msgspec.json.Encoder().encode


class EventEntries:
    """Makes entries for the log `events` of `project`."""

    def __init__(self, project: str, cluster: Cluster, clock: Clock) -> None:
        self._log_name, self._cluster, self._clock = log_name(project, "events"), cluster, clock
        self._times = Timestamps(clock.now())

    def entry(self, happening: Happening) -> bytes:
        """The entry. Raises ValueError for one that is too large, or no object any more."""
        self._times.move(self._clock.now())
        payload: dict[str, Any] = msgspec.json.decode(happening.content, type=dict[str, Any])
        for key in _LEFT_OUT:
            payload.pop(key, None)
        entry: dict[str, Any] = {"insertId": happening.id}
        time = self._times.parse(happening.time)
        if time is not None:
            entry["timestamp"] = time
        entry["severity"] = "WARNING" if happening.warning else "INFO"
        entry["logName"], entry["resource"] = self._log_name, self._resource(happening)
        said = _dumps(payload)
        whole = _dumps(entry | {"jsonPayload": msgspec.Raw(said)})
        if len(whole) < SURE or fits(whole, said):
            return whole
        shorter = shorten(said, MAX_ENTRY - len(whole) + len(said))
        if shorter is None:
            raise ValueError(f"an event of {len(said)} bytes, which no shortening of texts makes small enough")
        return _dumps(entry | {"jsonPayload": msgspec.Raw(shorter)})

    def _resource(self, happening: Happening) -> dict[str, Any]:
        cluster = self._cluster
        labels = {"project_id": cluster.project, "location": cluster.location, "cluster_name": cluster.name}
        its_own = happening.namespace and happening.namespace == happening.object_namespace
        if happening.kind == "Pod" and its_own:
            labels |= {"namespace_name": happening.namespace, "pod_name": happening.name}
            return {"type": "k8s_pod", "labels": labels}
        if happening.kind == "Node" and happening.namespace in NODES_SPEAK_IN:
            return {"type": "k8s_node", "labels": labels | {"node_name": happening.name}}
        return {"type": "k8s_cluster", "labels": labels}
