"""Entries on their way to `POST /api/v2/logs` of Datadog's log intake (HTTP API v2).

How they travel is the business of `http.py` and `api.py`; what comes back, or does not, is read by `answers.py`.

The intake drops entries that have become too old without a word. So while the destination is, or has just been, in
trouble, entries are looked at again before they go: some of them may have waited for hours.
"""

from collections.abc import Callable

from outrider.config.secrets import Secret
from outrider.exporters.answer import Answer, Verdict
from outrider.exporters.datadog import answers
from outrider.exporters.datadog.api import Api
from outrider.exporters.http import document
from outrider.model.clock import Clock

MAX_REQUEST = 4_950_000
"""Bytes of entries and commas in one request. The API takes 5 MB uncompressed."""
MAX_ENTRIES = 1000
"""Entries that it takes in one request."""
TROUBLE = 3600.0
"""Seconds after a request that was not accepted in which entries may have waited for long."""


class Client:
    """Sends entries to one endpoint. Safe to use from several threads. `in_time` makes those that have waited fit,
    and `late` is told how many of those were accepted."""

    def __init__(
        self,
        endpoint: str,
        key: Secret,
        clock: Clock,
        in_time: Callable[[list[bytes]], tuple[list[bytes], int]],
        late: Callable[[int], None],
        *,
        connections: int,
        compress: str = "gzip",
        ca: str | None = None,
    ) -> None:
        self._api = Api(endpoint, key, clock, answers.ROWS, connections=connections, ca=ca)
        self._clock, self._in_time, self._late = clock, in_time, late
        self._coding = compress
        self._calm = 0.0  # monotonic time from which no entry can have waited for long

    def send(self, pieces: list[bytes]) -> Answer:
        """Send the entries in `pieces`, once. Never raises for what the network or the server does."""
        late = 0
        if self._clock.monotonic() < self._calm:
            pieces, late = self._in_time(pieces)
        answer = self._post(b"[", pieces, b"]")
        if answer.verdict is Verdict.ACCEPTED:
            self._late(late)
        else:
            self._calm = self._clock.monotonic() + TROUBLE
        return answer

    def probe(self) -> Answer:
        """What the Agent sends to see whether its way to the intake is open: an empty object."""
        return self._post(b"{", [], b"}")

    def _post(self, opening: bytes, pieces: list[bytes], closing: bytes) -> Answer:
        return self._api.post("/api/v2/logs", document(opening, pieces, closing, self._coding), self._coding)

    def changed(self) -> bool:
        """Is the key another one than that of the last request?"""
        return self._api.changed()

    def close(self) -> None:
        self._api.close()
