"""Where time series land: the newest points in full, the last interval of every series for good.

A point has to follow the one before it in its series: not before it in time, not sooner than the sampling period after
it, and a cumulative one counts either since the same start or, after a reset, since a start behind the last end
(common.proto: at least a millisecond behind it). Words and the form of the times:
GoogleCloudPlatform/opentelemetry-operations-python#431, googleapis/python-monitoring#57.
"""

import math
from collections import Counter, deque
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from outrider.intake.arrivals import Arrivals
from outrider.intake.clock import Clock
from outrider.intake.monitoring.refusals import OrderError
from outrider.intake.monitoring.wire import shown_point
from outrider.intake.timestamps import SECOND

PERIOD = 5 * SECOND  # "one point each 5 seconds", quotas page
_AFTER_RESET = SECOND // 1000

_ORDER = (
    "Points must be written in order. One or more of the points specified had an older {} time than the most recent"
    " point."
)
_TOO_OFTEN = (
    "One or more points were written more frequently than the maximum sampling period configured for the metric."
)


@dataclass(slots=True)
class Series:
    """One time series. `points` are the kept ones, oldest first; `start` and `end` are of the last one written."""

    project: str
    fields: dict[str, Any]
    start: int
    end: int
    value: Any
    points: deque[dict[str, Any]] = field(default_factory=deque)

    @property
    def metric_type(self) -> str:
        name: str = self.fields["metric"]["type"]
        return name

    def shown(self, points: Iterable[dict[str, Any]]) -> dict[str, Any]:
        """The series as proto3 JSON, with these of its points."""
        return {**self.fields, "points": [shown_point(point) for point in points]}


@dataclass(slots=True, frozen=True)
class Record:
    """One point as it was written."""

    seq: int
    received: int
    series: Series
    point: dict[str, Any]

    def line(self) -> bytes:
        """The series with this point as JSON text, wrapped in `seq` and the time of receipt (milliseconds)."""
        shown = self.series.shown([self.point])
        return orjson.dumps({"seq": self.seq, "received": self.received // 1_000_000, "timeSeries": shown})


def key(project: str, series: dict[str, Any]) -> tuple[Any, ...]:
    """What tells time series apart: the metric with its labels, and the resource with its own."""
    metric, resource = series["metric"], series["resource"]
    return (
        project,
        metric["type"],
        tuple(sorted(metric.get("labels", {}).items())),
        resource["type"],
        tuple(sorted(resource.get("labels", {}).items())),
    )


class SeriesStore(Arrivals[Record]):
    """All time series of an intake."""

    def __init__(self, clock: Clock, keep: int) -> None:
        super().__init__(clock, keep)
        self._series: dict[tuple[Any, ...], Series] = {}
        self._decreased = 0

    @property
    def lock(self) -> AbstractContextManager[bool]:
        """For a writer who asks before it adds."""
        return self._changed

    def check(self, project: str, series: dict[str, Any]) -> None:
        """Raises OrderError if the point of the series does not follow what was written before."""
        last = self._series.get(key(project, series))
        if last is None:
            return
        interval = series["points"][0]["interval"]
        end = interval["endTime"]
        start = interval.get("startTime", end)
        cumulative = series["metricKind"] == "CUMULATIVE"
        if cumulative and start != last.start and (start < last.start or start < last.end + _AFTER_RESET):
            raise OrderError(_ORDER.format("start"), "order")
        if end < last.end:
            raise OrderError(_ORDER.format("end"), "order")
        if end < last.end + PERIOD:
            times = f"{{Youngest Existing: '{_moment(last.end)}', New: '{_moment(end)}'}}"
            raise OrderError(_TOO_OFTEN, "too_often", f" {{Metric: {last.metric_type}, Timestamps: {times}}}")

    def add(self, project: str, series: dict[str, Any], now: int) -> None:
        """Write a series that was checked, received at `now` (nanoseconds)."""
        with self._changed:
            (point,) = series["points"]
            end = point["interval"]["endTime"]
            start = point["interval"].setdefault("startTime", end)
            one = self._series.get(key(project, series))
            if one is None:
                fields = {name: series[name] for name in _KEPT if name in series}
                one = self._series[key(project, series)] = Series(project, fields, start, end, None)
            value = _size(point["value"])
            self._decreased += (
                series["metricKind"] == "CUMULATIVE" and start == one.start and value < _or_least(one.value)
            )
            one.start, one.end, one.value = start, end, value
            one.points.append(point)
            self.last_seq += 1
            if len(self._records) == self._records.maxlen:  # points of a series come in order, here as there
                (self._records[0].series if self._records else one).points.popleft()
            self._records.append(Record(self.last_seq, now, one, point))
            self._lag = (now - end) / SECOND
            self._pace.arrived(1, self._clock.monotonic())
            self._changed.notify_all()

    def stats(self) -> dict[str, Any]:
        """The counters. Names and meaning: docs/intake.md."""
        with self._changed:
            types = Counter(series.metric_type for series in self._series.values())
            return {
                "written": self.last_seq,
                "refused": self.refused,
                "decreased": self._decreased,
                "series": len(self._series),
                "types": dict(types.most_common()),
                **self._common(),
            }

    def all(self) -> list[Series]:
        """The series, in the order in which they first came."""
        with self._changed:
            return list(self._series.values())

    def forget(self, project: str, metric_type: str) -> None:
        """Drop the series of a metric whose descriptor was deleted."""
        with self._changed:
            gone = [at for at, one in self._series.items() if (one.project, one.metric_type) == (project, metric_type)]
            for at in gone:
                del self._series[at]

    def wait_for(self, points: int, timeout: float) -> bool:
        """Wait until `points` were written; False after `timeout` seconds of real time."""
        with self._changed:
            return self._changed.wait_for(lambda: self.last_seq >= points, timeout)


_KEPT = ("metric", "resource", "metadata", "metricKind", "valueType", "unit")


def _size(value: dict[str, Any]) -> float:
    """How much a cumulative value has counted."""
    ((name, given),) = value.items()
    if name == "distributionValue":
        return float(given.get("count", 0))
    return float(given) if name in ("int64Value", "doubleValue") else 0.0


def _or_least(value: float | None) -> float:
    return -math.inf if value is None else value


def _moment(nanos: int) -> str:
    moment = datetime.fromtimestamp(nanos // SECOND, UTC)
    return f"{moment:%Y/%m/%d-%H:%M:%S}.{nanos % SECOND // 1_000_000:03}"
