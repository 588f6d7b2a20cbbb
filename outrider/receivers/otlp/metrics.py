"""Metrics as they came over OTLP, as the SDK's MetricsData: what a program has in its own hands before it sends them.

So there is one way from OpenTelemetry's metrics to ours, whoever brings them (`outrider.exporters.otel.from_data`). The
SDK has no summaries, which Prometheus's clients make: one becomes the counters `.count` and `.sum`, and gauges
`.quantile` (opentelemetry-mapping-go has the same).

Points without a value (the flag NO_RECORDED_VALUE says that a series has ended) are passed over, and so are quantiles
of nothing. One that makes no sense is left out, and the sender is told: what is no number would spoil every sum that it
is added to.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from opentelemetry.sdk.metrics import export as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from outrider.receivers.otlp.messages import pairs

_NO_RECORDED_VALUE = 1
_TEMPORALITIES = {1: sdk.AggregationTemporality.DELTA, 2: sdk.AggregationTemporality.CUMULATIVE}
"""metrics.proto, AggregationTemporality."""


class Translation:
    """One request on its way. `rejected` counts the points that were left out, `words` says why, of the last."""

    def __init__(self) -> None:
        self.rejected, self.words = 0, ""

    def data(self, request: Any) -> Any:
        """The MetricsData of an ExportMetricsServiceRequest."""
        return sdk.MetricsData([self._resource(one) for one in request.resource_metrics])

    def _resource(self, resource: Any) -> Any:
        about = Resource(pairs(resource.resource.attributes))
        return sdk.ResourceMetrics(about, [self._scope(one) for one in resource.scope_metrics], "")

    def _scope(self, scope: Any) -> Any:
        about = InstrumentationScope(scope.scope.name, scope.scope.version)
        found = [metric for one in scope.metrics for metric in self._metrics(one)]
        return sdk.ScopeMetrics(about, found, "")

    def _metrics(self, metric: Any) -> Iterator[Any]:
        kind = metric.WhichOneof("data")
        given = getattr(metric, kind) if kind else None
        if not metric.name or given is None:
            self._reject(f"{metric.name or 'a metric'} has no name or no data")
            return

        def made(data: Any, name: str = metric.name) -> Any:
            return sdk.Metric(name, metric.description, metric.unit, data)

        if kind == "summary":
            points = self._good(metric.name, given.data_points, _quantiles)
            for suffix, data in _summary(points):
                yield made(data, metric.name + suffix)
            return
        temporality = None if kind == "gauge" else _TEMPORALITIES.get(given.aggregation_temporality)
        if kind != "gauge" and temporality is None:
            self._reject(f"{metric.name}: neither delta nor cumulative", len(given.data_points))
            return
        counts = kind == "sum" and given.is_monotonic
        points = self._good(metric.name, given.data_points, _count if counts else _POINTS[kind])
        if kind == "gauge":
            yield made(sdk.Gauge(points))
        elif kind == "sum":
            yield made(sdk.Sum(points, temporality, given.is_monotonic))
        else:
            of = sdk.Histogram if kind == "histogram" else sdk.ExponentialHistogram
            yield made(of(points, temporality))

    def _good(self, name: str, points: Iterable[Any], read: Callable[[Any], Any]) -> list[Any]:
        found = []
        for point in points:
            if point.flags & _NO_RECORDED_VALUE:
                continue
            try:
                if not point.time_unix_nano:
                    raise ValueError("no time")
                found.append(read(point))
            except ValueError as e:
                self._reject(f"{name}: {e}")
        return found

    def _reject(self, words: str, points: int = 1) -> None:
        self.rejected += points
        self.words = words


def _number(point: Any) -> Any:
    kind = point.WhichOneof("value")
    if kind is None:
        raise ValueError("no value")
    value = _finite(getattr(point, kind))
    return sdk.NumberDataPoint(pairs(point.attributes), point.start_time_unix_nano, point.time_unix_nano, value)


def _count(point: Any) -> Any:
    found = _number(point)
    if found.value < 0:
        raise ValueError("it only grows, and is below zero")
    return found


def _histogram(point: Any) -> Any:
    bounds, counts = list(point.explicit_bounds), list(point.bucket_counts)
    counts = counts or [point.count]  # without buckets, all values are in one
    if bounds and bounds[-1] == math.inf and len(counts) == len(bounds) + 1 and not counts[-1]:
        del bounds[-1], counts[-1]  # nothing is above it
    good = len(counts) == len(bounds) + 1 and sorted(set(bounds)) == bounds and all(map(math.isfinite, bounds))
    if not good or sum(counts) != point.count:
        raise ValueError("its buckets make no sense")
    return sdk.HistogramDataPoint(
        pairs(point.attributes), point.start_time_unix_nano, point.time_unix_nano, point.count, _finite(point.sum),
        counts, bounds, math.nan, math.nan,
    )  # fmt: skip


def _exponential(point: Any) -> Any:
    below, above = (sdk.Buckets(one.offset, list(one.bucket_counts)) for one in (point.negative, point.positive))
    if sum(below.bucket_counts) + sum(above.bucket_counts) + point.zero_count != point.count:
        raise ValueError("its buckets make no sense")
    if not -20 <= point.scale <= 20 or len(below.bucket_counts) + len(above.bucket_counts) > 2000:
        raise ValueError("its buckets are too many or too fine")
    return sdk.ExponentialHistogramDataPoint(
        pairs(point.attributes), point.start_time_unix_nano, point.time_unix_nano, point.count, _finite(point.sum),
        point.scale, point.zero_count, above, below, 0, math.nan, math.nan,
    )  # fmt: skip


def _quantiles(point: Any) -> Any:
    """A point of a summary as it is, if it can be one."""
    _finite(point.sum)
    return point


def _finite(value: Any) -> Any:
    if not math.isfinite(value):
        raise ValueError(f"{value} is no number")
    return value


_POINTS: dict[str, Callable[[Any], Any]] = {
    "gauge": _number,
    "sum": _number,
    "histogram": _histogram,
    "exponential_histogram": _exponential,
}


def _summary(points: list[Any]) -> Iterator[tuple[str, Any]]:
    def number(point: Any, value: Any, **more: str) -> Any:
        attributes = {**pairs(point.attributes), **more}
        return sdk.NumberDataPoint(attributes, point.start_time_unix_nano, point.time_unix_nano, value)

    cumulative = sdk.AggregationTemporality.CUMULATIVE
    yield ".count", sdk.Sum([number(one, one.count) for one in points], cumulative, True)
    yield ".sum", sdk.Sum([number(one, one.sum) for one in points], cumulative, True)
    quantiles = [(one, q) for one in points for q in one.quantile_values if math.isfinite(q.value)]
    yield ".quantile", sdk.Gauge([number(one, q.value, quantile=f"{q.quantile:g}") for one, q in quantiles])
