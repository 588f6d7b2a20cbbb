"""How a check asks a server over HTTP: one GET after the other on a connection that is kept for the next run.

Whatever goes wrong on the way becomes the error that a person can act on: nobody listens, no answer in time, a
certificate that is not trusted, something that is not HTTP. Every wait ends with the deadline of the run, that for a
server which lets its answer drip too: its connection is closed under it.

An answer that is taken as a whole has as many bytes as the check allows, and fewer where many servers are asked at a
time of which nobody knows who runs them (`modest`).
"""

import base64
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from http.client import HTTPException, HTTPResponse, RemoteDisconnected
from typing import NamedTuple
from urllib.parse import urlsplit

from outrider import __version__
from outrider.checks.check import AnswerError, CheckError, DeniedError, RefusedError, SilentError
from outrider.checks.stream import no_tls
from outrider.checks.tls import TlsSettings
from outrider.config.secrets import Secret, SecretError, without_password
from outrider.model.connections import FAILURES, SLICE, Connections, read

MODEST = 8 << 20
"""Bytes of an answer under `modest`. A thousand stages of Spark take five megabytes."""
_most: ContextVar[int | None] = ContextVar("most", default=None)
MAX_LINE = 64 << 10
"""Bytes of a line. A label's value may be long, but not that long."""


@contextmanager
def modest() -> Iterator[None]:
    """Inside, in this thread, an answer may have no more than MODEST bytes."""
    token = _most.set(MODEST)
    try:
        yield
    finally:
        _most.reset(token)


class Answered(NamedTuple):
    """What came back."""

    status: int
    body: bytes


class HttpServer:
    """The server of `url`, which is what a request asks for that names no target. Seconds: `timeout`, to connect."""

    def __init__(self, url: str, timeout: float, tls: TlsSettings) -> None:
        self.url = without_password(url)
        parts = urlsplit(url)
        self._raw, self._tls, self._timeout = url, tls if parts.scheme == "https" else None, timeout
        self._base = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._connections: Connections | None = None

    @contextmanager
    def get(
        self, deadline: float, headers: Mapping[str, str] | None = None, target: str | None = None
    ) -> Iterator[HTTPResponse]:
        """The response, whose body is to be read inside the block and before `deadline` (monotonic seconds). Raises
        RefusedError, SilentError and AnswerError.
        """
        where = self.url if target is None else self._base + target
        waiting = deadline - time.monotonic()
        if waiting <= 0:
            raise SilentError(f"no time was left to ask {where}")
        wire = _Wire()
        timer = threading.Timer(waiting, wire.hang_up)
        timer.daemon = True
        timer.start()
        try:
            with self._connected().request(
                "GET",
                None,
                {"User-Agent": f"outrider/{__version__}", **(headers or {})},
                wire.answers_on,
                target=target,
                waiting=waiting,
            ) as response:
                yield response
        except FAILURES as e:
            self.close()
            raise _trouble(e, where, wire.late, self._tls) from None
        except CheckError:  # whoever read the body found it cut, and it was we who cut it
            if not wire.late:
                raise
            self.close()
            raise _silent(where) from None
        finally:
            timer.cancel()
        if wire.late:  # what there is of the body may look whole
            self.close()
            raise _silent(where)

    def ask(
        self, deadline: float, most: int, headers: Mapping[str, str] | None = None, target: str | None = None
    ) -> Answered:
        """The whole answer, whatever its status. Raises as `get` does, and AnswerError if the body has more than `most`
        bytes.
        """
        most = min(most, _most.get() or most)
        with self.get(deadline, headers, target) as response:
            body = read(response, most + 1)
            status = response.status
        if len(body) > most:
            raise AnswerError(f"{self._base}{target or ''} answers with more than {most >> 20} MiB")
        return Answered(status, body)

    def close(self) -> None:
        """Let the connection go. The next request opens another one, with the certificates that are on disk then."""
        if self._connections is not None:
            self._connections.close()
            self._connections = None

    def _connected(self) -> Connections:
        if self._connections is None:
            context = None if self._tls is None else self._tls.context()
            self._connections = Connections(self._raw, 1, self._timeout, self._timeout, context)
        return self._connections


class _Wire:
    """The socket that a request is answered on, once it is known. `hang_up` ends the wait for the answer."""

    def __init__(self) -> None:
        self.late = False
        self._sock: socket.socket | None = None

    def answers_on(self, sock: socket.socket) -> None:
        """Raises TimeoutError if it has become late meanwhile, when there was nothing yet to hang up."""
        self._sock = sock
        if self.late:
            raise TimeoutError

    def hang_up(self) -> None:
        self.late = True
        if self._sock is not None:
            with contextlib.suppress(OSError):  # it is closed already
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)


def lines(response: HTTPResponse, most: int) -> Iterator[str]:
    """The lines of a body in UTF-8, as they come, without their ends. Raises AnswerError beyond `most` bytes, or
    MAX_LINE of one line, and OSError or HTTPException.
    """
    taken, rest = 0, b""
    while part := response.read1(SLICE):
        taken += len(part)
        whole, end, rest = (rest + part).rpartition(b"\n")
        if end:
            yield from whole.decode("utf-8", "replace").split("\n")
        if taken > most:
            raise AnswerError(f"the answer has more than {most >> 20} MiB")
        if len(rest) > MAX_LINE:
            raise AnswerError(f"a line of the answer has more than {MAX_LINE >> 10} KiB")
    if response.length:
        raise AnswerError(f"the answer was cut: {response.length} bytes of it did not come")
    if rest:
        yield rest.decode("utf-8", "replace")


def authorization(username: str | None, password: Secret | None, token: Secret | None = None) -> dict[str, str]:
    """The header that shows who asks, by the token if there is one. Raises DeniedError if a secret cannot be read."""
    try:
        if token is not None:
            return {"Authorization": f"Bearer {token.read().strip()}"}
        if username is None:
            return {}
        pair = f"{username}:{'' if password is None else password.read()}"
    except SecretError as e:
        raise DeniedError(str(e)) from None
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def _silent(where: str) -> SilentError:
    return SilentError(f"{where} did not answer in time")


def _trouble(e: BaseException, where: str, late: bool, tls: TlsSettings | None) -> CheckError:
    """What a person can do something about."""
    host = urlsplit(where).netloc
    if late or isinstance(e, TimeoutError):
        return _silent(where)
    if isinstance(e, ssl.SSLError):
        return no_tls(host, e)
    if isinstance(e, socket.gaierror):
        return RefusedError(f"the name of {host} is unknown ({e.strerror})")
    if isinstance(e, ConnectionRefusedError):
        return RefusedError(f"nobody listens at {host}")
    if isinstance(e, RemoteDisconnected | ConnectionError):
        guess = "does it expect TLS? then say https"
        if tls is not None:  # with TLS 1.3 it can refuse a certificate so late
            guess = "" if tls.cert else "does it want a certificate of the client? then set tls.cert"
        return RefusedError(f"{host} hung up ({e})", guess)
    if isinstance(e, HTTPException):
        return AnswerError(f"{host} does not answer in HTTP ({type(e).__name__}: {str(e)[:120]})")
    return RefusedError(f"{host} cannot be reached ({e})")
