"""The special fields of a JSON line: those that become parts of the entry instead of its payload.

docs.cloud.google.com/logging/docs/structured-logging lists them. The rule here is that nothing gets lost: a field
moves when it is what it should be, the usable parts of an object move and the rest stays in the payload under the
same key, and what is no good stays where it was. `null` stands for a field that was not set.

The fields are what orjson made of the line: key order, dotted keys, nulls and 64-bit integers are kept; a key that
stands twice has its last value (the API refuses a whole request over one that does).
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from outrider.exporters.stackdriver import severity
from outrider.exporters.stackdriver.times import Timestamps, integer

Fields = dict[str, Any]

GOOGLE = "logging.googleapis.com/"
"""What the keys of special fields begin with that have no plain name."""
LABELS = GOOGLE + "labels"
_LATENCY = re.compile(r"\s*(\d{1,12}(?:\.\d{1,9})?)\s*s\s*", re.ASCII)
_TRACE_ID = re.compile(r"[0-9a-fA-F]{32}")


def extract(fields: Fields, found: frozenset[str], entry: Fields, times: Timestamps, project: str) -> dict[str, str]:
    """Move the special fields of a line, `fields`, to its `entry`; `found` names those of NAMES that are in it. The
    labels that the line has for the entry are returned.
    """
    others = found - _PLAIN_KEYS
    if len(others) < len(found):
        named, moment = _severity(fields), _timestamp(fields, times)
        if named is not None:
            entry["severity"] = named
        if moment is not None:
            entry["timestamp"] = moment
    labels: dict[str, str] = {}
    for key in sorted(others) if len(others) > 1 else others:
        value = fields[key]
        if key == LABELS and isinstance(value, dict):
            labels = {k: v for k, v in value.items() if isinstance(v, str)}
            rest = {k: v for k, v in value.items() if not isinstance(v, str)} or None
        else:
            rest = None if value is None else _OTHERS[key](value, entry, project)
        if rest is None:
            del fields[key]
        else:
            fields[key] = rest
    return labels


# -- severity ---------------------------------------------------------------------------------------------------------

_SEVERITY_KEYS = frozenset({"severity", GOOGLE + "severity", "level"})


def _severity(fields: Fields) -> str | None:
    for key in ("severity", GOOGLE + "severity", "level"):
        if key in fields:
            value = fields[key]
            named = severity.parse(value)
            if key != "level" and (named is not None or value is None):
                del fields[key]
            if value is not None:
                return named or severity.DEFAULT
    return None


# -- timestamp --------------------------------------------------------------------------------------------------------

_TIME_KEYS = frozenset({"timestamp", "timestampSeconds", "time"})


def _timestamp(fields: Fields, times: Timestamps) -> str | None:
    if isinstance(value := fields.get("timestamp"), dict):
        found = times.from_parts(value.get("seconds"), value.get("nanos", 0))
        if found is not None:
            del fields["timestamp"]
            return found
    if "timestampSeconds" in fields and "timestampNanos" in fields:
        found = times.from_parts(fields["timestampSeconds"], fields["timestampNanos"])
        if found is not None:
            del fields["timestampSeconds"], fields["timestampNanos"]
            return found
    if isinstance(value := fields.get("time"), str):
        found = times.parse(value)
        if found is not None:
            del fields["time"]
            return found
    return None


# -- the others -------------------------------------------------------------------------------------------------------

_Move = Callable[[Any, Fields, str], Any]
"""Moves what is usable of a value (not None) to the entry, and returns what stays in the payload: None, the value as it
was, or the rest of an object.
"""


def _text(name: str) -> _Move:
    def move(value: Any, entry: Fields, _project: str) -> Any:
        if isinstance(value, str) and value:
            entry[name] = value
            return None
        return value

    return move


def _trace(value: Any, entry: Fields, project: str) -> Any:
    if isinstance(value, str) and value:
        entry["trace"] = f"projects/{project}/traces/{value}" if _TRACE_ID.fullmatch(value) else value
        return None
    return value


def _trace_sampled(value: Any, entry: Fields, _project: str) -> Any:
    truth = _truth(value)
    if truth is None:
        return value
    entry["traceSampled"] = truth
    return None


def _as_it_is(value: Any, _entry: Fields, _project: str) -> Any:
    return value


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _int64(value: Any) -> str | None:
    number = integer(value)
    return None if number is None else str(number)  # proto3 JSON writes 64-bit integers as strings


def _int32(value: Any) -> int | None:
    number = integer(value)
    return number if number is not None and -(1 << 31) <= number < 1 << 31 else None


def _truth(value: Any) -> bool | None:
    if value in (True, "true", "True", 1) and not isinstance(value, float):
        return True
    if value in (False, "false", "False", 0) and not isinstance(value, float):
        return False
    return None


def _latency(value: Any) -> str | None:
    if isinstance(value, str) and (m := _LATENCY.fullmatch(value)):
        return m[1] + "s"
    if isinstance(value, dict) and value.keys() <= {"seconds", "nanos"}:
        seconds, nanos = integer(value.get("seconds", 0)), integer(value.get("nanos", 0))
        if seconds is not None and nanos is not None and seconds >= 0 and 0 <= nanos < 1_000_000_000:
            return f"{seconds}.{nanos:09d}s" if nanos else f"{seconds}s"
    return None


def _object(name: str, types: Mapping[str, Callable[[Any], Any]]) -> _Move:
    """A message of the entry: its known subfields with usable values move, the others stay."""

    def move(value: Any, entry: Fields, _project: str) -> Any:
        if not isinstance(value, dict):
            return value
        known: Fields = {}
        rest: Fields = {}
        for key, given in value.items():
            usable = types[key](given) if key in types else None
            if usable is not None:
                known[key] = usable
            elif key not in types or not (given is None or (isinstance(given, str) and not given.strip())):
                rest[key] = given
        if known or not value:
            entry[name] = known
        return rest or None

    return move


_HTTP_REQUEST = {
    **dict.fromkeys(
        ("requestMethod", "requestUrl", "userAgent", "remoteIp", "serverIp", "referer", "protocol"), _string
    ),
    **dict.fromkeys(("requestSize", "responseSize", "cacheFillBytes"), _int64),
    **dict.fromkeys(("cacheLookup", "cacheHit", "cacheValidatedWithOriginServer"), _truth),
    "status": _int32,
    "latency": _latency,
}

_OTHERS: dict[str, _Move] = {
    "httpRequest": _object("httpRequest", _HTTP_REQUEST),
    LABELS: _as_it_is,
    GOOGLE + "insertId": _text("insertId"),
    GOOGLE + "operation": _object("operation", {"id": _string, "producer": _string, "first": _truth, "last": _truth}),
    GOOGLE + "sourceLocation": _object("sourceLocation", {"file": _string, "line": _int64, "function": _string}),
    GOOGLE + "trace": _trace,
    GOOGLE + "spanId": _text("spanId"),
    GOOGLE + "trace_sampled": _trace_sampled,
}

_PLAIN_KEYS = _SEVERITY_KEYS | _TIME_KEYS
NAMES = frozenset(_OTHERS) | _SEVERITY_KEYS | _TIME_KEYS
"""Every key that `extract` may act upon."""
