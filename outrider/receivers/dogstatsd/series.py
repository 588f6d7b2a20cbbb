"""One series of the DogStatsD server: what lines of the same name, type, tags and origin add up to.

Both vendors get what their own agents would make of it. Datadog: what came within the interval, under the names and
types that its Agent uses (datadog-agent, `pkg/metrics`). Google: everything since the series began, since Cloud
Monitoring takes no increases for metrics of one's own.

    type      Datadog                                                  Google
    c         rate, per second; 0 while nothing comes, for 5 min       CUMULATIVE
    g         gauge, the last value                                    GAUGE
    s         gauge, how many different values                         GAUGE
    h, ms     gauges .max .median .avg .95percentile, rate .count      CUMULATIVE DISTRIBUTION
    d         a sketch, of which Datadog reckons any percentile        CUMULATIVE DISTRIBUTION

A total that falls is none: of counts that are taken back, Google gets nothing.
"""

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

from outrider.model.bins import Bins, Growing, ranked
from outrider.model.points import DatadogName, GoogleName, Increase, Metric, Point, Recent, Value
from outrider.receivers.dogstatsd.lines import Head, Origin, Type

DOMAIN = "workload.googleapis.com/"
EXPIRES = 300
"""Seconds without a line after which a series is forgotten (the Agent's `dogstatsd_expiry_seconds`)."""
AGGREGATES = ("max", "median", "avg", "95percentile")
"""What the Agent makes of histograms and timers unless it is told otherwise, beside `count`."""

_HOST = "host"
"""The attribute of a series that is of another host: Google's resource of a pod has none, so there it is a label."""
_SPELLING = {_HOST: None}
"""Datadog has it beside the tags."""

Source = tuple[Origin, tuple[str, ...]]
"""What a report is about: an origin, and tags without a value, which points have no place for."""
Gathered = float | Bins | set[bytes]
"""What came within an interval: a sum, a last value, values, or their different spellings."""


class _Names(NamedTuple):
    """Under which metrics a series is reported."""

    recent: dict[str, DatadogName]
    gauges: dict[str, Metric]
    total: Metric | None


class Series:
    """`last` is when the last line came, in seconds; `timed`: all lines so far had times of their own; `size`: the
    bytes that it takes, about.
    """

    __slots__ = (
        *("_ever", "_names", "_started", "_tags", "_total", "_total_moved"),
        *("last", "name", "size", "source", "timed", "type"),
    )

    def __init__(self, head: Head, origin: Origin, started: int, size: int) -> None:
        """`started` is when its total begins, in nanoseconds since 1970."""
        self.name, self.type, self.source, self.size = head.name, head.type, (origin, head.tags.words), size
        self.last, self.timed = started // 10**9, True
        self._tags, self._started = head.tags.pairs, started
        if origin.host:
            self._tags = tuple(sorted((*self._tags, (_HOST, origin.host))))
        self._names = _names(head.name, head.type)
        self._total, self._total_moved = 0.0, False
        self._ever: Growing | None = None

    def at(self, value: float, weight: float, time: int, interval: int) -> Point | Recent:
        """A value with a time of its own, which is not added up with others (protocol 1.3)."""
        if self.type == "g":
            return Point(self._names.gauges[""], value, time * 10**9, self._tags)
        self._count(value * weight)
        return Recent(self._names.recent[""], Increase(value * weight, interval), time * 10**9, self._tags)

    def report(self, gathered: Gathered | None, end: int, interval: int) -> Iterator[Point | Recent]:
        """What is to be said of the interval that ends at `end` (seconds)."""
        time = end * 10**9
        if self.type == "c":
            yield from self._of_count(gathered if isinstance(gathered, float) else 0.0, time, interval)
        elif isinstance(gathered, Bins):
            yield from self._of_values(gathered, time, interval)
        elif gathered is not None:
            value: Value = len(gathered) if isinstance(gathered, set) else gathered
            yield Point(self._names.gauges[""], value, time, self._tags)

    def _of_count(self, by: float, time: int, interval: int) -> Iterator[Point | Recent]:
        self._count(by)
        if not self.timed:
            yield Recent(self._names.recent[""], Increase(by, interval), time, self._tags)
        assert self._names.total is not None, "counts have one"
        if self._total_moved or not self.timed:
            yield self._of_total(self._names.total, self._total, time)
        self._total_moved = False

    def _count(self, by: float) -> None:
        if by:
            total = self._total + max(by, 0.0)
            self._total = total if math.isfinite(total) else self._total
            self._total_moved = True

    def _of_total(self, metric: Metric, value: Value, time: int) -> Point:
        return Point(metric, value, time, self._tags, min(self._started, time), exact=True)

    def _of_values(self, bins: Bins, time: int, interval: int) -> Iterator[Point | Recent]:
        sketch, tags, names = bins.sketch(), self._tags, self._names
        if self.type == "d":
            yield Recent(names.recent[""], sketch, time, tags)
        else:
            median, high = ranked(sketch, ((sketch.count - 1) // 2, (95 * sketch.count - 1) // 100))
            found = (sketch.high, median, sketch.total / sketch.count, high)
            for aggregate, value in zip(AGGREGATES, found, strict=True):
                yield Point(names.gauges[aggregate], value, time, tags)
            yield Recent(names.recent["count"], Increase(sketch.count, interval), time, tags)
        assert names.total is not None, "values have one"
        self._ever = self._ever or Growing()
        self._ever.add(sketch)
        yield self._of_total(names.total, self._ever.histogram(), time)


def _names(name: str, kind: Type) -> _Names:
    if kind == "g":
        return _Names({}, {"": _both(name, "DOUBLE")}, None)
    if kind == "s":
        return _Names({}, {"": _both(name, "INT64")}, None)
    if kind == "c":
        total = Metric(name, "counter", google=GoogleName(DOMAIN + name, "CUMULATIVE"))
        return _Names({"": DatadogName(name, "gauge", "rate", spelling=_SPELLING)}, {}, total)
    unit, ucum = ("millisecond", "ms") if kind == "ms" else ("", "1")
    total = Metric(name, "histogram", google=GoogleName(DOMAIN + name, "CUMULATIVE", "DISTRIBUTION", ucum))
    if kind == "d":
        return _Names({"": DatadogName(name, "distribution", spelling=_SPELLING)}, {}, total)
    made = {aggregate: f"{name}.{aggregate}" for aggregate in AGGREGATES}
    gauges = {
        aggregate: Metric(one, datadog=DatadogName(one, unit=unit, spelling=_SPELLING))
        for aggregate, one in made.items()
    }
    return _Names({"count": DatadogName(f"{name}.count", "gauge", "rate", spelling=_SPELLING)}, gauges, total)


def _both(name: str, value_type: Literal["INT64", "DOUBLE"]) -> Metric:
    return Metric(
        name,
        "gauge",
        datadog=DatadogName(name, spelling=_SPELLING),
        google=GoogleName(DOMAIN + name, value_type=value_type),
    )
