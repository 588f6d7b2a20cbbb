"""The list methods of Cloud Monitoring: what matches a filter, a page at a time.

`timeSeries.list` gives one metric at a time, the points of an interval newest first; a page holds so many points, or so
many series if only their headers are asked for. Its token holds the place of the last point given out, so that points
that arrive between two pages neither shift nor repeat one. The other lists are short and do not change under a reader.
"""

import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from outrider.intake.errors import invalid
from outrider.intake.monitoring.descriptors import missing
from outrider.intake.monitoring.filters import Predicate, parse
from outrider.intake.monitoring.store import Series

MAX_PAGE = 100_000
_TYPE = re.compile(r"metric\.type\s*=\s*[\"']([^\"']+)[\"']")

Page = tuple[list[dict[str, Any]], str]
"""Results as proto3 JSON, and the token of the next page (empty: this is the last)."""


@dataclass(frozen=True, slots=True)
class SeriesQuery:
    """`timeSeries.list`. Times are nanoseconds; `start` None is `end`."""

    filter: str
    end: int | None
    start: int | None = None
    headers_only: bool = False
    page_size: int = 0
    page_token: str = ""


def list_series(series: Sequence[Series], known: Sequence[dict[str, Any]], query: SeriesQuery) -> Page:
    """The page a query asks for among the `series` of a project whose descriptors are `known`; ApiError if it makes no
    sense. Words: prometheus-community/stackdriver_exporter#104 and Google's descriptions of the method.
    """
    if not query.filter:
        raise invalid("Field filter is required.")
    if query.end is None:
        raise invalid("Field interval.endTime is required.")
    if query.start is not None and query.start > query.end:
        raise invalid("Field interval.startTime had an invalid value: it must not be after the end time.")
    predicate = parse(query.filter)
    metric_type = _one_type(predicate, series, known, query.filter)
    unit = next((one.get("unit", "") for one in known if one["type"] == metric_type), "")
    matching = [(index, one) for index, one in enumerate(series) if predicate(_fields(one))]
    after, before = _place(query.page_token, _fingerprint(query))
    room = _size(query.page_size)
    found: list[dict[str, Any]] = []
    for index, one in matching:
        if index < after:
            continue
        points = [point for point in reversed(one.points) if _within(point, query)]
        if index == after and before is not None:
            points = [point for point in points if point["interval"]["endTime"] < before]
        if not points:
            continue
        taken = points[:room]
        shown = one.shown([] if query.headers_only else taken)
        found.append({**shown, "unit": unit})
        room -= 1 if query.headers_only else len(taken)
        if not query.headers_only and len(taken) < len(points):
            return found, _token(query, index, taken[-1]["interval"]["endTime"])
        if room <= 0:
            more = any(later > index for later, _ in matching)
            return found, _token(query, index + 1, None) if more else ""
    return found, ""


def list_others(
    items: Sequence[dict[str, Any]], filter_text: str, fields: Callable[[dict[str, Any]], dict[str, str]], page: Any
) -> Page:
    """Items that match a filter; `page` is the size and the token."""
    size, token = page
    predicate = parse(filter_text) if filter_text else None
    found = [item for item in items if predicate is None or predicate(fields(item))]
    start = int(token) if token.isdecimal() else 0
    end = start + _size(size)
    return found[start:end], str(end) if end < len(found) else ""


def _one_type(predicate: Predicate, series: Sequence[Series], known: Sequence[dict[str, Any]], filter_text: str) -> str:
    """The metric that a filter is about."""
    types = {one.metric_type for one in series if predicate(_fields(one))}
    if len(types) > 1:
        raise invalid(
            "The provided filter matches more than one metric. TimeSeries data are limited to a single metric per"
            " request."
        )
    named = _TYPE.search(filter_text)
    if not types and named and all(one["type"] != named[1] for one in known):
        raise missing(named[1])
    return types.pop() if types else ""


def _fields(series: Series) -> dict[str, str]:
    """A series as filters see it."""
    fields = {"project": series.project}
    for part in ("metric", "resource"):
        fields[f"{part}.type"] = series.fields[part]["type"]
        fields.update({f"{part}.labels.{key}": value for key, value in series.fields[part].get("labels", {}).items()})
    user = series.fields.get("metadata", {}).get("userLabels", {})
    return {**fields, **{f"metadata.labels.{key}": value for key, value in user.items()}}


def _within(point: dict[str, Any], query: SeriesQuery) -> bool:
    end = point["interval"]["endTime"]
    if query.start is None or query.start == query.end:
        return bool(end == query.end)
    return bool(query.start < end <= (query.end or 0))


def _size(asked: int) -> int:
    if asked < 0:
        raise invalid("Field pageSize had an invalid value: it must not be negative.")
    return min(asked, MAX_PAGE) or MAX_PAGE


def _fingerprint(query: SeriesQuery) -> str:
    told = (query.filter, query.end, query.start, query.headers_only)
    return hashlib.blake2b(repr(told).encode(), digest_size=8).hexdigest()


def _token(query: SeriesQuery, index: int, before: int | None) -> str:
    return urlsafe_b64encode(orjson.dumps([_fingerprint(query), index, before])).decode()


def _place(token: str, fingerprint: str) -> tuple[int, int | None]:
    """The series to go on with, and the end time to stay below in it."""
    if not token:
        return 0, None
    try:
        told, index, before = orjson.loads(urlsafe_b64decode(token))
        place = int(index), None if before is None else int(before)
    except (ValueError, TypeError):
        raise invalid("Field pageToken had an invalid value: it is not one of this service.") from None
    if told != fingerprint:
        raise invalid("Field pageToken had an invalid value: it belongs to another request.")
    return place
