"""Since when a server counts, reckoned from how long it says that it has been running.

The clocks of the server and of ours drift, and what it says is rounded. So the start is reckoned once for each of its
runs: the same one has to come out every time, or a cumulative series would seem to begin anew.

    seen at       says      is
    1000 s       5 s        since 995 s
    1015 s      20 s        the same run, whatever the wall clock says meanwhile
    1030 s      12 s        shorter than before: another run
    1045 s      13 s        not shorter, but no longer than the time since it was last seen: another run too
"""

from outrider.checks.stream import CLOCK
from outrider.model.clock import Clock


class Uptime:
    """Of one server. It is another run if the uptime is shorter than it was, or than the time since it was seen."""

    def __init__(self, clock: Clock = CLOCK) -> None:
        self._clock = clock
        self._start, self._last = 0, -1.0
        self._seen = clock.monotonic()

    def start(self, uptime: float, now: int) -> int:
        """When it started, in nanoseconds since 1970, as is `now`. `uptime` is seconds."""
        seen = self._clock.monotonic()
        if self._last < 0 or uptime < max(self._last, seen - self._seen):
            self._start = now - int(uptime * 1e9)
        self._last, self._seen = uptime, seen
        return self._start
