"""The policy by which the API server itself puts the sidecar into pods that ask for it: no webhook, no certificate.

A MutatingAdmissionPolicy (Kubernetes 1.36, `admissionregistration.k8s.io/v1`) is evaluated for each pod that is created
with the label. Its parameters are the ConfigMap `outrider-sidecar` of the pod's own namespace, so a namespace takes
part by having one; the sidecar mounts the same ConfigMap. The container is that of `outrider.wiring.pod`, written as a
CEL literal in which image, configuration and container are expressions; what varies in number is added by operations
of its own.

JSONPatch, not ApplyConfiguration: that one refuses everything atomic, such as `args`, `fieldRef` and `items` ("may not
mutate atomic arrays, maps or structs", apiserver/pkg/admission/plugin/policy/mutating/patch/smd.go). And the conditions
have to keep out all that would make a pod invalid, whatever `failurePolicy` says: that covers errors in expressions. A
result that cannot be decoded, such as a quantity that is none, is an InternalError that refuses the pod
(.../patch/json_patch.go, .../mutating/dispatcher.go), and one that is not valid is refused later. Conditions know no
`variables`, and ordinary CEL does for everything: no optional types, no extensions of late.
"""

import json
from collections.abc import Mapping, Sequence
from textwrap import indent
from typing import Any

from outrider.model.injection import CONFIG, CONTAINER, LABEL, LOGS, PARAMETERS, SIDECAR
from outrider.wiring import pod
from outrider.wiring.pod import (
    CONFIG_DIRECTORY,
    CONFIG_FILE,
    DIRECTORY,
    DOTS,
    LOGS_VOLUME,
    OWN,
    PLACES,
    RESOURCES,
    Object,
    Wiring,
)
from outrider.wiring.settings import written

NAME = "outrider-sidecar"
"""Of the policy and its binding."""
IMAGE, VARIABLES = "image", "variables"
"""Keys of the ConfigMap; the names of variables are separated by blanks."""
QUANTITIES = tuple(f"{kind}.{what}" for what in ("cpu", "memory") for kind in ("requests", "limits"))
"""Keys of the ConfigMap, as they are below `resources`."""
_LINE = 100
_LABELS = {"app.kubernetes.io/name": "outrider"}
_DATA, _NOTES = "params.data", "object.metadata.annotations"


class Cel(str):
    """An expression where a text would be."""


def _noted(key: str) -> str:
    return f'has({_NOTES}) && "{key}" in {_NOTES}'


_SERVED = f'({_noted(CONTAINER)} ? {_NOTES}["{CONTAINER}"] : object.spec.containers[0].name)'
_CONFIG = f'({_noted(CONFIG)} ? {_NOTES}["{CONFIG}"] : "{CONFIG_FILE}")'


def conditions() -> dict[str, str]:
    """By name, what has to be true of a pod and its namespace's ConfigMap; otherwise the pod stays as it is."""
    logs = f'{_NOTES}["{LOGS}"]'
    name = "[A-Za-z_][A-Za-z0-9_]{0,252}"  # no longer than a key of a Secret
    return {
        "has-none-yet": f'!object.spec.containers.exists(c, c.name == "{SIDECAR}")'
        f'\n&& !(has(object.spec.initContainers) && object.spec.initContainers.exists(c, c.name == "{SIDECAR}"))'
        f'\n&& !(has(object.spec.volumes) && object.spec.volumes.exists(v, v.name.startsWith("{SIDECAR}-")))',
        # On the node's network the port would be the node's. Windows knows no seccomp. A pod that the kubelet mirrors
        # runs already. What the pod has in all must suffice for the sum of its containers.
        "is-an-ordinary-pod": "!(has(object.spec.hostNetwork) && object.spec.hostNetwork)"
        '\n&& !(has(object.spec.os) && object.spec.os.name == "windows")'
        f"\n&& !({_noted('kubernetes.io/config.mirror')}) && !has(object.spec.resources)",
        "container-is-there": f"object.spec.containers.exists(c, c.name == {_SERVED})",
        "logs-have-a-place": f"!({_noted(LOGS)})"
        f'\n|| ({logs}.matches(r"{DIRECTORY}") && !{logs}.matches(r"{DOTS}")'
        f'\n&& {json.dumps(list(OWN))}.all(own, !(own + "/").startsWith({logs} + "/")'
        f' && !({logs} + "/").startsWith(own + "/"))'
        f"\n&& object.spec.containers.all(c, c.name != {_SERVED} || !has(c.volumeMounts)"
        f'\n|| c.volumeMounts.all(m, m.mountPath != {logs} && m.mountPath != {logs} + "/")))',
        "config-is-there": f'{_CONFIG}.endsWith(".yaml") && {_CONFIG} in {_DATA}',
        "image-is-named": f'"{IMAGE}" in {_DATA} && {_DATA}["{IMAGE}"].matches("^[!-~]+$")',
        "variables-are-names": f'!("{VARIABLES}" in {_DATA})'
        f'\n|| {_DATA}["{VARIABLES}"].matches("^({name}( {name})*)?$")',
        "quantities-are-right": f"{json.dumps(list(QUANTITIES))}.all(k, !(k in {_DATA})"
        f'\n|| (isQuantity({_DATA}[k]) && quantity({_DATA}[k]).compareTo(quantity("0")) >= 0))'
        + "".join(f"\n&& {_not_above(f'requests.{what}', f'limits.{what}')}" for what in ("cpu", "memory")),
    }


def _not_above(request: str, limit: str) -> str:
    return (
        f'(!("{request}" in {_DATA} && "{limit}" in {_DATA})'
        f'\n|| quantity({_DATA}["{request}"]).compareTo(quantity({_DATA}["{limit}"])) <= 0)'
    )


def variables() -> dict[str, str]:
    """By name, what the mutation reads."""
    return {
        "served": _SERVED,
        "at": '"/spec/containers/" + string(object.spec.containers.map(c, c.name).indexOf(variables.served))',
        "config": _CONFIG,
        "logs": f'{_noted(LOGS)} ? {_NOTES}["{LOGS}"] : ""',
        "names": f'"{VARIABLES}" in {_DATA} && {_DATA}["{VARIABLES}"] != "" ? {_DATA}["{VARIABLES}"].split(" ") : []',
    }


def mutation() -> str:
    """The list of operations, as a CEL expression."""
    container = pod.sidecar(
        Cel(f'{_DATA}["{IMAGE}"]'),
        Cel("variables.served"),
        config=Cel(f'"{CONFIG_DIRECTORY}/" + variables.config'),
        resources={"requests": {}, "limits": {}},
    )
    at, here = "/spec/initContainers/0", "Object.spec.initContainers"
    quantity = Cel(f'"{at}/resources/" + k.replace(".", "/")')
    variable = _add(f"{at}/env/-", pod.variable(Cel("n")), f"{here}.env")
    volumes = (_add("/spec/volumes/-", volume, "Object.spec.volumes") for volume in pod.volumes(PARAMETERS))
    return " +\n".join(
        (
            _missing("initContainers"),
            _list(_add(at, container, here)),
            f"{json.dumps(list(QUANTITIES))}.filter(k, k in {_DATA}).map(k, {_add(quantity, Cel(f'{_DATA}[k]'))})",
            f"variables.names.map(n, {variable})",
            _missing("volumes"),
            _list(*volumes),
            f'(variables.logs == "" ? [] : {_of_logs(at, here)})',
        )
    )


def _of_logs(at: str, here: str) -> str:
    """The volume, and its mounts in both containers."""
    logs, mounts = Cel("variables.logs"), Cel('variables.at + "/volumeMounts"')
    read, write = pod.mount(LOGS_VOLUME, logs, read_only=True), pod.mount(LOGS_VOLUME, logs)
    both = (
        _add("/spec/volumes/-", pod.logs_volume(), "Object.spec.volumes"),
        _add(f"{at}/volumeMounts/{len(PLACES) - 1}", read, f"{here}.volumeMounts"),
    )
    bare = "object.spec.containers.filter(c, c.name == variables.served && !has(c.volumeMounts))"
    last = _add(Cel(f'{mounts} + "/-"'), write, "Object.spec.containers.volumeMounts")
    return f"{_list(*both)} + {bare}.map(c, {_add(mounts, [])}) + {_list(last)}"


def policy(name: str = NAME) -> Object:
    """The MutatingAdmissionPolicy."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": name, "labels": _LABELS},
        "spec": {
            "failurePolicy": "Ignore",
            "reinvocationPolicy": "IfNeeded",
            "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
            "matchConstraints": {
                "objectSelector": {"matchLabels": {LABEL: "true"}},
                "resourceRules": [rule],
            },
            "matchConditions": [{"name": name, "expression": text} for name, text in conditions().items()],
            "variables": [{"name": name, "expression": text} for name, text in variables().items()],
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": mutation()}}],
        },
    }


def binding(name: str = NAME) -> Object:
    """Its binding: the parameters are those of the pod's namespace, and without them nothing happens."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": name, "labels": _LABELS},
        "spec": {
            "policyName": name,
            "paramRef": {"name": PARAMETERS, "parameterNotFoundAction": "Allow"},
        },
    }


def parameters(wiring: Wiring) -> dict[str, str]:
    """The data of the ConfigMap of a namespace."""
    names = pod.variables(wiring.config)
    return {
        IMAGE: wiring.image,
        **{f"{kind}.{what}": text for kind, of in RESOURCES.items() for what, text in of.items()},
        **({VARIABLES: " ".join(names)} if names else {}),
        CONFIG_FILE: written(wiring.config),
    }


def asking(wiring: Wiring) -> Object:
    """What the metadata of the pod template says to get this sidecar."""
    return {
        "labels": {LABEL: "true"},
        "annotations": {CONTAINER: wiring.container, **({LOGS: wiring.logs} if wiring.logs else {})},
    }


# -- CEL --------------------------------------------------------------------------------------------------------------


def literal(value: Any, type_name: str = "") -> str:
    """`value` as CEL; a mapping is an object of the type that the API server knows by the path to it."""
    if isinstance(value, Cel):
        return value
    if isinstance(value, Mapping):
        fields = [f"{name}: {literal(one, f'{type_name}.{name}')}" for name, one in value.items()]
        return _laid_out(f"{type_name}{{", fields, "}")
    if isinstance(value, list):
        return _list(*(literal(one, type_name) for one in value))
    return json.dumps(value)


def _add(path: str, value: Any, type_name: str = "") -> str:
    return f'JSONPatch{{op: "add", path: {literal(path)}, value: {literal(value, type_name)}}}'


def _list(*items: str) -> str:
    return _laid_out("[", items, "]")


def _laid_out(begin: str, items: Sequence[str], end: str) -> str:
    """In one line, if it is short."""
    line = f"{begin}{', '.join(items)}{end}"
    if len(line) <= _LINE and "\n" not in line:
        return line
    return "\n".join((begin, indent(",\n".join(items), "  "), end))


def _missing(field: str) -> str:
    """An empty list, to which items can be added, where the pod has none."""
    return f"(has(object.spec.{field}) ? [] : {_list(_add(f'/spec/{field}', []))})"
