"""The one clock. Nothing else in the library reads the time or waits for it to pass.

Programs get `SystemClock`. Tests get `ManualClock`, whose time stands still until it is moved, so that a back-off of
five minutes or a wall clock that jumps a year is one line of a test and takes no time.
"""

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Wall time for what is written into entries, monotonic time for every duration; both in seconds."""

    def now(self) -> float:
        """Seconds since the epoch (may jump)."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary start (never jumps)."""
        ...

    def wait(self, event: threading.Event, timeout: float) -> bool:
        """Wait until `event` is set or `timeout` seconds passed; True if the event is set."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, event: threading.Event, timeout: float) -> bool:
        return event.wait(timeout)


class ManualClock:
    """A clock that moves when told to, or when somebody waits on it.

    A wait for an event that is not set moves both times forward by the timeout and returns at once.
    """

    def __init__(self, now: float = 1_780_000_000.0) -> None:
        self._now = now
        self._monotonic = 1000.0
        self._lock = threading.Lock()

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass on both times."""
        with self._lock:
            self._now += seconds
            self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an administrator or NTP does; durations do not notice."""
        with self._lock:
            self._now += seconds

    def wait(self, event: threading.Event, timeout: float) -> bool:
        if not event.is_set():
            self.advance(timeout)
        return event.is_set()
