"""What every store of the intake has in common: the newest records, numbered as they came, and counts of requests.

The counts are not bounded by how many records are kept. A store holds `_changed` around whatever it changes.
"""

import itertools
import threading
from collections import Counter, deque
from typing import Any, Generic, Protocol, TypeVar

from outrider.intake.clock import Clock
from outrider.intake.pace import Pace


class Numbered(Protocol):
    """A record; `seq` counts from 1."""

    @property
    def seq(self) -> int: ...


R = TypeVar("R", bound=Numbered)


class Arrivals(Generic[R]):
    """Keeps the newest `keep` records. Safe to use from many threads."""

    def __init__(self, clock: Clock, keep: int) -> None:
        self._clock = clock
        self._records: deque[R] = deque(maxlen=keep)
        self._changed = threading.Condition()
        self._numbers: Counter[str] = Counter()
        self._requests: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._pace = Pace(clock.monotonic())
        self._lag = 0.0
        self.last_seq = 0

    def count_request(self, outcome: str, compressed: int, uncompressed: int) -> None:
        """Count a write request by its HTTP status or the name of its fault, and its size in bytes."""
        with self._changed:
            self._requests[outcome] += 1
            self._pace.asked(self._clock.monotonic())
            self._numbers["compressed"] += compressed
            self._numbers["uncompressed"] += uncompressed

    def count_refused(self, reason: str) -> None:
        """Count what was not taken, by a word for the reason."""
        with self._changed:
            self._refused[reason] += 1

    @property
    def refused(self) -> dict[str, int]:
        """What was not taken, by reasons."""
        return dict(sorted(self._refused.items()))

    def records(self, since: int = 0, limit: int | None = None) -> list[R]:
        """The kept records with a `seq` over `since`, oldest first, at most `limit`."""
        with self._changed:
            newer = list(itertools.takewhile(lambda record: record.seq > since, reversed(self._records)))
        newer.reverse()
        return newer[:limit]

    def _common(self) -> dict[str, Any]:
        """The counters that all stores have. Names and meaning: docs/intake.md."""
        return {
            "requests": dict(sorted(self._requests.items())),
            "bytes": {name: self._numbers[name] for name in ("compressed", "uncompressed")},
            **self._pace.snapshot(self._clock.monotonic()),
            "lag": self._lag,
            "kept": len(self._records),
            "last_seq": self.last_seq,
        }
