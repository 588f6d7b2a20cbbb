"""The files of one stream: the rotation machine with its hands.

`refresh` lists the directory of the log (and, where the log is a symbolic link, as with docker, the directory of its
target), identifies every file that could belong to the stream, lets the machine compare, and carries its commands
out. It is called by the watching thread alone; readers see the result as a tuple that is replaced as a whole.

With a hold, the links of the stream (`links.py`) are files like any other, listed behind kubelet's: as long as a file
has a name of kubelet's it goes by that one, and when it has none any more it turns up again under ours. After every
look the links are brought in line with what is owed.

A file that cannot be read is not a file that is gone: as long as its inode is there it counts as what it was, and a
directory that cannot be listed leaves everything as it is.
"""

import logging
import os
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING

from outrider.model.clock import Clock
from outrider.model.counters import Counters
from outrider.model.stream import Stream
from outrider.tail.alike import told_apart
from outrider.tail.directories import mtime_of
from outrider.tail.forms import RUNTIME, Form
from outrider.tail.generation import Generation, look
from outrider.tail.head import Head
from outrider.tail.rotation import Close, Gone, Open, Rebind, Reopen, Rotation, Seen

if TYPE_CHECKING:
    from outrider.tail.links import Links

log = logging.getLogger(__name__)

_ATTEMPTS = 5
"""How often everything is looked at again because a name came, went or moved between the listing and the last look:
only what was there all at once tells which file goes before which."""


class StreamFiles:
    """All generations of one stream, in the order in which they are to be read: as they were begun, the growing one
    last.

    `path` is the live log, `form` what its files look like; `readers` names who will read it; `changed` is called (from
    the watching thread) whenever there is something new to read or to know. `gone` is true once no file of the stream
    is left on the disk, `over` once none but our own links (`links`: their names and inodes) is; `troubled` while one
    of them, or a directory, cannot be read. Made from what another one was `before` (that nobody uses any more) it
    takes over its open files; `through` are those who had dealt with all of a stream that was gone.
    """

    def __init__(
        self,
        stream: Stream,
        path: str,
        readers: frozenset[str],
        clock: Clock,
        counters: Counters,
        links: "Links | None" = None,
        before: "StreamFiles | None" = None,
        form: Form = RUNTIME,
    ) -> None:
        self.stream = stream
        self.form = form
        self.path = path
        self.readers = readers
        self.generations: tuple[Generation, ...] = () if before is None else before.generations
        self.gone = False
        self.over = False
        self.troubled = False
        self.links: dict[str, int] = {}
        self.unidentified: frozenset[str] = frozenset()
        self.changed: list[Callable[[], None]] = []
        self.born = clock.monotonic()
        self.through = frozenset[str]()
        if before is not None and before.gone:
            self.through = before.through | before.readers.difference(*(g.waiting | g.owed for g in before.generations))
        self._clock = clock
        self._links = links
        self._identified: set[int] | None = set()
        self._held = "" if links is None else os.path.join(links.directory(stream), "")
        self._machine: Rotation = Rotation() if before is None else before._machine
        self._said: set[str] = set()
        self._open_failures = counters.counter(
            "outrider_file_open_errors_total", "Log files or directories that could not be read when they were found."
        )
        self._rotations = counters.counter("outrider_rotations_total", "Log files that were closed by a rotation.")
        for generation in self.generations:
            generation.hand_over(readers)

    def directories(self) -> list[str]:
        """Where files of this stream may appear: beside the log and, where that is a link, beside its target."""
        here, there = os.path.dirname(self.path), os.path.dirname(os.path.realpath(self.path))
        return [here] if os.path.realpath(here) == there else [here, there]

    def growing(self) -> set[str]:
        """The files in which the next bytes of this stream may appear."""
        return {self.path, *self.unidentified, *(g.path for g in self.generations if g.closed_at is None)}

    def refresh(self) -> None:
        """Look at the disk and bring `generations` and the links up to date."""
        self._look()
        if self._keep():
            self._look()  # a file may have lost its last name, or the name that it went by
        if self.form.by_time:
            self._ask([g for g in self.generations if g.closed_at is not None and not g.gone])
        self.notify()

    def look_back(self) -> None:
        """Find out whether one of the closed files that are due for it has been written to: a program may write for as
        long as it likes to a file that was renamed under it.
        """
        now = self._clock.monotonic()
        if self._ask([g for g in self.generations if g.may_have_grown(now)]):
            self.notify()

    def notify(self) -> None:
        """Tell whoever wants to know that something has changed."""
        for changed in self.changed:
            changed()

    def leave(self, reader: str) -> None:
        """`reader` wants nothing of this stream after all: nothing is kept for it. From any thread."""
        self.readers -= {reader}
        for generation in self.generations:
            generation.leave(reader)

    def absorb(self, other: "StreamFiles") -> None:
        """Take the open files of another one that had this path before."""
        known = {g.key for g in self.generations}
        for generation in other.generations:
            if generation.key in known:
                generation.hand_over(frozenset())
            else:
                self.generations = (generation, *self.generations)
                self._machine.take_over(generation.key, other._machine)

    def close(self) -> None:
        """Nobody reads this stream any more."""
        for generation in self.generations:
            generation.hand_over(frozenset())

    def _look(self) -> None:
        self.troubled, self._identified = False, set()
        candidates = self._candidates()
        for attempts_left in reversed(range(_ATTEMPTS)):
            if candidates is None:
                break
            files: list[tuple[Seen, int | None]] = []
            try:
                self._look_at_all(candidates, files)
                if self.form.by_time:
                    files[:] = told_apart(files, self.generations)
                candidates = self._candidates()
                whole = candidates == [(seen.path, seen.inode) for seen, _ in files]
                if candidates is not None and (whole or not attempts_left):
                    self.unidentified = frozenset(seen.path for seen, fd in files if fd is not None and not seen.head)
                    self._carry_out(files)
                    self._identified = {seen.inode for seen, _ in files if seen.head}
                    if whole and not self.troubled:
                        self._identified = None
                    self.over = whole and all(seen.held for seen, _ in files)
                    self.gone = whole and not files
                    break
            finally:
                for fd in (fd for _, fd in files if fd is not None):
                    os.close(fd)

    def _ask(self, closed: list[Generation]) -> bool:
        """Whether any of them has grown. All are asked."""
        now = self._clock.monotonic()
        return [g.grew(now) for g in closed].count(True) > 0

    def _keep(self) -> bool:
        """Whether links were removed."""
        if self._links is None:
            return False
        try:
            self.links, removed = self._links.keep(self.stream, self.generations, self._identified)
        except OSError as e:
            self._trouble(self._held, e)
            return False
        return removed

    def _look_at_all(self, candidates: list[tuple[str, int]], files: list[tuple[Seen, int | None]]) -> None:
        """Fill `files` with what there is."""
        for path, inode in candidates:
            gz = path.endswith(".gz")
            try:
                fd, inode, head = look(path, gz, self.form.identify)
            except FileNotFoundError:
                continue  # the next listing will tell where it went
            except OSError as e:
                self._trouble(path, e)
                files.append((self._seen(path, inode, self._head_of(inode)), None))
            else:
                self._said.discard(path)
                files.append((self._seen(path, inode, head), fd))

    def _seen(self, path: str, inode: int, head: Head | None) -> Seen:
        held = self._links is not None and path.startswith(self._held)
        order = mtime_of(path) if self.form.by_time else 0
        return Seen(path, inode, head, path == self.path, path.endswith(".gz"), held, order)

    def _candidates(self) -> list[tuple[str, int]] | None:
        """Path and inode of every file that may belong to the stream; None if a directory cannot be listed."""
        found: dict[tuple[int, int], str] = {}
        for path in dict.fromkeys((self.path, os.path.realpath(self.path), self._held)):
            directory, name = os.path.split(path)
            try:
                if path != self._held:
                    entries = [e for e in sorted(os.listdir(directory)) if self.form.belongs(e, name)]
                else:
                    entries = sorted(self._links.names(self.stream)) if self._links else []
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as e:
                self._trouble(directory, e)
                return None
            self._said.discard(directory)
            for entry in entries:
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
                    if self._links is None or not known[key].path.startswith(self._held):
                        self._rotations.add()
                    known[key].close(now)
                case Reopen(key):
                    known[key].closed_at = None
                case Gone(key):
                    known[key].closed_at = known[key].closed_at or now  # first: one that is gone is given up for good
                    known[key].gone = True
        keys = [seen.head.key for seen, _ in files if seen.head]
        for key, generation in known.items():
            generation.spare = keys.count(key) > 1
            for reader in (generation.waiting | generation.owed) - self.readers:
                generation.leave(reader)
        for key in [k for k, g in known.items() if g.gone and not g.waiting and not g.owed]:
            self._machine.forget(key)
            del known[key]
        self.generations = tuple(sorted(known.values(), key=lambda g: (g.closed_at is None, g.order, g.key)))

    def _opened(self, seen: Seen, files: list[tuple[Seen, int | None]]) -> dict[str, Generation]:
        fd = _take(files, seen)
        if seen.head is None or fd is None:
            return {}  # cannot be: what is not known yet was identified through a descriptor
        return {seen.head.key: Generation(seen.head, seen.path, seen.inode, fd, seen.gz, self.readers, seen.order)}


def _take(files: list[tuple[Seen, int | None]], seen: Seen) -> int | None:
    i = next(i for i, (other, _) in enumerate(files) if other is seen)
    fd = files[i][1]
    files[i] = (seen, None)
    return fd
