"""Reports of checks, as short as tests of exporters want them."""

from typing import Any

from outrider.model.points import DatadogName, Metric, Point, Report, Subject, Value

NOW = 1_780_000_000
"""Seconds since 1970."""
SUBJECT = Subject(node="node-1", namespace="shop", pod="web-0", uid="u-1", container="redis")


def ns(seconds: float) -> int:
    return int(seconds * 1e9)


def metric(name: str, kind: Any = "gauge", submit: Any = None, **fields: Any) -> Metric:
    """A metric with a Datadog name; it is submitted and typed as its kind suggests."""
    how = submit or ("gauge" if kind == "gauge" else "monotonic_count")
    of_series = fields.pop("type", "count" if how == "monotonic_count" else "gauge")
    return Metric(name, kind, datadog=DatadogName(name, how, of_series, **fields))


def point(of: Metric, value: Value, at: float = NOW, start: float | None = None, **attributes: str) -> Point:
    """`at` and `start` in seconds since 1970."""
    return Point(of, value, ns(at), tuple(sorted(attributes.items())), None if start is None else ns(start))


def report(*points: Point, subject: Subject = SUBJECT, **fields: Any) -> Report:
    return Report("redis", subject, points, **fields)
