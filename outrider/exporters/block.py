"""Many entries in one piece of JSON, as they will stand in a request: `{"insertId":…},{"insertId":…}`.

msgspec writes all entries of a slice in one go, for a fraction of what writing them one by one costs. Nearly always
nobody needs to see them apart again. For when somebody does (one was refused, or they do not fit into a request
together), msgspec finds where each begins and ends without making anything of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode
_find = msgspec.json.Decoder(list[msgspec.Raw]).decode


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
        for entry in self.entries():
            needed = len(entry) + 1
            if not groups or needed > room or len(groups[-1]) == count:
                groups.append([])
                room = size + 1
            groups[-1].append(entry)
            room -= needed
        return [Block(b",".join(group), len(group)) for group in groups]


def block(entries: list[Any]) -> Block:
    """The block of `entries`: whatever msgspec writes as JSON objects."""
    return Block(_encode(entries)[1:-1], len(entries))


def chained(blocks: Iterable[Block]) -> Block:
    """One block of all of them."""
    some = [b for b in blocks if b.count]
    return Block(b",".join([b.data for b in some]), sum(b.count for b in some))


def apart(data: bytes) -> list[bytes]:
    """The entries of a block's data, each a JSON object. An entry that is apart already stays as it is."""
    return [bytes(entry) for entry in _find(b"[%b]" % data)]
