"""Requests to one of Datadog's APIs, with the key, and what came back.

The key is read for every request, so that one which was replaced in its file is the one that is used; what comes back,
or does not, is read by a table of answers.
"""

from collections.abc import Sequence
from dataclasses import replace

from outrider import __version__
from outrider.config.secrets import Secret, SecretError
from outrider.exporters.answer import Answer, Row, verdict_of
from outrider.exporters.datadog import answers
from outrider.exporters.http import NoAnswerError, Poster
from outrider.model.clock import Clock

JSON, PROTOBUF = "application/json", "application/x-protobuf"


class Api:
    """Posts to paths below `endpoint`. Safe to use from several threads."""

    def __init__(
        self, endpoint: str, key: Secret, clock: Clock, rows: Sequence[Row], *, connections: int, ca: str | None
    ) -> None:
        self._poster = Poster(endpoint.rstrip("/"), connections, ca)
        self._key, self._clock, self._rows = key, clock, rows
        self._tried = ""

    def post(self, path: str, body: bytes, coding: str, kind: str = JSON) -> Answer:
        """Post `body`, of the media type `kind` and in the content coding `coding` (`none`: in none), to `path`, once.
        Never raises for what the network or the server does.
        """
        try:
            key = self._tried = self._read_key()
        except SecretError as e:
            return Answer(verdict_of(self._rows, "no API key"), f"no API key: {e}")
        headers = {"Content-Type": kind, "User-Agent": f"outrider/{__version__}", "DD-API-KEY": key}
        if coding != "none":
            headers["Content-Encoding"] = coding
        try:
            response = self._poster.post(body, headers, path)
        except NoAnswerError as e:
            return Answer(verdict_of(self._rows, "no answer"), str(e))
        answer = answers.read(response.status, response.headers, response.body, self._clock.now(), self._rows)
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
        """Give back connections."""
        self._poster.close()
