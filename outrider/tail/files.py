"""The files of one stream: the rotation machine with its hands.

`refresh` lists the directory of the log (and, where the log is a symbolic link, as with docker, the directory of its
target), identifies every file that could belong to the stream, lets the machine compare, and carries its commands
out. It is called by the watching thread alone; readers see the result as a tuple that is replaced as a whole.

A file that cannot be read is not a file that is gone: as long as its inode is there it counts as what it was, and a
directory that cannot be listed leaves everything as it is.
"""

import logging
import os
import stat
from collections.abc import Callable

from outrider.model.clock import Clock
from outrider.model.counters import Counters
from outrider.model.stream import Stream
from outrider.tail.generation import Generation, look
from outrider.tail.head import Head
from outrider.tail.names import belongs
from outrider.tail.rotation import Close, Gone, Open, Rebind, Reopen, Rotation, Seen

log = logging.getLogger(__name__)

_ATTEMPTS = 5
"""How often everything is looked at again because a name came, went or moved between the listing and the last look:
only what was there all at once tells which file goes before which."""


class StreamFiles:
    """All generations of one stream, in the order in which they are to be read: as they were begun, the growing one
    last.

    `path` is the live log; `readers` names who will read it; `changed` is called (from the watching thread) whenever
    there is something new to read or to know. `gone` is true once no file of the stream is left on the disk,
    `troubled` while one of them, or a directory, cannot be read.
    """

    def __init__(self, stream: Stream, path: str, readers: frozenset[str], clock: Clock, counters: Counters) -> None:
        self.stream = stream
        self.path = path
        self.readers = readers
        self.generations: tuple[Generation, ...] = ()
        self.gone = False
        self.troubled = False
        self.unidentified: frozenset[str] = frozenset()
        self.changed: list[Callable[[], None]] = []
        self.born = clock.monotonic()
        self._clock = clock
        self._machine = Rotation()
        self._said: set[str] = set()
        self._open_failures = counters.counter(
            "outrider_file_open_errors_total", "Log files or directories that could not be read when they were found."
        )
        self._rotations = counters.counter("outrider_rotations_total", "Log files that were closed by a rotation.")

    def directories(self) -> list[str]:
        """Where files of this stream may appear: beside the log and, where that is a link, beside its target."""
        here, there = os.path.dirname(self.path), os.path.dirname(os.path.realpath(self.path))
        return [here] if os.path.realpath(here) == there else [here, there]

    def growing(self) -> set[str]:
        """The files in which the next bytes of this stream may appear."""
        return {self.path, *self.unidentified, *(g.path for g in self.generations if g.closed_at is None)}

    def refresh(self) -> None:
        """Look at the disk and bring `generations` up to date."""
        self.troubled = False
        candidates = self._candidates()
        for attempts_left in reversed(range(_ATTEMPTS)):
            if candidates is None:
                break
            files: list[tuple[Seen, int | None]] = []
            try:
                self._look_at_all(candidates, files)
                candidates = self._candidates()
                whole = candidates == [(seen.path, seen.inode) for seen, _ in files]
                if candidates is not None and (whole or not attempts_left):
                    self.unidentified = frozenset(seen.path for seen, fd in files if fd is not None and not seen.head)
                    self._carry_out(files)
                    self.gone = whole and not files
                    break
            finally:
                for fd in (fd for _, fd in files if fd is not None):
                    os.close(fd)
        for notify in self.changed:
            notify()

    def _look_at_all(self, candidates: list[tuple[str, int]], files: list[tuple[Seen, int | None]]) -> None:
        """Fill `files` with what there is."""
        for path, inode in candidates:
            gz = path.endswith(".gz")
            try:
                fd, inode, head = look(path, gz)
            except FileNotFoundError:
                continue  # the next listing will tell where it went
            except OSError as e:
                self._trouble(path, e)
                files.append((Seen(path, inode, self._head_of(inode), path == self.path, gz), None))
            else:
                self._said.discard(path)
                files.append((Seen(path, inode, head, path == self.path, gz), fd))

    def _candidates(self) -> list[tuple[str, int]] | None:
        """Path and inode of every file that may belong to the stream; None if a directory cannot be listed."""
        found: dict[tuple[int, int], str] = {}
        for path in dict.fromkeys((self.path, os.path.realpath(self.path))):
            directory, name = os.path.split(path)
            try:
                entries = sorted(os.listdir(directory))
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as e:
                self._trouble(directory, e)
                return None
            self._said.discard(directory)
            for entry in (e for e in entries if belongs(e, name)):
                full = os.path.join(directory, entry)
                try:
                    status = os.stat(full)
                except OSError:
                    continue  # a link to nothing, or just gone
                if stat.S_ISREG(status.st_mode):
                    found.setdefault((status.st_dev, status.st_ino), full)
        return sorted((path, inode) for (_, inode), path in found.items())

    def _head_of(self, inode: int) -> Head | None:
        return next((g.head for g in self.generations if g.inode == inode and not g.gone), None)

    def _trouble(self, path: str, error: OSError) -> None:
        self.troubled = True
        self._open_failures.add()
        if path not in self._said:
            self._said.add(path)
            log.warning("cannot read %s: %s", path, error.strerror or error)

    def _carry_out(self, files: list[tuple[Seen, int | None]]) -> None:
        """Do what the machine says. A descriptor that a generation takes over is taken out of `files`."""
        now = self._clock.monotonic()
        known = {g.key: g for g in self.generations}
        for command in self._machine.observe([seen for seen, _ in files]):
            match command:
                case Open(seen):
                    known.update(self._opened(seen, files))
                case Rebind(key, seen):
                    if known[key].gone:
                        known[key].gone, known[key].closed_at = False, None
                    known[key].rebind(seen.path, seen.inode, seen.gz, _take(files, seen))
                case Close(key):
                    self._rotations.add()
                    known[key].closed_at = now
                case Reopen(key):
                    known[key].closed_at = None
                case Gone(key):
                    known[key].gone = True
                    known[key].closed_at = known[key].closed_at or now
        for key in [k for k, g in known.items() if g.gone and not g.waiting]:
            self._machine.forget(key)
            del known[key]
        self.generations = tuple(sorted(known.values(), key=lambda g: (g.closed_at is None, g.key)))

    def _opened(self, seen: Seen, files: list[tuple[Seen, int | None]]) -> dict[str, Generation]:
        fd = _take(files, seen)
        if seen.head is None or fd is None:
            return {}  # cannot be: what is not known yet was identified through a descriptor
        return {seen.head.key: Generation(seen.head, seen.path, seen.inode, fd, seen.gz, self.readers)}


def _take(files: list[tuple[Seen, int | None]], seen: Seen) -> int | None:
    i = next(i for i, (other, _) in enumerate(files) if other is seen)
    fd = files[i][1]
    files[i] = (seen, None)
    return fd
