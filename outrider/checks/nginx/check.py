"""nginx, read: its page of counters, or all documents of the API of NGINX Plus.

The page is one small answer with seven numbers (`stub_status.py`). The API is asked first which versions it has, then
for every document that its newest version has (`plus.py`); one that is not configured there (no `stream`, no caches) is
not there, and costs nothing else. Names and tags are those of Datadog's check `nginx`.
"""

from typing import Any
from urllib.parse import urlsplit

from outrider.checks.check import AnswerError, DeniedError, Reading
from outrider.checks.http import HttpServer, authorization
from outrider.checks.nginx.plus import DOCUMENTS, told
from outrider.checks.nginx.settings import NginxSettings
from outrider.checks.nginx.stub_status import counters
from outrider.checks.parsed import JsonError, parsed
from outrider.model.clock import Clock, SystemClock

CLOCK: Clock = SystemClock()
LARGEST = 8 << 20
"""Bytes of an answer. A thousand zones with their status codes take one megabyte."""

PAGE = "location = /nginx_status { stub_status; allow 127.0.0.1; deny all; }"
"""What the server has to be told, for whoever forgot."""


class NginxCheck:
    """Reads one server."""

    Settings = NginxSettings
    can_connect = "nginx.can_connect"

    def __init__(self, settings: NginxSettings) -> None:
        self._settings = settings
        self._server = HttpServer(settings.url, settings.timeout, settings.tls)
        parts = urlsplit(settings.url)
        self._host, self._port, self._path = parts.hostname or "", parts.port or 80, parts.path.rstrip("/")
        self._version: int | None = None

    def read(self, reading: Reading) -> None:
        """Everything of one server. Raises CheckError."""
        deadline = CLOCK.monotonic() + self._settings.timeout
        reading.instance(nginx_host=self._host, port=self._port)
        try:
            if self._settings.use_plus_api:
                self._read_api(reading, deadline)
            else:
                self._read_page(reading, deadline)
        except BaseException:
            self.close()
            raise
        finally:  # the service check alone has the host under this name too
            reading.instance(host=self._host, nginx_host=self._host, port=self._port)

    def close(self) -> None:
        self._server.close()
        self._version = None

    def _read_page(self, reading: Reading, deadline: float) -> None:
        page = self._body(deadline)
        found = counters(page or b"")
        if found is None:
            raise AnswerError(f"{self._server.url} is no page of stub_status (it says {(page or b'')[:60]!r})", PAGE)
        for name, value in found.items():
            reading.add(f"status.{name}", value)

    def _read_api(self, reading: Reading, deadline: float) -> None:
        if self._version is None:
            self._version = self._newest(deadline)
        for path, (since, place) in DOCUMENTS.items():
            if since > self._version:
                continue
            body = self._body(deadline, f"{self._path}/{self._version}/{path}")
            if body is not None:
                self._report(reading, self._json(body), place)

    def _report(self, reading: Reading, document: Any, place: tuple[str, ...]) -> None:
        try:
            for name, value, tags in told(document, place):
                reading.add(f"plus.{name}", value, **tags)
        except RecursionError:
            raise AnswerError(f"{self._server.url} answers in JSON that nests without end") from None

    def _newest(self, deadline: float) -> int:
        said = self._json(self._body(deadline, f"{self._path}/") or b"null")
        versions = [version for version in said if type(version) is int] if isinstance(said, list) else []
        if versions:
            return max(versions)
        cure = "with `use_plus_api`, url is where the directive `api` is, without a version"
        raise AnswerError(f"{self._server.url} is not the API of NGINX Plus", cure)

    def _body(self, deadline: float, target: str | None = None) -> bytes | None:
        """What the server answers; None if the API has no such document. Raises CheckError."""
        headers = authorization(self._settings.username, self._settings.password)
        answer = self._server.ask(deadline, LARGEST, headers, target)
        where = self._server.url if target is None else f"{self._host}:{self._port}{target}"
        if answer.status == 200:
            return answer.body
        if answer.status == 401:
            raise DeniedError(f"{where} asks for a user and a password", "set username and password")
        if answer.status == 403:
            raise DeniedError(f"{where} is not for us", f"allow the address that we come from: {PAGE}")
        if answer.status == 404 and target is not None:
            return None
        cure = PAGE if answer.status == 404 else ""
        raise AnswerError(f"{where} answers with the status {answer.status}", cure)

    def _json(self, body: bytes) -> Any:
        try:
            return parsed(body)
        except JsonError as e:
            raise AnswerError(f"{self._server.url}: {e}") from None
