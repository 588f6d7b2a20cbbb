"""Points for eyes and pipes: one JSON object a line, with both names of a metric and what each vendor would get.

    {"check": "redis", "metric": "info.total_commands_processed", "time": "2026-05-16T09:19:06.315Z", "value": 1234,
     "datadog": {"name": "redis.net.commands", "type": "gauge", "submit": "rate", "value": 17.3,
                 "unit": "command/second", "tags": ["redis_host:127.0.0.1"]},
     "google": {"type": "workload.googleapis.com/redis.commands.processed", "kind": "CUMULATIVE",
                "value_type": "INT64", "value": 1234, "unit": "{command}", "labels": {}}}

Datadog gets the growth of counters, which takes two points: of the first one the value is null. All this is for people;
the exporters of the vendors make their requests by themselves.
"""

import datetime
import math
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import orjson

from outrider.exporters.answer import Answer
from outrider.exporters.metric_destination import Payload
from outrider.exporters.standard_output import StandardOutput
from outrider.model.points import Attributes, DatadogName, GoogleName, Histogram, Point, Recent, Report, Sketch, Value

KEPT = 3600
"""Seconds for which the value of a series is remembered that is not reported any more."""
_MEMORY = 1000
"""Series that are remembered without a look at their age."""

Shown = dict[str, Any]
_Series = tuple[str, str, str, str, Attributes]


class BothNames:
    """Makes objects of reports, and remembers counters from one report to the next."""

    def __init__(self) -> None:
        self._before: dict[_Series, Point] = {}

    def objects(self, report: Report) -> Iterator[Shown]:
        """One for each point, service check and event."""
        about: Shown = {"check": report.source, **_subject(report)}
        for point in report.points:
            yield {**about, **self._point(point, report)}
        for recent in report.recent:
            yield {**about, **_recent(recent, report.tags)}
        for check in report.service_checks:
            shown = {"service_check": check.name, "time": _time(check.time), "status": check.status.name.lower()}
            yield {**about, **shown, "message": check.message, "tags": _tags(check.tags, report.tags)}
        for event in report.events:
            shown = {"event": event.title, "time": _time(event.time), "text": event.text, "alert": event.alert}
            yield {**about, **shown, "tags": _tags(event.tags, report.tags)}

    def _point(self, point: Point, report: Report) -> Shown:
        metric = point.metric
        shown: Shown = {"metric": metric.key, "time": _time(point.time), "value": _plain(point.value)}
        if metric.datadog is not None:
            name = metric.datadog
            subject = report.subject
            before = self._exchange(
                (report.source, subject.uid or subject.node, subject.container, name.name, point.attributes), point
            )
            shown["datadog"] = _datadog(name, point, before, report.tags)
        if metric.google is not None:
            shown["google"] = _google(metric.google, point)
        return shown

    def _exchange(self, series: _Series, point: Point) -> Point | None:
        """The point before this one."""
        before = self._before.get(series)
        if before is None and len(self._before) >= _MEMORY:
            oldest = point.time - KEPT * 10**9
            self._before = {key: one for key, one in self._before.items() if one.time > oldest}
        self._before[series] = point
        return before


class ConsoleMetrics:
    """A `MetricDestination` whose requests are writes to `out`."""

    def __init__(self, out: BinaryIO | None = None) -> None:
        self._out = StandardOutput(out)
        self._both = BothNames()

    def encode(self, reports: Sequence[Report]) -> list[Payload]:
        lines = [orjson.dumps(shown) for report in reports for shown in self._both.objects(report)]
        body = b"".join(line + b"\n" for line in lines)
        return [Payload("points", len(lines), body, len(body), float("inf"))] if lines else []

    def send(self, payload: Payload) -> Answer:
        return self._out.write(payload.body)

    def refresh(self) -> None:
        """There is nobody to ask."""

    def close(self) -> None:
        """Standard output belongs to the process."""


def _datadog(name: DatadogName, point: Point, before: Point | None, tags: Sequence[str]) -> Shown:
    unit = f"{name.unit}/{name.per_unit}" if name.per_unit else name.unit
    spelled = spell(point.attributes, name.spelling, name.tags)
    value = _submitted(name, point, before)
    shown = {"name": name.name, "type": name.type, "submit": name.submit, "value": value, "unit": unit}
    return {**shown, "tags": _tags(spelled, tags)}


def _recent(recent: Recent, tags: Sequence[str]) -> Shown:
    name, value = recent.name, recent.value
    if isinstance(value, Sketch):
        said: Any = {"count": value.count, "sum": value.total, "min": value.low, "max": value.high}
    elif isinstance(value.by, Histogram):
        said = _plain(value.by)
    else:
        said = value.by * name.scale / (value.seconds if name.type == "rate" else 1)
    spelled = spell(recent.attributes, name.spelling, name.tags)
    kind = "sketch" if isinstance(value, Sketch) else name.type
    named = {"name": name.name, "type": kind, "value": said, "unit": name.unit, "tags": _tags(spelled, tags)}
    return {"metric": name.name, "time": _time(recent.time), "datadog": named}


def _google(name: GoogleName, point: Point) -> Shown:
    value = point.value
    if not isinstance(value, Histogram):
        value *= name.scale
        value = int(value) if name.value_type == "INT64" and math.isfinite(value) else value
    labels = dict(spell(point.attributes, name.spelling, name.labels))
    shown = {"type": name.type, "kind": name.kind, "value_type": name.value_type, "value": _plain(value)}
    return {**shown, "unit": name.unit, "labels": labels}


def _submitted(name: DatadogName, point: Point, before: Point | None) -> Any:
    """What Datadog gets of the point; None if that takes a point before it, or the counter began anew since then."""
    value = point.value
    if isinstance(value, Histogram):
        return _grown(value, before.value if before is not None else None)
    if name.submit == "gauge":
        return value * name.scale
    if before is None or isinstance(before.value, Histogram) or value < before.value or point.time <= before.time:
        return None
    growth = (value - before.value) * name.scale
    return growth if name.submit == "monotonic_count" else growth / ((point.time - before.time) / 1e9)


def _grown(now: Histogram, before: Value | None) -> Any:
    if not isinstance(before, Histogram) or before.bounds != now.bounds or now.count < before.count:
        return None
    counts = tuple(a - b for a, b in zip(now.counts, before.counts, strict=True))
    return _plain(Histogram(now.bounds, counts, now.count - before.count, now.total - before.total))


def spell(attributes: Attributes, spelling: Any, constant: Attributes) -> Attributes:
    """`attributes` under a vendor's keys, without those that it does not get, and what is constant."""
    spelled = [(spelling.get(key, key), value) for key, value in attributes]
    return tuple(sorted([*((key, value) for key, value in spelled if key is not None), *constant]))


def _tags(pairs: Attributes, more: Sequence[str]) -> list[str]:
    return [*(f"{key}:{value}" for key, value in pairs), *more]


def _subject(report: Report) -> Shown:
    subject = report.subject
    named = {"node": subject.node, "namespace": subject.namespace, "pod": subject.pod, "container": subject.container}
    return {key: value for key, value in named.items() if value}


def _plain(value: Value) -> Any:
    if not isinstance(value, Histogram):
        return value
    bounds, counts = list(value.bounds), list(value.counts)
    return {"count": value.count, "sum": value.total, "bounds": bounds, "counts": counts}


def _time(nanoseconds: int) -> str:
    moment = datetime.datetime.fromtimestamp(nanoseconds / 1e9, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
