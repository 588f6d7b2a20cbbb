"""The side of a story that judges: what was written against what a vendor stored.

The judge reads the sink's entries and the writers' numbers and asks nothing of the program under test.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.faults.writing import STAMP, Writer, record
from tests.support.sink import Received, Sink


@dataclass(frozen=True)
class Outcome:
    """What became of one story's records at one vendor."""

    vendor: str
    written: int
    lost: int
    repeated: int
    """Entries that came again."""
    repeated_otherwise: int
    """Entries that came again with another id, timestamp, payload or place than the first time."""
    mangled: int
    """Entries that are no record that was written."""
    shared_ids: int
    """Different records under one id: Cloud Logging would show only one of them."""
    out_of_order: int
    """Records that their ids sort before an earlier record of their container's run."""
    examples: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether everything that must be 0 is."""
        return not (self.lost or self.repeated_otherwise or self.mangled or self.shared_ids)


class Arrivals:
    """What has come to one sink so far, kept up to date entry by entry."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self._read = 0
        self._numbers: dict[str, set[int]] = {}
        self._prefix: dict[str, int] = {}

    def update(self) -> None:
        for r in self.sink.since(self._read):
            self._read += 1
            if m := STAMP.search(r.text):
                self._numbers.setdefault(m[1], set()).add(int(m[2]))

    def prefix(self, pod: str) -> int:
        """How many records of `pod` have come without a gap from its first on."""
        numbers, n = self._numbers.get(pod, set()), self._prefix.get(pod, 0)
        while n in numbers:
            n += 1
        self._prefix[pod] = n
        return n


def judge(sink: Sink, writers: Iterable[Writer], vendor: str) -> Outcome:
    """Hold everything that `sink` stored against everything that was written."""
    known = {w.name: w for w in writers}
    first: dict[tuple[str, int], Received] = {}
    mangled: list[str] = []
    otherwise: list[str] = []
    repeated = 0
    for r in sink.received():
        m = STAMP.search(r.text)
        w = known.get(m[1]) if m else None
        if m is None or w is None or int(m[2]) >= w.written or r.text != record(m[1], int(m[2]), w.width)[1]:
            mangled.append(f"mangled: {r.text[:300]!r}")
            continue
        before = first.setdefault((m[1], int(m[2])), r)
        if before is not r:
            repeated += 1
            if (before.insert_id, before.told) != (r.insert_id, r.told):
                otherwise.append(f"repeated otherwise: {before.insert_id} {before.told} / {r.insert_id} {r.told}"[:600])
    lost = [f"lost: {name} {n}" for name, w in known.items() for n in range(w.written) if (name, n) not in first]
    by_id: dict[str, tuple[str, int]] = {}
    shared = [
        f"shared id: {r.insert_id} {by_id[r.insert_id]} {who}"
        for who, r in first.items()
        if by_id.setdefault(r.insert_id, who) != who
    ]
    return Outcome(
        vendor,
        sum(w.written for w in known.values()),
        len(lost),
        repeated,
        len(otherwise),
        len(mangled),
        len(shared),
        _out_of_order(first),
        [e for examples in (lost, otherwise, mangled, shared) for e in examples[:5]],
    )


def _out_of_order(first: dict[tuple[str, int], Received]) -> int:
    """Steps down in the numbers when the records of each run are sorted by their ids."""
    latest: dict[str, int] = {}
    steps = 0
    for who, r in sorted(first.items(), key=lambda item: item[1].insert_id):
        run = r.insert_id.partition("-")[0]
        steps += who[1] < latest.get(run, -1)
        latest[run] = who[1]
    return steps
