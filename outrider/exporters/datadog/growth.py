"""How much a total has grown: what Datadog wants where servers report all that has happened since their start.

For every series the last value is remembered, and the next one is compared with it:

    before    now              grown by
    -         120              not known: most of it happened before anybody looked
    -         120, counted     120: the server says that it counts since then, and that is later than anything that
              since then       could have been reported already
    120       150              30
    120       30               -90: it was reset, and how much was lost with it is not known
    120       30, counted      30: the server started again, and that much has happened since
              since then

A start that moves by a second or two, as one that was computed from an uptime does, means nothing: it has to be later
than the last value. What nobody has reported for an hour is forgotten (the time that the OpenTelemetry exporter of
Datadog remembers it); so a first value counts as a whole only if its start is within that hour, or it might have been
reported before.
"""

from collections.abc import Hashable
from itertools import takewhile
from typing import NamedTuple

from outrider.model.clock import Clock

REMEMBERED = 3600.0
"""Seconds for which the last value of a series is remembered."""
MAX_SERIES = 200_000
"""Series that are remembered; each takes half a kilobyte."""
QUIET = 60.0
"""Seconds after which a series gives its place to a new one, if there is no other: whoever makes up new labels all the
time is not to keep everybody else's new series out for an hour.
"""


class OutOfOrderError(Exception):
    """The value is not later than the last one: the clock was set back, or two values are of one series."""


class TooManySeriesError(Exception):
    """No room for another series."""


class Grown(NamedTuple):
    """`by` how much within the last `seconds`; negative if the total was reset. `whole`: since the server's start."""

    by: float
    seconds: float
    whole: bool


class _Last(NamedTuple):
    value: float
    time: int
    seen: float  # monotonic seconds


class Growth:
    """Remembers the last values. Used by one thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = int(clock.now() * 1e9)
        self._last: dict[Hashable, _Last] = {}  # the one that was not seen for longest is the first

    def of(self, series: Hashable, value: float, time: int, start: int | None) -> Grown | None:
        """The growth of `series` up to `value`, which was read at `time` and counts since `start` (nanoseconds since
        1970); None if that cannot be told. Raises OutOfOrderError, after which growth is counted from `value` on, and
        TooManySeriesError.
        """
        last = self._last.pop(series, None)
        if last is None and len(self._last) >= MAX_SERIES:
            self._make_room()
        self._last[series] = _Last(value, time, self._clock.monotonic())
        if last is not None and time <= last.time:
            raise OutOfOrderError
        reported = max(self._began, time - int(REMEMBERED * 1e9)) if last is None else last.time
        if start is not None and reported < start <= time:
            return Grown(value, (time - start) / 1e9, True)
        return None if last is None else Grown(value - last.value, (time - last.time) / 1e9, False)

    def _make_room(self) -> None:
        """Raises TooManySeriesError if all of them are in use."""
        longest = next(iter(self._last))
        if self._last[longest].seen > self._clock.monotonic() - QUIET:
            raise TooManySeriesError
        del self._last[longest]

    def forget(self) -> None:
        """Let go what was not seen for too long. To be called before the values of a run are compared."""
        limit = self._clock.monotonic() - REMEMBERED
        for series in [s for s, _ in takewhile(lambda item: item[1].seen < limit, self._last.items())]:
            del self._last[series]
