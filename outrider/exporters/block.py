"""Many entries in one piece of JSON, as they will stand in a request.

    {"insertId":…,"logName":…},
    {"insertId":…,"logName":…}

msgspec writes all entries of a slice in one go, for a fraction of what writing them one by one costs. Nearly always
nobody needs to see them apart again. For when somebody does (one was refused, or they do not fit into a request
together), each stands on a line of its own: there is no other line feed in what msgspec writes, so that a block comes
apart without being parsed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

_BETWEEN = b",\n"
_encode_lines = msgspec.json.Encoder().encode_lines


@dataclass(frozen=True, slots=True)
class Block:
    """`count` entries of one stream, separated by commas and line feeds."""

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
            needed = len(_BETWEEN) + len(entry)
            if not groups or needed > room or len(groups[-1]) == count:
                groups.append([])
                room = size + len(_BETWEEN)
            groups[-1].append(entry)
            room -= needed
        return [Block(_BETWEEN.join(group), len(group)) for group in groups]


def block(entries: list[Any]) -> Block:
    """The block of `entries`: whatever msgspec writes as JSON objects without line feeds."""
    return Block(_encode_lines(entries)[:-1].replace(b"\n", _BETWEEN), len(entries))


def chained(blocks: Iterable[Block]) -> Block:
    """One block of all of them."""
    some = [b for b in blocks if b.count]
    return Block(_BETWEEN.join([b.data for b in some]), sum(b.count for b in some))


def apart(data: bytes) -> list[bytes]:
    """The entries of a block's data, each a JSON object of one line. An entry that is apart already stays as it is."""
    return data.split(_BETWEEN) if data else []
