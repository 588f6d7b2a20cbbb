"""Ctrl-C where a command goes on until then.

KeyboardInterrupt may be raised where nobody gets it: in the finalizer of an object that is just being thrown away. What
is raised there Python prints and forgets. So the signal is remembered as well, and asked for at every pause.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def interruptible() -> Iterator[Callable[[float], None]]:
    """What waits so many seconds, and raises KeyboardInterrupt if there has been one at any time. Main thread only."""
    seen: list[int] = []

    def handle(number: int, _: object) -> None:
        seen.append(number)
        raise KeyboardInterrupt

    def pause(seconds: float) -> None:
        if not seen:
            time.sleep(seconds)
        if seen:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield pause
    finally:
        signal.signal(signal.SIGINT, before)
