"""Entries that are larger than Cloud Logging takes: cut so that nothing, or as little as can be, gets lost.

A LogEntry may have 256 KiB (docs.cloud.google.com/logging/quotas), measured on an internal form that nobody outside
can weigh exactly. So both forms that can be weighed have to fit: the JSON that is sent and the size of the protobuf
message it becomes. Text is spread over several entries that carry `split` (LogEntry.split, the same uid, counted),
which the console shows as one. JSON cannot be spread: its longest strings are shortened to a common length and a
label says so; where that does not help, it is sent as text.
"""

from typing import Any

import orjson

MAX_ENTRY = 256 * 1024
"""Bytes of one entry, in either form."""
SURE = 16 * 1024
"""An entry of less JSON than this fits as a protobuf message, too: at most 12 bytes for one of JSON."""
SHORTENED = "outrider.io/shortened"
"""The label on an entry whose strings were shortened; its value is the size of the line as it was written, in bytes."""
_MARK = "...[shortened]"
_LEAST = 64


def fits(entry: bytes, payload: bytes) -> bool:
    """Whether an entry with this jsonPayload is small enough in both forms."""
    return len(entry) <= MAX_ENTRY and len(entry) - len(payload) + proto_size(orjson.loads(payload)) <= MAX_ENTRY


def proto_size(value: Any) -> int:
    """About the bytes of a google.protobuf.Value, never less."""
    size, todo = 0, [value]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            size += len(item.encode()) + 10
        elif isinstance(item, dict):
            size += 10 + sum(len(k.encode()) + 20 for k in item)
            todo.extend(item.values())
        elif isinstance(item, list):
            size += 10
            todo.extend(item)
        else:
            size += 11
    return size


def shorten(payload: bytes, room: int) -> bytes | None:
    """The JSON object `payload` with its longest strings cut to one common length, so that both forms fit into `room`
    bytes; None if that is not to be had by shortening strings."""
    value = orjson.loads(payload)
    lengths = sorted(_string_lengths(value), reverse=True)
    excess = max(len(payload), proto_size(value)) - room
    while lengths and lengths[0] > _LEAST:
        level = _level(lengths, excess)
        shorter = _limit(value, level)
        encoded = orjson.dumps(shorter)
        still = max(len(encoded), proto_size(shorter)) - room
        if still <= 0:
            return encoded
        if level <= _LEAST:
            return None
        excess += still + 1024
    return None


def _level(lengths: list[int], excess: int) -> int:
    """The length to which strings of these lengths (longest first) must be cut to save `excess` bytes."""
    longer, saved = 1, 0
    while longer < len(lengths):
        step = (lengths[longer - 1] - lengths[longer]) * longer
        if saved + step >= excess:
            break
        saved, longer = saved + step, longer + 1
    missing = -(-(excess - saved) // longer)
    return max(lengths[longer - 1] - missing - len(_MARK), _LEAST)


def _string_lengths(value: Any) -> list[int]:
    if isinstance(value, str):
        return [len(value)]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [n for item in inner for n in _string_lengths(item)]


def _limit(value: Any, level: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= level + len(_MARK) else value[:level] + _MARK
    if isinstance(value, dict):
        return {k: _limit(v, level) for k, v in value.items()}
    if isinstance(value, list):
        return [_limit(v, level) for v in value]
    return value
