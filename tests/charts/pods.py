"""Pods in rendered manifests, and what they would be refused for by Pod Security's level `restricted`."""

from typing import Any

RESTRICTED_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip


def pods(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The pod specs of all workloads, `name` and `annotations` of the pod added."""
    found = []
    for one in objects:
        holder = one
        if one["kind"] == "CronJob":
            holder = one["spec"]["jobTemplate"]
        template = holder if one["kind"] == "Pod" else holder.get("spec", {}).get("template")
        if template:
            found.append({"name": one["metadata"]["name"], **template["metadata"], **template["spec"]})
    return found


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def refusals(pod: dict[str, Any]) -> set[str]:
    """Why `restricted` would not admit the pod (https://kubernetes.io/docs/concepts/security/pod-security-standards/)."""
    found = {key for key in ("hostNetwork", "hostPID", "hostIPC") if pod.get(key)}
    found |= {kind for volume in pod.get("volumes", []) for kind in volume if kind not in {"name", *RESTRICTED_VOLUMES}}
    for container in containers(pod):
        found |= {f"{container['name']}: {why}" for why in _refused(container, pod.get("securityContext", {}))}
    return found


def _refused(container: dict[str, Any], shared: dict[str, Any]) -> set[str]:
    own = container.get("securityContext", {})
    both = {**shared, **own}
    capabilities = own.get("capabilities", {})
    checks = {
        "privileged": not own.get("privileged"),
        "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is False,
        "runAsNonRoot": both.get("runAsNonRoot") is True,
        "runAsUser": both.get("runAsUser") != 0,
        "seccompProfile": both.get("seccompProfile", {}).get("type") in ("RuntimeDefault", "Localhost"),
        "drop": capabilities.get("drop") == ["ALL"],
        "hostPort": not any("hostPort" in port for port in container.get("ports", [])),
    }
    added = [f"add {name}" for name in capabilities.get("add", []) if name != "NET_BIND_SERVICE"]
    return {name for name, fine in checks.items() if not fine} | set(added)
