"""The entries that the native core writes of a table's records, and between them those that it leaves to Python.

Where the core finds too many misfits Python encodes all of them, which costs less than going to and fro.
"""

from collections.abc import Callable
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Protocol

from outrider.exporters.block import Block, spelled
from outrider.exporters.identity import TURN_BITS
from outrider.model.records import Records
from outrider.model.table import Table

if TYPE_CHECKING:
    from outrider.native._core import Entries, Misfits

FEW = 16
"""One misfit in so many records is no reason to have all encoded by Python."""

Generation = Callable[[int], tuple[str, bytes]]
"""The key of the generation that the upper bits of a position name, and the time of its first line."""


class Context(Protocol):
    """What an encoder knows of a stream."""

    def strings(self, generation: str) -> bytes:
        """What the core has to know of it, for entries of one generation."""


def written(
    records: Records,
    table: Table,
    context: Context,
    generation: Generation,
    by_core: "Callable[[bytes, bytes, int, int, bytes, bytes], Entries]",
    by_python: Callable[[Records], Block],
    common: bytes = b"",
) -> tuple[Block, int, int]:
    """The entries of `records`, which are in `table`, in their order; of how many there are none, being empty, and how
    many lack a time of their line. `by_python` counts its own.

    `by_core` is given a chunk, its rows, the first and the end of those to be written, the context's strings and the
    time with which the generation begins. `common` is what all entries share.
    """
    passes: list[tuple[bytes, Misfits]] = []
    begin, end, count, empty, timeless, misfits = 0, len(records), 0, 0, 0, 0
    chunk, rows = table.chunk, table.rows
    while begin < end:
        key, begun = generation(table.position(begin) >> TURN_BITS)
        data, made, without, undated, done, left = by_core(chunk, rows, begin, end, context.strings(key), begun)
        passes.append((data, left))
        begin, count, misfits = done, count + made, misfits + len(left)
        empty, timeless = empty + without, timeless + undated
    if misfits * FEW > end:
        return by_python(records), 0, 0
    if misfits:
        return _put_together(records, passes, count, by_python, common), empty, timeless
    return Block(b",".join([data for data, _ in passes if data]), count, common), empty, timeless


def _put_together(
    records: Records,
    passes: "list[tuple[bytes, Misfits]]",
    count: int,
    by_python: Callable[[Records], Block],
    common: bytes,
) -> Block:
    """The `count` entries of the core, with those of its misfits where they belong."""
    ours: list[bytes] = []
    others: dict[int, Block] = {}  # by their place among ours
    for data, left in passes:
        at = 0
        for offset, run in groupby(left, itemgetter(1)):
            ours.append(data[at:offset].removeprefix(b","))
            others[len(ours)] = by_python(records.chosen([i for i, _ in run]))
            ours.append(b"")
            at = offset
        ours.append(data[at:].removeprefix(b","))
    if any(block.count and block.common != common for block in others.values()):
        ours, common = [spelled(data, common) for data in ours], b""
    for place, block in others.items():
        ours[place] = block.data if block.common == common else block.spelled().data
    return Block(b",".join(filter(None, ours)), count + sum(block.count for block in others.values()), common)
