"""Reports as OpenTelemetry's MetricsData: metric names, units and attributes as its semantic conventions have them.

Google's names are OpenTelemetry's behind the domain (`workload.googleapis.com/redis.uptime`), so those are taken, with
their units and spelling. A metric that only Datadog has keeps the name that it has there.

    Subject      resource attributes k8s.pod.name, k8s.pod.uid, k8s.container.name, ...
    source       instrumentation scope outrider.checks.redis
    gauge        Gauge
    counter      Sum, monotonic           cumulative as the server reports it, since its start (0: not known)
    histogram    Histogram                the same

An exporter that wants increases (its preferred temporality is delta) gets them: what was counted since the value
before. A first value is an increase only if the server started after we did, or it might have been exported before.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from opentelemetry.sdk.metrics import export as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from outrider import __version__
from outrider.exporters.totals import Counted, Total, less
from outrider.model.cluster import Cluster
from outrider.model.points import GoogleName, Histogram, Kind, Metric, Point, Report, Subject, Value

FORGOTTEN = 3600 * 10**9
"""Nanoseconds after which the last value of a series is of no use to the next."""

_Who = tuple[str, ...]
_Series = tuple[_Who, str, str, tuple[tuple[str, str], ...]]
_Metrics = dict[tuple[str, Kind], tuple[Metric, list[Any]]]  # several of one name differ in constant labels


class Conversion:
    """Converts reports, of which each has to pass once and in order if `increases` has kinds: those are exported as
    increases. `began` is when we did, in nanoseconds since 1970.
    """

    def __init__(self, cluster: Cluster, began: int, increases: frozenset[Kind] = frozenset()) -> None:
        self._cluster, self._began, self._increases = cluster, began, increases
        self._totals: dict[_Series, tuple[Total, Counted | None]] = {}  # the one that was not seen for longest is first

    def data(self, reports: Sequence[Report]) -> Any:
        """The MetricsData of `reports`."""
        found: dict[_Who, tuple[Subject, dict[str, _Metrics]]] = {}
        for report in reports:
            metrics = found.setdefault(_who(report.subject), (report.subject, {}))[1].setdefault(report.source, {})
            for point in report.points:
                made = self._data_point(point, report)
                if made is not None:
                    key = _name(point.metric), point.metric.kind
                    metrics.setdefault(key, (point.metric, []))[1].append(made)
        return sdk.MetricsData([self._of_subject(*one) for one in found.values()])

    def _of_subject(self, subject: Subject, scopes: dict[str, _Metrics]) -> Any:
        resource = Resource(dict(_resource(subject, self._cluster)))
        return sdk.ResourceMetrics(resource, [self._of_scope(*scope) for scope in scopes.items()], "")

    def _of_scope(self, source: str, metrics: _Metrics) -> Any:
        scope = InstrumentationScope(f"outrider.checks.{source}", __version__)
        return sdk.ScopeMetrics(scope, [self._of_metric(*metric) for metric in metrics.values()], "")

    def _of_metric(self, metric: Metric, points: list[Any]) -> Any:
        kind = "DELTA" if metric.kind in self._increases else "CUMULATIVE"
        temporality = sdk.AggregationTemporality[kind]
        if metric.kind == "gauge":
            data: Any = sdk.Gauge(points)
        elif metric.kind == "counter":
            data = sdk.Sum(points, temporality, True)
        else:
            data = sdk.Histogram(points, temporality)
        return sdk.Metric(_name(metric), metric.description, metric.google.unit if metric.google else "", data)

    def _data_point(self, point: Point, report: Report) -> Any | None:
        attributes = dict(_attributes(point, report.tags))
        value, start = point.value, point.start or 0
        if point.metric.kind in self._increases:
            increase = self._increase(
                (_who(report.subject), report.source, _name(point.metric), _key(attributes)), point
            )
            if increase is None:
                return None
            start, value = increase
        scale = (point.metric.google or point.metric.datadog or GoogleName("")).scale
        if isinstance(value, Histogram):
            if point.metric.kind != "histogram":
                return None
            bounds = [bound * scale for bound in value.bounds]
            total = value.total * scale
            return sdk.HistogramDataPoint(
                attributes, start, point.time, value.count, total, value.counts, bounds, math.nan, math.nan
            )
        if point.metric.kind == "histogram":
            return None
        return sdk.NumberDataPoint(attributes, start, point.time, _number(value, point.metric, scale))

    def _increase(self, series: _Series, point: Point) -> Counted | None:
        self._forget(point.time)
        told = point.start if point.start is not None and point.start >= self._began else None
        before = self._totals.pop(series, None)
        if before is None:
            total, counted = Total.first(point.value, point.time, told)
            self._totals[series] = total, counted
            return counted
        total, last = before
        since = total.time
        if point.time <= since:
            self._totals[series] = before
            return None
        counted = total.next(point.value, point.time, point.start)
        self._totals[series] = total, counted
        if counted is None or last is None or last.start != counted.start:
            return counted
        return Counted(since, less(counted.value, last.value))

    def _forget(self, now: int) -> None:
        while self._totals:
            oldest = next(iter(self._totals))
            if self._totals[oldest][0].time > now - FORGOTTEN:
                return
            del self._totals[oldest]


def _who(subject: Subject) -> _Who:
    return subject.node, subject.namespace, subject.pod, subject.uid, subject.container


def _name(metric: Metric) -> str:
    if metric.google is not None:
        return metric.google.type.partition(".com/")[2] or metric.google.type
    return metric.datadog.name if metric.datadog is not None else metric.key


def _number(value: Value, metric: Metric, scale: float) -> Any:
    assert not isinstance(value, Histogram)
    scaled = value if scale == 1 else value * scale
    whole = metric.google is not None and metric.google.value_type == "INT64"
    return round(scaled) if whole and math.isfinite(scaled) else scaled


def _attributes(point: Point, tags: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for tag in tags:
        key, _, value = tag.partition(":")
        yield key, value or "true"
    name = point.metric.google or point.metric.datadog
    spelling = {} if name is None else name.spelling
    for key, value in point.attributes:
        spelled = spelling.get(key, key)
        if spelled is not None:
            yield spelled, value
    if name is not None:
        yield from name.labels if isinstance(name, GoogleName) else name.tags


def _key(attributes: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(attributes.items()))


def _resource(subject: Subject, cluster: Cluster) -> Iterator[tuple[str, str]]:
    """https://opentelemetry.io/docs/specs/semconv/resource/k8s/"""
    named = {
        "k8s.cluster.name": cluster.name,
        "k8s.node.name": subject.node or cluster.node,
        "k8s.namespace.name": subject.namespace,
        "k8s.pod.name": subject.pod,
        "k8s.pod.uid": subject.uid,
        "k8s.container.name": subject.container,
    }
    return ((key, value) for key, value in named.items() if value)
