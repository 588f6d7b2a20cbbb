"""One stream followed by hand: the files and a reader of them, without the threads of watcher and pump.

What the watcher does when a directory changes is `look`; what the pump does in its rounds is `read`; an
acknowledgement is `ack`. So a test says in which order things happen, and the clock stands still in between.
"""

from pathlib import Path

from outrider.model.clock import ManualClock
from outrider.model.counters import Counters
from outrider.model.records import Record
from outrider.model.stream import Stream
from outrider.tail.cursors import Place
from outrider.tail.files import StreamFiles
from outrider.tail.forms import RUNTIME, Form
from outrider.tail.positions import OFFSET_MASK, TURN_BITS, Span
from outrider.tail.reader import Reader
from outrider.tail.records import Assembler, Budget, Joining

STREAM = Stream("default", "web", "uid-1", "app", 0)
EXPORTER = "google"
Identity = tuple[str, int]
"""Where a record stands: the key of its generation and its offset there."""


class Following:
    """`emitted` is everything that came out: identity and record; `places` what the last commit would have saved."""

    def __init__(
        self,
        directory: Path,
        clock: ManualClock | None = None,
        counters: Counters | None = None,
        places: dict[str, Place] | None = None,
        joining: Joining | None = None,
        from_end: bool = False,
        form: Form = RUNTIME,
    ) -> None:
        self.clock, self.counters = clock or ManualClock(), counters or Counters()
        self.files = StreamFiles(
            STREAM, str(directory / "0.log"), frozenset({EXPORTER}), self.clock, self.counters, form=form
        )
        self.files.refresh()
        self.places: dict[str, Place] = dict(places or {})
        assembler = Assembler(joining or Joining(), Budget())
        self.reader = Reader(EXPORTER, self.files, assembler, self.places, from_end, self.counters)
        self.emitted: list[tuple[Identity, Record]] = []
        self._sent: list[tuple[Span, list[Identity]]] = []

    def look(self) -> None:
        self.files.refresh()

    def take(self) -> bool:
        """One turn; whether it brought anything."""
        taken = self.reader.take(self.clock.monotonic())
        if taken is None:
            return False
        identities = []
        for record in taken.records:
            key, _ = self.reader.generation_at(record[0] >> TURN_BITS)
            identities.append((key, record[0] & OFFSET_MASK))
        self.emitted += zip(identities, taken.records, strict=True)
        if taken.records or self.reader.advances(taken.boundary):
            span = self.reader.sent(taken.boundary, taken.timestamp)
            span.settled = not taken.records
            self._sent.append((span, identities))
        return True

    def unacknowledged(self) -> list[Identity]:
        """What came out and was not settled."""
        self._sent = [sent for sent in self._sent if not sent[0].settled]
        return [identity for _, identities in self._sent for identity in identities]

    def read(self, most: int = 1000) -> list[bytes]:
        """Turns until there is nothing more to say; the contents they brought."""
        before = len(self.emitted)
        for _ in range(most):
            if not self.take():
                break
        else:
            raise AssertionError(f"still not at rest after {most} turns")
        return [record[3] for _, record in self.emitted[before:]]

    def read_over(self, seconds: float) -> list[bytes]:
        """The same while time passes and the directory is looked at, in steps of half a second."""
        contents = self.read()
        for _ in range(int(seconds * 2)):
            self.clock.advance(0.5)
            self.look()
            contents += self.read()
        return contents

    def ack(self, *which: int) -> dict[str, Place] | None:
        """Settle these of the spans in flight (default: all); what is committed."""
        for i, span in enumerate(list(self.reader.inflight)):
            span.settled |= not which or i in which
        places = self.reader.settle()
        if places is not None:
            self.places = places
        return places

    def close(self) -> None:
        for generation in self.files.generations:
            generation.leave(EXPORTER)
