"""What one request carries, and what its acknowledgement will allow to be committed.

When to send: a first line after a quiet time goes at once, lines that follow gather until `wait` after the last
request. So a lone line does not wait, and a steady trickle costs one request per `wait`. The first line of a new
container is hurried: somebody may be looking for it.
"""

from dataclasses import dataclass, field

from outrider.tail.reader import Reader, Span

LINGER = 0.05
"""Seconds for which a line that need not wait waits for company."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """`bytes` of entries close a batch, as do `wait` seconds; `in_flight` batches are sent at a time."""

    bytes: int = 4 << 20
    wait: float = 1.0
    in_flight: int = 4


@dataclass(slots=True)
class Batch:
    """Encoded entries of any streams, in the order in which they were read. `born` is monotonic seconds of the
    first.
    """

    born: float
    entries: list[bytes] = field(default_factory=list)
    size: int = 0
    spans: dict[Reader, Span] = field(default_factory=dict)
    hurried: bool = False
    delivered: bool = False

    def add(self, entries: list[bytes], size: int) -> None:
        self.entries += entries
        self.size += size

    def due(self, last_dispatch: float, wait: float) -> float:
        """When the batch goes though it is not full, in monotonic seconds; `last_dispatch` is when the one before
        went.
        """
        soon = self.born + LINGER
        return soon if self.hurried else min(max(soon, last_dispatch + wait), self.born + wait)
