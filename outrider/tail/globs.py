"""Log files by glob: `/var/log/app/*.log`, `/var/log/app/**/*.log`, `/srv/app/current/out.txt`.

The part of a glob before its first wildcard is a root; from there on each part names what is looked for in a directory:
the next directories (`**`: this one and all below it, not through links), or, the last, the logs. Every directory on
the way is under watch with the parts that are left to match there, and is matched again when it changes.

A file matches by its own name, or as the rotation of a log (`plain.py`) whose name does; rotations are generations of
that log and no logs of their own, whether the log itself is there at the moment or not. A log is looked at again only
when the names or inodes of its files have changed: a directory may hold many, one of which has just been rotated.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from fnmatch import translate
from functools import lru_cache, partial

from outrider.model.stream import Stream
from outrider.tail.directories import inode_of
from outrider.tail.finder import Watching
from outrider.tail.forms import PLAIN
from outrider.tail.plain import log_of, numbered_of

Parts = tuple[str, ...]
_MAGIC = re.compile(r"[*?[]")
_ANYWHERE = "**"


class Globs:
    """A `Finder` of the files that match any of `globs`. `stream_of` makes the stream of a log's path."""

    form = PLAIN

    def __init__(self, globs: Iterable[str], stream_of: Callable[[str], Stream]) -> None:
        globs = list(globs)
        self.name = ", ".join(globs)
        self._stream_of = stream_of
        self._wanted: dict[str, set[Parts]] = {}
        self._files: dict[str, dict[str, frozenset[tuple[str, int]]]] = {}
        for root, parts in map(_divided, globs):
            self._wanted.setdefault(root, set()).add(parts)
        self.roots = tuple(self._wanted)

    def path_of(self, stream: Stream) -> str:
        return stream.file

    def scan(self, watching: Watching, root: str) -> None:
        self._scan(watching, root, inode_of(root))

    def _scan(self, watching: Watching, directory: str, entry: int) -> None:
        names = watching.list(directory, entry, partial(self._scan, watching, directory, entry))
        if names is None:
            self._files.pop(directory, None)
            return
        logs: dict[str, set[tuple[str, int]]] = {}
        log_names = self._log_names(directory, names)
        for parts in list(self._wanted[directory]):
            for here in _expanded(parts):
                if len(here) > 1 or here[0] == _ANYWHERE:
                    self._descend(watching, directory, here, names)
                else:
                    matching = _matching(here[0], {*log_names, *log_names.values()})
                    logs |= {log_names.get(name, name): set() for name in matching}
        for name, inode in names.items():
            if (log := log_names.get(name)) in logs:
                logs[log].add((name, inode))
        self._follow(watching, directory, {os.path.join(directory, log): frozenset(f) for log, f in logs.items()})

    def _log_names(self, directory: str, names: Iterable[str]) -> dict[str, str]:
        """The log of each file. One that was there a moment ago, and is just being rotated, counts as there."""
        there = {*names, *map(os.path.basename, self._files.get(directory, ()))}
        numbered = {name: log for name in names if (log := numbered_of(name)) in there and log is not None}
        return {name: log for name in names if (log := log_of(name)) is not None} | numbered

    def _descend(self, watching: Watching, directory: str, parts: Parts, names: Iterable[str]) -> None:
        """Follow `parts`, which begin with a directory."""
        for name in _matching(parts[0], names):
            path = os.path.join(directory, name)
            if os.path.isdir(path) and not (parts[0] == _ANYWHERE and os.path.islink(path)):
                self._visit(watching, path, parts if parts[0] == _ANYWHERE else parts[1:])

    def _visit(self, watching: Watching, directory: str, parts: Parts) -> None:
        entry = inode_of(directory)
        wanted = self._wanted.setdefault(directory, set())
        if watching.is_new(directory, entry) or parts not in wanted:
            wanted.add(parts)
            watching.guarded(partial(self._scan, watching, directory, entry))

    def _follow(self, watching: Watching, directory: str, logs: dict[str, frozenset[tuple[str, int]]]) -> None:
        before, self._files[directory] = self._files.get(directory, {}), logs
        followed = watching.followed_in(directory)
        for path in followed:
            if logs.get(path) != before.get(path):
                watching.look(path)
        for path, files in logs.items():
            if path not in followed and any(map(os.path.isfile, (os.path.join(directory, name) for name, _ in files))):
                watching.take_up(path, self._stream_of(path))


def _divided(glob: str) -> tuple[str, Parts]:
    """The directory that `glob` begins with, and the parts to match from there on."""
    parts = os.path.abspath(glob).split(os.sep)
    fixed = next((i for i, part in enumerate(parts) if _MAGIC.search(part)), len(parts) - 1)
    rest = parts[fixed:]
    return os.sep.join(parts[:fixed]) or os.sep, tuple([*rest, "*"] if rest[-1] == _ANYWHERE else rest)


def _expanded(parts: Parts) -> Iterator[Parts]:
    """`parts`, and what is left of them where `**` stands for no directory."""
    yield parts
    while parts[0] == _ANYWHERE:
        parts = parts[1:]
        yield parts


def _matching(part: str, names: Iterable[str]) -> Iterator[str]:
    """The names that match; those with a dot in front only if the glob has one there."""
    match, hidden = _pattern("*" if part == _ANYWHERE else part).match, part.startswith(".")
    return (name for name in names if match(name) and (hidden or not name.startswith(".")))


@lru_cache(maxsize=64)
def _pattern(part: str) -> re.Pattern[str]:
    return re.compile(translate(part))
