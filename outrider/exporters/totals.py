"""Since when a total counts, and how much it has counted since then, for destinations that ask for both.

A server says what it has counted, and perhaps since when. A destination of cumulative values wants intervals: one start
for all values until the server is reset, and then another one, later than the last value.

    server says        since      is written as               because
    1200 at 60 s       12 s       1200 since 10 s             the first value with a start counts as it is
    1300 at 75 s       13 s       1300 since 10 s             a start that is computed from an uptime in whole seconds
                                                              moves a little; it is the same start
      40 at 105 s      92 s         40 since 90 s             the start is later than the last value: it started again
      10 at 120 s      92 s         10 since 105.001 s        the total has fallen: it was reset, some time after the
                                                              last value
    1200 at 60 s       not known  nothing                     it could have been counted at any time
    1300 at 75 s       not known   100 since 60 s             what is known to have been counted since the first look

What another process of ours, before this one, has written of the same server is not known. It heard of the same start
though, or one that is a little off, so starts are rounded down to ten seconds: nearly always that gives the same one.
Where it does not, the destination refuses the value for its start, and the total is counted from that value on
(`Total.restart`). What this process has counted by itself has an exact start, and none before it another total: rounded
down, it could lie before what the one before has written.
"""

from dataclasses import dataclass
from typing import NamedTuple

from outrider.model.points import Histogram, Value

GRAIN = 10 * 10**9
"""Nanoseconds; starts are rounded down to a multiple of it."""
MOVES = 3 * 10**9
"""Nanoseconds by which a start may move from one value to the next and is the same: an uptime in whole seconds is up to
one off at either end, and what an answer takes comes on top."""
AFTER = 10**6
"""Nanoseconds between the last value and a new start: a millisecond (TimeInterval, google/monitoring/v3/common.proto).
"""


class Counted(NamedTuple):
    """`value` was counted since `start` (nanoseconds since 1970)."""

    start: int
    value: Value


@dataclass(slots=True)
class Total:
    """One series: since when it is counted, from which value on (None: from nothing), what the server said last, and by
    how much its start may move.
    """

    start: int
    base: Value | None
    last: Value
    time: int
    told: int | None
    moves: int = MOVES

    @staticmethod
    def first(value: Value, time: int, told: int | None, exact: bool = False) -> "tuple[Total, Counted | None]":
        """The total at its first value: as the server reports it at `time`, since `told` (nanoseconds since 1970), if
        it says so; since just then if that is `exact`.
        """
        if told is None:
            return Total(time, value, value, time, None), None
        start = min(told if exact else _rounded(told), time - AFTER)
        return Total(start, None, value, time, told, 0 if exact else MOVES), Counted(start, value)

    def next(self, value: Value, time: int, told: int | None) -> Counted | None:
        """What was counted up to a later value; None if that cannot be told."""
        if _fell(self.last, value) or self._started_again(told):
            later = self.time + AFTER
            self.start, self.base = later if told is None else max(min(_rounded(told), time - AFTER), later), None
        elif self.base is not None and not _alike(self.base, value):
            self.start, self.base, self.last, self.time = time, value, value, time
            return None
        self.last, self.time = value, time
        if told is not None:
            self.told = told
        return Counted(self.start, value if self.base is None else less(value, self.base))

    def restart(self, refused: int, value: Value, time: int) -> None:
        """The start `refused` is not to be had: count from `value`, which was refused with it at `time`, on."""
        if self.start == refused:
            self.start, self.base = time, value

    def _started_again(self, told: int | None) -> bool:
        return told is not None and self.told is not None and told - self.told > self.moves and told >= self.time


def _rounded(told: int) -> int:
    return max(told // GRAIN * GRAIN, 0)


def _fell(before: Value, after: Value) -> bool:
    """Whether a total cannot have grown from `before` to `after`."""
    if isinstance(before, Histogram) and isinstance(after, Histogram):
        if after.count < before.count:
            return True
        return _alike(before, after) and any(a < b for a, b in zip(after.counts, before.counts, strict=False))
    return not isinstance(before, Histogram) and not isinstance(after, Histogram) and after < before


def less(value: Value, base: Value) -> Value:
    """What was counted between `base` and `value`, which are alike."""
    if isinstance(value, Histogram) and isinstance(base, Histogram):
        counts = tuple(a - b for a, b in zip(value.counts, base.counts, strict=True))
        return Histogram(value.bounds, counts, value.count - base.count, value.total - base.total)
    assert not isinstance(value, Histogram) and not isinstance(base, Histogram), "a series has one kind of value"
    return value - base


def _alike(a: Value, b: Value) -> bool:
    """Whether one can be subtracted from the other: numbers, or histograms with the same buckets."""
    if isinstance(a, Histogram) and isinstance(b, Histogram):
        return a.bounds == b.bounds and len(a.counts) == len(b.counts)
    return not isinstance(a, Histogram) and not isinstance(b, Histogram)
