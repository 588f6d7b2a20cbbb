"""Many entries in one piece of JSON, as they will stand in a request.

    {"insertId":…,"logName":…
    },{"insertId":…,"logName":…
    }

orjson writes a list of entries in one go, for a fraction of what writing them one by one costs. Nearly always nobody
needs to see them apart again. For when somebody does (one was refused, or they do not fit into a request together),
every entry ends with a line feed and its closing brace: there is no other line feed in what orjson writes, so that a
block comes apart without being parsed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

_END = b"\n}"


@dataclass(frozen=True, slots=True)
class Block:
    """`count` entries of one stream, separated by commas."""

    data: bytes
    count: int

    def entries(self) -> list[bytes]:
        """The entries one by one, each a JSON object of one line."""
        return apart(self.data)

    def cut(self, size: int, count: int) -> list["Block"]:
        """Blocks of at most `size` bytes and `count` entries that together have all of this one, in order. An entry
        that is larger by itself has a block of its own.
        """
        groups: list[list[bytes]] = []
        room = 0
        for piece in self.data.removesuffix(_END).split(_END + b","):
            needed = len(piece) + len(_END) + 1
            if not groups or needed > room or len(groups[-1]) == count:
                groups.append([])
                room = size + 1
            groups[-1].append(piece)
            room -= needed
        return [Block((_END + b",").join(group) + _END, len(group)) for group in groups]


def block(entries: list[Any]) -> Block:
    """The block of `entries`: dicts whose last value is a Fragment that ends with a line feed (`last`), or Fragments of
    whole entries (`whole`).
    """
    return Block(orjson.dumps(entries)[1:-1], len(entries))


def chained(blocks: Iterable[Block]) -> Block:
    """One block of all of them."""
    some = [b for b in blocks if b.count]
    return Block(b",".join([b.data for b in some]), sum(b.count for b in some))


def last(value: bytes) -> orjson.Fragment:
    """The JSON `value`, which may go on with further members of the same object, as the last of an entry."""
    return orjson.Fragment(value + b"\n")


def whole(entry: bytes) -> orjson.Fragment:
    """`entry`, a JSON object of one line, as an entry of a block."""
    return orjson.Fragment(entry[:-1] + _END)


def apart(data: bytes) -> list[bytes]:
    """The entries of a block's data, each a JSON object of one line. An entry that is apart already stays as it is."""
    *others, end = data.split(_END + b",")
    entries = [piece + b"}" for piece in others]
    if end:
        entries.append(end[: -len(_END)] + b"}" if end.endswith(_END) else end)
    return entries
