"""The last round: everything that the streams still have is brought, for whoever wrote to them has ended.

Streams take turns, a chunk at a time, until none has anything more or the time is up. While all senders are busy nobody
reads, as ever. Time is up early for a destination that does not answer, and late for one that takes what it gets.
"""

from collections import deque
from collections.abc import Callable, Iterable

from outrider.model.clock import Clock
from outrider.pipeline.followed import Admission, Followed, Standing
from outrider.pipeline.packing import Packer
from outrider.pipeline.pauses import DRAIN
from outrider.tail.reader import Reader

LAST_COMMITS = 1.0
"""Seconds that senders get, at the end, to notice that it is over."""


class Ending:
    """How much time there is: `grace` seconds. To `drain`, so many after every answer, up to DRAIN."""

    def __init__(self, clock: Clock, grace: float = 0.0, drain: bool = False) -> None:
        self._clock, self._grace = clock, grace
        self._most = clock.monotonic() + (DRAIN if drain else grace)
        self.answered()

    def answered(self) -> None:
        """The destination has answered for something."""
        self._deadline = min(self._clock.monotonic() + self._grace, self._most)

    def left(self) -> float:
        """Seconds; none if it is not more than 0."""
        return self._deadline - self._clock.monotonic()


class LastRound:
    """For one pump, whose parts these are. `may_read` waits a moment if nobody can read now, and says so; `broken` is
    called, inside an exception handler, for a stream that breaks an assumption.
    """

    def __init__(
        self,
        admission: Admission,
        packer: Packer,
        may_read: Callable[[], bool],
        broken: Callable[[Reader], None],
        clock: Clock,
    ) -> None:
        self._admission, self._packer, self._clock = admission, packer, clock
        self._may_read, self._broken = may_read, broken

    def run(self, streams: Iterable[Followed], ending: Ending) -> bool:
        """Give `streams` turns until `ending`; whether one had anything and there may be more."""
        left, brought = deque(streams), False
        while left and ending.left() > 0:
            if not self._may_read():
                continue
            followed = left.popleft()
            if self._turn(followed):
                brought = True
                left.append(followed)
        return brought and ending.left() > 0

    def _turn(self, followed: Followed) -> bool:
        try:
            ready = self._admission.standing(followed) is Standing.READY
            now = self._clock.monotonic()
            taken = followed.reader.drain(now) if ready else None
            if taken is not None:
                self._packer.bring(followed, taken, now)
        except Exception:
            self._broken(followed.reader)
            return False
        return taken is not None
