"""The intake's counters: what arrived, how often, from where, how fast and how late.

Numbers only, and none of them bounded by how many entries are kept. The owner holds its lock around every call.
"""

from collections import Counter
from typing import Any

_SECONDS = 60
_RATE_OVER = 5


class Pace:
    """How fast entries arrive. `start` and all later `now` are monotonic seconds."""

    def __init__(self, start: float) -> None:
        self._start = start
        self._per_second: Counter[int] = Counter()
        self._requests: Counter[int] = Counter()

    def arrived(self, entries: int, now: float) -> None:
        """Note that `entries` were written at `now`."""
        self._note(self._per_second, entries, now)

    def asked(self, now: float) -> None:
        """Note that a write request came at `now`."""
        self._note(self._requests, 1, now)

    def _note(self, per_second: Counter[int], n: int, now: float) -> None:
        """Add `n`, and forget seconds that left the window."""
        second = int(now)
        per_second[second] += n
        for old in [past for past in per_second if past <= second - _SECONDS]:
            del per_second[old]

    def snapshot(self, now: float) -> dict[str, Any]:
        """`per_second`, `requests_per_second`, `rate` and `uptime`, JSON-ready."""
        second = int(now)
        seconds = range(second - _SECONDS + 1, second + 1)
        window = [self._per_second[past] for past in seconds]
        return {
            "per_second": window,
            "requests_per_second": [self._requests[past] for past in seconds],
            "rate": sum(window[-_RATE_OVER - 1 : -1]) / _RATE_OVER,
            "uptime": now - self._start,
        }


class Tally:
    """Counters of one API. `start` and all later `now` are monotonic seconds."""

    def __init__(self, start: float) -> None:
        self.pace = Pace(start)
        self.unique = 0
        self.repeated = 0
        self.conflicting = 0
        self.rejected = 0
        self.too_old = 0
        self.compressed = 0
        self.uncompressed = 0
        self.lists = 0
        self.lag = 0.0
        self.requests: Counter[str] = Counter()
        self.namespaces: Counter[str] = Counter()

    def snapshot(self, now: float) -> dict[str, Any]:
        """All numbers, JSON-ready. Names and meaning: docs/intake.md."""
        return {
            "received": self.unique + self.repeated,
            "unique": self.unique,
            "repeated": self.repeated,
            "conflicting": self.conflicting,
            "rejected": self.rejected,
            "too_old": self.too_old,
            "requests": dict(sorted(self.requests.items())),
            "lists": self.lists,
            "bytes": {"compressed": self.compressed, "uncompressed": self.uncompressed},
            "namespaces": dict(self.namespaces.most_common()),
            **self.pace.snapshot(now),
            "lag": self.lag,
        }
