"""The same sidecar in every form in which somebody else's pod takes one.

A style is a function from a `Wiring` to what is pasted: values for a chart, a component of kustomize, objects, or the
pieces themselves. A comment above it says where it belongs. The container is made in `outrider.wiring.pod` for all of
them, but for `include`, where the library chart makes it of the values that stand here.
"""

from collections.abc import Callable
from typing import Any

from outrider.model.injection import PARAMETERS
from outrider.wiring import policy
from outrider.wiring.pod import CONFIG_FILE, Object, Wiring, variable, variables
from outrider.wiring.settings import checksum, written
from outrider.wiring.text import comment, documents, dump

CHECKSUM = "checksum/outrider-sidecar"
"""Annotation of the pods, by which they are made anew when the configuration changes."""


def fragment(style: str, wiring: Wiring) -> str:
    """What to paste for `style`, one of `STYLES`."""
    return STYLES[style](wiring) + _of_secrets(wiring)


def config_map(wiring: Wiring, namespace: str | None = None) -> Object:
    """The ConfigMap that the sidecar's configuration is mounted from."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": wiring.config_map, **({"namespace": namespace} if namespace else {})},
        "data": {CONFIG_FILE: written(wiring.config)},
    }


def annotations(wiring: Wiring) -> dict[str, str]:
    """What the metadata of the pod template gets."""
    return {CHECKSUM: checksum(wiring.config)}


def _plain(wiring: Wiring) -> str:
    head = "The pieces of a pod template: its annotations, initContainers and volumes."
    if wiring.logs:
        head += f"\nvolumeMounts are those of the container {wiring.container}, which writes its files there."
    pieces = {
        "annotations": annotations(wiring),
        "initContainers": [wiring.init_container()],
        "volumes": wiring.volumes(),
        **_mounts("volumeMounts", wiring),
    }
    return comment(head) + documents([pieces, config_map(wiring)])


def _bitnami(wiring: Wiring) -> str:
    head = "Values for a chart of Bitnami's make. All but extraDeploy belong below the component (primary:, master:,\n"
    head += "controller: ...) where the chart has several."
    values = {
        "podAnnotations": annotations(wiring),
        "initContainers": [wiring.init_container()],
        "extraVolumes": wiring.volumes(),
        **_mounts("extraVolumeMounts", wiring),
        "extraDeploy": [config_map(wiring)],
    }
    return comment(head) + dump(values)


def _extra_containers(wiring: Wiring) -> str:
    head = """\
Values for a chart that takes more containers, and no init containers. If it has extraInitContainers, put the item there
with restartPolicy: Always: an ordinary container keeps a Job from ending, and may itself end before the last line.
"""
    container = {key: value for key, value in wiring.init_container().items() if key != "restartPolicy"}
    values = {
        "podAnnotations": annotations(wiring),
        "extraContainers": [container],
        "extraVolumes": wiring.volumes(),
        **_mounts("extraVolumeMounts", wiring),
        "extraObjects": [config_map(wiring)],
    }
    return comment(head) + dump(values)


def _include(wiring: Wiring) -> str:
    head = """\
In Chart.yaml, then `helm dependency update`:
  dependencies:
    - {name: outrider-sidecar, version: 0.1.0, repository: "file://../outrider-sidecar"}
In the pod template, `indent` as deep as it stands:
  metadata.annotations:      {{- include "outrider-sidecar.annotations" . | nindent 8 }}
  spec.initContainers:       {{- include "outrider-sidecar.initContainer" . | nindent 8 }}
  spec.volumes:              {{- include "outrider-sidecar.volumes" . | nindent 8 }}
"""
    if wiring.logs:
        mounts = '{{- include "outrider-sidecar.volumeMounts" . | nindent 12 }}'
        head += f"  volumeMounts of {wiring.container}: {mounts}\n"
    head += 'In a template of its own: {{ include "outrider-sidecar.configMap" . }}\nIn values.yaml:'
    secrets = next(one for one in wiring.volumes() if one["name"] == "outrider-secrets")
    at = next(one for one in wiring.init_container()["volumeMounts"] if one["name"] == "outrider-secrets")
    config = {key: value for key, value in wiring.config.items() if key != "state"}
    values = {
        "image": _image(wiring.image),
        "container": wiring.container,
        **({"logs": {"directory": wiring.logs}} if wiring.logs else {}),
        "config": config,
        "extraEnv": [variable(name) for name in variables(wiring.config)],
        "extraVolumes": [secrets],
        "extraVolumeMounts": [at],
    }
    return comment(head) + dump({"outrider-sidecar": values})


def _kustomize(wiring: Wiring) -> str:
    head = f"A component: save it as outrider/kustomization.yaml beside the kustomization that has {wiring.name},\n"
    head += "and name it there: `components: [outrider]`."
    spec = {
        "initContainers": [wiring.init_container()],
        "volumes": wiring.volumes(),
        **({"containers": [{"name": wiring.container, **_mounts("volumeMounts", wiring)}]} if wiring.logs else {}),
    }
    template = {"template": {"spec": spec}}
    component = {
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "kind": "Component",
        "configMapGenerator": [
            {"name": wiring.config_map, "literals": [f"{CONFIG_FILE}={written(wiring.config)}"]},
        ],
        "patches": [
            _patch("Deployment|StatefulSet|DaemonSet|ReplicaSet|ReplicationController|Job", wiring, template),
            _patch("CronJob", wiring, {"jobTemplate": {"spec": template}}),
        ],
    }
    return comment(head) + dump(component)


def _patch(kinds: str, wiring: Wiring, spec: Object) -> Object:
    patch = {"apiVersion": "any", "kind": "Any", "metadata": {"name": wiring.name}, "spec": spec}
    return {"target": {"kind": kinds, "name": wiring.name}, "patch": dump(patch)}


def _policy(wiring: Wiring) -> str:
    asked = policy.asking(wiring)
    head = (
        "For Kubernetes 1.36 and later: the policy, once in a cluster (charts/outrider has it as well), and for each\n"
    )
    head += "namespace that takes part, its ConfigMap. A pod gets a sidecar if its template says\n" + dump(
        {"metadata": asked}
    )
    parameters = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": PARAMETERS},
        "data": policy.parameters(wiring),
    }
    return comment(head) + documents([policy.policy(), policy.binding(), parameters])


def _mounts(key: str, wiring: Wiring) -> dict[str, Any]:
    return {key: wiring.mounts()} if wiring.logs else {}


def _image(image: str) -> dict[str, str]:
    """An image in the library's words."""
    name, _, digest = image.partition("@")
    repository, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:  # the colon is that of a port
        repository, tag = name, ""
    return {"repository": repository, **({"tag": tag} if tag else {}), **({"digest": digest} if digest else {})}


def _of_secrets(wiring: Wiring) -> str:
    names = variables(wiring.config)
    if not names:
        return ""
    given = " ".join(f"--from-literal={name}=..." for name in names)
    return comment(f"\nWhat is secret is read from: kubectl create secret generic {PARAMETERS} {given}")


STYLES: dict[str, Callable[[Wiring], str]] = {
    "include": _include,
    "bitnami": _bitnami,
    "extra-containers": _extra_containers,
    "kustomize": _kustomize,
    "policy": _policy,
    "plain": _plain,
}
