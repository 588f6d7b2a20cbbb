"""Every answer of `timeSeries.create`, and what it means for the points of the request: `ROWS`, from top to bottom.

The API writes what it can of a request. What it could not stands in the error, twice: as numbers in the details
(`CreateTimeSeriesSummary`, google/monitoring/v3/metric_service.proto), and as text that names the series, in one of
several forms that it has had over the years:

    One or more TimeSeries could not be written: <why>: timeSeries[0-2,7]; <why>: timeSeries[4]
    One or more TimeSeries could not be written: <why>: global{} timeSeries[3]: <type>{<labels>}; <why>: ...
    One or more TimeSeries could not be written: timeSeries[0-2] (...): write for resource=<r>{...} failed with: <why>
    Field timeSeries[3].points[0]... had an invalid value of "...": <why>

The last one alone is another thing: the request could not be read, and nothing of it is written. Points that were
refused are refused for good, so that no request is ever sent again that holds points which are there already.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from outrider.exporters.answer import Answer, Row, Verdict, retry_after, verdict_of

ROWS = (
    Row("200", Verdict.ACCEPTED, "all points are written"),
    Row(
        "errors of single series",
        Verdict.PARTIAL,
        "under any other status: the other points are written, these are given up and counted by reason",
    ),
    Row(
        "400, 413",
        Verdict.PARTIAL,
        "the request cannot be read, and nothing is written: without the series that the answer names it is sent "
        "again, once; if it names none, all are given up",
    ),
    Row("401", Verdict.REFRESH, "the token is not, or no longer, good"),
    Row("501", Verdict.HOLD, "whoever answers is not the Monitoring API"),
    Row(
        "408, 429, 499, 5xx, no answer, no token for now",
        Verdict.RETRY,
        "it passes (UNAVAILABLE, DEADLINE_EXCEEDED, a full quota); Retry-After is honoured",
    ),
    Row(
        "403, 404, 4xx, 3xx, no credentials, other",
        Verdict.HOLD,
        "permission, project, API not enabled: a person has to act; points wait until they are too old",
    ),
)

REASONS = (
    ("older start time", "start"),
    ("start time", "start"),
    ("older end time", "order"),
    ("more frequently", "frequency"),
    ("duplicate", "duplicate"),
    ("label", "labels"),
    ("kind", "type"),
    ("value type", "type"),
    ("metric type", "type"),
    ("quota", "quota"),
    ("resource", "resource"),
    ("location", "resource"),
)
"""Words of the API's errors in small letters, and the word under which such refusals are counted; the first that is
there holds."""

_WRITTEN = "could not be written"
_SERIES = re.compile(r"timeSeries\[([0-9,\- ]+)\]")
_PASSING_CODES = frozenset({1, 2, 4, 8, 10, 13, 14})


class _Status(msgspec.Struct, frozen=True):
    code: int = 2
    message: str = ""


class _Error(msgspec.Struct, frozen=True, rename="camel"):
    status: _Status = _Status()
    point_count: int = 0


class _Summary(msgspec.Struct, frozen=True, rename="camel"):
    """`CreateTimeSeriesSummary`; proto3 JSON leaves out what is 0."""

    total_point_count: int = 0
    success_point_count: int = 0
    errors: list[_Error] = []


def reason_of(words: str) -> str:
    """The word under which a refusal is counted."""
    return next((reason for part, reason in REASONS if part in words.lower()), "other")


def read(status: int, headers: Mapping[str, str], body: bytes, now: float, count: int) -> Answer:
    """The answer that the HTTP response to `count` series is; `now` is seconds since the epoch. `again` has what was
    not written only because of other series in the request.
    """
    if verdict_of(ROWS, status) is Verdict.ACCEPTED:
        return Answer(Verdict.ACCEPTED)
    error = _error(body)
    message = str(error.get("message") or body[:300].decode("utf-8", "replace"))
    words, summary = f"HTTP {status}: {message}"[:2000], _summary(error)
    named = {i: why for i, why in _named(message) if i < count}
    verdict = verdict_of(ROWS, status)
    if summary is not None and _nothing_yet(summary):
        return Answer(Verdict.RETRY, words, retry_after(headers, now))
    if summary is not None and summary.errors:
        return Answer(Verdict.PARTIAL, words, rejected=_all_of(summary, named, message, count))
    if named and _WRITTEN in message and verdict is not Verdict.RETRY:
        return Answer(Verdict.PARTIAL, words, rejected=named)
    if verdict is not Verdict.PARTIAL:
        return Answer(verdict, words, retry_after(headers, now) if verdict is Verdict.RETRY else None)
    if not named or len(named) == count:
        return Answer(verdict, words, rejected={i: named.get(i, message) for i in range(count)})
    return Answer(verdict, words, rejected=named, again=frozenset(range(count)) - named.keys())


def _nothing_yet(summary: _Summary) -> bool:
    """Nothing was written, and all for reasons that pass."""
    codes = {error.status.code for error in summary.errors}
    return bool(codes) and not summary.success_point_count and codes <= _PASSING_CODES


def _all_of(summary: _Summary, named: dict[int, str], message: str, count: int) -> dict[int, str]:
    """As many refusals as the summary counts: the named ones, and others that nobody knows the places of."""
    failed = min(sum(error.point_count for error in summary.errors), count)
    why = next((error.status.message for error in summary.errors if error.status.message), message)
    unnamed = [i for i in range(count) if i not in named][: max(failed - len(named), 0)]
    return dict(sorted({**named, **dict.fromkeys(unnamed, why)}.items()))


def _named(message: str) -> Iterator[tuple[int, str]]:
    """(index, why) of each series that the text of an error names."""
    for part in message.split("; "):
        places = list(_SERIES.finditer(part))
        if not places:
            continue
        first = places[0]
        if " failed with: " in part:
            why = part.partition(" failed with: ")[2]
        elif part[: first.start()].endswith("Field "):
            why = part[first.start() :]
        else:
            before = part[: first.start()]
            why = (before.partition(f"{_WRITTEN}: ")[2] if _WRITTEN in before else before) or part[first.end() :]
        for place in places:
            for i in _indices(place[1]):
                yield i, why.strip(" :")


def _indices(text: str) -> Iterator[int]:
    """The numbers in `0-2,7`."""
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if first.isdigit() and (last or first).isdigit():
            yield from range(int(first), min(int(last or first), int(first) + 1000) + 1)


def _error(body: bytes) -> dict[str, Any]:
    try:
        error = msgspec.json.decode(body)["error"]
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        return {}
    return error if isinstance(error, dict) else {}


def _summary(error: dict[str, Any]) -> _Summary | None:
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and str(detail.get("@type", "")).endswith("CreateTimeSeriesSummary"):
            try:
                return msgspec.convert(detail, _Summary, strict=False)
            except msgspec.ValidationError:
                return None
    return None
