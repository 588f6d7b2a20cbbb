"""What the pipeline asks of whoever takes entries, and of an exporter of logs. Anything that has these is one."""

from collections.abc import Callable
from typing import Any, Protocol

from outrider.exporters.answer import Answer
from outrider.exporters.block import Block
from outrider.exporters.glance import Glance
from outrider.model.pod import Pod
from outrider.model.records import Records
from outrider.model.stream import Stream

UNLIMITED = 1 << 30
"""`max_entries` of a destination that counts bytes alone."""


class Destination(Protocol):
    """Where entries go: JSON objects, which it has a form of its own for. `send` is called by several threads."""

    @property
    def max_request(self) -> int:
        """Bytes of entries that one request may carry."""
        ...

    @property
    def max_entries(self) -> int:
        """Entries that one request may carry."""
        ...

    def send(self, pieces: list[bytes], common: bytes = b"") -> Answer:
        """One attempt to deliver entries; a piece is an entry or the data of a block, whose `common` was left out.
        Never raises for what the network or the server does.
        """
        ...

    def probe(self) -> Answer:
        """Is the destination itself sound? One attempt that stores nothing, or next to nothing; never raises."""
        ...

    def plainer(self, entry: bytes) -> bytes | None:
        """A refused entry in a form that asks less of the destination; None if it is in its plainest."""
        ...

    def glance(self, entry: bytes) -> Glance:
        """What one of the entries that `encode` makes says, for people. Raises msgspec.MsgspecError and
        RecursionError for what cannot be read.
        """
        ...

    def refresh(self) -> None:
        """The credentials were refused: get new ones for the next attempt."""
        ...

    def changed(self) -> bool:
        """Are the credentials others than those of the last attempt? What was refused is worth another try then."""
        ...

    def close(self) -> None:
        """Give back connections."""
        ...


class LogDestination(Destination, Protocol):
    """Encodes records of logs, too. `encode` is called by one thread."""

    def context(self, stream: Stream, pod: Pod | None) -> Any:
        """What is constant for the entries of a stream, given what is known of its pod."""
        ...

    def encode(self, records: Records, context: Any, generation: Callable[[int], tuple[str, bytes]]) -> Block:
        """The entries of `records`, in order. `generation(turn)` tells the key of the generation that the upper bits
        of a position name, and the time of its first line.
        """
        ...

    def multi_line(self, context: Any) -> str | None:
        """The pattern (RE2, to be searched for in a line) that begins a record of this stream, if the exporter's rules
        or the pod's annotations name one; lines that do not match belong to the record before, joined by a backslash
        and an `n`.
        """
        ...
