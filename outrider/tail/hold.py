"""How much of the disk may be kept for destinations that do not answer?

Files that were not read or not answered for are kept by links (`links.py`) and, where there are none, by the
descriptors that readers have open anyway (`generation.py`). Both use space that kubelet believes to be free. So once a
second the bytes of files that live *only* through us are added up: those whose every name is a link of ours, and
those without a name of which a descriptor is open. More than the budget, and files are let go:

    first   what costs nothing: another file (kubelet's .gz) holds the same, and reading goes on there
    then    the oldest: what was not read of it is lost, and each reader counts what it has lost when it gets there

The budget is `logs.hold.budget`. Where that is 0 no links are made, and descriptors may keep `DESCRIPTORS` bytes. And
whatever the budget, the file system is never filled up: below `RESERVE` the same is done with as much as is missing.

Where several processes share the streams, each has its part of all three, and of the links those of its own streams.
"""

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass

from outrider.model.clock import Clock
from outrider.model.counters import Counter, Counters
from outrider.model.shard import ALONE, Shard
from outrider.tail.files import StreamFiles
from outrider.tail.generation import Generation
from outrider.tail.links import Links

log = logging.getLogger(__name__)

DESCRIPTORS = 1 << 30
"""Bytes of deleted files that open descriptors may keep where `logs.hold.budget` is 0."""
RESERVE = 1 << 30
"""Bytes that are left free on the file system of the logs; 5 % of it where that is less."""
_RESERVE_SHARE = 20
_DISK_PATIENCE = 10.0
"""Seconds between two rounds for lack of space: a file system may take its time to give back what was deleted."""


@dataclass(slots=True)
class _Kept:
    """Space that is used because of us. `free`: letting it go loses nothing. `link`: the name, if a link keeps it."""

    files: StreamFiles
    generation: Generation
    bytes: int
    free: bool
    link: str | None


class Hold:
    """Used by the watching thread alone. `budget` in bytes; `root` is the tree of kubelet's logs."""

    def __init__(
        self, path: str, budget: int, root: str, clock: Clock, counters: Counters, shard: Shard = ALONE
    ) -> None:
        inside = os.path.join(os.path.realpath(path), "").startswith(os.path.join(os.path.realpath(root), ""))
        if inside and budget:
            log.error(
                "logs.hold.path %s lies in the tree of logs %s, where kubelet would take links for rotations: no links "
                "are made. It must be a directory beside it",
                *(path, root),
            )
        self.links = Links(path, budget > 0 and not inside, clock, counters, shard)
        self._limit, self._cause = shard.part(budget or DESCRIPTORS), "budget" if budget else "descriptors"
        self._shard = shard
        self._root = root
        self._clock, self._counters = clock, counters
        self._disk_again = 0.0
        self._left: dict[StreamFiles, None] = {}
        self._bytes = {"link": 0, "descriptor": 0}
        self._files = 0
        for by in self._bytes:
            counters.gauge(
                "outrider_held_bytes",
                "Bytes on the disk of files that live only through this program.",
                lambda by=by: self._bytes[by],  # type: ignore[misc]
                by=by,
            )
        self._given_up = {cause: self._counter(cause) for cause in (self._cause, "disk")}
        counters.gauge("outrider_held_files", "Files that live only through this program.", lambda: self._files)

    def gone(self, files: StreamFiles) -> None:
        """No file of this stream has a name any more; there may be descriptors."""
        self._left[files] = None

    def left(self) -> list[StreamFiles]:
        """The streams that only descriptors are left of."""
        return list(self._left)

    def check(self, streams: Iterable[StreamFiles]) -> list[StreamFiles]:
        """Add up and let go what is too much; the streams whose files have to be looked at again."""
        changed: dict[StreamFiles, None] = {}
        kept: list[_Kept] = []
        self._left = {files: None for files in self._left if any(g.waiting or g.owed for g in files.generations)}
        for files in (*streams, *self._left):
            if files.links and files.links.keys() - self.links.wanted(files.stream, files.generations).keys():
                changed[files] = None
            for generation in files.generations:
                if generation.closed_at is not None and (generation.waiting or generation.owed):
                    kept += self._kept(files, generation)
        total = sum(k.bytes for k in kept)
        too_much, cause = max((total - self._limit, self._cause), (min(total, self._shortage()), "disk"))
        if cause == "disk" and too_much > 0:
            self._disk_again = self._clock.monotonic() + _DISK_PATIENCE
        kept.sort(key=lambda k: (not k.free, k.generation.key))
        while kept and too_much > 0:
            item = kept.pop(0)
            too_much -= item.bytes
            self._let_go(item, cause)
            changed[item.files] = None
        for by in self._bytes:
            self._bytes[by] = sum(k.bytes for k in kept if (k.link is not None) == (by == "link"))
        self._files = len(kept)
        for files in changed.keys() & self._left.keys():
            files.notify()
        return [files for files in changed if files not in self._left]

    def _kept(self, files: StreamFiles, generation: Generation) -> list[_Kept]:
        """What of a generation is on the disk only because of us: its link, its descriptor if that is of another
        file, or neither.
        """
        found = []
        name = self.links.name(files.stream, generation)
        linked = files.links.get(name)
        try:
            open_ = generation.status()
            if linked is not None:
                status = os.stat(os.path.join(self.links.directory(files.stream), name))
                if status.st_nlink <= sum(inode == status.st_ino for inode in files.links.values()):
                    found.append(_Kept(files, generation, status.st_blocks * 512, generation.spare, name))
        except OSError:
            return found  # the name went away; the next look at the files will tell
        if open_ is not None and open_.st_nlink == 0:
            elsewhere = open_.st_ino != generation.inode and not generation.gone
            found.append(_Kept(files, generation, open_.st_blocks * 512, elsewhere, None))
        return found

    def _let_go(self, item: _Kept, cause: str) -> None:
        if item.free and item.link is None:
            item.generation.detach()
            return
        if item.link is not None:
            item.generation.left(0)  # measured while it has a name
            if not self.links.remove(item.files.stream, item.link):
                return  # said, and tried again: as long as it is there it can be read
            item.files.links.pop(item.link, None)
        item.generation.give_up(cause)
        if not item.free:
            self._given_up[cause].add(item.bytes)
            log.warning(
                "%s: %s is given up to make room (%s), %d bytes on the disk",
                *(item.files.stream.key, item.generation.path, cause, item.bytes),
            )

    def _counter(self, cause: str) -> Counter:
        """At zero from the beginning: what begins with more has not increased, to Prometheus."""
        return self._counters.counter(
            "outrider_given_up_bytes_total",
            "Bytes on the disk of files let go before they were answered for.",
            cause=cause,
        )

    def _shortage(self) -> int:
        """Its part of the bytes that are missing on the file system of the logs."""
        if self._clock.monotonic() < self._disk_again:
            return 0
        try:
            status = os.statvfs(self._root)
        except OSError:
            return 0  # there is no tree (any more): nothing to be known
        reserve = min(RESERVE, status.f_blocks * status.f_frsize // _RESERVE_SHARE)
        missing = reserve - status.f_bavail * status.f_frsize
        return self._shard.part(missing) if missing > 0 else 0
