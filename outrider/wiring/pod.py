"""The pieces of a pod with a sidecar, the one model of them: container, volumes, mount, configuration.

Every style of `outrider.wiring.styles`, the manifests of `outrider.wiring.manifests` and the policy of
`outrider.wiring.policy` are made of these functions; the library chart has the same pieces as a template, and a test
compares them. Places in the container are fixed, so that the policy, which knows a configuration only as text, is right
about them. Keys and passwords come from one Secret of the namespace, as variables or as files, and may be missing: then
it is the sidecar that fails, and not the pod that waits.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outrider.model.injection import PARAMETERS, SIDECAR

CONFIG_FILE = "outrider.yaml"
CONFIG_DIRECTORY = "/etc/outrider"
POD_DIRECTORY = "/etc/outrider-pod"
SECRETS_DIRECTORY = "/etc/outrider-secrets"
STATE = "/var/lib/outrider"
PLACES = (CONFIG_DIRECTORY, POD_DIRECTORY, STATE, SECRETS_DIRECTORY)
"""What is mounted in the sidecar, in its order; log files come before the Secret."""
OWN = (*PLACES, "/opt/outrider")
"""What log files must be neither in nor above: the runtime can mount nothing in what is read-only, and would hide the
program.
"""
DIRECTORY = r"^(/[^/:\x00-\x1f]+)+$"
DOTS = r"/[.][.]?(/|$)"
"""What an absolute path has to match, and what it may not have in it; regular expressions of Python and of CEL."""
SERVED = "OUTRIDER_CONTAINER"
"""The variable with the container that is served."""
PORT = 9464
VOLUMES = ("outrider-config", "outrider-pod", "outrider-state", "outrider-secrets")
LOGS_VOLUME = "outrider-logs"
LOGS_LIMIT = "1Gi"
"""More than that in the volume and kubelet evicts the pod."""
RESOURCES = {"requests": {"cpu": "10m", "memory": "48Mi"}, "limits": {"memory": "128Mi"}}
Object = dict[str, Any]


@dataclass(frozen=True)
class Wiring:
    """What is wanted of a sidecar beside the workload `name`: its image, its configuration, the container that it
    serves, and the directory of that container's log files (empty: no volume for them)."""

    name: str
    image: str
    config: Mapping[str, Any]
    container: str
    logs: str = ""

    @property
    def config_map(self) -> str:
        """Name of the ConfigMap with the configuration."""
        return f"{self.name[:54].rstrip('-.')}-outrider"

    def init_container(self) -> Object:
        """The sidecar, an item of `initContainers`."""
        names = variables(self.config)
        return sidecar(self.image, self.container, [variable(name) for name in names], self.logs)

    def volumes(self) -> list[Object]:
        """Items of the pod's `volumes`."""
        return [*volumes(self.config_map), *([logs_volume()] if self.logs else [])]

    def mounts(self) -> list[Object]:
        """Items of the `volumeMounts` of the container that is served."""
        return [mount(LOGS_VOLUME, self.logs)] if self.logs else []


def sidecar(
    image: str,
    served: str,
    environment: Sequence[Object] = (),
    logs: str = "",
    *,
    config: str = f"{CONFIG_DIRECTORY}/{CONFIG_FILE}",
    resources: Mapping[str, Any] = RESOURCES,
) -> Object:
    """A native sidecar: it starts before the program and ends after it (Kubernetes 1.29 and later)."""
    read_only = [mount(VOLUMES[0], PLACES[0], read_only=True), mount(VOLUMES[1], PLACES[1], read_only=True)]
    return {
        "name": SIDECAR,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "restartPolicy": "Always",
        "args": ["sidecar", "--config", config],
        "env": [
            _of_the_pod("POD_NAMESPACE", "metadata.namespace"),
            _of_the_pod("POD_NAME", "metadata.name"),
            _of_the_pod("POD_UID", "metadata.uid"),
            _of_the_pod("NODE_NAME", "spec.nodeName"),
            {"name": "OUTRIDER_POD_INFO", "value": POD_DIRECTORY},
            {"name": SERVED, "value": served},
            *environment,
        ],
        "ports": [{"name": SIDECAR, "containerPort": PORT, "protocol": "TCP"}],
        "livenessProbe": {
            "httpGet": {"path": "/healthz", "port": SIDECAR},
            "initialDelaySeconds": 30,
            "periodSeconds": 30,
            "timeoutSeconds": 5,
        },
        "resources": resources,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [
            *read_only,
            mount(VOLUMES[2], PLACES[2]),
            *([mount(LOGS_VOLUME, logs, read_only=True)] if logs else []),
            mount(VOLUMES[3], PLACES[3], read_only=True),
        ],
    }


def volumes(config_map: str) -> list[Object]:
    """The volumes that every sidecar has."""
    config, pod, state, secrets = VOLUMES
    items = [
        {"path": what, "fieldRef": {"fieldPath": f"metadata.{what}"}} for what in ("labels", "annotations")
    ]  # fmt: skip
    return [
        {"name": config, "configMap": {"name": config_map}},
        {"name": pod, "downwardAPI": {"items": items}},
        {"name": state, "emptyDir": {}},
        {"name": secrets, "secret": {"secretName": PARAMETERS, "optional": True}},
    ]


def logs_volume() -> Object:
    """The volume that the program writes and the sidecar reads."""
    return {"name": LOGS_VOLUME, "emptyDir": {"sizeLimit": LOGS_LIMIT}}


def holds_logs(directory: str) -> bool:
    """Whether it can be mounted in the sidecar, too."""
    apart = all(not f"{own}/".startswith(f"{directory}/") and not f"{directory}/".startswith(f"{own}/") for own in OWN)
    return apart and bool(re.search(DIRECTORY, directory)) and not re.search(DOTS, directory)


def mount(volume: str, path: str, read_only: bool = False) -> Object:
    """An item of `volumeMounts`."""
    return {"name": volume, "mountPath": path, **({"readOnly": True} if read_only else {})}


def variable(name: str) -> Object:
    """A variable that has the value of the same key of the Secret."""
    return {
        "name": name,
        "valueFrom": {"secretKeyRef": {"name": PARAMETERS, "key": name, "optional": True}},
    }


def variables(config: Any) -> list[str]:
    """Names of the variables that hold the secrets of a configuration: its values of the form `{env: NAME}`."""
    if isinstance(config, Mapping):
        if config.keys() == {"env"} and isinstance(config["env"], str):
            return [config["env"]]
        config = list(config.values())
    if not isinstance(config, list | tuple):
        return []
    return list(dict.fromkeys(name for one in config for name in variables(one)))


def _of_the_pod(name: str, path: str) -> Object:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
