"""What a log or an event for Datadog says at a glance. Whose it is stands in its tags."""

from collections.abc import Iterable

import msgspec
from msgspec import Struct, field

from outrider.exporters.datadog.times import text
from outrider.exporters.glance import Glance


class _Entry(Struct):
    message: str = ""
    status: str = "info"
    timestamp: int | None = None
    own_time: str = field(name="outrider.timestamp", default="")
    ddtags: str = ""


class _Event(Struct):
    title: str = ""
    text: str = ""
    date_happened: int = 0
    alert_type: str = "info"
    tags: list[str] = []


_decode = msgspec.json.Decoder(_Entry).decode
_decode_event = msgspec.json.Decoder(_Event).decode


def glance(entry: bytes) -> Glance:
    """Of one entry as it is sent. Raises msgspec.MsgspecError for what is none."""
    seen = _decode(entry)
    time = seen.own_time if seen.timestamp is None else text(seen.timestamp)
    return Glance(time, seen.status.upper(), *_whose(seen.ddtags.split(",")), seen.message)


def event_glance(event: bytes) -> Glance:
    """Of one event as it is posted. Raises msgspec.MsgspecError for what is none."""
    seen = _decode_event(event)
    time = text(seen.date_happened * 1000)
    return Glance(time, seen.alert_type.upper(), *_whose(seen.tags), f"{seen.title}: {seen.text}")


def _whose(tags: Iterable[str]) -> tuple[str, str, str]:
    """Namespace, pod and container."""
    found = dict(tag.split(":", 1) for tag in tags if ":" in tag)
    return found.get("kube_namespace", ""), found.get("pod_name", ""), found.get("kube_container_name", "")
