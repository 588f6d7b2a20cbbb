"""The monitored resources that user-defined metrics can be written against, and what is wrong with one.

Which types these are, and the labels of each, is from Google's lists of monitored resource types and of the types that
custom metrics may use. A label that the type does not have, and one that is missing, refuse the series; an empty label
is there. `project_id` is filled in. A location must look like one of Google's (or of AWS's): a name of one's own is
"Unrecognized region or location" (Stackdriver/stackdriver-prometheus-sidecar#251).
"""

import re
from typing import Any

_KUBERNETES = ("location", "cluster_name")
LABELS: dict[str, tuple[str, ...]] = {
    "aws_ec2_instance": ("instance_id", "region", "aws_account"),
    "dataflow_job": ("job_name", "region"),
    "gae_instance": ("module_id", "version_id", "instance_id", "location"),
    "gce_instance": ("instance_id", "zone"),
    "generic_node": ("location", "namespace", "node_id"),
    "generic_task": ("location", "namespace", "job", "task_id"),
    "gke_container": ("cluster_name", "namespace_id", "instance_id", "pod_id", "container_name", "zone"),
    "global": (),
    "k8s_cluster": _KUBERNETES,
    "k8s_container": (*_KUBERNETES, "namespace_name", "pod_name", "container_name"),
    "k8s_node": (*_KUBERNETES, "node_name"),
    "k8s_pod": (*_KUBERNETES, "namespace_name", "pod_name"),
    "prometheus_target": ("location", "cluster", "namespace", "job", "instance"),
}
"""The labels of each type, without `project_id`, which all of them have."""

_LOCATION = re.compile(r"global|us|eu|asia|[a-z]+(?:-[a-z]+)+\d+(?:-[a-z])?|(?:aws|azure):.+")


def fault(resource: dict[str, Any]) -> str:
    """Why the API would refuse a series with this resource, in its words; empty if it would not.

    The type must be known (`LABELS`).
    """
    known = {*LABELS[resource["type"]], "project_id"}
    labels = resource.get("labels", {})
    extra = labels.keys() - known
    if extra:
        return f"Unrecognized resource label: {min(extra)}"
    missing = known - labels.keys() - {"project_id"}
    if missing:
        return f"The set of resource labels is incomplete. Missing labels: ({' '.join(sorted(missing))})."
    if "location" in known and not _LOCATION.fullmatch(labels["location"]):
        return "Unrecognized region or location."
    return ""


def completed(resource: dict[str, Any], project: str) -> dict[str, Any]:
    """The resource with the `project_id` the API adds."""
    return {**resource, "labels": {"project_id": project, **resource.get("labels", {})}}


def descriptor(project: str, kind: str) -> dict[str, Any]:
    """The MonitoredResourceDescriptor of a type, as proto3 JSON."""
    return {
        "name": f"projects/{project}/monitoredResourceDescriptors/{kind}",
        "type": kind,
        "labels": [{"key": key} for key in ("project_id", *LABELS[kind])],
    }
