"""The kubelet's `/pods`, for what of it is a number: what containers may use, and what has become of them.

    resources of a container      requests and limits
    restartCount                  a total since the pod was bound to this node
    state, lastState              is it running; what it waits for; what it died of: OOMKilled is a kill for memory

Pods of the kubelet's own list have the uid that the other answers know them by. Each is decoded by itself, so that an
odd one costs itself and not the list.

What counts, and the reasons that are worth a series, are those of the Datadog Agent (its check `kubelet`,
`provider/pod`): not what has completed, and no reasons without an end such as PodInitializing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain

import msgspec

from outrider.checks.check import Reading
from outrider.checks.kubelet.quantity import quantity
from outrider.checks.kubelet.rows import Row, nanoseconds
from outrider.model.points import Attributes

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for JSON that is broken, of another shape, or nested beyond reason."""
RESOURCES = {"cpu": "cpu", "memory": "memory", "ephemeral-storage": "ephemeral_storage"}
"""Resources by Kubernetes' name, with ours."""
WAITING = frozenset(
    {
        "errimagepull", "imagepullbackoff", "crashloopbackoff", "containercreating", "createcontainererror",
        "invalidimagename", "createcontainerconfigerror",
    }
)  # fmt: skip
TERMINATED = frozenset({"oomkilled", "containercannotrun", "error"})
"""Reasons that are reported, in lower case."""


class _Resources(msgspec.Struct):
    requests: dict[str, str] | None = None
    limits: dict[str, str] | None = None


class _ContainerSpec(msgspec.Struct):
    name: str = ""
    resources: _Resources | None = None


class _Spec(msgspec.Struct, rename="camel"):
    host_network: bool = False
    containers: list[_ContainerSpec] | None = None
    init_containers: list[_ContainerSpec] | None = None


class _Running(msgspec.Struct, rename="camel"):
    started_at: datetime | None = None


class _Reason(msgspec.Struct):
    reason: str = ""


class _State(msgspec.Struct):
    running: _Running | None = None
    waiting: _Reason | None = None
    terminated: _Reason | None = None


class _ContainerStatus(
    msgspec.Struct, rename={"container_id": "containerID", "restart_count": "restartCount", "last_state": "lastState"}
):
    name: str = ""
    container_id: str = ""
    restart_count: int | None = None
    state: _State | None = None
    last_state: _State | None = None


class _Status(msgspec.Struct, rename="camel"):
    phase: str = ""
    start_time: datetime | None = None
    container_statuses: list[_ContainerStatus] | None = None
    init_container_statuses: list[_ContainerStatus] | None = None
    ephemeral_container_statuses: list[_ContainerStatus] | None = None


class _Meta(msgspec.Struct):
    name: str
    uid: str
    namespace: str = "default"


class _Pod(msgspec.Struct):
    metadata: _Meta
    spec: _Spec = msgspec.field(default_factory=_Spec)
    status: _Status = msgspec.field(default_factory=_Status)


class _List(msgspec.Struct):
    items: list[msgspec.Raw] | None


_list = msgspec.json.Decoder(_List)
_pod = msgspec.json.Decoder(_Pod)


@dataclass(slots=True)
class Container:
    """What the other answers are compared with. `id` is the runtime's, without its prefix, of the run that `start`
    (nanoseconds since 1970) is the beginning of; `memory` is its limit in bytes.
    """

    attributes: Attributes
    id: str = ""
    start: int | None = None
    memory: float | None = None


@dataclass(slots=True)
class Pod:
    """`own_network`: it has a network of its own, not the node's. `alive`: it has not ended. `start` as above."""

    attributes: Attributes
    own_network: bool
    alive: bool
    start: int | None
    containers: dict[str, Container] = field(default_factory=dict)


def read_pods(body: bytes, reading: Reading) -> tuple[dict[str, Pod], int]:
    """The pods by uid, and how many could not be read; their numbers are added to `reading`. Raises ValueError if
    `body` is no list of pods.
    """
    try:
        items = _list.decode(body).items or []
    except UNREADABLE as e:
        raise ValueError(f"no list of pods: {e}") from None
    pods, bad = {}, 0
    for item in items:
        try:
            one = _pod.decode(item)
        except UNREADABLE:
            bad += 1
        else:
            pods[one.metadata.uid] = _report(one, reading)
    return pods, bad


def _report(one: _Pod, reading: Reading) -> Pod:
    meta, spec, status = one.metadata, one.spec, one.status
    whose = (("namespace", meta.namespace), ("pod", meta.name), ("pod_uid", meta.uid))
    alive = status.phase in ("Running", "Pending")
    pod = Pod(whose, not spec.host_network, alive, nanoseconds(status.start_time))
    wanted = {c.name: c.resources for c in chain(spec.containers or (), spec.init_containers or ()) if c.resources}
    runs = False
    for found in _all(status):
        container = pod.containers[found.name] = _container(found, whose)
        runs |= container.start is not None
        Row(reading, container.attributes, pod.start).add("container.restarts", found.restart_count)
        row = Row(reading, container.attributes)
        _states(found, reading, container, row)
        ended = found.state.terminated if found.state is not None else None
        resources = wanted.get(found.name)
        if resources is not None and alive and (ended is None or ended.reason != "Completed"):
            _bounds("requests", resources.requests or {}, row)
            limits = _bounds("limits", resources.limits or {}, row)
            container.memory = limits.get("memory")
    if runs:
        Row(reading, whose).add("pod.running", 1)
    return pod


def _all(status: _Status) -> Iterable[_ContainerStatus]:
    lists = (status.init_container_statuses, status.container_statuses, status.ephemeral_container_statuses)
    return (one for some in lists for one in some or () if one.name)


def _container(found: _ContainerStatus, whose: Attributes) -> Container:
    running = found.state.running if found.state is not None else None
    start = nanoseconds(running.started_at) if running is not None else None
    return Container((("container", found.name), *whose), found.container_id.rpartition("://")[2], start)


def _states(found: _ContainerStatus, reading: Reading, container: Container, row: Row) -> None:
    if container.start is not None:
        row.add("container.running", 1)
    for when, state in (("state", found.state), ("last_state", found.last_state)):
        if state is None:
            continue
        for how, reason, counts in (("waiting", state.waiting, WAITING), ("terminated", state.terminated, TERMINATED)):
            if reason is not None and reason.reason.lower() in counts:
                why = (*container.attributes, ("reason", reason.reason.lower()))
                Row(reading, why).add(f"container.{when}.{how}", 1)


def _bounds(kind: str, said: Mapping[str, str], row: Row) -> dict[str, float]:
    """Report requests or limits, and give them back by our names."""
    found = {}
    for name, text in said.items():
        value = quantity(text) if name in RESOURCES else None
        if value is not None:
            found[RESOURCES[name]] = value
            row.add(f"container.{RESOURCES[name]}.{kind}", value)
    return found
