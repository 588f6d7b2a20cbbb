"""When a stream is looked at again.

One that has more to be read has its turn at the next opportunity. One that was read to its end can bring nothing
urgent: a line that it gets now may wait for a batch, `wait` seconds in all. So it is looked at when that time is over,
or earlier, when a batch is about to go for the sake of another. Streams that are written to all the time come to be
read together in this way, each of them once per `wait`, right before the batch goes; a file that gets ten lines a
second is read once for ten lines, and no line waits longer for it.

A round asks every stream whether it is due, which with hundreds of them is more work than the looks. So there is none
as long as the earliest look of all is not due, except five times a second for those who wait for something else.

How old a line may be that a look has found is known from the look before. A batch is as old as that (`since`).
"""

import math

from outrider.pipeline.followed import Followed

PAUSE = 0.2
"""Seconds between two looks at a file that had nothing new, or a stream that cannot be read yet."""
QUIET_AFTER = 3.0
"""Seconds without data after which the reader of a lively file leaves the round; others leave after one look in vain.
"""
LONGEST_LOOK = 1.0
"""Seconds between two looks at a file that had something new, at most, however long batches wait."""

SLACK = 0.1
"""Seconds by which a look may be early, to be in the round of others."""


class Looks:
    """The looks of one pump, whose batches wait for `wait` seconds. All times are monotonic seconds."""

    def __init__(self, wait: float) -> None:
        self.next = math.inf
        """When the first stream is due that was not in the last round."""
        self._after = min(max(wait, PAUSE), LONGEST_LOOK)
        self._horizon = self._begun = -math.inf

    def begin(self, now: float, batch_due: float, goes_on: bool = False, indebted: bool = False) -> bool:
        """A round begins, or `goes_on`. If a batch is due, whoever was not looked at just before is due too. False:
        there need not be one, for nobody is due, nor `indebted` (turns.py).
        """
        self._horizon = now + (self._after - PAUSE if batch_due <= now else SLACK)
        if not goes_on:
            if self.next > self._horizon and now < self._begun + PAUSE and not indebted:
                return False
            self.next, self._begun = math.inf, now
        return True

    def is_due(self, followed: Followed) -> bool:
        if followed.next_look <= self._horizon:
            return True
        self.next = min(self.next, followed.next_look)
        return False

    def since(self, followed: Followed, now: float) -> float:
        """When what a look finds at `now` was written, at the earliest."""
        return followed.empty_at or now

    def read_to_its_end(self, followed: Followed, now: float) -> None:
        followed.empty_at = now
        self._again(followed, now + self._after)

    def in_vain(self, followed: Followed, now: float) -> None:
        followed.empty_at = now
        self._again(followed, now + PAUSE)

    def not_yet(self, followed: Followed, now: float) -> None:
        """It cannot be read: what it waits for is not there."""
        self._again(followed, now + PAUSE)

    def at_rest(self, followed: Followed) -> None:
        """It is not polled any more."""
        followed.next_look = followed.empty_at = 0.0

    def at_once(self, followed: Followed) -> None:
        """Somebody has heard from it, or there is more to be read."""
        self.at_rest(followed)
        self.next = 0.0

    def _again(self, followed: Followed, at: float) -> None:
        followed.next_look = at
        self.next = min(self.next, at)
