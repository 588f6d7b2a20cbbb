"""Ctrl-C ends a command at once.

Python would raise KeyboardInterrupt wherever the program is just then: in a finalizer, where it is lost, or in a
library that holds a lock, for which its clean-up at the end waits for ever (both were seen, with urllib3). What was
printed has been flushed. Commands that have something to tidy up (`demo`, `intake`, the collectors) have handlers of
their own.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

EXIT_INTERRUPTED = 130
"""128 + SIGINT."""
_farewells: list[Callable[[], None]] = []


def leave_at_once() -> None:
    """From now on, SIGINT ends the program."""
    signal.signal(signal.SIGINT, _leave)


@contextmanager
def farewell(last: Callable[[], None]) -> Iterator[None]:
    """Within, `last` is done before the program is left: somebody's screen is given back, say."""
    _farewells.append(last)
    try:
        yield
    finally:
        _farewells.remove(last)


def _leave(*_: object) -> None:
    for last in _farewells:
        with suppress(Exception):
            last()
    os._exit(EXIT_INTERRUPTED)
