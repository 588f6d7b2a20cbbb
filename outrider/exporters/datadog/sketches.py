"""Sketches of distributions as Datadog's intake takes them: datadog.agentpayload.SketchPayload, in protobuf.

    sketches = 1 { metric = 1, host = 2, tags = 4, dogsketches = 7 }
    dogsketches { ts = 1, cnt = 2, min = 3, max = 4, avg = 5, sum = 6, k = 7 (sint32, packed), n = 8 (uint32, packed) }

The message is small and does not change (DataDog/agent-payload, proto/metrics/agent_payload.proto), so it is written
here by hand (https://protobuf.dev/programming-guides/encoding/): a library for it takes 10 MB of memory. The path is
the one of the Agent. It is not in the reference of the API, but other programs than the Agent use it as well, with an
API key like this one: OpenTelemetry's exporter for Datadog, and Vector.
"""

import struct
from collections.abc import Iterable

from outrider.model.points import Sketch

PATH = "/api/beta/sketches"
MAX_UNPACKED = 4_000_000
"""Bytes of a request before it is compressed (the Agent's limit)."""
MAX_COUNT = (1 << 32) - 1
"""Values of one bin."""

_VARINT, _FIXED64, _BYTES = 0, 1, 2


def piece(metric: str, host: str, tags: Iterable[str], time: int, sketch: Sketch) -> bytes:
    """A sketch of the time `time` (seconds since 1970); a payload is any number of these, one behind the other."""
    average = sketch.total / sketch.count
    dogsketch = b"".join(
        (
            _tag(1, _VARINT) + _varint(time),
            _tag(2, _VARINT) + _varint(sketch.count),
            *(
                _tag(number, _FIXED64) + struct.pack("<d", value)
                for number, value in ((3, sketch.low), (4, sketch.high), (5, average), (6, sketch.total))
            ),
            _field(7, b"".join(_varint(k << 1 if k >= 0 else (-k << 1) - 1) for k, _ in sketch.bins)),
            _field(8, b"".join(_varint(min(n, MAX_COUNT)) for _, n in sketch.bins)),
        )
    )
    of_tags = b"".join(_field(4, tag.encode()) for tag in tags)
    return _field(1, _field(1, metric.encode()) + _field(2, host.encode()) + of_tags + _field(7, dogsketch))


def _field(number: int, data: bytes) -> bytes:
    return _tag(number, _BYTES) + _varint(len(data)) + data


def _tag(number: int, wire_type: int) -> bytes:
    return bytes([number << 3 | wire_type])


def _varint(number: int) -> bytes:
    if number < 0x80:
        return bytes([number])
    found = bytearray()
    while number >= 0x80:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)
