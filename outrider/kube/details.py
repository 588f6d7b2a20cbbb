"""The part of a pod object that is not metadata: its specification and status, reduced to what `Pod` keeps.

Of the 5 to 30 KB of a pod object a few hundred bytes are kept: classes, phase, claims, and of each container the image,
the ids and the handful of environment variables that name its service. Everything that moves in a status without
mattering here (conditions, probes, addresses, times) is not decoded, so that a heartbeat makes no new `Pod`.

Specification and status are read each for itself: one that cannot be read costs its own details, and never the pod.
"""

from typing import Any, NamedTuple

import msgspec

from outrider.model.pod import KEPT_ENV, Container

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for JSON that is broken, of another shape, or nested beyond reason."""

MAX_ENV = 1024
"""Characters that are kept of an environment variable: more than any name of a service has."""


class _EnvVar(msgspec.Struct, rename="camel"):
    name: str = ""
    value: str | None = None
    value_from: Any = None


class _ContainerSpec(msgspec.Struct):
    name: str = ""
    image: str | None = None
    env: list[_EnvVar] | None = None


class _Claim(msgspec.Struct, rename="camel"):
    claim_name: str = ""


class _Volume(msgspec.Struct, rename="camel"):
    persistent_volume_claim: _Claim | None = None


class _Spec(msgspec.Struct, rename="camel"):
    priority_class_name: str | None = None
    runtime_class_name: str | None = None
    volumes: list[_Volume] | None = None
    containers: list[_ContainerSpec] | None = None
    init_containers: list[_ContainerSpec] | None = None  # a sidecar is one of these (restartPolicy: Always)
    ephemeral_containers: list[_ContainerSpec] | None = None


class _Terminated(msgspec.Struct, rename={"container_id": "containerID"}):
    container_id: str = ""


class _State(msgspec.Struct):
    terminated: _Terminated | None = None


_NAMES = {
    "image_id": "imageID",
    "container_id": "containerID",
    "restart_count": "restartCount",
    "last_state": "lastState",
}


class _ContainerStatus(msgspec.Struct, rename=_NAMES):
    name: str = ""
    image: str = ""
    image_id: str = ""
    container_id: str = ""
    restart_count: int = -1
    last_state: _State | None = None


class _PodStatus(msgspec.Struct, rename="camel"):
    phase: str = ""
    qos_class: str = ""
    container_statuses: list[_ContainerStatus] | None = None
    init_container_statuses: list[_ContainerStatus] | None = None
    ephemeral_container_statuses: list[_ContainerStatus] | None = None


class Details(NamedTuple):
    """Fields of a `Pod` under their names there, and whether all of them could be read."""

    fields: dict[str, Any]
    whole: bool


_spec = msgspec.json.Decoder(_Spec)
_status = msgspec.json.Decoder(_PodStatus)


def read_details(spec: bytes, status: bytes) -> Details:
    """What `Pod` keeps of the JSON of a pod's `spec` and `status` (empty: not there). Never raises."""
    whole, wanted, found = True, _Spec(), _PodStatus()
    try:
        wanted = _spec.decode(spec or b"{}")
    except UNREADABLE:
        whole = False
    try:
        found = _status.decode(status or b"{}")
    except UNREADABLE:
        whole = False
    claims = [volume.persistent_volume_claim for volume in wanted.volumes or ()]
    fields = {
        "qos": found.qos_class,
        "priority_class": wanted.priority_class_name or "",
        "runtime_class": wanted.runtime_class_name or "",
        "phase": found.phase,
        "claims": tuple(claim.claim_name for claim in claims if claim is not None and claim.claim_name),
        "containers": _containers(wanted, found),
    }
    return Details(fields, whole)


def _containers(spec: _Spec, status: _PodStatus) -> dict[str, Container]:
    lists = (status.container_statuses, status.init_container_statuses, status.ephemeral_container_statuses)
    running = {one.name: one for some in lists for one in some or ()}
    named = {
        one.name: one
        for some in (spec.containers, spec.init_containers, spec.ephemeral_containers)
        for one in some or ()
    }
    return {
        name: _container(named.get(name) or _ContainerSpec(), running.get(name) or _ContainerStatus())
        for name in sorted(named.keys() | running.keys())
        if name
    }


def _container(spec: _ContainerSpec, status: _ContainerStatus) -> Container:
    ended = status.last_state.terminated if status.last_state is not None else None
    env = {e.name: e.value[:MAX_ENV] for e in spec.env or () if e.name in KEPT_ENV and e.value and e.value_from is None}
    return Container(
        image=spec.image or status.image,
        image_id=status.image_id,
        id=status.container_id,
        previous_id=ended.container_id if ended is not None else "",
        restart=status.restart_count,
        env=env,
    )
