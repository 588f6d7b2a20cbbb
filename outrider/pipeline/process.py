"""What a program that runs for long asks of its process and of its disk before it begins."""

import contextlib
import ctypes
import gc
import logging
import resource
from pathlib import Path

log = logging.getLogger(__name__)

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Of glibc's malloc.h."""


def prepare(state: Path | None) -> None:
    """Use what the process may have, and say so if `state` cannot be written (None: nothing is kept). Never raises."""
    _raise_descriptor_limit()
    _tune_memory()
    if state is not None:
        _check_state(state)


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
