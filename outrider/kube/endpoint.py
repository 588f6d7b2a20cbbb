"""What a check needs to know of a pod that asks for one: its address, its ports, and whether it serves.

Only pods with an annotation that may ask for checks have this read (`asks`), and of their variables only those that
such an annotation names, since a specification may hold passwords.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from outrider.kube.details import UNREADABLE
from outrider.model.pod import Endpoint, Inside, Port

ASKING = re.compile(
    r"outrider\.io/(?!(?:route|sidecar-(?:config|container|logs))$).+"  # one that is spelled wrong, too
    r"|(?:ad|service-discovery)\.datadoghq\.com/(?!(?:.+\.)?(?:logs|tags|(?:logs_|metrics_)?exclude)$).+"
    r"|prometheus\.io/scrape"
)
"""Annotations that may ask for checks; what they say is understood in `outrider.discovery`."""
_VARIABLE = re.compile(r"%%env_([^%]+)%%")


class _EnvVar(msgspec.Struct, rename="camel"):
    name: str = ""
    value: str | None = None
    value_from: Any = None


class _Port(msgspec.Struct, rename="camel"):
    container_port: int = 0
    name: str = ""


class _Container(msgspec.Struct, rename="camel"):
    name: str = ""
    ports: list[_Port] | None = None
    env: list[_EnvVar] | None = None
    restart_policy: str | None = None


class _Spec(msgspec.Struct, rename="camel"):
    containers: list[_Container] | None = None
    init_containers: list[_Container] | None = None
    host_network: bool | None = None


class _Condition(msgspec.Struct):
    type: str = ""
    status: str = ""


class _Status(msgspec.Struct, rename={"pod_ip": "podIP"}):
    phase: str = ""
    pod_ip: str = ""
    conditions: list[_Condition] | None = None


_spec = msgspec.json.Decoder(_Spec)
_status = msgspec.json.Decoder(_Status)


def asks(annotations: Mapping[str, str]) -> bool:
    """Whether one of them may ask for checks."""
    return any(ASKING.fullmatch(key) for key in annotations)


def read_endpoint(annotations: Mapping[str, str], deleted: bool, spec: bytes, status: bytes) -> Endpoint | None:
    """Of the JSON of a pod's `spec` and `status` (empty: not there); None if they cannot be read."""
    try:
        wanted, found = _spec.decode(spec or b"{}"), _status.decode(status or b"{}")
    except UNREADABLE:
        return None
    named = {name for key, text in annotations.items() if ASKING.fullmatch(key) for name in _VARIABLE.findall(text)}
    sidecars = [one for one in wanted.init_containers or () if one.restart_policy == "Always"]
    return Endpoint(
        found.pod_ip,
        any(one.type == "Ready" and one.status == "True" for one in found.conditions or ()),
        deleted or found.phase in ("Succeeded", "Failed"),
        tuple(_inside(one, named) for one in [*(wanted.containers or ()), *sidecars] if one.name),
        bool(wanted.host_network),
    )


def _inside(container: _Container, named: set[str]) -> Inside:
    ports = sorted((port.container_port, port.name) for port in container.ports or () if port.container_port)
    env = {e.name: None if e.value_from is not None else e.value or "" for e in container.env or () if e.name in named}
    return Inside(container.name, tuple(Port(*port) for port in ports), env)
