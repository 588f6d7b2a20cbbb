"""`datadog.agentpayload.MetricPayload`, the other form that /api/v2/series takes, as the values its JSON would have;
and SketchPayload, the only form that /api/beta/sketches takes.

The messages are small and stable (DataDog/agent-payload, proto/metrics/agent_payload.proto), so a reader of the wire
format (https://protobuf.dev/programming-guides/encoding/) and a table of fields do. Fields that are not in the table
are skipped, as protobuf has it; of a scalar that comes twice the last one counts.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Any

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SIGN = 1 << 63

Read = Callable[[Any], Any]


def _signed(value: int) -> int:
    return value - (1 << 64) if value & _SIGN else value


def _text(value: bytes) -> str:
    return value.decode()


def _double(value: bytes) -> float:
    number: float = struct.unpack("<d", value)[0]
    return number


def _message(fields: dict[int, tuple[str, int, bool, Read]]) -> Read:
    """A reader of messages: number -> name, wire type, whether repeated, reader of the value."""

    def read(data: bytes) -> dict[str, Any]:
        found: dict[str, Any] = {name: [] for name, _, repeated, _ in fields.values() if repeated}
        for number, wire_type, value in _fields(data):
            field = fields.get(number)
            if field is None:
                continue
            name, wanted, repeated, parse = field
            if wire_type != wanted:
                raise ValueError(f"field {number} has wire type {wire_type}, not {wanted}")
            if repeated:
                found[name].append(parse(value))
            else:
                found[name] = parse(value)
        return found

    return read


def _fields(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """Number, wire type and raw value of every field."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == _VARINT:
            value, at = _varint(data, at)
            yield number, wire_type, value
            continue
        if wire_type == _BYTES:
            size, at = _varint(data, at)
        elif wire_type in (_FIXED64, _FIXED32):
            size = 8 if wire_type == _FIXED64 else 4
        else:
            raise ValueError(f"no such wire type: {wire_type}")
        if at + size > len(data):
            raise ValueError("the message ends early")
        yield number, wire_type, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError("the message ends early")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & ((1 << 64) - 1), at
    raise ValueError("a number is too long")


_RESOURCE = _message({1: ("type", _BYTES, False, _text), 2: ("name", _BYTES, False, _text)})
_POINT = _message({1: ("value", _FIXED64, False, _double), 2: ("timestamp", _VARINT, False, _signed)})
_SERIES = _message(
    {
        1: ("resources", _BYTES, True, _RESOURCE),
        2: ("metric", _BYTES, False, _text),
        3: ("tags", _BYTES, True, _text),
        4: ("points", _BYTES, True, _POINT),
        5: ("type", _VARINT, False, _signed),
        6: ("unit", _BYTES, False, _text),
        7: ("source_type_name", _BYTES, False, _text),
        8: ("interval", _VARINT, False, _signed),
    }
)
_PAYLOAD = _message({1: ("series", _BYTES, True, _SERIES)})


def _varints(data: bytes) -> list[int]:
    found, at = [], 0
    while at < len(data):
        value, at = _varint(data, at)
        found.append(value)
    return found


def _zigzags(data: bytes) -> list[int]:
    return [value >> 1 if value & 1 == 0 else -(value >> 1) - 1 for value in _varints(data)]


_SKETCH_POINT = _message(
    {
        1: ("timestamp", _VARINT, False, _signed),
        2: ("count", _VARINT, False, _signed),
        3: ("min", _FIXED64, False, _double),
        4: ("max", _FIXED64, False, _double),
        5: ("avg", _FIXED64, False, _double),
        6: ("sum", _FIXED64, False, _double),
        7: ("keys", _BYTES, False, _zigzags),
        8: ("counts", _BYTES, False, _varints),
    }
)
_SKETCH = _message(
    {
        1: ("metric", _BYTES, False, _text),
        2: ("host", _BYTES, False, _text),
        4: ("tags", _BYTES, True, _text),
        7: ("points", _BYTES, True, _SKETCH_POINT),
    }
)
_SKETCHES = _message({1: ("series", _BYTES, True, _SKETCH)})


def parse_sketches(data: bytes) -> dict[str, Any]:
    """The sketches of a payload; ValueError if the bytes are none."""
    payload: dict[str, Any] = _SKETCHES(data)
    empty = {"timestamp": 0, "count": 0, "min": 0.0, "max": 0.0, "avg": 0.0, "sum": 0.0, "keys": [], "counts": []}
    for series in payload["series"]:
        series["points"] = [{**empty, **point} for point in series["points"]]
    return payload


def parse(data: bytes) -> dict[str, Any]:
    """The payload as its JSON would be; ValueError if the bytes are none."""
    payload: dict[str, Any] = _PAYLOAD(data)
    for series in payload["series"]:
        series["points"] = [{"value": 0.0, "timestamp": 0, **point} for point in series["points"]]
    return payload
