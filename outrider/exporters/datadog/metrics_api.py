"""Series, service checks and events on their way to Datadog's API, as JSON.

    POST /api/v2/series        512,000 bytes, 5,242,880 unpacked; the Agent puts 10,000 points at most into one
    POST /api/v1/distribution_points
    POST /api/v1/check_run     a list
    POST /api/v1/events        one for each request

A payload is put together and compressed when it is encoded, and waits in that form: a twentieth of what it was. As it
is given up as a whole once its oldest point is too old, the points in it are of about one time. No origin is claimed
(`metadata.origin`): this is no integration of Datadog's.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from outrider.config.secrets import Secret
from outrider.exporters.answer import Answer, Verdict
from outrider.exporters.datadog.answers import METRIC_ROWS
from outrider.exporters.datadog.api import Api
from outrider.exporters.datadog.conversion import OLDEST, OLDEST_EVENT, OLDEST_SERVICE_CHECK, Series, Told
from outrider.exporters.http import document
from outrider.exporters.metric_destination import Payload
from outrider.model.clock import Clock
from outrider.model.points import Event, ServiceCheck

MAX_PACKED, MAX_UNPACKED = 512_000, 5_242_880
"""Bytes of one request (docs.datadoghq.com, api/latest/metrics, submit metrics v2)."""
MAX_POINTS = 10_000
"""Points that the Agent puts into one request (`serializer_max_series_points_per_payload`)."""
MAX_SERVICE_CHECKS = 1000
SPREAD = 60
"""Seconds that the points of one request may be apart."""
MAX_TITLE, MAX_TEXT, MAX_MESSAGE, MAX_KEY = 100, 4000, 500, 100
"""Characters of an event's title and text, of a service check's message, and of an event's aggregation key."""

_encoded = msgspec.json.Encoder().encode
"""orjson is no faster here, and what it makes keeps the 4 KB that it was made in."""

_TYPES = {"count": 1, "rate": 2, "gauge": 3}
"""api/v2/series, MetricIntakeType."""
_SERIES, _DISTRIBUTIONS = "/api/v2/series", "/api/v1/distribution_points"
_CHECK_RUN, _EVENTS = "/api/v1/check_run", "/api/v1/events"


class Request(NamedTuple):
    """What is posted to `path` of the API, in the content coding `coding`."""

    path: str
    body: bytes
    coding: str


class MetricsApi:
    """Makes requests and sends them. Used by one thread."""

    def __init__(self, endpoint: str, key: Secret, clock: Clock, *, compress: str, ca: str | None) -> None:
        self._coding = compress
        self._api = Api(endpoint, key, clock, METRIC_ROWS, connections=1, ca=ca)

    def of_series(self, series: Iterable[Series]) -> Iterator[Payload]:
        in_order = sorted(series, key=lambda one: one.time)
        # For distributions the API knows one coding (api/v1, DistributionPointsContentEncoding).
        other = "none" if self._coding == "none" else "deflate"
        for path, coding in ((_SERIES, self._coding), (_DISTRIBUTIONS, other)):
            for some in _portions(one for one in in_order if (one.type == "distribution") == (path == _DISTRIBUTIONS)):
                yield from self._fitting(path, coding, some)

    def _fitting(self, path: str, coding: str, some: Sequence[tuple[bytes, int]]) -> Iterator[Payload]:
        """`some` series (as JSON, with their times) in one request, or in more if it is too large when it is packed."""
        body = document(b'{"series":[', [piece for piece, _ in some], b"]}", coding)
        if len(body) > MAX_PACKED and len(some) > 1:
            yield from self._fitting(path, coding, some[: len(some) // 2])
            yield from self._fitting(path, coding, some[len(some) // 2 :])
            return
        yield Payload("points", len(some), Request(path, body, coding), len(body), some[0][1] + OLDEST)

    def of_service_checks(self, checks: Sequence[Told]) -> Iterator[Payload]:
        for i in range(0, len(checks), MAX_SERVICE_CHECKS):
            some = checks[i : i + MAX_SERVICE_CHECKS]
            body = _encoded([_check_run(told, told.what) for told in some if isinstance(told.what, ServiceCheck)])
            expires = min(told.time for told in some) + OLDEST_SERVICE_CHECK
            yield Payload("service_checks", len(some), Request(_CHECK_RUN, body, "none"), len(body), expires)

    def of_events(self, events: Iterable[Told]) -> Iterator[Payload]:
        for told in events:
            if isinstance(told.what, Event):
                body = _encoded(_event(told, told.what))
                yield Payload("events", 1, Request(_EVENTS, body, "none"), len(body), told.time + OLDEST_EVENT)

    def send(self, payload: Payload) -> Answer:
        """One attempt."""
        request: Request = payload.body
        answer = self._api.post(request.path, request.body, request.coding)
        if answer.verdict is Verdict.ACCEPTED and answer.words:
            return Answer(Verdict.PARTIAL, answer.words, rejected={0: answer.words})
        return answer

    def close(self) -> None:
        """Give back connections."""
        self._api.close()


def _portions(series: Iterable[Series]) -> Iterator[list[tuple[bytes, int]]]:
    """Series as JSON with their times, as many as one request may carry unpacked."""
    some: list[tuple[bytes, int]] = []
    size = 0
    for one in series:
        piece = _encoded(_json(one))
        full = size + len(piece) + 1 > MAX_UNPACKED - 100 or len(some) == MAX_POINTS
        if some and (full or one.time > some[0][1] + SPREAD):
            yield some
            some, size = [], 0
        some.append((piece, one.time))
        size += len(piece) + 1
    if some:
        yield some


def _json(one: Series) -> dict[str, Any]:
    if one.type == "distribution":
        points = [[one.time, one.value]]
        about = {"metric": one.name, "type": "distribution", "points": points, "tags": one.tags}
        return {**about, "host": one.host} if one.host else about
    found: dict[str, Any] = {
        "metric": one.name,
        "type": _TYPES[one.type],
        "points": [{"timestamp": one.time, "value": one.value}],
        "tags": one.tags,
    }
    if one.host:
        found["resources"] = [{"type": "host", "name": one.host}]
    if one.interval:
        found["interval"] = one.interval
    if one.unit:
        found["unit"] = one.unit
    return found


def _check_run(told: Told, check: ServiceCheck) -> dict[str, Any]:
    return {
        "check": check.name,
        "host_name": told.host,
        "status": int(check.status),
        "timestamp": told.time,
        "tags": told.tags,
        "message": written(check.message)[:MAX_MESSAGE],
    }


def _event(told: Told, event: Event) -> dict[str, Any]:
    found = {
        "title": written(event.title)[:MAX_TITLE],
        "text": written(event.text)[:MAX_TEXT],
        "date_happened": told.time,
        "alert_type": event.alert,
        "tags": told.tags,
    }
    if told.host:
        found["host"] = told.host
    if event.aggregation_key:
        found["aggregation_key"] = written(event.aggregation_key)[:MAX_KEY]
    return found


def written(text: str) -> str:
    """`text` as it can be written in UTF-8: without halves of surrogate pairs."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
