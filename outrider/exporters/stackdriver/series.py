"""Which series a point belongs to, in Cloud Monitoring's terms: a metric type with labels, and a monitored resource.

    attributes       (("db", "0"), ("redis_host", "10.0.0.7"))      the check's words
    metric labels    {"db": "0", "env": "prod"}                     Google's spelling, and the user's tags
    resource         k8s_container {project_id, location, cluster_name, namespace_name, pod_name, container_name}

The pod is in the resource and so it is not repeated in the labels, of which a descriptor has no more than thirty
(cloud.google.com/monitoring/quotas). What is not allowed in a name becomes an underscore.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from outrider.model.cluster import Cluster
from outrider.model.points import Attributes, GoogleName, Subject

MAX_LABELS, MAX_KEY, MAX_VALUE, MAX_TYPE = 30, 100, 1024, 200
"""Labels of a metric, and characters of a label's key, of its value, and of a metric type (monitoring/quotas)."""
_NOT_IN_KEY = re.compile(r"[^a-zA-Z0-9_]")
_NOT_IN_TYPE = re.compile(r"[^a-zA-Z0-9_./-]")
_LETTER = re.compile(r"[a-zA-Z]")


class Labels(NamedTuple):
    """`shed` is how many were left out or cut."""

    labels: dict[str, str]
    shed: int


def metric_type(text: str) -> str:
    """A metric type without what none can have (cloud.google.com/monitoring/api/v3/naming-conventions)."""
    return _NOT_IN_TYPE.sub("_", text)[:MAX_TYPE]


def metric_labels(name: GoogleName, attributes: Attributes, tags: Iterable[str]) -> Labels:
    """The labels of a point: those that its metric always has, its attributes, and then the user's tags. A tag that is
    just a word has the value `true`. A label without a value is none.
    """
    spelled = [(name.spelling.get(key, key), value) for key, value in attributes]
    pairs = [*name.labels, *((key, value) for key, value in spelled if key is not None), *map(_parted, tags)]
    labels: dict[str, str] = {}
    shed = 0
    for key, value in pairs:
        if not value:
            continue
        allowed = label_key(key)
        if allowed in labels or len(labels) == MAX_LABELS:
            shed += 1
            continue
        shed += len(value) > MAX_VALUE
        labels[allowed] = value[:MAX_VALUE].encode("utf-8", "replace").decode()
    return Labels(labels, shed)


def label_key(text: str) -> str:
    """`text` as the key of a label: a letter, then letters, digits and underscores (google/api/label.proto)."""
    allowed = _NOT_IN_KEY.sub("_", text)
    return (allowed if _LETTER.match(allowed) else f"key_{allowed.lstrip('_')}")[:MAX_KEY]


def resource(subject: Subject, cluster: Cluster, project: str) -> dict[str, object]:
    """The monitored resource, in `project`, of whoever was measured (cloud.google.com/monitoring/api/resources). What
    is measured of nobody in particular belongs to the node that we run on, to the cluster if we are of no node, and
    outside Kubernetes to that machine.
    """
    where = {"project_id": project, "location": cluster.location}
    node = subject.node or cluster.node
    if not cluster.name and not subject.pod:
        return {"type": "generic_node", "labels": {**where, "namespace": subject.namespace, "node_id": node}}
    where["cluster_name"] = cluster.name
    if not subject.pod and not node:
        return {"type": "k8s_cluster", "labels": where}
    if not subject.pod:
        return {"type": "k8s_node", "labels": {**where, "node_name": node}}
    where |= {"namespace_name": subject.namespace, "pod_name": subject.pod}
    if not subject.container:
        return {"type": "k8s_pod", "labels": where}
    return {"type": "k8s_container", "labels": {**where, "container_name": subject.container}}


def _parted(tag: str) -> tuple[str, str]:
    key, colon, value = tag.partition(":")
    return key, value if colon else "true"
