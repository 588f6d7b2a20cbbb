"""From what was measured to what Datadog stores: reports in, series with one value each out.

    Point(<redis commands: counter, submit rate>, 1234)     {"metric": "redis.net.commands", "type": 3, value 17.3}
    Point(<requests: counter>, 900, (("code", "500"),))     {"metric": "app.requests", "type": 1, interval 15, value 3}
    Point(<latency: histogram>, counts)                     app.latency.bucket, tagged upper_bound:0.5, .count and .sum

How a value is submitted is the metric's own affair (`DatadogName.submit`), in the terms of the Agent's checks and with
the Agent's results (datadog-agent, `pkg/metrics/rate.go` and `monotonic_count.go`): a rate needs two values and leaves
out the one after a reset; a count after a reset is what the server counted since it started, if it says since when, as
the Agent does for OpenMetrics, and otherwise 0. Histograms are as Datadog's OpenMetrics check reports them: buckets
count everything up to their bound, and the one without a bound is left to `.count`. As a distribution, of which
Datadog reckons percentiles, a histogram is the values that were counted, as far as the bounds tell them: spread evenly
between them, those above all bounds at the last one (as the OpenTelemetry exporter of Datadog takes them).

A series is told by its name, host and tags: those of the pod, which its logs have too, the configured ones, the check's
constant ones and its attributes. Whose something is, the pod's tags say alone: what a check, or an endpoint with such a
label, calls `kube_namespace` becomes `exported_kube_namespace`, as Prometheus has it with labels that are called like
the target's.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from outrider.exporters.datadog.growth import Grown, Growth, OutOfOrderError, TooManySeriesError
from outrider.exporters.datadog.names import MAX_METRIC_TAG, metric_name, metric_tag
from outrider.exporters.datadog.tags import exported, subject_tags, whose
from outrider.model.clock import Clock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.points import (
    Attributes,
    DatadogName,
    Event,
    Histogram,
    Point,
    Recent,
    Report,
    ServiceCheck,
    Sketch,
)

OLDEST, LATEST = 3600, 600
"""Seconds before and after now that a point may say (docs.datadoghq.com, metrics/custom_metrics)."""
OLDEST_SERVICE_CHECK = 600
"""Seconds before now, the same of a service check (api/v1/check_run)."""
OLDEST_EVENT = 18 * 3600
"""Seconds before now, the same of an event (api/v1/events)."""

MAX_VALUES = 10_000
"""Values of one point of a distribution. If there were more, every so many of them stand for all."""

_REASONS = ("not_finite", "name", "too_old", "too_far_ahead", "out_of_order", "too_many_series", "too_many_values")
"""Why something is left out: no number; no letter in the name, or more than 200 characters; not within what the API
takes; not later than the value before; a total beyond those that are remembered; values beyond MAX_VALUES."""
NANOSECONDS = 10**9


class Series(NamedTuple):
    """One value of one series, or the values of a distribution or their sketch, at `time` (seconds since 1970).
    `interval` is the seconds that it is about, 0 for a value of now. `host` and `unit` may be "".
    """

    name: str
    type: str
    value: float | tuple[float, ...] | Sketch
    time: int
    interval: int
    host: str
    tags: tuple[str, ...]
    unit: str


class Told(NamedTuple):
    """A service check or an event, with the host and all tags that it has."""

    what: ServiceCheck | Event
    host: str
    tags: tuple[str, ...]

    @property
    def time(self) -> int:
        """Seconds since 1970."""
        return self.what.time // NANOSECONDS


class _About(NamedTuple):
    """The tags of everything in a report, and the keys of those among them that say whose it is."""

    tags: tuple[str, ...]
    whose: frozenset[str]


class _Reading(NamedTuple):
    """A point on its way to one or more series. `name`, `host` and `tags` tell the series, `to` how it is submitted."""

    point: Point
    name: str
    to: DatadogName
    host: str
    tags: tuple[str, ...]


class Conversion:
    """Converts reports. Every report has to pass once and in order: totals are compared with those before."""

    def __init__(self, name: str, cluster: Cluster, tags: Sequence[str], clock: Clock, counters: Counters) -> None:
        self._cluster, self._clock = cluster, clock
        self._tags = [metric_tag(tag) for tag in tags]
        self._growth = Growth(clock)
        self._left_out = {
            reason: counters.counter(
                "outrider_points_left_out_total",
                "Points, service checks and events that Datadog would not take, by reason.",
                exporter=name,
                reason=reason,
            )
            for reason in _REASONS
        }
        self._shed = counters.counter(
            "outrider_tags_shed_total", "Tags left out or cut to what the destination takes.", exporter=name
        )

    def series(self, reports: Iterable[Report]) -> list[Series]:
        """What is to be stored of the points of `reports`."""
        self._growth.forget()
        found: list[Series] = []
        for report in reports:
            host, tags = self._host(report), self._common(report)
            for point in report.points:
                if point.metric.datadog is None or not self._in_time(point.time, OLDEST):
                    continue
                found += self._of_point(point, point.metric.datadog, host, tags)
            for recent in report.recent:
                if self._in_time(recent.time, OLDEST):
                    found += self._of_recent(recent, host, tags)
        return found

    def service_checks(self, reports: Iterable[Report]) -> list[Told]:
        return [
            Told(check, check.host or self._host(report), self._with(self._common(report), check.tags))
            for report in reports
            for check in report.service_checks
            if self._in_time(check.time, OLDEST_SERVICE_CHECK)
        ]

    def events(self, reports: Iterable[Report]) -> list[Told]:
        return [
            Told(event, event.host or self._host(report), self._with(self._common(report), event.tags))
            for report in reports
            for event in report.events
            if self._in_time(event.time, OLDEST_EVENT)
        ]

    def _host(self, report: Report) -> str:
        return report.subject.node or self._cluster.node

    def _common(self, report: Report) -> _About:
        own = tuple(map(metric_tag, subject_tags(report.subject, self._cluster, report.cardinality)))
        of_pod = _About(own, whose(own))
        said = exported(map(metric_tag, report.tags), *of_pod)
        return of_pod._replace(tags=tuple(dict.fromkeys((*own, *said, *self._tags))))

    def _with(self, common: _About, pairs: Iterable[tuple[str, str]]) -> tuple[str, ...]:
        """The tags of `common`, and `pairs`. Nothing is said of an empty value: a label without a value is none (the
        data model of Prometheus), and a tag cannot end with a colon.
        """
        own = [f"{key}:{value}" for key, value in pairs if value]
        self._shed.add(sum(len(tag) > MAX_METRIC_TAG for tag in own))
        return tuple(dict.fromkeys((*common.tags, *exported(map(metric_tag, own), *common))))

    def _in_time(self, time: int, oldest: int) -> bool:
        age = self._clock.now() - time / NANOSECONDS
        if age > oldest:
            self._left_out["too_old"].add()
        elif age < -LATEST:
            self._left_out["too_far_ahead"].add()
        return -LATEST <= age <= oldest

    def _of_recent(self, recent: Recent, host: str, common: _About) -> list[Series]:
        """What came within an interval: as it is, or per second."""
        to, value = recent.name, recent.value
        tags = self._tags_of(to, recent.attributes, common)
        if isinstance(value, Sketch):
            return self._if_good(to.name, value.total, Series("", "sketch", value, 0, 0, host, tags, ""), recent.time)
        seconds = max(round(value.seconds), 1)
        if isinstance(value.by, Histogram):
            counted = (
                self._if_good(part, by, Series("", "count", by, 0, seconds, host, (*tags, *more), ""), recent.time)
                for part, by, more in _counted(to.name, value.by, to.scale)
            )
            return [series for found in counted for series in found]
        by = value.by * to.scale / (value.seconds if to.type == "rate" else 1)
        return self._if_good(to.name, by, Series("", to.type, by, 0, seconds, host, tags, to.unit), recent.time)

    def _tags_of(self, to: DatadogName, attributes: Attributes, common: _About) -> tuple[str, ...]:
        spelled = ((to.spelling.get(key, key), value) for key, value in attributes)
        return self._with(common, (*to.tags, *((key, value) for key, value in spelled if key is not None)))

    def _of_point(self, point: Point, to: DatadogName, host: str, common: _About) -> list[Series]:
        tags = self._tags_of(to, point.attributes, common)
        reading = _Reading(point, to.name, to, host, tags)
        if isinstance(point.value, Histogram):
            work = self._distribution if to.submit == "distribution" else self._buckets
            return work(reading, point.value)
        value = _float(point.value) * to.scale
        return self._value(reading, value) if to.submit == "gauge" else self._total(reading, value)

    def _value(self, reading: _Reading, value: float, seconds: int = 0) -> list[Series]:
        """A series of one value, if Datadog can have it; `seconds` are those that it is about."""
        point, name, to, host, tags = reading
        interval = 0 if to.type == "gauge" else seconds
        unit = "" if to.per_unit else to.unit  # a unit per another one has no place in a series
        return self._if_good(name, value, Series("", to.type, value, 0, interval, host, tags, unit), point.time)

    def _if_good(self, name: str, value: float, series: Series, time: int) -> list[Series]:
        """`series` with its name and time (nanoseconds), if it can have the name, and `value` is a number."""
        known = metric_name(name)
        if known is None or not math.isfinite(value):
            self._left_out["name" if known is None else "not_finite"].add()
            return []
        return [series._replace(name=known, time=time // NANOSECONDS)]

    def _total(self, reading: _Reading, total: float) -> list[Series]:
        """The growth of a total, if it is known."""
        grown = self._grown(reading, total)
        if grown is None:
            return []
        if reading.to.submit != "rate":
            return self._value(reading, max(grown.by, 0.0), max(round(grown.seconds), 1))
        if grown.whole or grown.by < 0:
            return []  # a rate is between two values
        return self._value(reading, grown.by / grown.seconds, max(round(grown.seconds), 1))

    def _grown(self, reading: _Reading, total: float) -> Grown | None:
        if not math.isfinite(total):
            self._left_out["not_finite"].add()
            return None
        point, series = reading.point, (reading.name, reading.host, reading.tags)
        try:
            return self._growth.of(series, total, point.time, point.start)
        except OutOfOrderError:
            self._left_out["out_of_order"].add()
        except TooManySeriesError:
            self._left_out["too_many_series"].add()
        return None

    def _buckets(self, reading: _Reading, histogram: Histogram) -> list[Series]:
        """A histogram as totals."""
        of = reading._replace(to=_COUNTED)
        found: list[Series] = []
        for name, total, more in _counted(of.name, histogram, reading.to.scale):
            found += self._total(of._replace(name=name, tags=(*of.tags, *more)), total)
        return found

    def _distribution(self, reading: _Reading, histogram: Histogram) -> list[Series]:
        """A histogram as values."""
        bounds = [bound * reading.to.scale for bound in histogram.bounds]
        lower, upper = [min(0.0, *bounds[:1]), *bounds], [*bounds, *bounds[-1:]]
        counts = []
        for i, count in enumerate(histogram.counts):
            grown = self._grown(reading._replace(tags=(*reading.tags, f"bucket:{i}")), float(count))
            counts.append(max(round(grown.by), 0) if grown is not None else 0)
        step = max(-(-sum(counts) // MAX_VALUES), 1)
        values = tuple(
            low + (high - low) * (k + 0.5) / n
            for low, high, n in zip(lower, upper, (count // step for count in counts), strict=False)
            for k in range(n)
        )
        self._left_out["too_many_values"].add(sum(counts) - len(values))
        name = metric_name(reading.name)
        if name is None:
            self._left_out["name"].add()
        if name is None or not values:
            return []
        seconds = reading.point.time // NANOSECONDS
        return [Series(name, "distribution", values, seconds, 0, reading.host, reading.tags, "")]


_COUNTED = DatadogName("", "monotonic_count", "count")
"""How the totals of a histogram are submitted."""


def _counted(name: str, histogram: Histogram, scale: float) -> Iterator[tuple[str, float, tuple[str, ...]]]:
    """Under which names a histogram is counted, with which values and further tags."""
    yield f"{name}.count", float(histogram.count), ()
    yield f"{name}.sum", histogram.total * scale, ()
    for bound, below in zip(histogram.bounds, accumulate(histogram.counts), strict=False):
        yield f"{name}.bucket", float(below), (f"upper_bound:{_bound(bound * scale)}",)


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer of more than 308 digits
        return math.inf


def _bound(bound: float) -> str:
    """A bound as the OpenMetrics check of Datadog spells it: `0.5`, `1.0`, and `0` alone without a point."""
    return repr(float(bound)) if bound else "0"
