"""Kafka's encoding of numbers, strings and arrays, in the form that all of its versions still speak: big-endian
numbers, lengths in front, -1 for null. No I/O.

Source: the protocol's own description (kafka.apache.org/protocol).
"""

import struct
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


class WireError(Exception):
    """These bytes are no message."""


def int16(value: int) -> bytes:
    return struct.pack(">h", value)


def int32(value: int) -> bytes:
    return struct.pack(">i", value)


def int64(value: int) -> bytes:
    return struct.pack(">q", value)


def string(text: str) -> bytes:
    data = text.encode()
    return int16(len(data)) + data


def blob(data: bytes) -> bytes:
    return int32(len(data)) + data


def array(items: Iterable[bytes]) -> bytes:
    parts = list(items)
    return int32(len(parts)) + b"".join(parts)


NULL_ARRAY = int32(-1)


class Reader:
    """Takes a message apart, from its beginning. Every method raises WireError if there is not enough of it."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def int8(self) -> int:
        return int.from_bytes(self._take(1), signed=True)

    def int16(self) -> int:
        return int.from_bytes(self._take(2), signed=True)

    def int32(self) -> int:
        return int.from_bytes(self._take(4), signed=True)

    def int64(self) -> int:
        return int.from_bytes(self._take(8), signed=True)

    def string(self) -> str:
        """Null is the empty string."""
        return self._take(max(self.int16(), 0)).decode("utf-8", "replace")

    def blob(self) -> bytes:
        """Null is empty."""
        return self._take(max(self.int32(), 0))

    def array(self, one: Callable[["Reader"], T]) -> list[T]:
        """Null is empty. Each element takes at least a byte, so that a count which lies is found out at once."""
        count = max(self.int32(), 0)
        if count > len(self._data) - self._at:
            raise WireError(f"an array of {count} elements in {len(self._data) - self._at} bytes")
        return [one(self) for _ in range(count)]

    def _take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise WireError(f"{size} bytes asked for, {len(self._data) - self._at} left")
        taken = self._data[self._at : end]
        self._at = end
        return taken
