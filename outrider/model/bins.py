"""Values counted in bins of a fixed relative width: the sketch that Datadog stores of a distribution.

A bin is numbered by the logarithm of its values to the base 1 + 2/128, rounded, so whatever stands in a bin is known to
within 0.8 %. The numbers are those of the Agent (datadog-agent, `pkg/util/quantile/config.go`): 0 is for what is nearer
to zero than 1e-9, the bins of negative values have negative numbers, and there are no more than 4096, of which the
lowest then take in their neighbours. So what two of us have counted can be added up bin by bin, by us or by Datadog.

    1.0 -> 1338      1.02 -> 1339      -1.0 -> -1338      1e-12 -> 0

The package `ddsketch` numbers its bins in another way (and could be told to use this one), counts in floats, and takes
a call for each value, where here a list of them takes a few.
"""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

from outrider.model.points import Histogram, Sketch

MAX_BINS = 4096
"""Bins of one sketch."""
MAX_KEY = 32767
"""The bin of everything that is too large for another one."""

_GAMMA = 1 + 2 / 128
_PER_LN = 1 / math.log1p(2 / 128)
_BIAS = 1 - math.floor(math.log(1e-9) * _PER_LN)
_LEAST, _TOO_LARGE = _GAMMA ** (1 - _BIAS), _GAMMA ** (MAX_KEY - _BIAS)


def bin_of(value: float) -> int:
    """The number of the bin of a value, which must be finite."""
    if value >= _LEAST:
        return min(max(round(math.log(value) * _PER_LN) + _BIAS, 1), MAX_KEY)
    return -bin_of(-value) if value <= -_LEAST else 0


def value_of(number: int) -> float:
    """The value in the middle of a bin."""
    if number == 0:
        return 0.0
    try:
        return math.copysign(_GAMMA ** (abs(number) - _BIAS), number)
    except OverflowError:
        return math.copysign(1.7e308, number)


class Bins:
    """What was counted so far."""

    __slots__ = ("count", "counts", "high", "low", "total")

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.count, self.total, self.low, self.high = 0, 0.0, math.inf, -math.inf

    def __len__(self) -> int:
        return len(self.counts)

    def add(self, values: Sequence[float], times: int = 1) -> None:
        """Count each of `values`, of which there is one at least, so many `times`."""
        low, high = min(values), max(values)
        if low >= _LEAST and high < _TOO_LARGE:  # as `bin_of`, in a few calls into C for all of them
            rounded = Counter(map(round, map(_PER_LN.__mul__, map(math.log, values))))
            found = {number + _BIAS: n for number, n in rounded.items()}
        else:
            found = Counter(map(bin_of, values))
        for number, n in found.items():
            self.counts[number] += n * times
        self.count += len(values) * times
        self.total += sum(values) * times
        self.low, self.high = min(self.low, low), max(self.high, high)
        if len(self.counts) > MAX_BINS:
            self._trim()

    def sketch(self) -> Sketch:
        """All of it, once there is something."""
        return Sketch(tuple(sorted(self.counts.items())), self.count, self.total, self.low, self.high)

    def _trim(self) -> None:
        """The lowest bins take in their neighbours."""
        numbers = sorted(self.counts)
        lowest, kept = numbers[:-MAX_BINS], numbers[-MAX_BINS]
        self.counts[kept] += sum(self.counts.pop(number) for number in lowest)


def ranked(sketch: Sketch, ranks: Iterable[int]) -> list[float]:
    """The values at `ranks`, which grow, when all are put in order and numbered from 0."""
    bins, found = iter(sketch.bins), []
    number, passed = 0, 0
    for rank in ranks:
        while passed <= rank:
            number, n = next(bins)
            passed += n
        found.append(min(max(value_of(number), sketch.low), sketch.high))
    return found


def spread(sketch: Sketch, most: int) -> tuple[float, ...]:
    """Values that the sketch could be of, but if there are more than `most`, every so many of them."""
    step = max(-(-sketch.count // most), 1)
    return tuple(ranked(sketch, range(step // 2, sketch.count, step)))


LOWEST, HIGHEST = -60, 120
"""Exponents of the outermost bounds of a `Growing`: 2^-30, about a nanosecond in seconds, and 2^60."""
_BOUNDS = [2.0 ** (i / 2) for i in range(LOWEST, HIGHEST + 1)]


@lru_cache(maxsize=MAX_BINS)
def _bucket(number: int) -> int:
    """The bucket that a bin falls into: the place of its upper bound."""
    return min(max(bisect_left(_BOUNDS, value_of(number)), 1), len(_BOUNDS) - 1)


class Growing:
    """Everything that was ever counted, as a histogram with two buckets for each doubling, for those who store that.
    What is not above zero shares a bucket. Only buckets between the lowest and the highest that was ever needed are
    reported.
    """

    __slots__ = ("_buckets", "_count", "_not_above_zero", "_total")

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self._not_above_zero, self._count, self._total = 0, 0, 0.0

    def add(self, sketch: Sketch) -> None:
        """Add the values of one interval, unless they come to more than a number holds."""
        if not math.isfinite(self._total + sketch.total):
            return
        for number, n in sketch.bins:
            if number > 0:
                self._buckets[_bucket(number)] += n
            else:
                self._not_above_zero += n
        self._count += sketch.count
        self._total += sketch.total

    def histogram(self) -> Histogram:
        bounds, counts = [], []
        if self._not_above_zero or not self._buckets:
            bounds, counts = [0.0], [self._not_above_zero]
        if self._buckets:
            first, last = min(self._buckets), max(self._buckets)
            bounds += _BOUNDS[first - 1 : last + 1]
            counts += [0, *(self._buckets[i] for i in range(first, last + 1))]
        return Histogram(tuple(bounds), (*counts, 0), self._count, self._total)
