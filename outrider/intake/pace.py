"""How fast what the intake counts arrives. The owner holds its lock around every call."""

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
