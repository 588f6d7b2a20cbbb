"""`GET /api/v1/query`: one metric over time, in the simple form `avg:redis.net.clients{env:prod,db:a} by {host}`.

All terms of the scope must hold; `*` is everything, `host:x` is the host, `!` before a term denies it, a trailing `*`
stands for anything. What the series of a group have at the same second becomes one value. Functions, arithmetic and
roll-up are refused. Of two points of one series at one second the one that came later counts, as at Datadog.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from outrider.intake.datadog.errors import PlainError
from outrider.intake.datadog.points import Point

_QUERY = re.compile(r"(avg|sum|min|max):([A-Za-z][\w.]*)\{([^{}]*)\}(?:\s*by\s*\{([^{}]+)\})?")
_REDUCE: dict[str, Callable[[Sequence[float]], float]] = {
    "avg": lambda values: sum(values) / len(values),
    "sum": sum,
    "min": min,
    "max": max,
}


def query(points: Iterable[Point], text: str, start: int, end: int) -> dict[str, Any]:
    """The answer to a query between `start` and `end` (seconds), both included; PlainError if it is not understood."""
    match = _QUERY.fullmatch(text.strip())
    if match is None:
        known = "avg:metric{tag:value} by {tag}"
        raise PlainError(400, "query", f"Error parsing query: this service knows {known}: {text}")
    aggregator, metric, scope, by = match.groups()
    terms = [term.strip() for term in scope.split(",") if term.strip() not in ("", "*")]
    keys = [key.strip() for key in by.split(",")] if by else []
    groups: dict[tuple[str, ...], dict[int, dict[object, Point]]] = {}
    for point in points:
        if point.metric == metric and start <= point.timestamp <= end and all(_holds(term, point) for term in terms):
            group = tuple(tag for key in keys for tag in _tags(point) if tag.startswith(key + ":"))
            groups.setdefault(group, {}).setdefault(int(point.timestamp), {})[point.series] = point
    series = [
        _series(metric, aggregator, terms, group, [(at, found[at]) for at in sorted(found)])
        for group, found in sorted(groups.items())
    ]
    return {
        "status": "ok",
        "res_type": "time_series",
        "resp_version": 1,
        "query": text,
        "from_date": start * 1000,
        "to_date": end * 1000,
        "series": series,
        "values": [],
        "times": [],
        "message": "",
        "group_by": keys,
    }


def _series(
    metric: str,
    aggregator: str,
    terms: Sequence[str],
    group: Sequence[str],
    found: Sequence[tuple[int, dict[object, Point]]],
) -> dict[str, Any]:
    reduce = _REDUCE[aggregator]
    pointlist = [[at * 1000.0, float(reduce(_values(points.values())))] for at, points in found]
    scope = ",".join([*group, *terms]) or "*"
    return {
        "metric": metric,
        "display_name": metric,
        "aggr": aggregator,
        "scope": scope,
        "tag_set": list(group),
        "expression": f"{aggregator}:{metric}{{{scope}}}",
        "interval": 1,
        "start": int(pointlist[0][0]),
        "end": int(pointlist[-1][0]),
        "length": len(pointlist),
        "pointlist": pointlist,
        "unit": None,
        "attributes": {},
    }


def _values(points: Iterable[Point]) -> list[float]:
    values: list[float] = []
    for point in points:
        if isinstance(point.value, dict):
            values.append(point.value["avg"])  # of a sketch there are no values
        else:
            values.extend(point.value if isinstance(point.value, list) else [point.value])
    return values


def _tags(point: Point) -> list[str]:
    return [*point.tags, *([f"host:{point.host}"] if point.host else [])]


def _holds(term: str, point: Point) -> bool:
    if term.startswith("!"):
        return not _holds(term[1:], point)
    if term.endswith("*"):
        return any(tag.startswith(term[:-1]) for tag in _tags(point))
    return term in _tags(point)
