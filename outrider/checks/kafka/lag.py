"""How far behind a group is, in seconds: since when there has been what it has not read.

Kafka does not tell when a record was written without it being read. But where the end of a partition was at each of the
last runs is known, and between two of them it is taken to have moved evenly.
"""

from collections import deque

from outrider.checks.kafka.messages import Spot

SAMPLES = 120
"""Runs that are remembered: half an hour, at one in fifteen seconds."""

Sample = tuple[float, int]
"""A time in seconds and the end of the partition then."""


class Ends:
    """Where the ends of partitions were."""

    def __init__(self) -> None:
        self._samples: dict[Spot, deque[Sample]] = {}

    def see(self, ends: dict[Spot, int], now: float) -> None:
        """Remember the `ends` of this run; partitions that are not among them are forgotten."""
        for gone in self._samples.keys() - ends.keys():
            del self._samples[gone]
        for spot, end in ends.items():
            samples = self._samples.setdefault(spot, deque(maxlen=SAMPLES))
            if samples and end < samples[-1][1]:
                samples.clear()  # the topic was made anew
            if len(samples) > 1 and samples[-1][1] == samples[-2][1] == end:
                samples.pop()  # it stands still: when that began and that it does is all there is to know
            samples.append((now, end))

    def seconds_behind(self, spot: Spot, offset: int) -> float | None:
        """How long ago the end of the partition was at `offset`; None if that cannot be told yet."""
        samples = self._samples.get(spot)
        if not samples:
            return None
        now, end = samples[-1]
        if offset >= end:
            return 0.0
        after = next((i for i, (_, then) in enumerate(samples) if then > offset), 0)
        earlier, later = (samples[after - 1], samples[after]) if after else (samples[0], samples[-1])
        grown = later[1] - earlier[1]
        if grown <= 0:
            return None
        return max(now - (earlier[0] + (later[0] - earlier[0]) * (offset - earlier[1]) / grown), 0.0)
