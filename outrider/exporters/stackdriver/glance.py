"""What a LogEntry says at a glance. The text of JSON is its message, where it has one, followed by the other fields."""

from typing import Any

import msgspec
from msgspec import Struct

from outrider.exporters.glance import Glance


class _Labels(Struct, frozen=True):
    namespace_name: str = ""
    pod_name: str = ""
    container_name: str = ""


class _Resource(Struct, frozen=True):
    labels: _Labels = _Labels()


class _Entry(Struct, rename="camel"):
    timestamp: str = ""
    severity: str = "DEFAULT"
    resource: _Resource = _Resource()
    text_payload: str = ""
    json_payload: dict[str, Any] = {}


_decode = msgspec.json.Decoder(_Entry).decode


def glance(entry: bytes) -> Glance:
    """Of one entry as it is sent. Raises msgspec.MsgspecError and RecursionError for what is none."""
    seen = _decode(entry)
    labels = seen.resource.labels
    text = seen.text_payload or _spoken(seen.json_payload)
    return Glance(seen.timestamp, seen.severity, labels.namespace_name, labels.pod_name, labels.container_name, text)


def _spoken(fields: dict[str, Any]) -> str:
    message = fields.get("message")
    if isinstance(message, str):
        rest = {key: value for key, value in fields.items() if key != "message"}
        return f"{message} {msgspec.json.encode(rest).decode()}" if rest else message
    return msgspec.json.encode(fields).decode() if fields else ""
