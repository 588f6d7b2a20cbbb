"""Servers that all tests of a process share, since they take long to start and nobody changes them: each is started
when it is first asked for, and ended with the session.
"""

import atexit
import contextlib
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")

_running = contextlib.ExitStack()


class Shared(Generic[T]):
    """`shared()` is what `start` gives for a folder: the same at every call."""

    def __init__(self, start: Callable[[Path], AbstractContextManager[T]]) -> None:
        self._start = start
        self._found: list[T] = []

    def __call__(self) -> T:
        if not self._found:
            folder = tempfile.TemporaryDirectory(prefix="shared-", ignore_cleanup_errors=True)
            self._found.append(_running.enter_context(self._start(Path(_running.enter_context(folder)))))
            _running.callback(self._found.clear)
        return self._found[0]


def end_all() -> None:
    """None of them is needed any more."""
    _running.close()


atexit.register(end_all)
