"""What a program that runs for long asks of its process and of its disk before it begins."""

import contextlib
import ctypes
import errno
import fcntl
import gc
import logging
import os
import resource
import threading
from collections.abc import Iterator
from pathlib import Path

from outrider.model.clock import Clock

log = logging.getLogger(__name__)

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Of glibc's malloc.h."""
LOCK_AGAIN = 0.5
"""Seconds between two looks at whether the state is free."""


def prepare(state: Path | None) -> None:
    """Use what the process may have, and say so if `state` cannot be written (None: nothing is kept). Never raises."""
    _raise_descriptor_limit()
    _tune_memory()
    if state is not None:
        _check_state(state)


@contextlib.contextmanager
def sole_user(state: Path | None, stop: threading.Event, clock: Clock) -> Iterator[bool]:
    """Wait until no other process keeps its state in `state` (None: nothing is kept), and keep others out. False if
    `stop` is set before. Two at once would write each other's cursors over, and lines would be lost or repeated.

    The lock is the kernel's (flock(2)), which takes it from a process that dies. Where there can be none, nobody is
    kept out. Never raises.
    """
    lock = None if state is None else _lock_in(state)
    if lock is None:
        yield True
        return
    try:
        mine, waits = _locked(lock), False
        while not mine:
            if not waits:
                log.error("another collector uses the state %s: waiting until it has ended", state)
                waits = True
            if clock.wait(stop, LOCK_AGAIN):
                break
            mine = _locked(lock)
        yield mine
    finally:
        os.close(lock)


def _lock_in(state: Path) -> int | None:
    with contextlib.suppress(OSError):  # `prepare` says that it cannot be written
        state.mkdir(parents=True, exist_ok=True)
        return os.open(state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    return None


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as e:
        return e.errno not in (errno.EWOULDBLOCK, errno.EAGAIN)  # else the file system has no locks
    return True


def _raise_descriptor_limit() -> None:
    """Every unread log holds a descriptor; shells and some runtimes start programs with 1024."""
    with contextlib.suppress(ValueError, OSError):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _tune_memory() -> None:
    """Batches and long records come and go in all sizes (glibc's mallopt(3); other C libraries have no such knobs, or
    need none). What is large is mapped by itself and leaves no holes behind: with lines of 5 MB that is half of what
    would stay. What is not, some hundred kilobytes for each slice of lines, is kept for the next slice: to give it back
    and to fault it in again took 1.9 of 5 µs a line. And an arena for each thread would be many half-empty ones, for
    threads of which one runs at a time.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 1 << 20)
        libc.mallopt(M_TRIM_THRESHOLD, 16 << 20)
        libc.mallopt(M_ARENA_MAX, 2)
    # A slice of lines is thousands of young lists that no cycle can hold: looking through them took 3 % of the time.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _check_state(state: Path) -> None:
    try:
        state.mkdir(parents=True, exist_ok=True)
        probe = state / ".writable"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as e:
        log.error("state %s cannot be written (%s): delivery works, but a restart will repeat lines", state, e.strerror)
