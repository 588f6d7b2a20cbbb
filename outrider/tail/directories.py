"""The directories under watch, and how they are listed.

A directory is watched before it is listed, so that nothing falls between. It is asked to be watched with every
listing: another directory may have taken its name, and inotify does not always say so, for a directory that was
removed lives on without a name as long as a file in it is held open, as unread log files are.
"""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass

from outrider.model.clock import Clock
from outrider.tail.inotify import SHORT_OF, Inotify

log = logging.getLogger(__name__)

_SETTLED = 2e9
"""Nanoseconds after which a modification time is trusted to change with the next change: some file systems count in
seconds."""


@dataclass(slots=True, eq=False)
class Directory:
    """`rescan` lists it and acts upon what is there; `entry` is the inode number that its name had in its parent;
    `mtime` is that of the last listing (0: list again at the next poll).
    """

    path: str
    entry: int
    rescan: Callable[[], None]
    since: float
    watch: int = -1
    mtime: int = 0
    unreadable: bool = False


class Directories:
    """Used by the watching thread alone. `exhausted` is the reason why inotify refused a watch."""

    def __init__(self, clock: Clock) -> None:
        self.exhausted: str | None = None
        self._clock = clock
        self._by_path: dict[str, Directory] = {}
        self._by_watch: dict[int, list[Directory]] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._by_path

    def get(self, path: str) -> Directory | None:
        return self._by_path.get(path)

    def all(self) -> list[Directory]:
        return list(self._by_path.values())

    def of_watch(self, watch: int) -> list[Directory]:
        """The directories that an event of this watch is about: several, if links lead to one."""
        return list(self._by_watch.get(watch, ()))

    def names(self, path: str, entry: int, rescan: Callable[[], None], inotify: Inotify | None) -> dict[str, int]:
        """The names in `path` with their inode numbers; from before the listing on, `path` is watched.

        Raises OSError: FileNotFoundError or NotADirectoryError if there is no such directory (any more), others if it
        cannot be read (now), which is logged the first time.
        """
        directory = self._by_path.setdefault(path, Directory(path, entry, rescan, self._clock.monotonic()))
        directory.entry = entry
        try:
            if inotify is not None:
                self._watch(directory, inotify)
            mtime = os.stat(path).st_mtime_ns
            with os.scandir(path) as entries:
                names = {e.name: e.inode() for e in entries}
        except (FileNotFoundError, NotADirectoryError):
            raise
        except OSError as e:
            if not directory.unreadable:
                log.warning("cannot list %s: %s", path, e.strerror)
            directory.unreadable = True
            raise
        directory.unreadable = False
        directory.mtime = mtime if self._clock.now() * 1e9 - mtime > _SETTLED else 0
        return names

    def remove(self, path: str) -> list[str]:
        """Forget `path` and everything inside; what that was."""
        inside = path + os.sep
        removed = [p for p in self._by_path if p == path or p.startswith(inside)]
        for p in removed:
            self._unwatch(self._by_path.pop(p))
        return removed

    def without_inotify(self) -> None:
        """No watch holds any more: everything is listed again at the next poll."""
        self._by_watch.clear()
        for directory in self._by_path.values():
            directory.watch, directory.mtime = -1, 0

    def _watch(self, directory: Directory, inotify: Inotify) -> None:
        try:
            watch = inotify.directory(directory.path)
        except OSError as e:
            if e.errno not in SHORT_OF:
                raise
            self.exhausted = str(e)
            return
        if watch != directory.watch:
            self._unwatch(directory)
            directory.watch = watch
            self._by_watch.setdefault(watch, []).append(directory)

    def _unwatch(self, directory: Directory) -> None:
        sharers = self._by_watch.get(directory.watch, [])
        if directory in sharers:
            sharers.remove(directory)
            if not sharers:
                del self._by_watch[directory.watch]


def inode_of(path: str) -> int:
    """-1 if there is nothing."""
    try:
        return os.stat(path).st_ino
    except OSError:
        return -1


def mtime_of(path: str) -> int:
    """Nanoseconds; -1 if there is nothing."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return -1
