"""Entries on their way to `POST /v2/entries:write`.

One pool of connections for all sender threads; bodies are compressed by ISA-L, which does not hold the interpreter's
lock. Every wait has an end: ten seconds to connect, a minute for the answer (the deadline of Google's own clients).
What comes back, or does not, is read by `answers.py`.
"""

import logging
import ssl

import urllib3
from isal import isal_zlib

from outrider import __version__
from outrider.exporters.answer import Answer, Verdict
from outrider.exporters.stackdriver import answers
from outrider.exporters.stackdriver.auth import AuthError, TokenSource
from outrider.model.clock import Clock

log = logging.getLogger(__name__)

MAX_REQUEST = 9_500_000
"""Bytes of entries in one request. The API takes 10 MB (10485760 bytes) uncompressed."""
CONNECT_TIMEOUT, ANSWER_TIMEOUT = 10.0, 60.0

_OPEN, _CLOSE = b'{"partialSuccess":true,"entries":[', b"]}"


class Client:
    """Writes entries to one endpoint. Safe to use from several threads."""

    def __init__(
        self,
        endpoint: str,
        tokens: TokenSource,
        clock: Clock,
        connections: int,
        compress: bool = True,
        ca: str | None = None,
    ) -> None:
        self._url = endpoint.rstrip("/") + "/v2/entries:write"
        self._tokens = tokens
        self._clock = clock
        self._compress = compress
        self._headers = {"Content-Type": "application/json", "User-Agent": f"outrider/{__version__}"}
        if compress:
            self._headers["Content-Encoding"] = "gzip"
        context = ssl.create_default_context(cafile=ca) if endpoint.startswith("https:") else None
        self._pool = urllib3.PoolManager(
            maxsize=connections,
            block=False,
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=ANSWER_TIMEOUT),
            ssl_context=context,
        )

    def send(self, entries: list[bytes]) -> Answer:
        """Write `entries`, once. Never raises for what the network or the server does."""
        body = b"%b%b%b" % (_OPEN, b",".join(entries), _CLOSE)
        if self._compress:
            body = isal_zlib.compress(body, 1, 31)
        try:
            headers = {**self._headers, **self._tokens.headers()}
        except AuthError as e:
            return Answer(Verdict.RETRY if e.retryable else Verdict.HOLD, str(e))
        try:
            response = self._pool.request("POST", self._url, body=body, headers=headers, redirect=False)
        except (urllib3.exceptions.HTTPError, OSError) as e:
            return Answer(Verdict.RETRY, f"no answer from {self._url}: {_reason(e)}")
        return answers.read(response.status, response.headers, response.data, self._clock.now())

    def refresh(self) -> None:
        """The credentials were refused: the next request asks for new ones."""
        self._tokens.invalidate()

    def close(self) -> None:
        self._pool.clear()


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]
