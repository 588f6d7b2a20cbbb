"""Standard output that cannot be written: its disk is full, it is closed, or whoever reads it has seen enough.

Commands print where they have something to say, and none of them minds what becomes of it. So the stream itself does:
below `sys.stdout` stands a file whose first failed write ends the command. The exception for it is no OSError, or who
handles those of sockets and files would take it for one of theirs. What is still to be written then is dropped. A
reader who leaves is what `| head` is for, and gets no word; the exit code is that of a program which SIGPIPE ends.
"""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

EXIT_UNWRITTEN = 74
"""EX_IOERR of sysexits.h."""
EXIT_UNREAD = 141
"""128 + SIGPIPE."""


class UnwrittenError(Exception):
    """Standard output does not take what is printed; `reason` is the system's."""

    def __init__(self, reason: OSError) -> None:
        super().__init__(reason)
        self.reason = reason


class _Output(io.FileIO):
    """A descriptor to write to."""

    _given_up = False

    def write(self, data: "ReadableBuffer", /) -> int:
        if self._given_up:
            return memoryview(data).nbytes
        try:
            return super().write(data)
        except OSError as e:
            self._given_up = True
            raise UnwrittenError(e) from e


def stand_in() -> None:
    """For standard input and output that are closed: put in their place what has nothing and cannot be written, under
    the same numbers, which must not become those of the next files or sockets.
    """
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(_nothing("<stdin>", "rb")))
    if sys.stdout is None:
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(_nothing("<stdout>", "wb")))


def _nothing(name: str, mode: str) -> io.FileIO:
    nothing = io.FileIO(os.open(os.devnull, os.O_RDONLY), mode)
    nothing.name = name
    return nothing


@contextmanager
def printing() -> Iterator[None]:
    """For what prints on standard output. Exits with EXIT_UNWRITTEN or EXIT_UNREAD if that cannot be done."""
    told = sys.stdout
    raw = _Output(told.fileno(), "wb", closefd=False)
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(raw), told.encoding, told.errors, line_buffering=raw.isatty())
    try:
        yield
    except UnwrittenError as e:
        if e.reason.errno == errno.EPIPE:
            sys.exit(EXIT_UNREAD)
        with suppress(OSError):  # with 2>&1 it is the same file
            print(f"outrider: standard output cannot be written: {e.reason.strerror}", file=sys.stderr)
        sys.exit(EXIT_UNWRITTEN)
