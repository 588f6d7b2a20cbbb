"""Which file is this? Told from its first line, never from its name or inode.

Kubelet renames a log, gzips it later and may delete it; an editor or logrotate copies it and truncates the original;
a file system hands the inode of a deleted file to the next one. The first line stays the same through all of that
except truncation, after which it really is another file. So a **generation** (one file of a stream) is known by the
time in its first line and a checksum of that line's first bytes, and everything that is remembered (cursors,
insertIds) is remembered under that name.
"""

import re
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime

HEAD_BYTES = 256
"""How much of the first line counts. A shorter first line counts whole, newline included."""

START_BYTES = 65536
"""How much of a file `identify` may want to see: docker cuts lines at 16 KiB, which escaped for JSON can be several
times that.
"""

_TIME = re.compile(
    rb'(?:^|"time":")(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)(?= (?:stdout|stderr) |")'
)


_LATEST = (1 << 64) // 1_000_000_000
"""Seconds since the epoch, in July 2554, from which on nanoseconds take more than the key's 16 digits."""


@dataclass(frozen=True, slots=True)
class Head:
    """The first line of a generation, as far as it counts.

    `key` is 24 hexadecimal digits: nanoseconds since the epoch of the first line (0 if it carries none, or none that
    64 bits hold), then a CRC-32. Keys of one stream sort in the order in which the files were begun, as long as the
    node's clock does not go back. `at` is where the line stands: not at the beginning where that is a hole (`hole.py`).
    """

    key: str
    start: bytes
    timestamp: bytes
    at: int = 0

    def begins(self, first: bytes) -> bool:
        """Whether a file that has `first` at `at` (at least HEAD_BYTES, if it is that long) is this generation."""
        return first.startswith(self.start)


def identify(start: bytes, time: re.Pattern[bytes] = _TIME) -> Head | None:
    """The head of a file whose first bytes (up to START_BYTES) are `start`; None while they do not suffice. `time`
    finds the time in the first line: whole seconds, fraction and zone.

    The time of a docker line stands at its end, so there the first line must be whole.
    """
    # Always the same bytes, however many were read: the head must not depend on how the file is stored.
    start = start[: START_BYTES if start[:1] == b"{" else HEAD_BYTES]
    newline = start.find(b"\n")
    if newline < 0 and len(start) < (START_BYTES if start[:1] == b"{" else HEAD_BYTES):
        return None
    first = start[: newline + 1] if newline >= 0 else start
    nanoseconds, timestamp = _first_time(first, time)
    head = first[:HEAD_BYTES]
    return Head(f"{nanoseconds:016x}{zlib.crc32(head):08x}", head, timestamp)


def _first_time(first: bytes, time: re.Pattern[bytes]) -> tuple[int, bytes]:
    m = time.search(first.lstrip(b"\0"))
    if not m:
        return 0, b""
    seconds, fraction, zone = m.groups()
    try:
        moment = datetime.fromisoformat((seconds + zone.replace(b"Z", b"+00:00")).decode())
    except ValueError:
        return 0, b""
    whole = int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    if not 0 <= whole < _LATEST:
        return 0, b""
    return whole * 1_000_000_000 + int((fraction or b"0").ljust(9, b"0")), b"".join(
        (seconds, b"." + fraction if fraction else b"", zone)
    )
