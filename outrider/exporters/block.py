"""Many entries in one piece of JSON, as they will stand in a request: `{"insertId":…},{"insertId":…}`.

msgspec writes all entries of a slice in one go, for a fraction of what writing them one by one costs. Nearly always
nobody needs to see them apart again. For when somebody does (one was refused, or they do not fit into a request
together), msgspec finds where each begins and ends without making anything of it.

What all entries of a stream have in common may be left out of them: a request that is for one stream alone says it
once. In its place each entry has a line feed, of which there is none else in what msgspec writes; so for any other
request it is put in (`spelled`) by one call into C.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode
_find = msgspec.json.Decoder(list[msgspec.Raw]).decode


MARK = b"\n"
"""Where an entry would go on with what is common to all."""


@dataclass(frozen=True, slots=True)
class Block:
    """`count` entries of one stream, separated by commas. `common`, if any, are members that each of them lacks, as
    JSON without the braces.
    """

    data: bytes
    count: int
    common: bytes = b""

    @property
    def size(self) -> int:
        """Bytes, with what is common in each entry."""
        return len(self.data) + self.count * len(self.common)

    def spelled(self) -> "Block":
        """The same with nothing left out."""
        return Block(spelled(self.data, self.common), self.count) if self.common else self

    def entries(self) -> list[bytes]:
        """The entries one by one, each a JSON object with nothing left out."""
        return apart(spelled(self.data, self.common))

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


def block(entries: list[Any], common: bytes = b"") -> Block:
    """The block of `entries`: whatever msgspec writes as JSON objects, each with its MARK if there is a `common`."""
    return Block(_encode(entries)[1:-1], len(entries), common)


def chained(blocks: Iterable[Block]) -> Block:
    """One block of all of them."""
    some = [b for b in blocks if b.count]
    if len(some) == 1:
        return some[0]
    if len({b.common for b in some}) > 1:
        some = [b.spelled() for b in some]
    common = some[0].common if some else b""
    return Block(b",".join([b.data for b in some]), sum(b.count for b in some), common)


def spelled(data: bytes, common: bytes) -> bytes:
    """The data of a block with `common` in every entry."""
    return data.replace(MARK, b"," + common) if common else data


def apart(data: bytes) -> list[bytes]:
    """The entries of a block's data, each a JSON object. An entry that is apart already stays as it is."""
    return [bytes(entry) for entry in _find(b"[%b]" % data)]
