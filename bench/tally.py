"""Which of the numbered lines have arrived, and how often: read off the bodies of requests, whatever their format.

A line is known by the text `seq=<file>-<number>` in it, which no format of logs takes apart: it is looked for in the
unpacked body as bytes, be that JSON, JSON within a string of JSON, or a binary format that carries text.
"""

import re
import sys
import zlib
from array import array
from collections.abc import Sequence
from typing import Any

from isal import igzip

_SEQ = re.compile(rb"seq(?:=|\\+u003[dD])(\d+)-(\d+)")
_ENTRY = (b'"insertId":', b'"ddsource":')
"""Each of the vendors' entries has one of these once, as a key of its own: in a log's text the quotes are escaped."""
MOST = 255
"""A line that came more often is counted as often as this."""


class Tally:
    """Counts lines. `numbers[f]` are expected of file f; with `acks` the time of the first arrival of each is kept."""

    def __init__(self, numbers: Sequence[int], *, acks: bool = False) -> None:
        self.entries = 0
        self.strangers = 0
        """Numbers that nobody wrote."""
        self._seen = [bytearray(n) for n in numbers]
        self.acks = [array("q", bytes(8 * n)) for n in numbers] if acks else None

    def add(self, body: bytes, at: int = 0) -> None:
        """The lines of one unpacked body, which was answered at `at` (nanoseconds, monotonic)."""
        self.entries += max(map(body.count, _ENTRY))
        seen, acks = self._seen, self.acks
        for file_text, number_text in _SEQ.findall(body):
            file, number = int(file_text), int(number_text)
            try:
                count = seen[file][number]
            except IndexError:
                self.strangers += 1
                continue
            if count < MOST:
                seen[file][number] = count + 1
            if count == 0 and acks is not None:
                acks[file][number] = at

    @property
    def arrived(self) -> int:
        """Lines that have arrived, each counted once."""
        return sum(len(seen) - seen.count(0) for seen in self._seen)

    @property
    def missing(self) -> int:
        return sum(seen.count(0) for seen in self._seen)

    @property
    def repeated(self) -> int:
        """How many times a line came that had come before."""
        return sum(map(sum, self._seen)) - self.arrived

    def some_missing(self, most: int = 5) -> list[str]:
        """The first few lines that have not arrived, as they name themselves."""
        names = (f"seq={f}-{n}" for f, seen in enumerate(self._seen) for n, count in enumerate(seen) if not count)
        return [name for name, _ in zip(names, range(most), strict=False)]


def unpacked(body: bytes, coding: str) -> bytes:
    """`body` without its content coding. Raises ValueError for one that is not known."""
    match coding:
        case "" | "identity":
            return body
        case "gzip" | "x-gzip":
            return bytes(igzip.decompress(body))
        case "deflate":
            try:
                return zlib.decompress(body)
            except zlib.error:  # some send it without zlib's head
                return zlib.decompress(body, -15)
        case "zstd":
            return bytes(_zstd().decompress(body))
    raise ValueError(f"a body in the content coding {coding!r}")


def _zstd() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd
