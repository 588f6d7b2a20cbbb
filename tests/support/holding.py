"""One stream with a hold and any number of readers, moved by hand: no threads, and the clock stands still in between.

`look` is what the watcher does when something changed, `check` what it does once a second; `read` and `ack` are the
pump's part, for each exporter; `save` writes the cursors, and `restarted` is the program after `kill -9`, which has
nothing but the disk and what was saved.
"""

from pathlib import Path

from outrider.model.clock import ManualClock
from outrider.model.counters import Counters
from outrider.model.stream import Stream
from outrider.tail.cursors import Place
from outrider.tail.files import StreamFiles
from outrider.tail.hold import Hold
from outrider.tail.positions import OFFSET_MASK, TURN_BITS, Span
from outrider.tail.reader import Reader
from outrider.tail.records import Assembler, Joining
from outrider.tail.records import Budget as Room

STREAM = Stream("default", "web", "uid-1", "app", 0)
Identity = tuple[str, int]


class Holding:
    """By exporter: `emitted`, where each record stands and what it says; `answered`, what was acknowledged."""

    def __init__(
        self,
        base: Path,
        clock: ManualClock,
        budget: int,
        exporters: tuple[str, ...] = ("google",),
        saved: dict[str, dict[str, Place]] | None = None,
        hold: Path | None = None,
    ) -> None:
        self.base, self.clock, self.budget, self.exporters = base, clock, budget, exporters
        self.root, self.path = base / "pods", hold or base / "held"
        self.counters = Counters()
        self.hold = Hold(str(self.path), budget, str(self.root), clock, self.counters)
        live = str(self.root / f"{STREAM.key}.log")
        self.files = StreamFiles(STREAM, live, frozenset(exporters), clock, self.counters, self.hold.links)
        self.files.refresh()
        self.saved = {name: dict(places) for name, places in (saved or {}).items()}
        self._places = dict(self.saved)
        self.readers = {
            name: Reader(name, self.files, Assembler(Joining(), Room()), self.saved.get(name, {}), False, self.counters)
            for name in exporters
        }
        self.emitted: dict[str, list[tuple[Identity, bytes]]] = {name: [] for name in exporters}
        self._sent: dict[str, list[tuple[Span, list[bytes]]]] = {name: [] for name in exporters}

    def restarted(self, budget: int | None = None) -> "Holding":
        self.close()
        budget = self.budget if budget is None else budget
        return Holding(self.base, self.clock, budget, self.exporters, self.saved, self.path)

    def close(self) -> None:
        """What the end of the process does to descriptors."""
        for generation in self.files.generations:
            for name in self.exporters:
                generation.leave(name)

    # -- the watcher --------------------------------------------------------------------------------------------------

    def look(self) -> None:
        self.files.refresh()

    def check(self) -> None:
        for files in self.hold.check([self.files]):
            files.refresh()

    def links(self) -> list[str]:
        """Every name in the hold directory."""
        return sorted(str(p.relative_to(self.path)) for p in self.path.rglob("*") if not p.is_dir())

    # -- the pump -----------------------------------------------------------------------------------------------------

    def read(self, exporter: str = "google", turns: int = 1000) -> list[bytes]:
        """Turns until there is nothing to say; the contents they brought."""
        reader, contents = self.readers[exporter], []
        for _ in range(turns):
            taken = reader.take(self.clock.monotonic())
            if taken is None:
                break
            for record in taken.records:
                key, _ = reader.generation_at(record[0] >> TURN_BITS)
                self.emitted[exporter].append(((key, record[0] & OFFSET_MASK), record[3]))
                contents.append(record[3])
            if taken.records or reader.advances(taken.boundary):
                span = reader.sent(taken.boundary, taken.timestamp)
                span.settled = not taken.records
                self._sent[exporter].append((span, [r[3] for r in taken.records]))
                self._settle(exporter)
        return contents

    def ack(self, exporter: str = "google", *which: int) -> None:
        """Settle these of the spans in flight (default: all)."""
        for i, span in enumerate(list(self.readers[exporter].inflight)):
            span.settled |= not which or i in which
        self._settle(exporter)

    def answered(self, exporter: str = "google") -> list[bytes]:
        return [content for span, contents in self._sent[exporter] if span.settled for content in contents]

    def _settle(self, exporter: str) -> None:
        places = self.readers[exporter].settle()
        if places is not None:
            self._places[exporter] = places

    def save(self) -> None:
        self.saved = {name: dict(places) for name, places in self._places.items()}

    # -- all of it ----------------------------------------------------------------------------------------------------

    def pass_time(self, seconds: float, read: bool = False) -> None:
        """Second by second; with `read`, everything is read and answered for as well."""
        for _ in range(int(seconds)):
            self.clock.advance(1.0)
            for name in self.exporters if read else ():
                self.read(name)
                self.ack(name)
            self.save()
            self.check()

    def lost_by(self, exporter: str = "google") -> dict[str, int]:
        """Bytes counted as lost, by cause; causes that were never counted are left out."""
        return {
            labels["cause"]: int(value)
            for family in self.counters.families("outrider_lost_bytes_total")
            for pairs, value in family.samples
            if (labels := dict(pairs))["exporter"] == exporter
        }

    def lost(self, exporter: str = "google") -> int:
        return sum(self.lost_by(exporter).values())
