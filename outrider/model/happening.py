"""What Kubernetes tells of itself: an Event of its API, in the words of the entries that become of it.

    {"metadata":{"name":"web-1.17a…","namespace":"shop","uid":…,"resourceVersion":"8123"},
     "involvedObject":{"kind":"Pod","namespace":"shop","name":"web-1"},"type":"Warning","reason":"BackOff",
     "message":"Back-off restarting failed container","source":{"component":"kubelet","host":"node-1"},"count":4,…}

An Event that happens again is not a new object: it is changed, counts one more, and has another resource version. So
uid and resource version together are the identity of what was told, and the same whoever reads it, from a list or a
watch. The events of events.k8s.io are the same objects; they have `eventTime` and `series` where others have
`lastTimestamp` and `count`.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec
import orjson

UNREADABLE = (msgspec.DecodeError, orjson.JSONDecodeError, UnicodeDecodeError, RecursionError)
_CONTAINER = re.compile(r"spec\.(?:initContainers|containers|ephemeralContainers)\{(.+)\}")


class _Meta(msgspec.Struct, rename="camel"):
    uid: str
    resource_version: str
    namespace: str = ""
    creation_timestamp: str | None = None


class _Object(msgspec.Struct, rename="camel"):
    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    field_path: str = ""


class _Source(msgspec.Struct):
    component: str = ""
    host: str = ""


class _Series(msgspec.Struct, rename="camel"):
    last_observed_time: str | None = None


class _Event(msgspec.Struct, rename="camel"):
    metadata: _Meta
    involved_object: _Object = msgspec.field(default_factory=_Object)
    source: _Source = msgspec.field(default_factory=_Source)
    type: str = ""
    reporting_component: str = ""
    last_timestamp: str | None = None
    event_time: str | None = None
    series: _Series | None = None


class Words(msgspec.Struct):
    """What an Event says in words."""

    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Happening:
    """One Event as it was at one resource version.

    `namespace` is that of the Event itself, which nobody can write into without a right there. `kind`, `name`,
    `object_namespace` and `object_uid` are of what it is about; `container` is the one of a pod, if it is about one;
    `host` is the node that it is about, or that the pod is on. `component` or `controller` has told it. `time` is RFC
    3339, "" if it has none. `content` is the whole as a JSON object, without `metadata.managedFields`.
    """

    uid: str
    version: int
    namespace: str
    kind: str
    object_namespace: str
    name: str
    object_uid: str
    container: str
    host: str
    component: str
    controller: str
    warning: bool
    time: str
    content: bytes

    @property
    def id(self) -> str:
        """Its identity, at every destination that has such a thing."""
        return f"{self.uid}-{self.version}"

    def saying(self, content: bytes) -> "Happening":
        """The same with another content."""
        return self if content is self.content else replace(self, content=content)

    def nanoseconds(self, now: float) -> int:
        """`time` as nanoseconds since 1970; `now`, in seconds, if it has none."""
        try:
            moment = datetime.fromisoformat(self.time)
        except ValueError:
            return int(now * 1e9)
        return int(moment.timestamp() * 1e6) * 1000


def words(content: bytes) -> Words:
    """What the object `content` of a happening says. Raises ValueError if it is none any more."""
    try:
        return msgspec.json.decode(content, type=Words)
    except UNREADABLE as e:
        raise ValueError(f"not an event: {e}") from e


def read_happening(raw: bytes) -> Happening:
    """The Event in an object of `v1`, of a list or of a watch. Raises ValueError if it is none."""
    try:
        event = msgspec.json.decode(raw, type=_Event)
        whole: dict[str, Any] = orjson.loads(raw)
    except UNREADABLE as e:
        raise ValueError(f"not an event: {e}") from e
    meta, about = event.metadata, event.involved_object
    if not meta.uid or not meta.resource_version.isdecimal():
        raise ValueError(f"not an event: {meta.uid!r} at the resource version {meta.resource_version!r}")
    whole["metadata"].pop("managedFields", None)  # who has written which field: as much again, and not of the event
    observed = event.series.last_observed_time if event.series is not None else None
    inside = _CONTAINER.fullmatch(about.field_path)
    return Happening(
        uid=meta.uid,
        version=int(meta.resource_version),
        namespace=meta.namespace,
        kind=about.kind,
        object_namespace=about.namespace,
        name=about.name,
        object_uid=about.uid,
        container=inside[1] if inside and about.kind == "Pod" else "",
        host=about.name if about.kind == "Node" else event.source.host if about.kind == "Pod" else "",
        component=event.source.component,
        controller=event.reporting_component,
        warning=event.type == "Warning",
        time=event.last_timestamp or observed or event.event_time or meta.creation_timestamp or "",
        # Items of a list go without what every object of a watch says. (What orjson writes keeps the 8 KB that it was
        # written in, and thousands of events may wait.)
        content=msgspec.json.encode({"kind": "Event", "apiVersion": "v1", **whole}),
    )
