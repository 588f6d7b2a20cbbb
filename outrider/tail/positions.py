"""Places in a stream, and what lies between them.

Positions are single integers, `turn << 48 | offset`, where `turn` counts the generations that a reader has entered (one
that grows again after its end, or shrinks, is entered again): they grow along the stream whatever the files are called.
"""

from dataclasses import dataclass
from datetime import datetime

from outrider.model.records import Records

TURN_BITS = 48
OFFSET_MASK = (1 << TURN_BITS) - 1


@dataclass(slots=True)
class Span:
    """Everything of one stream up to `boundary`, read at `born` (monotonic seconds); `settled` once the destination has
    answered for all of it.
    """

    boundary: int
    timestamp: bytes
    born: float = 0.0
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """What one read gave: records (none, if it only went on to the next file), and the position up to which they
    account for the stream.
    """

    records: Records
    boundary: int
    timestamp: bytes


def seconds_of(timestamp: bytes) -> float | None:
    """A line's time in seconds since the epoch, if it has one."""
    try:
        return datetime.fromisoformat(timestamp.decode("ascii", "replace")).timestamp()
    except ValueError:
        return None
