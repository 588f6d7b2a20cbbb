"""Kubernetes events become Datadog's events, each by itself, as its Cluster Agent has them with `unbundle_events`
(datadog-agent, `pkg/collector/corechecks/cluster/kubernetesapiserver`, `unbundled_events.go`, `events_common.go`).

    title  Pod shop/web-1: BackOff          aggregation_key  kubernetes_apiserver:<uid of the pod>
    text   Back-off restarting failed …     tags  event_reason:BackOff, kube_kind:Pod, kube_name:web-1, …

Where this differs: a node is called by its name, as in our logs and metrics, and not with the cluster's behind it; tags
that the Agent calls deprecated (`kubernetes_kind`, `name`, `namespace`) and those that it knows of other objects are
not there.

The API takes one event in a request, and knows no identity: what is sent twice is there twice.
"""

from outrider.config.secrets import Secret
from outrider.exporters.answer import Answer, Verdict
from outrider.exporters.datadog.answers import METRIC_ROWS
from outrider.exporters.datadog.api import Api
from outrider.exporters.datadog.conversion import Conversion
from outrider.exporters.datadog.glance import event_glance
from outrider.exporters.datadog.metrics_api import EVENTS, MAX_UNPACKED, event_body
from outrider.exporters.glance import Glance
from outrider.model.clock import Clock
from outrider.model.happening import Happening, Words, words
from outrider.model.points import Event, Report, Subject

SOURCE = "kubernetes"
_KIND_TAGS = {
    "Deployment": "kube_deployment",
    "ReplicaSet": "kube_replica_set",
    "DaemonSet": "kube_daemon_set",
    "StatefulSet": "kube_stateful_set",
    "Job": "kube_job",
    "CronJob": "kube_cronjob",
    "Service": "kube_service",
    "PersistentVolumeClaim": "persistentvolumeclaim",
    "ReplicationController": "kube_replication_controller",
}
"""The tag that names an object of the kind, beside `kube_name`; that of a pod is among those of everything of a pod."""


class DatadogEvents:
    """A `Destination` of events, one in a request, and what makes them (`entry`)."""

    max_request = MAX_UNPACKED
    max_entries = 1

    def __init__(
        self, conversion: Conversion, endpoint: str, key: Secret, clock: Clock, *, connections: int, ca: str | None
    ) -> None:
        self._conversion, self._clock = conversion, clock
        self._api = Api(endpoint, key, clock, METRIC_ROWS, connections=connections, ca=ca)

    def entry(self, happening: Happening) -> bytes | None:
        """The event; None if it is older than the API takes. Raises ValueError for one that is no object any more."""
        said = words(happening.content)
        subject = Subject(happening.host)
        if happening.kind == "Pod":
            subject = Subject(
                happening.host, happening.object_namespace, happening.name, happening.object_uid, happening.container
            )
        made = self._conversion.events([Report(SOURCE, subject, events=(self._event(happening, said),))])
        return event_body(made[0]) if made else None

    def _event(self, happening: Happening, said: Words) -> Event:
        namespace = happening.object_namespace
        name = f"{namespace}/{happening.name}" if namespace else happening.name
        title = f"{happening.kind} {name}: {said.reason}"
        kind_tag = _KIND_TAGS.get(happening.kind, "")
        tags = {
            "orchestrator": "kubernetes",
            "source_component": happening.component,
            "reporting_controller": happening.controller,
            "event_reason": said.reason,
            "kube_kind": happening.kind,
            "kube_name": happening.name,
            "kube_namespace": namespace,
            **({kind_tag: happening.name} if kind_tag else {}),
        }
        return Event(
            title=title,
            text=said.message or title,  # the API wants one
            time=happening.nanoseconds(self._clock.now()),
            tags=tuple(tags.items()),
            alert="warning" if happening.warning else "info",
            aggregation_key=f"kubernetes_apiserver:{happening.object_uid}",
            source_type=SOURCE,
        )

    def send(self, pieces: list[bytes], common: bytes = b"") -> Answer:  # noqa: ARG002 - nothing is left out of entries
        return self._api.post(EVENTS, pieces[0], "none")

    def probe(self) -> Answer:
        """There is nothing that could be asked without being stored; a wrong key or endpoint has answers of its own."""
        return Answer(Verdict.ACCEPTED)

    def plainer(self, entry: bytes) -> bytes | None:  # noqa: ARG002 - it is plain text already
        return None

    def glance(self, entry: bytes) -> Glance:
        return event_glance(entry)

    def refresh(self) -> None:
        """Nothing is kept: the key is read for every request."""

    def changed(self) -> bool:
        return self._api.changed()

    def close(self) -> None:
        self._api.close()
