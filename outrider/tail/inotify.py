"""inotify(7), as much of it as a log tree needs, through libc.

Two kinds of watches. A directory watch says that names came or went. A **one-shot** watch on a quiet file says once
that it was written to and is then gone by itself: a file that is being read anyway causes no events at all, and
thousands of quiet ones cost nothing until they speak.
"""

import contextlib
import ctypes
import errno
import os
import select
import struct
from typing import NamedTuple

_MODIFY, _MOVED_FROM, _MOVED_TO = 0x2, 0x40, 0x80
_CREATE, _DELETE, _DELETE_SELF, _MOVE_SELF = 0x100, 0x200, 0x400, 0x800
_OVERFLOW, _IGNORED, _ONLYDIR, _ONESHOT = 0x4000, 0x8000, 0x01000000, 0x80000000
_HEADER = struct.Struct("iIII")

_DIRECTORY_MASK = _CREATE | _MOVED_FROM | _MOVED_TO | _DELETE | _DELETE_SELF | _MOVE_SELF | _ONLYDIR
_FILE_MASK = _MODIFY | _DELETE_SELF | _MOVE_SELF | _ONESHOT

SHORT_OF = frozenset({errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Errors that say that inotify has no more to give, whatever the file."""


class Event(NamedTuple):
    """A watch descriptor that fired; `ended`: the watch is no more; `overflow`: events were lost, look at
    everything.
    """

    watch: int
    ended: bool
    overflow: bool


class Inotify:
    """One inotify instance. Raises OSError if the kernel has none to give (EMFILE, ENOSYS)."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise _error("inotify_init1")
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)

    def directory(self, path: str) -> int:
        """Watch names in the directory `path`. Raises OSError (ENOSPC: fs.inotify.max_user_watches is used up)."""
        return self._add(path, _DIRECTORY_MASK)

    def once(self, path: str) -> int:
        """Watch the file `path` until it is written to, renamed or deleted for the first time. Raises OSError."""
        return self._add(path, _FILE_MASK)

    def _add(self, path: str, mask: int) -> int:
        watch: int = self._libc.inotify_add_watch(self._fd, os.fsencode(path), ctypes.c_uint32(mask))
        if watch < 0:
            raise _error(path)
        return watch

    def read(self, timeout: float, wake: int) -> list[Event]:
        """The events of the next `timeout` seconds, or sooner if the descriptor `wake` becomes readable."""
        self._poll.register(wake, select.POLLIN)
        if not any(fd == self._fd for fd, _ in self._poll.poll(timeout * 1000)):
            return []
        try:
            data = os.read(self._fd, 1 << 18)
        except OSError as e:
            if e.errno == errno.EAGAIN:
                return []
            raise
        events, at = [], 0
        while at < len(data):
            watch, mask, _, length = _HEADER.unpack_from(data, at)
            at += _HEADER.size + length
            events.append(Event(watch, bool(mask & _IGNORED), bool(mask & _OVERFLOW)))
        return events

    def close(self) -> None:
        os.close(self._fd)


def drain(descriptor: int) -> None:
    """Read what is waiting in a pipe that does not block, and forget it."""
    with contextlib.suppress(BlockingIOError):
        while os.read(descriptor, 4096):
            pass


def _error(what: str) -> OSError:
    code = ctypes.get_errno()
    return OSError(code, os.strerror(code), what)
