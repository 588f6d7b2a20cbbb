"""How many records came into topics: what the ends of their partitions grew by, since they were first seen.

The end of a partition is no such count. Topics that are deleted take theirs along, and a partition that was out of
sight would come back with all it has.
"""

from collections import Counter

from outrider.checks.kafka.messages import Spot


class Growth:
    """Counts from the first run on; `start` is when that was, in nanoseconds since 1970."""

    def __init__(self) -> None:
        self.start: int | None = None
        self._ends: dict[Spot, int] = {}
        self._grown: Counter[str] = Counter()
        self._total = 0

    def see(self, ends: dict[Spot, int], topics: set[str], time: int) -> tuple[int, dict[str, int]] | None:
        """What came altogether, and into each of `topics`, which are those that there are; None in the first run."""
        first = self.start is None
        if first:
            self.start = time
        gone = {spot.topic for spot in self._ends} - topics
        if gone:
            self._ends = {spot: end for spot, end in self._ends.items() if spot.topic not in gone}
            for topic in gone:
                del self._grown[topic]
        for spot, end in ends.items():
            grown = max(end - self._ends.get(spot, end), 0)
            self._grown[spot.topic] += grown
            self._total += grown
        self._ends.update(ends)
        return None if first else (self._total, {topic: self._grown[topic] for topic in topics})
