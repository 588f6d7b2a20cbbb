"""What becomes of one log that Datadog was sent: its gaps filled, its limits applied, its time looked at.

Datadog answers 202 before it looks at a single log, so almost nothing here refuses. What is over a limit is cut, or
only noted, and counted by name; a log whose time lies too far off is taken and dropped. Only a reserved attribute of a
wrong type (`HTTPLogItem` of the public client has texts only) fails the request.

Limits of a request are from the API reference ("Send logs"); those of tags and attributes from Datadog's log
collection pages as quoted in public notes, where the number of levels and the future limit are not certain.
"""

from dataclasses import dataclass
from typing import Any

import orjson

from outrider.intake.datadog.errors import DatadogError
from outrider.intake.timestamps import in_range, parse_timestamp

MAX_LOG = 1_000_000  # "Any log exceeding 1MB is accepted and truncated"
PAST = 18 * 3_600_000  # "Log events can be submitted with a timestamp that is up to 18 hours in the past"
FUTURE = 2 * 3_600_000
MAX_TAGS = 100
MAX_TAG = 256  # characters
MAX_ATTRIBUTES = 256
MAX_KEY = 50  # characters
MAX_LEVELS = 20
MILLISECOND = 1_000_000  # nanoseconds

ID = "outrider.id"
"""The attribute by which repeats are recognised; the API has no idempotency key of its own."""

TEXTS = ("message", "ddsource", "ddtags", "hostname", "service")
RESERVED = frozenset((*TEXTS, "status", "timestamp"))
"""The attributes with a meaning of their own; all others are the log's own."""


@dataclass(slots=True)
class Ready:
    """One log as it is kept. `timestamp` is milliseconds since the epoch.

    `dropped` says why it is not stored (`too_old`, `in_the_future`), `over` names the limits it went over.
    """

    fields: dict[str, Any]
    raw: bytes
    timestamp: int
    dropped: str
    over: tuple[str, ...]


def prepare(log: dict[str, Any], defaults: dict[str, str], now: int) -> Ready:
    """One log received at `now` (milliseconds), with the request's query parameters as defaults.

    Tags of both places are joined; of everything else the log's own wins. DatadogError if a text is none.
    """
    for name in TEXTS:
        if name in log and type(log[name]) is not str:
            raise DatadogError(400, "field", f"{name} must be a string")
    fields = {**defaults, **log} if defaults else log
    if "ddtags" in defaults and log.get("ddtags"):
        fields["ddtags"] = f"{defaults['ddtags']},{log['ddtags']}"
    over = []
    if not _cut_tags(fields):
        over.append("tags")
    if not _attributes_fit(fields):
        over.append("attributes")
    timestamp = _time(fields["timestamp"]) if "timestamp" in fields else now
    if timestamp is None:
        over.append("timestamp")
        timestamp = now
    raw = orjson.dumps(fields)
    if len(raw) > MAX_LOG:
        over.append("message")
        if "message" in fields:
            fields = {**fields, "message": _shorter(fields["message"], len(raw) - MAX_LOG)}
            raw = orjson.dumps(fields)
    dropped = "too_old" if timestamp < now - PAST else "in_the_future" if timestamp > now + FUTURE else ""
    return Ready(fields, raw, timestamp, dropped, tuple(over))


def tags(fields: dict[str, Any]) -> list[str]:
    """The tags of a log, in their order."""
    return [tag for tag in map(str.strip, fields.get("ddtags", "").split(",")) if tag]


def _cut_tags(fields: dict[str, Any]) -> bool:
    """Whether the tags are within the limits; those that are not are cut."""
    text = fields.get("ddtags", "")
    if len(text) <= MAX_TAG and text.count(",") < MAX_TAGS:
        return True
    found = tags(fields)
    kept = [tag[:MAX_TAG] for tag in found[:MAX_TAGS]]
    if kept == found:
        return True
    fields["ddtags"] = ",".join(kept)
    return False


def _attributes_fit(fields: dict[str, Any]) -> bool:
    left = MAX_ATTRIBUTES
    level = [value for name, value in fields.items() if name not in RESERVED]
    keys = [name for name in fields if name not in RESERVED]
    for _ in range(MAX_LEVELS):
        if any(len(key) > MAX_KEY for key in keys):
            return False
        left -= sum(type(value) is not dict for value in level)
        if left < 0:
            return False
        deeper = [value for value in level if type(value) is dict]
        if not deeper:
            return True
        keys = [key for value in deeper for key in value]
        level = [inner for value in deeper for inner in value.values()]
    return False


def _time(value: Any) -> int | None:
    """Milliseconds of a number or its digits, or of an ISO 8601 text; None if it is neither, or in no known year."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        value = int(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value) if in_range(int(value) * MILLISECOND) else None
    try:
        return parse_timestamp(value) // MILLISECOND if isinstance(value, str) else None
    except ValueError:
        return None


def _shorter(text: str, by: int) -> str:
    """The text without at least `by` bytes of its end; no character takes more bytes in UTF-8 than in JSON."""
    data = text.encode()
    return data[: max(0, len(data) - by)].decode(errors="ignore")
