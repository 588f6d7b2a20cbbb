"""The monitored resources whose labels the intake knows, and what is wrong with a resource.

The API refuses an entry without a resource, and one whose resource carries a label that its type does not have
(`Resource gae_app has extra label: instance_name`). It fills in `project_id` from the log's name. Each descriptor's
labels are required (google/api/monitored_resource.proto); for the Kubernetes types the intake insists on that, since
an entry without them cannot be found under its pod. Types which are not in the table pass with any labels, unless
they look like a misspelt Kubernetes type.
"""

from typing import Any

_KUBERNETES: dict[str, frozenset[str]] = {
    "k8s_cluster": frozenset({"location", "cluster_name"}),
    "k8s_node": frozenset({"location", "cluster_name", "node_name"}),
    "k8s_pod": frozenset({"location", "cluster_name", "namespace_name", "pod_name"}),
    "k8s_container": frozenset({"location", "cluster_name", "namespace_name", "pod_name", "container_name"}),
    "k8s_service": frozenset({"location", "cluster_name", "namespace_name", "service_name"}),
    "k8s_control_plane_component": frozenset({"location", "cluster_name", "component_name", "component_location"}),
    "k8s_scale": frozenset(
        {
            "location",
            "cluster_name",
            "namespace_name",
            "controller_kind",
            "controller_name",
            "controller_api_group_name",
        }
    ),
}
_OTHERS: dict[str, frozenset[str]] = {
    "global": frozenset(),
    "project": frozenset(),
    "gce_instance": frozenset({"instance_id", "zone"}),
    "gae_app": frozenset({"module_id", "version_id", "zone"}),
    "gke_cluster": frozenset({"location", "cluster_name"}),
    "gke_container": frozenset({"cluster_name", "namespace_id", "instance_id", "pod_id", "container_name", "zone"}),
    "container": frozenset({"cluster_name", "namespace_id", "instance_id", "pod_id", "container_name", "zone"}),
    "generic_node": frozenset({"location", "namespace", "node_id"}),
    "generic_task": frozenset({"location", "namespace", "job", "task_id"}),
    "cloud_function": frozenset({"function_name", "region"}),
    "cloud_run_revision": frozenset({"service_name", "revision_name", "location", "configuration_name"}),
    "cloud_run_job": frozenset({"job_name", "location"}),
}
_LABELS = {kind: labels | {"project_id"} for kind, labels in (_KUBERNETES | _OTHERS).items()}


def fault(resource: dict[str, Any] | None) -> str | None:
    """Why the API would refuse an entry with this resource, or None."""
    kind = resource.get("type") if resource else None
    if not resource or not kind:
        return "A monitored resource must be specified for each log entry"
    allowed = _LABELS.get(kind)
    if allowed is None:
        return f"Resource type not supported: {kind}" if kind.startswith("k8s_") else None
    labels = resource.get("labels", {}).keys()
    if not labels <= allowed:
        return f"Resource {kind} has extra label: {min(labels - allowed)}"
    missing = _KUBERNETES.get(kind, frozenset()) - labels
    return f"Resource {kind} is missing required label: {min(missing)}" if missing else None


def completed(resource: dict[str, Any], parent: str) -> dict[str, Any]:
    """The resource with the `project_id` the API adds when the log belongs to a project."""
    labels = resource.get("labels", {})
    kind, _, name = parent.partition("/")
    if kind != "projects" or "project_id" in labels:
        return resource
    return {**resource, "labels": {"project_id": name, **labels}}
