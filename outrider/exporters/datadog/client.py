"""Entries on their way to `POST /api/v2/logs` of Datadog's log intake (HTTP API v2).

How they travel is `http.py`'s; what comes back, or does not, is read by `answers.py`. The key is read for every
request, so that one which was replaced in its file is the one that is used.

The intake drops entries that have become too old without a word. So while the destination is, or has just been, in
trouble, entries are looked at again before they go: some of them may have waited for hours.
"""

from collections.abc import Callable
from dataclasses import replace

from outrider import __version__
from outrider.config.secrets import Secret, SecretError
from outrider.exporters.answer import Answer, Verdict, verdict_of
from outrider.exporters.datadog import answers
from outrider.exporters.http import NoAnswerError, Poster, document
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
        self._poster = Poster(endpoint.rstrip("/") + "/api/v2/logs", connections, ca)
        self._key, self._clock, self._in_time, self._late = key, clock, in_time, late
        self._coding = compress
        self._tried = ""
        self._calm = 0.0  # monotonic time from which no entry can have waited for long
        self._headers = {"Content-Type": "application/json", "User-Agent": f"outrider/{__version__}"}
        if compress != "none":
            self._headers["Content-Encoding"] = compress

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
        try:
            key = self._tried = self._read_key()
        except SecretError as e:
            return Answer(verdict_of(answers.ROWS, "no API key"), f"no API key: {e}")
        try:
            response = self._poster.post(
                document(opening, pieces, closing, self._coding), {**self._headers, "DD-API-KEY": key}
            )
        except NoAnswerError as e:
            return Answer(verdict_of(answers.ROWS, "no answer"), str(e))
        answer = answers.read(response.status, response.headers, response.body, self._clock.now())
        # What answers may be a proxy that shows the request.
        return replace(answer, words=answer.words.replace(key, "***")) if key in answer.words else answer

    def _read_key(self) -> str:
        """The key now. Raises SecretError, also for one that no header can carry."""
        key = self._key.read().strip()
        if not key or not key.isascii() or not key.isprintable():
            raise SecretError(f"what is there is no API key ({self._key.source})")
        return key

    def changed(self) -> bool:
        """Is the key another one than that of the last request?"""
        try:
            return self._read_key() != self._tried
        except SecretError:
            return False

    def close(self) -> None:
        self._poster.close()
