"""Requests to Google's REST APIs, and entries on their way to `POST /v2/entries:write`.

How they travel is `http.py`'s; what comes back, or does not, is read by `answers.py`.
"""

from outrider import __version__
from outrider.exporters.answer import Answer, verdict_of
from outrider.exporters.http import NoAnswerError, Poster, Response, document
from outrider.exporters.stackdriver import answers
from outrider.exporters.stackdriver.auth import AuthError, TokenSource
from outrider.model.clock import Clock

MAX_REQUEST = 9_500_000
"""Bytes of entries in one request. The API takes 10 MB (10485760 bytes) uncompressed."""

_OPEN, _ENTRIES, _CLOSE = b'{"partialSuccess":true,', b'"entries":[', b"]}"
_OPEN_DRY = b'{"dryRun":true,"entries":['


class Method:
    """One method of one API, which takes JSON. Safe to use from several threads."""

    def __init__(self, url: str, tokens: TokenSource, connections: int, compress: bool, ca: str | None) -> None:
        self._poster, self._tokens = Poster(url, connections, ca), tokens
        self._coding = "gzip" if compress else "none"
        self._headers = {"Content-Type": "application/json", "User-Agent": f"outrider/{__version__}"}
        if compress:
            self._headers["Content-Encoding"] = "gzip"

    def call(self, opening: bytes, pieces: list[bytes], closing: bytes) -> Response:
        """What the API says to `opening`, the `pieces` separated by commas, and `closing`. Raises AuthError and
        NoAnswerError.
        """
        headers = {**self._headers, **self._tokens.headers()}
        return self._poster.post(document(opening, pieces, closing, self._coding), headers)

    def close(self) -> None:
        self._poster.close()


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
        self._write = Method(endpoint.rstrip("/") + "/v2/entries:write", tokens, connections, compress, ca)
        self._tokens, self._clock = tokens, clock

    def send(self, pieces: list[bytes], common: bytes = b"") -> Answer:
        """Write the entries in `pieces`, once, with what is `common` to them. Never raises for what the network or the
        server does.
        """
        return self._post(_OPEN + (common + b"," if common else b"") + _ENTRIES, pieces)

    def rehearse(self, entry: bytes) -> Answer:
        """Have the server judge `entry` as if it were written, and store nothing (`dryRun`)."""
        return self._post(_OPEN_DRY, [entry])

    def _post(self, opening: bytes, pieces: list[bytes]) -> Answer:
        try:
            response = self._write.call(opening, pieces, _CLOSE)
        except AuthError as e:
            return Answer(verdict_of(answers.ROWS, "no token for now" if e.retryable else "no credentials"), str(e))
        except NoAnswerError as e:
            return Answer(verdict_of(answers.ROWS, "no answer"), str(e))
        return answers.read(response.status, response.headers, response.body, self._clock.now())

    def refresh(self) -> None:
        """The credentials were refused: the next request asks for new ones."""
        self._tokens.invalidate()

    def changed(self) -> bool:
        return self._tokens.changed()

    def close(self) -> None:
        self._write.close()
