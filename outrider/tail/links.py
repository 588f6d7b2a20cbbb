"""Further names for unread files: hard links in a directory of our own.

A file lives as long as it has a name. So every generation that a destination has not answered for gets one that
kubelet does not know of: `<path>/<namespace>_<pod>_<uid>/<container>/<restart>.log.<generation>`, with `.gz` if it is
compressed. The log that is being written to has one too, for kubelet removes a dead pod's directory without rotating
first. No byte is copied, and as long as kubelet's own name is there none is used either.

The names are brought in line with what is owed whenever the stream's files are looked at, by the watching thread
alone. Which generation a link holds is told from its first line like that of any other file; one whose name says
something else (the file was truncated and goes on under the same inode) is made anew or removed. Only names of exactly
this form are ever touched.
"""

import errno
import logging
import os
import re
from collections.abc import Collection, Iterable, Iterator

from outrider.model.clock import Clock
from outrider.model.counters import Counters
from outrider.model.shard import ALONE, Shard
from outrider.model.stream import Stream
from outrider.tail.generation import Generation
from outrider.tail.names import is_container, pod_directory

log = logging.getLogger(__name__)

LINGER = 3.0
"""Seconds for which a link outlives the last acknowledgement: cursors are written once a second, and a restart that
goes back to an older cursor must find the file that a record began in, or its repeat would look like another record.
"""
_ATTEMPTS = 5
_HELD = re.compile(r"((?:0|[1-9][0-9]{0,8})\.log)\.[0-9a-f]{24}(?:\.gz)?")
_ONE_MOUNT = (
    "link(2) does not cross mounts: logs.pods and logs.hold.path must be reached through one mount (/var/log, say)"
)
_WAYS_OUT = {
    errno.EXDEV: _ONE_MOUNT,
    errno.EROFS: "it is mounted read-only, or not at all: " + _ONE_MOUNT,
    errno.EACCES: "the collector must be allowed to write there",
    errno.ENOSPC: "the disk is full, or has no inodes left",
    errno.EDQUOT: "a quota is used up",
    errno.EMLINK: "the file system allows no more links of one file",
}
_PROTECTED = (
    "fs.protected_hardlinks lets only the owner of a file link to it: the collector must run as root or with CAP_FOWNER"
)
_NO_LINKS = "the file system has no hard links, or the collector may not make them"


class Links:
    """The links under `path`. With `making` false no more are made; those that are there are used and removed."""

    def __init__(self, path: str, making: bool, clock: Clock, counters: Counters, shard: Shard = ALONE) -> None:
        self.path = path
        self._making, self._shard = making, shard
        self._clock, self._counters = clock, counters
        self._said: set[int] = set()

    def directory(self, stream: Stream) -> str:
        """Where the links of `stream` are, if there are any."""
        return os.path.join(self.path, os.path.dirname(stream.key))

    def names(self, stream: Stream) -> dict[str, int]:
        """The links of `stream` with their inode numbers. Raises OSError if they cannot be listed."""
        live = f"{stream.restart}.log"
        try:
            with os.scandir(self.directory(stream)) as entries:
                return {e.name: e.inode() for e in entries if (m := _HELD.fullmatch(e.name)) and m[1] == live}
        except (FileNotFoundError, NotADirectoryError):
            return {}

    def streams(self) -> Iterator[Stream]:
        """Every stream of this shard of which there are links. Directories that were left empty are removed."""
        for pod in self._list(self.path):
            names, directory = pod_directory(pod), os.path.join(self.path, pod)
            for container in self._list(directory) if names else ():
                if names and not self._shard.owns(names.uid, container):
                    continue  # another process may be about to make the first link in it
                inside = self._list(os.path.join(directory, container))
                self._prune(os.path.join(directory, container))
                restarts = {int(m[1].partition(".")[0]) for name in inside if (m := _HELD.fullmatch(name))}
                if names and is_container(container):
                    yield from (Stream(*names, container, restart) for restart in sorted(restarts))

    def keep(
        self, stream: Stream, generations: Iterable[Generation], identified: Collection[int] | None
    ) -> tuple[dict[str, int], bool]:
        """Link what is owed and remove what is not: the links there are now, and whether any was removed.

        `identified` are the inodes of which it is known what they hold (None: of all). Others are left alone: a link
        may be the only name of something unread. Raises OSError if the links cannot be listed.
        """
        directory, links = self.directory(stream), self.names(stream)
        wanted = self.wanted(stream, generations)
        for name, generation in wanted.items():
            if self._making and links.get(name) != generation.inode and generation.owed:
                self._link(generation, directory, name, links)
        nameless = {g.inode for name, g in wanted.items() if links.get(name) != g.inode}  # but for a wrong name
        stale = [
            name
            for name, inode in links.items()
            if (name not in wanted or wanted[name].inode != inode)
            and inode not in nameless
            and (identified is None or inode in identified)
        ]
        for name in stale:
            self.remove(stream, name)
            del links[name]
        if not links:
            self._prune(directory)
        return links, bool(stale)

    def wanted(self, stream: Stream, generations: Iterable[Generation]) -> dict[str, Generation]:
        """The names that the links of `stream` should have."""
        return {self.name(stream, g): g for g in generations if not g.gone and self._needed(g)}

    def name(self, stream: Stream, generation: Generation) -> str:
        return f"{stream.restart}.log.{generation.key}" + (".gz" if generation.path.endswith(".gz") else "")

    def remove(self, stream: Stream, name: str) -> bool:
        """Take a link away; its bytes too, if it was the last name and nobody has the file open. Whether it is gone."""
        try:
            os.unlink(os.path.join(self.directory(stream), name))
        except FileNotFoundError:
            pass
        except OSError as e:
            self._failed(e, "removed")
            return False
        return True

    def move(self, stream: Stream, to: "Links") -> None:
        """Another directory is used from now on. What cannot be moved there is removed: descriptors keep it."""
        for name in self.names(stream):
            try:
                os.makedirs(to.directory(stream), mode=0o750, exist_ok=True)
                os.rename(os.path.join(self.directory(stream), name), os.path.join(to.directory(stream), name))
            except OSError:
                self.remove(stream, name)
        self._prune(self.directory(stream))

    def _needed(self, generation: Generation) -> bool:
        now = self._clock.monotonic()
        if generation.owed:
            generation.unowed_since = None
        elif generation.unowed_since is None:
            generation.unowed_since = now
        return generation.unowed_since is None or now - generation.unowed_since < LINGER

    def _link(self, generation: Generation, directory: str, name: str, links: dict[str, int]) -> None:
        try:
            if links.pop(name, None) is not None:
                os.unlink(os.path.join(directory, name))
            self._make(generation, directory, name)
        except FileNotFoundError:
            pass  # renamed or deleted since it was looked at, which the next look will find out
        except OSError as e:
            self._failed(e, "made")
        else:
            links[name] = generation.inode

    def _make(self, generation: Generation, directory: str, name: str) -> None:
        """Raises OSError; FileNotFoundError if the file is gone."""
        for attempts_left in reversed(range(_ATTEMPTS)):
            try:
                os.makedirs(directory, mode=0o750, exist_ok=True)
                generation.link(os.path.join(directory, name))
            except FileNotFoundError:
                # Another process, with another container of the pod, may have removed the empty directory meanwhile.
                if os.path.isdir(directory) or not attempts_left:
                    raise
            else:
                return

    def _failed(self, error: OSError, what: str) -> None:
        """Tried again with the next change of the stream's files; until then, and where it never works, open
        descriptors keep what is unread.
        """
        code = error.errno or 0
        name = errno.errorcode.get(code, str(code))
        self._counters.counter(
            "outrider_hold_errors_total", "Hard links that could not be made or removed.", error=name
        ).add()
        if code not in self._said:
            self._said.add(code)
            way_out = _PROTECTED if code == errno.EPERM and _protected() else _WAYS_OUT.get(code, _NO_LINKS)
            log.warning(
                "logs.hold.path: a hard link in %s cannot be %s (%s, %s): %s. Until then unread files that kubelet "
                "deletes are kept by open descriptors, and only as long as this process lives",
                *(self.path, what, name, os.strerror(code), way_out),
            )

    def _list(self, directory: str) -> list[str]:
        try:
            return sorted(os.listdir(directory))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as e:
            log.warning("cannot list %s, where unread files may be held: %s", directory, e.strerror)
            return []

    def _prune(self, directory: str) -> None:
        """Remove the directory of a container, and then that of its pod, if there is nothing in it."""
        try:
            os.rmdir(directory)
            os.rmdir(os.path.dirname(directory))
        except OSError:
            pass  # it is not there, or not empty


def _protected() -> bool:
    try:
        with open("/proc/sys/fs/protected_hardlinks") as f:
            return f.read().strip() == "1"
    except OSError:
        return False
