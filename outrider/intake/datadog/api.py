"""Datadog's log API without HTTP: the key, the limits, the store and the search.

The key is looked at first, then the form of the body, then the logs. What is refused is refused whole, with everything
in it; what was answered 202 may still be dropped, which only the counters tell (and, at Datadog, nobody).
"""

import hmac
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from outrider.intake.clock import Clock
from outrider.intake.datadog import body
from outrider.intake.datadog.errors import FAULTS, DatadogError, SearchError, fault_answer
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
Header = Callable[[str], str]
"""The value of a header by its name, stripped; empty if it is not there."""


class Datadog:
    """What the HTTP side calls. Raises DatadogError for every answer that is not 202 (200 of the search).

    `api_key` is the one key that is right; None takes any, but not none.
    """

    def __init__(self, store: LogStore, clock: Clock, faults: Faults, api_key: str | None) -> None:
        self.store = store
        self.api_key = api_key
        self._clock = clock
        self._faults = faults

    def draw(self) -> Fault | None:
        """The fault that the next request with logs meets."""
        return self._faults.draw(FAULTS)

    def decode(self, data: bytes, header: Header) -> bytes:
        """The plain body of a request with logs, once its key and form are right."""
        self._check_key(header, DatadogError)
        kind = header("Content-Type").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise DatadogError(400, "content_type", f"Unsupported content type: {kind or '(none)'}")
        return body.decode(data, header("Content-Encoding").lower())

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
        self._check_key(header, SearchError)
        try:
            request = orjson.loads(data or b"{}")
        except orjson.JSONDecodeError as error:
            raise SearchError(400, "search", f"Bad Request: {error}") from None
        self.store.count("searches")
        return search(self.store.records(), request, self._now())

    def answer(self, fault: Fault) -> DatadogError | None:
        """The answer of a fault that is one."""
        return fault_answer(fault.name)

    def _check_key(self, header: Header, kind: type[DatadogError]) -> None:
        given = header("DD-API-KEY")
        if not given:
            raise kind(*FAULTS["401"])
        if self.api_key is not None and not hmac.compare_digest(given.encode(), self.api_key.encode()):
            raise kind(*FAULTS["403"])

    def _now(self) -> int:
        return int(self._clock.now() * 1000)
