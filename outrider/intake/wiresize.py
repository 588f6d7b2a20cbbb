"""How big a log entry is inside the API: the length of its protobuf encoding, and how deep it nests.

The limit of 256 KiB per entry is on the "approximate, internal size, not JSON" (Cloud Logging quotas). The nearest
thing that can be computed outside is the length of the LogEntry message on the wire. A `jsonPayload` grows on the
way: a number takes nine bytes, and every key is a map entry with four lengths and tags.

Depth is counted in messages, as protobuf parsers do, which stop at 100: an object in a `jsonPayload` costs three
(Struct, FieldsEntry, Value), an array two (ListValue, Value). 33 objects inside each other pass, 34 do not.
"""

from typing import Any

import orjson

MAX_DEPTH = 100
MOST_PER_JSON_BYTE = 6
"""No entry is bigger on the wire than this many times its JSON; at worst a list of digits: `1,` becomes 11 bytes."""

_TIMESTAMP = 14
_STRUCT_DEPTH = 2  # WriteLogEntriesRequest holds LogEntry (1), which holds Struct (2)


class TooDeepError(ValueError):
    """A payload nests deeper than a protobuf parser follows; the argument is the key at which it does."""


def field(length: int) -> int:
    """Bytes of a length-delimited field with a one-byte tag."""
    if length < 128:
        return length + 2
    if length < 16_384:
        return length + 3
    return length + (4 if length < 2_097_152 else 5)


def text(value: str) -> int:
    """Bytes of a string in UTF-8."""
    return len(value) if value.isascii() else len(value.encode())


def labels_size(labels: dict[str, str]) -> int:
    """Bytes of a map<string, string>."""
    return sum(field(field(text(key)) + field(text(value))) for key, value in labels.items())


def check_depth(fields: dict[str, Any], depth: int = _STRUCT_DEPTH) -> None:
    """TooDeepError if a google.protobuf.Struct at `depth` nests beyond 100 messages."""
    for key, value in fields.items():
        kind = type(value)
        if kind is dict or kind is list:
            _check_value_depth(value, depth + 2, key)


def _check_value_depth(value: Any, depth: int, key: str) -> None:
    if not isinstance(value, dict | list):
        if depth > MAX_DEPTH:
            raise TooDeepError(key)
        return
    if depth >= MAX_DEPTH:
        raise TooDeepError(key)
    if isinstance(value, list):
        for item in value:
            _check_value_depth(item, depth + 2, key)
    else:
        if value and depth + 3 > MAX_DEPTH:
            raise TooDeepError(key)
        check_depth(value, depth + 1)


def struct_size(fields: dict[str, Any]) -> int:
    """Bytes of a google.protobuf.Struct."""
    return sum(field(field(text(key)) + field(_value_size(value))) for key, value in fields.items())


def _value_size(value: Any) -> int:
    if isinstance(value, str):
        return field(text(value))
    if value is None or isinstance(value, bool):
        return 2
    if isinstance(value, dict):
        return field(struct_size(value))
    if isinstance(value, list):
        return field(sum(field(_value_size(item)) for item in value))
    return 9


def entry_size(fields: dict[str, Any]) -> int:
    """Bytes of a LogEntry (canonical JSON)."""
    total = 0
    for name, value in fields.items():
        if name == "jsonPayload":
            total += field(struct_size(value))
        elif name == "protoPayload":
            total += field(len(orjson.dumps(value)))
        elif name == "labels":
            total += labels_size(value)
        elif name == "resource":
            total += field(field(text(value["type"])) + labels_size(value.get("labels", {})))
        elif name == "timestamp":
            total += _TIMESTAMP
        else:
            total += field(text(value)) if isinstance(value, str) else _small_message(value)
    return total


def _small_message(value: Any) -> int:
    if isinstance(value, dict):
        return field(sum(_small_message(item) for item in value.values()))
    return field(text(value)) if isinstance(value, str) else 4


def human(size: int) -> str:
    """A size as the API prints it: `256.0K`."""
    kib = size / 1024
    return f"{kib:.1f}K" if kib < 1024 else f"{kib / 1024:.1f}M"
