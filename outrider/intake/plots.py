"""Points as curves, of both vendors in the same form, so that one metric can be seen under both of its names.

What counts is shown by its pace, as dashboards show it: a CUMULATIVE by the growth between two points of one start, a
count of Datadog's by its interval. Of a distribution the mean is shown.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from outrider.intake.datadog.points import Point
from outrider.intake.monitoring.store import Series
from outrider.intake.timestamps import SECOND

CURVES, POINTS = 12, 240
"""Curves of one metric, and points of one curve: as many as can be told apart, and the newest."""

Plot = dict[str, Any]
"""`unit`, `rate` (whether the values are per second), `curves` (each with `labels`, as `key:value`, and
`points`, which are pairs of seconds since the epoch and a value), and `more`: how many curves were left out.
"""


_Curves = dict[tuple[str, ...], list[tuple[float, float]]]


def of_monitoring(names: Collection[str], series: Iterable[Series]) -> dict[str, Plot]:
    """The curves of those of `series` whose metric is among `names`, by metric."""
    found: dict[str, list[Series]] = {}
    for one in series:
        if one.metric_type in names:
            found.setdefault(one.metric_type, []).append(one)
    return {name: _of_series(some) for name, some in found.items()}


def _of_series(series: list[Series]) -> Plot:
    cumulative = series[-1].fields["metricKind"] == "CUMULATIVE"
    curves: _Curves = {}
    for one in series:
        labels = {**one.fields["resource"].get("labels", {}), **one.fields["metric"].get("labels", {})}
        name = tuple(f"{key}:{value}" for key, value in sorted(labels.items()))
        curves[name] = list(_growth(one.points) if cumulative else _values(one.points))
    return _plot(curves, series[-1].fields.get("unit", ""), cumulative)


def of_datadog(names: Collection[str], points: Iterable[Point]) -> dict[str, Plot]:
    """The same of Datadog's `points`."""
    found: dict[str, list[Point]] = {}
    for point in points:
        if point.metric in names:
            found.setdefault(point.metric, []).append(point)
    return {name: _of_points(some) for name, some in found.items()}


def _of_points(points: list[Point]) -> Plot:
    curves: _Curves = {}
    for point in points:
        name = tuple(sorted((f"host:{point.host}", *point.tags) if point.host else point.tags))
        value, per = _mean(point.value), point.interval if _counts(point) else 1
        if value is not None:
            curves.setdefault(name, []).append((point.timestamp, value / per))
    last = points[-1]
    rate = last.type == "rate" or _counts(last)
    return _plot({name: sorted(curve) for name, curve in curves.items()}, last.unit, rate)


def _counts(point: Point) -> bool:
    return point.type == "count" and point.interval > 0


def _plot(curves: _Curves, unit: str, rate: bool) -> Plot:
    shown = [{"labels": name, "points": points[-POINTS:]} for name, points in list(curves.items())[:CURVES]]
    return {"unit": unit, "rate": rate, "curves": shown, "more": len(curves) - len(shown)}


def _values(points: Iterable[dict[str, Any]]) -> Iterator[tuple[float, float]]:
    for point in points:
        yield point["interval"]["endTime"] / SECOND, _number(point["value"])


def _growth(points: Iterable[dict[str, Any]]) -> Iterator[tuple[float, float]]:
    before: dict[str, Any] | None = None
    for point in points:
        now, last = point["interval"], before and before["interval"]
        if before is not None and last is not None and now["startTime"] == last["startTime"]:
            seconds = (now["endTime"] - last["endTime"]) / SECOND
            yield now["endTime"] / SECOND, (_counted(point["value"]) - _counted(before["value"])) / seconds
        before = point


def _number(value: dict[str, Any]) -> float:
    ((_, given),) = value.items()
    return float(given.get("mean", 0)) if isinstance(given, dict) else float(given)


def _counted(value: dict[str, Any]) -> float:
    ((_, given),) = value.items()
    return float(given.get("count", 0)) if isinstance(given, dict) else float(given)


def _mean(value: float | list[float] | dict[str, Any]) -> float | None:
    if isinstance(value, dict):
        return float(value["avg"])
    if isinstance(value, list):
        return sum(value) / len(value) if value else None
    return value
