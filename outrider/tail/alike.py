"""Files that begin alike: is one a copy of the other, or do both begin with the same words?

A first line with a time in it names a file. One without may stand at the top of every file (a header, a banner), and
then what follows has to be compared. Of two files that begin alike one is taken for a copy of the other if all of the
shorter one, or its first 64 KiB, stands at the beginning of the longer. The live log is never a copy of a longer file,
nor of one that was the live log and has been renamed: copies are made of it.

The first of several keeps the key that its first line gives, so that it is known again after a restart; each of the
others gets one with its inode number in the place of the time. A file that is known by its inode keeps its key.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from outrider.tail.generation import Generation
from outrider.tail.gunzip import beginning
from outrider.tail.rotation import Seen

COMPARED = 64 * 1024
"""Bytes, at most, by which two files are compared."""
_TIMELESS = "0" * 16

File = tuple[Seen, int | None]
"""A file and a descriptor of it, None if it could not be opened."""


def told_apart(files: Sequence[File], known: Iterable[Generation]) -> list[File]:
    """`files`, with keys that are those of `known` generations where it is them, and differ where the files do."""
    out, known = list(files), list(known)
    groups: dict[bytes, list[int]] = {}
    for i, (seen, _) in enumerate(files):
        if seen.head is not None and seen.head.key.startswith(_TIMELESS):
            groups.setdefault(seen.head.start, []).append(i)
    for start, group in groups.items():
        before = [g for g in known if g.head.start == start]
        if len(group) > 1 or any(g.inode != files[group[0]][0].inode for g in before):
            _tell_apart(out, group, before)
    return out


def _tell_apart(out: list[File], group: list[int], before: list[Generation]) -> None:
    by_inode = {g.inode: g for g in before if not g.gone}
    there = {out[i][0].inode for i in group}
    told = [(g.head, g.beginning(COMPARED)) for g in before]
    renamed = [g.head for g in before if g.inode in there]
    for i in sorted(group, key=lambda i: (out[i][0].live, out[i][0].order)):
        seen, fd = out[i]
        g = by_inode.get(seen.inode)
        if g is not None and not (
            seen.live and g.closed_at is not None
        ):  # else a new file in the inode of a deleted one
            out[i] = seen.of(g.head), fd
            continue
        content = b"" if fd is None or seen.head is None else beginning(fd, seen.gz, COMPARED, seen.head.at)
        among = [(head, other) for head, other in told if not (seen.live and head in renamed)]
        head = next((head for head, other in among if _copied(seen, content, other)), None)
        if head is None and seen.head is not None:
            taken = any(head.key == seen.head.key for head, _ in told)
            key = f"{seen.inode:016x}{seen.head.key[16:]}" if taken else seen.head.key
            head = replace(seen.head, key=key)
            told.append((head, content))
        out[i] = seen.of(head), fd


def _copied(seen: Seen, content: bytes, other: bytes) -> bool:
    """Whether one of two files is a copy of the other, which may not be readable any more."""
    if seen.live or not content:  # of nothing but the first line nobody can tell
        return seen.head is not None and len(other) > len(seen.head.start) and content.startswith(other)
    return content.startswith(other) or other.startswith(content)
