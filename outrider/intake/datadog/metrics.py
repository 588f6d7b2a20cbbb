"""Datadog's metrics API without HTTP: the key, the limits, the store and the query.

The key is looked at first, then the size and the form of the body, then what is in it. What is refused is refused
whole; what was answered 202 may still be dropped, which only the counters tell (and, at Datadog, nobody).
"""

from collections.abc import Callable
from typing import Any

import orjson

from outrider.intake.clock import Clock
from outrider.intake.datadog import body, points, protobuf, reports
from outrider.intake.datadog.errors import METRIC_FAULTS, PlainError, malformed
from outrider.intake.datadog.key import Header, Key
from outrider.intake.datadog.metric_store import MetricStore
from outrider.intake.datadog.query import query
from outrider.intake.faults import Fault, Faults

_V1 = (3_200_000, 62_914_560)
LIMITS = {
    "/api/v2/series": (512_000, 5_242_880),
    "/api/beta/sketches": (2_500_000, 4_000_000),
    "/api/v1/series": _V1,
    "/api/v1/distribution_points": _V1,
    "/api/v1/check_run": _V1,
    "/api/v1/events": _V1,
}
"""Bytes of a body as it is sent, and decompressed, by path. API reference, "Submit metrics"; it gives none for service
checks and events, which have those of the API's version here, and sketches are not in it: those are what the Agent
keeps to."""

_PROTOBUF = "application/x-protobuf"
_PARSERS: dict[str, Callable[[Any, float], list[points.Point]]] = {
    "/api/v2/series": points.v2,
    "/api/beta/sketches": points.sketches,
    "/api/v1/series": points.v1,
    "/api/v1/distribution_points": points.distributions,
}


class Metrics:
    """What the HTTP side calls. Raises PlainError for every answer that is not 2xx."""

    def __init__(self, store: MetricStore, clock: Clock, faults: Faults, key: Key) -> None:
        self.store = store
        self._key = key
        self._clock = clock
        self._faults = faults

    def draw(self) -> Fault | None:
        """The fault that the next write request meets."""
        return self._faults.draw(METRIC_FAULTS)

    def answer(self, fault: Fault) -> PlainError | None:
        """The answer of a fault that is one."""
        return PlainError(*METRIC_FAULTS[fault.name]) if fault.name in METRIC_FAULTS else None

    def check_key(self, header: Header) -> None:
        """PlainError if the key is not there or not right."""
        self._key.check(header, PlainError, METRIC_FAULTS["403"], METRIC_FAULTS["403"])

    def decode(self, path: str, data: bytes, header: Header) -> bytes:
        """The plain body of a write request, once its key and size are right."""
        self.check_key(header)
        sent, plain = LIMITS[path]
        if len(data) > sent:
            raise PlainError(*METRIC_FAULTS["413"])
        return body.decode(data, header("Content-Encoding").lower(), plain, PlainError(*METRIC_FAULTS["413"]))

    def submit_points(self, path: str, plain: bytes, header: Header) -> None:
        """Take the points of a plain body."""
        now = self._clock.now()
        is_protobuf = header("Content-Type").partition(";")[0].strip().lower() == _PROTOBUF
        try:
            if path == "/api/beta/sketches":
                given = protobuf.parse_sketches(plain)
            else:
                given = protobuf.parse(plain) if is_protobuf and path == "/api/v2/series" else orjson.loads(plain)
        except ValueError as error:
            raise malformed(error) from None
        self.store.add_points(_PARSERS[path](given, now), now)

    def submit_checks(self, plain: bytes) -> None:
        """Take service checks."""
        self.store.add_checks(reports.service_checks(_json(plain), self._clock.now()))

    def submit_event(self, plain: bytes) -> dict[str, Any]:
        """Take an event; the event as it is kept."""
        return self.store.add_event(*reports.event(_json(plain), self._clock.now()))

    def event(self, event_id: str, header: Header) -> dict[str, Any]:
        """An event by its id; PlainError if there is none."""
        self.check_key(header)
        for event in self.store.events():
            if str(event["id"]) == event_id:
                return event
        raise PlainError(404, "not_found", f"No event matches that event_id: {event_id}")

    def query(self, text: str, start: str, end: str, header: Header) -> dict[str, Any]:
        """A metric over time; `start` and `end` are seconds since the epoch."""
        self.check_key(header)
        if not (start.isdecimal() and end.isdecimal()):
            raise PlainError(400, "query", "from and to must be seconds since the epoch")
        return query(self.store.points(), text, int(start), int(end))


def _json(plain: bytes) -> Any:
    try:
        return orjson.loads(plain)
    except orjson.JSONDecodeError as error:
        raise malformed(error) from None
