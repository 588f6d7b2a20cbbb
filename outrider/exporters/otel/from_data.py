"""OpenTelemetry's MetricsData as reports: what any program measures with its SDK, under both vendors' names.

    resource attributes k8s.*                       the Subject
    service.name, service.namespace, ...            attributes of every point, spelled as each vendor has them
    the scope's name                                one more: two libraries in one program may measure the same
    Sum, monotonic                                  counter
    Sum, not monotonic; Gauge                       gauge
    Histogram, ExponentialHistogram                 histogram; the latter with the bounds of its buckets, which are few

Points are cumulative. Increases (temporality delta) are what Datadog stores, and go there as they are (`Recent`). For
everybody else they are added up, since the start of the first; a histogram that has other buckets than the sum so far,
as exponential ones do whenever their range changes, begins a new sum. An increase that comes again, to the nanosecond,
is the repeat of a client that heard no answer, and is passed over. The name of a
metric is its name in Datadog, and behind `workload.googleapis.com/` in Google, where its value type is fixed by the
first value: the SDK keeps whole numbers and fractions apart by value alone, and Cloud Monitoring by metric.
"""

import json
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from opentelemetry.sdk.metrics import export as sdk

from outrider.model.points import (
    Attributes,
    DatadogName,
    GoogleName,
    Histogram,
    Increase,
    Kind,
    Metric,
    Point,
    Recent,
    Report,
    Subject,
)

DOMAIN = "workload.googleapis.com/"
SERVICE: dict[str, tuple[str | None, str | None]] = {
    "service.name": ("service", "service_name"),
    "service.namespace": (None, "service_namespace"),
    "service.instance.id": (None, "service_instance_id"),
    "service.version": ("version", None),
    "deployment.environment.name": ("env", None),
    "deployment.environment": ("env", None),
}
"""How Datadog and Google spell what a program is, None: not at all. Datadog's are its reserved tags
(opentelemetry-mapping-go); Google's keep the series of two programs apart (opentelemetry-operations-go)."""
SCOPE = "otel.scope.name"
"""The attribute that says which library of a program has measured; spelled as in the same two."""
_SPELLING = {**SERVICE, SCOPE: ("instrumentation_scope", "instrumentation_source")}
UNITS = {"By": "byte", "s": "second", "ms": "millisecond", "us": "microsecond", "ns": "nanosecond", "%": "percent"}
"""Datadog's names of UCUM's units."""

MAX_SUMS = 200_000
"""Series of increases whose sums are remembered, the latest."""
AFTER = 10**6
"""Nanoseconds between the start of the first increase and that of the sum: a process of ours that was before this one
may have written a sum that ends just there (totals.py)."""

_Key = tuple[Attributes, Attributes, str, str, Kind]


@dataclass(slots=True)
class _Sum:
    """Increases of one series up to `time`, added up; the last one of them is that since `since`."""

    value: Any
    start: int
    since: int
    time: int


class Conversion:
    """Converts MetricsData; each has to pass once and in order."""

    def __init__(self) -> None:
        self._metrics: dict[tuple[str, Kind], Metric] = {}
        self._sums: dict[_Key, _Sum] = {}

    def reports(self, data: Any) -> list[Report]:
        """A report for each scope of `data`."""
        reports = []
        for resource in data.resource_metrics:
            about = _attributes(resource.resource.attributes)
            for scope in resource.scope_metrics:
                source = scope.scope.name
                found = [p for metric in scope.metrics for p in self._points(metric, about, source)]
                points = tuple(one for one in found if isinstance(one, Point))
                recent = tuple(one for one in found if isinstance(one, Recent))
                reports.append(Report(source or "opentelemetry", _subject(dict(about)), points, recent=recent))
        return reports

    def _points(self, metric: Any, about: Attributes, source: str) -> Iterator[Point | Recent]:
        common = {key: value for key, value in about if key in SERVICE} | ({SCOPE: source} if source else {})
        delta = getattr(metric.data, "aggregation_temporality", None) is sdk.AggregationTemporality.DELTA
        for found in metric.data.data_points:
            attributes = _attributes(found.attributes)
            merged = tuple(sorted({**common, **dict(attributes)}.items()))
            time, value, start = found.time_unix_nano, _value(found), found.start_time_unix_nano or None
            of = self._metric(metric, value)
            if delta:
                key, since = (about, attributes, source, metric.name, of.kind), start or time
                known = self._sums.get(key)
                if known is not None and (known.since, known.time) == (since, time):
                    continue
                if of.datadog is not None and of.kind != "gauge":
                    yield Recent(of.datadog, Increase(value, (time - since) / 1e9), time, merged)
                    of = replace(of, datadog=None)
                value, start = self._added(key, value, since, time)
            yield Point(of, value, time, merged, None if of.kind == "gauge" else start, delta)

    def _added(self, key: _Key, increase: Any, since: int, time: int) -> tuple[Any, int]:
        """What has been counted with this increase, and since when."""
        before = self._sums.pop(key, None)
        together = None if before is None else _together(before.value, increase)
        if before is None or together is None:
            if len(self._sums) >= MAX_SUMS:
                del self._sums[next(iter(self._sums))]
            start = min(max(since, 0 if before is None else before.time) + AFTER, time)
            self._sums[key] = _Sum(increase, start, since, time)
            return increase, start
        before.value, before.since, before.time = together, since, time
        self._sums[key] = before  # the one that was not seen for longest is the first
        return together, before.start

    def _metric(self, metric: Any, value: Any) -> Metric:
        kind = _kind(metric.data)
        known = self._metrics.get((metric.name, kind))
        if known is None:
            if len(self._metrics) >= MAX_SUMS:
                self._metrics.clear()
            known = self._metrics[metric.name, kind] = _made(metric, kind, value)
        return known


def _kind(data: Any) -> Kind:
    if isinstance(data, sdk.Sum):
        return "counter" if data.is_monotonic else "gauge"
    return "gauge" if isinstance(data, sdk.Gauge) else "histogram"


def _made(metric: Any, kind: Kind, value: Any) -> Metric:
    value_type: Literal["INT64", "DOUBLE", "DISTRIBUTION"] = "INT64" if isinstance(value, int) else "DOUBLE"
    if kind == "histogram":
        value_type = "DISTRIBUTION"
    unit = metric.unit or ""
    datadog = DatadogName(
        metric.name,
        "gauge" if kind == "gauge" else "monotonic_count",
        "gauge" if kind == "gauge" else "count",
        UNITS.get(unit, ""),
        spelling={key: spelled for key, (spelled, _) in _SPELLING.items()},
    )
    google = GoogleName(
        DOMAIN + metric.name,
        "GAUGE" if kind == "gauge" else "CUMULATIVE",
        value_type,
        unit or "1",
        spelling={key: spelled for key, (_, spelled) in _SPELLING.items()},
    )
    return Metric(metric.name, kind, metric.description or "", datadog, google)


def _subject(about: Mapping[str, str]) -> Subject:
    return Subject(
        about.get("k8s.node.name", ""),
        about.get("k8s.namespace.name", ""),
        about.get("k8s.pod.name", ""),
        about.get("k8s.pod.uid", ""),
        about.get("k8s.container.name", ""),
    )


def _attributes(attributes: Mapping[str, Any] | None) -> Attributes:
    return tuple(sorted((key, _text(value)) for key, value in (attributes or {}).items()))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False, default=str)


def _value(point: Any) -> Any:
    if isinstance(point, sdk.HistogramDataPoint):
        return Histogram(tuple(point.explicit_bounds), tuple(point.bucket_counts), point.count, point.sum)
    if isinstance(point, sdk.ExponentialHistogramDataPoint):
        return explicit(point)
    return point.value


def explicit(point: Any) -> Histogram:
    """An exponential histogram with the bounds that its buckets have (metrics/data-model.md, ExponentialHistogram):
    bucket i holds what is above base^i and up to base^(i+1), of values or of their amounts below zero.
    """
    counts: dict[float, int] = {}  # by upper bound

    def add(bound: float, count: int = 0) -> None:
        counts[bound] = counts.get(bound, 0) + count

    if any(point.negative.bucket_counts):
        for i, count in enumerate(point.negative.bucket_counts, point.negative.offset):
            add(-_bound(point.scale, i), count)
            add(-_bound(point.scale, i + 1))
        add(0.0)
    if point.zero_count:
        add(0.0, point.zero_count)
    if any(point.positive.bucket_counts):
        for i, count in enumerate(point.positive.bucket_counts, point.positive.offset):
            add(_bound(point.scale, i))
            add(_bound(point.scale, i + 1), count)
    bounds = sorted(counts)
    return Histogram(tuple(bounds), (*(counts[bound] for bound in bounds), 0), point.count, point.sum)


def _bound(scale: int, i: int) -> float:
    """base^i, where base is 2^(2^-scale)."""
    try:
        return math.exp2(i * math.exp2(-scale))
    except OverflowError:
        return sys.float_info.max


def _together(a: Any, b: Any) -> Any | None:
    """Both; None if they cannot be added, as histograms with different buckets, or come to more than a number holds."""
    if not isinstance(a, Histogram):
        return a + b if math.isfinite(a + b) else None
    if a.bounds != b.bounds or not math.isfinite(a.total + b.total):
        return None
    counts = tuple(x + y for x, y in zip(a.counts, b.counts, strict=True))
    return Histogram(a.bounds, counts, a.count + b.count, a.total + b.total)
