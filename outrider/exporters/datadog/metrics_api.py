"""Series, service checks and events on their way to Datadog's API, as JSON; sketches as protobuf (`sketches.py`).

    POST /api/v2/series        512,000 bytes, 5,242,880 unpacked; the Agent puts 10,000 points at most into one
    POST /api/beta/sketches
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
from outrider.exporters.datadog import sketches
from outrider.exporters.datadog.answers import METRIC_ROWS
from outrider.exporters.datadog.api import JSON, PROTOBUF, Api
from outrider.exporters.datadog.conversion import OLDEST, OLDEST_EVENT, OLDEST_SERVICE_CHECK, Series, Told
from outrider.exporters.http import document
from outrider.exporters.metric_destination import Payload
from outrider.model.clock import Clock
from outrider.model.points import Event, ServiceCheck, Sketch

MAX_PACKED, MAX_UNPACKED = 512_000, 5_242_880
"""Bytes of one request (docs.datadoghq.com, api/latest/metrics, submit metrics v2)."""
MAX_POINTS = 10_000
"""Points that the Agent puts into one request (`serializer_max_series_points_per_payload`)."""
MAX_SERVICE_CHECKS = 1000
SPREAD = 60
"""Seconds that the points of one request may be apart."""
MAX_TITLE, MAX_TEXT, MAX_MESSAGE, MAX_KEY = 100, 4000, 500, 100
"""Characters of an event's title and text, of a service check's message, and of an event's aggregation key."""

_Piece = tuple[bytes, int]
"""A series as it is written, and its time."""

_encoded = msgspec.json.Encoder().encode
"""orjson is no faster here, and what it makes keeps the 4 KB that it was made in."""

_TYPES = {"count": 1, "rate": 2, "gauge": 3}
"""api/v2/series, MetricIntakeType."""
_SERIES, _DISTRIBUTIONS = "/api/v2/series", "/api/v1/distribution_points"
_CHECK_RUN, EVENTS = "/api/v1/check_run", "/api/v1/events"


class Request(NamedTuple):
    """What is posted to `path` of the API, in the content coding `coding`."""

    path: str
    body: bytes
    coding: str
    kind: str = JSON


class MetricsApi:
    """Makes requests and sends them. Used by one thread."""

    def __init__(self, endpoint: str, key: Secret, clock: Clock, *, compress: str, ca: str | None) -> None:
        self._coding = compress
        self._api = Api(endpoint, key, clock, METRIC_ROWS, connections=1, ca=ca)

    def of_series(self, series: Iterable[Series]) -> Iterator[Payload]:
        # For distributions the API knows one coding (api/v1, DistributionPointsContentEncoding), and of sketches the
        # same is known to be taken.
        other = "none" if self._coding == "none" else "deflate"
        pieces: dict[str, list[_Piece]] = {_SERIES: [], _DISTRIBUTIONS: [], sketches.PATH: []}
        for one in sorted(series, key=lambda one: one.time):
            path, piece = _piece(one)
            pieces[path].append((piece, one.time))
        for path, coding in ((_SERIES, self._coding), (_DISTRIBUTIONS, other), (sketches.PATH, other)):
            for some in _portions(pieces[path], sketches.MAX_UNPACKED if path == sketches.PATH else MAX_UNPACKED):
                yield from self._fitting(path, coding, some)

    def _fitting(self, path: str, coding: str, some: Sequence[_Piece]) -> Iterator[Payload]:
        """`some` series in one request, or in more if it is too large when it is packed."""
        entries = [piece for piece, _ in some]
        if path == sketches.PATH:
            kind, body = PROTOBUF, document(b"", [b"".join(entries)], b"", coding)
        else:
            kind, body = JSON, document(b'{"series":[', entries, b"]}", coding)
        if len(body) > MAX_PACKED and len(some) > 1:
            yield from self._fitting(path, coding, some[: len(some) // 2])
            yield from self._fitting(path, coding, some[len(some) // 2 :])
            return
        yield Payload("points", len(some), Request(path, body, coding, kind), len(body), some[0][1] + OLDEST)

    def of_service_checks(self, checks: Sequence[Told]) -> Iterator[Payload]:
        for i in range(0, len(checks), MAX_SERVICE_CHECKS):
            some = checks[i : i + MAX_SERVICE_CHECKS]
            body = _encoded([_check_run(told, told.what) for told in some if isinstance(told.what, ServiceCheck)])
            expires = min(told.time for told in some) + OLDEST_SERVICE_CHECK
            yield Payload("service_checks", len(some), Request(_CHECK_RUN, body, "none"), len(body), expires)

    def of_events(self, events: Iterable[Told]) -> Iterator[Payload]:
        for told in events:
            if isinstance(told.what, Event):
                body = event_body(told)
                yield Payload("events", 1, Request(EVENTS, body, "none"), len(body), told.time + OLDEST_EVENT)

    def send(self, payload: Payload) -> Answer:
        """One attempt."""
        request: Request = payload.body
        answer = self._api.post(request.path, request.body, request.coding, request.kind)
        if answer.verdict is Verdict.ACCEPTED and answer.words:
            return Answer(Verdict.PARTIAL, answer.words, rejected={0: answer.words})
        return answer

    def close(self) -> None:
        """Give back connections."""
        self._api.close()


def _portions(pieces: Iterable[_Piece], most: int) -> Iterator[list[_Piece]]:
    """As many pieces as one request may carry, with up to `most` bytes unpacked."""
    some: list[_Piece] = []
    size = 0
    for piece, time in pieces:
        full = size + len(piece) + 1 > most - 100 or len(some) == MAX_POINTS
        if some and (full or time > some[0][1] + SPREAD):
            yield some
            some, size = [], 0
        some.append((piece, time))
        size += len(piece) + 1
    if some:
        yield some


def _piece(one: Series) -> tuple[str, bytes]:
    """Where a series is posted to, and how it is written there."""
    value = one.value
    if isinstance(value, Sketch):
        return sketches.PATH, sketches.piece(one.name, one.host, one.tags, one.time, value)
    if isinstance(value, tuple):
        points = [[one.time, value]]
        about: dict[str, Any] = {"metric": one.name, "type": "distribution", "points": points, "tags": one.tags}
        return _DISTRIBUTIONS, _encoded({**about, "host": one.host} if one.host else about)
    return _SERIES, _encoded(_json(one))


def _json(one: Series) -> dict[str, Any]:
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


def event_body(told: Told) -> bytes:
    """The event as it is posted to EVENTS."""
    event = told.what
    assert isinstance(event, Event), "a service check goes elsewhere"
    found = {
        "title": written(event.title)[:MAX_TITLE],
        "text": written(event.text)[:MAX_TEXT],
        "date_happened": told.time,
        "alert_type": event.alert,
        "tags": told.tags,
    }
    if told.host:
        found["host"] = told.host
    if event.priority != "normal":
        found["priority"] = event.priority
    if event.source_type:
        found["source_type_name"] = written(event.source_type)[:MAX_KEY]
    if event.aggregation_key:
        found["aggregation_key"] = written(event.aggregation_key)[:MAX_KEY]
    return _encoded(found)


def written(text: str) -> str:
    """`text` as it can be written in UTF-8: without halves of surrogate pairs."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
