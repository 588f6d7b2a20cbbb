"""Datadog's log API without HTTP: the key, the limits, the store and the search.

The key is looked at first, then the form of the body, then the logs. What is refused is refused whole, with everything
in it; what was answered 202 may still be dropped, which only the counters tell (and, at Datadog, nobody).
"""

from collections.abc import Mapping
from typing import Any

import orjson

from outrider.intake.clock import Clock
from outrider.intake.datadog import body
from outrider.intake.datadog.errors import FAULTS, DatadogError, PlainError, fault_answer, too_large
from outrider.intake.datadog.key import Header, Key
from outrider.intake.datadog.logs import prepare
from outrider.intake.datadog.search import search
from outrider.intake.datadog.store import LogStore
from outrider.intake.faults import Fault, Faults

_PARAMETERS = {
    **{name: name for name in ("ddtags", "ddsource", "service", "hostname")},
    "host": "hostname",
}
"""Query parameters and the attribute each is the default of (API reference, and its example with `host`)."""

Query = Mapping[str, list[str]]


class Datadog:
    """What the HTTP side calls. Raises DatadogError for every answer that is not 202 (200 of the search)."""

    def __init__(self, store: LogStore, clock: Clock, faults: Faults, key: Key) -> None:
        self.store = store
        self._key = key
        self._clock = clock
        self._faults = faults

    def draw(self) -> Fault | None:
        """The fault that the next request with logs meets."""
        return self._faults.draw(FAULTS)

    def decode(self, data: bytes, header: Header) -> bytes:
        """The plain body of a request with logs, once its key and form are right."""
        self._key.check(header, DatadogError, FAULTS["401"], FAULTS["403"])
        kind = header("Content-Type").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise DatadogError(400, "content_type", f"Unsupported content type: {kind or '(none)'}")
        return body.decode(data, header("Content-Encoding").lower(), body.MAX_PAYLOAD, too_large())

    def submit(self, plain: bytes, query: Query) -> None:
        """Take the logs of a plain body."""
        defaults = {name: query[given][0] for given, name in _PARAMETERS.items() if query.get(given)}
        now = self._now()
        logs = [log for log in body.parse(plain) if log]
        ready = [prepare(log, defaults, now) for log in logs]
        if not ready:
            self.store.count("probes")
        self.store.add(ready, now)

    def search(self, data: bytes, header: Header) -> dict[str, Any]:
        """The logs that a search request asks for, in the form of the API."""
        self._key.check(header, PlainError, FAULTS["401"], FAULTS["403"])
        try:
            request = orjson.loads(data or b"{}")
        except orjson.JSONDecodeError as error:
            raise PlainError(400, "search", f"Bad Request: {error}") from None
        self.store.count("searches")
        return search(self.store.records(), request, self._now())

    def answer(self, fault: Fault) -> DatadogError | None:
        """The answer of a fault that is one."""
        return fault_answer(fault.name)

    def _now(self) -> int:
        return int(self._clock.now() * 1000)
