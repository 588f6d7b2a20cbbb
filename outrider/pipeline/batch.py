"""What one request carries, and what its acknowledgement will allow to be committed.

When to send: a first line after a quiet time goes at once, lines that follow gather until `wait` after the last
request. So a lone line does not wait, and a steady trickle costs one request per `wait`. The first line of a new
container is hurried: somebody may be looking for it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from outrider.exporters.block import Block
from outrider.pipeline.followed import Followed
from outrider.tail.positions import Span

LINGER = 0.05
"""Seconds for which a line that need not wait waits for company."""

WORTH_IT = 512 * 1024
"""Bytes of a batch from which on what is common to its entries is said only once."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """`bytes` of entries close a batch, as do `wait` seconds; `in_flight` batches are sent at a time."""

    bytes: int = 4 << 20
    wait: float = 1.0
    in_flight: int = 4


@dataclass(slots=True)
class Batch:
    """Encoded entries of any streams, in the order in which they were read: `count` of them, `size` bytes, in `blocks`.
    `common` is what was left out of all of them (b"": nothing, or not the same everywhere). `born` is when the first
    was written, as early as that may have been, in monotonic seconds. `runs` says whose entries follow one another;
    `rejected`, after delivery, which of them were refused for good (None: not delivered).
    """

    born: float
    blocks: list[Block] = field(default_factory=list)
    size: int = 0
    count: int = 0
    spans: dict[Followed, Span] = field(default_factory=dict)
    runs: list[tuple[Followed, int]] = field(default_factory=list)
    common: bytes = b""
    hurried: bool = False
    rejected: Sequence[int] | None = None

    def add(self, followed: Followed, block: Block) -> None:
        if block.count:
            if block.common != self.common:
                self.common = b"" if self.blocks else block.common
            self.blocks.append(block)
            self.size += block.size + 1
            self.count += block.count
            self.runs.append((followed, block.count))
            followed.made += block.count
            followed.in_flight += block.count

    def request(self) -> tuple[list[bytes], int, bytes]:
        """The data of the blocks, which the batch gives up with it, the number of entries, and what is left out of all
        of them. Of small batches, where that saves next to nothing, and of mixed ones nothing is left out.
        """
        common = self.common if self.size >= WORTH_IT else b""
        blocks, self.blocks = self.blocks, []
        return [b.data if common else b.spelled().data for b in blocks], self.count, common

    def due(self, last_dispatch: float, wait: float) -> float:
        """When the batch goes though it is not full, in monotonic seconds; `last_dispatch` is when the one before
        went.
        """
        soon = self.born + LINGER
        return soon if self.hurried else min(max(soon, last_dispatch + wait), self.born + wait)

    def account(self) -> None:
        """The destination has answered for every entry: book them to their streams."""
        refused = self._refused()
        for followed, n in self.runs:
            followed.in_flight -= n
            followed.accepted += n
        for followed, n in refused.items():
            followed.accepted -= n
            followed.rejected += n

    def _refused(self) -> Counter[Followed]:
        refused: Counter[Followed] = Counter()
        places = iter(sorted(self.rejected or ()))
        at, end = next(places, None), 0
        for followed, n in self.runs:
            end += n
            while at is not None and at < end:
                refused[followed] += 1
                at = next(places, None)
        return refused
