"""One HTTPS client for the kubelet and the API server: bearer token, CA, bounded waits, and errors that say what to do.

The token is asked for at every request, so a rotated one (kubelet replaces projected tokens about hourly) is used from
the next request on. Every read has a timeout and every answer that is read as a whole has a deadline and a size.

Certificates are verified against the given CA, else against the system's trust store; `verify=False` is for the one
case that `outrider.kube.pods.access` describes. A CA file is read again after a failed handshake.
"""

import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from http.client import HTTPResponse, IncompleteRead
from pathlib import Path
from typing import Protocol
from urllib.parse import urlencode, urlsplit

from outrider.model.clock import Clock
from outrider.model.connections import FAILURES, Connections, headers_of

MAX_BODY = 256 << 20
MAX_LINE = 16 << 20
CONNECT_TIMEOUT = 5.0
LEASES = "/apis/coordination.k8s.io/v1/namespaces/"
"""Where leases are, of all namespaces."""


class Token(Protocol):
    """A secret that is read anew whenever it is needed."""

    def read(self) -> str:
        """The token now. Raises whatever it likes if it cannot be read; the text must not hold the secret."""
        ...


class TokenFile:
    """A token in a file, such as the one of the pod's service account; read at every use."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def read(self) -> str:
        return self.path.read_text(encoding="utf-8").strip()


class KubeError(Exception):
    """A request that brought nothing.

    `kind` is the counter's label: unauthorized, forbidden, missing, conflict, gone, throttled, server, rejected,
    certificate, connection, timeout, garbage or token. `retry_after` is the server's wish in seconds (0: none).
    """

    def __init__(self, kind: str, text: str, retry_after: float = 0.0) -> None:
        super().__init__(text)
        self.kind, self.retry_after = kind, retry_after


class KubeClient:
    """Requests to one server, one at a time; `close` from another thread ends the one that is under way."""

    def __init__(
        self,
        url: str,
        token: Token | None,
        ca: str | os.PathLike[str] | None,
        clock: Clock,
        *,
        verify: bool = True,
    ) -> None:
        self.url = url.rstrip("/")
        self._token, self._ca, self._clock, self._verify = token, ca, clock, verify
        self._pool: Connections | None = None
        self._open: socket.socket | None = None
        self._lock = threading.Lock()
        self._closed = False

    def get(self, path: str, params: Mapping[str, str], accept: str, timeout: float = 30.0) -> bytes:
        """The whole body of a 200 answer, within `timeout` seconds. Raises KubeError."""
        return self._whole(_Request("GET", path, params, accept), timeout)

    def write(self, method: str, path: str, body: bytes, timeout: float) -> bytes:
        """What the server made of `body`, a JSON object that is created (POST) or takes the place of another (PUT).
        Raises KubeError, of kind `conflict` if somebody else was faster.
        """
        return self._whole(_Request(method, path, {}, "application/json", body), timeout)

    def _whole(self, request: "_Request", timeout: float) -> bytes:
        where = f"{request.method} {self.url}{request.path}"
        deadline = self._clock.monotonic() + timeout
        body = bytearray()
        with contextlib.closing(self._stream(request, timeout)) as chunks:
            for chunk in chunks:
                body += chunk
                if self._clock.monotonic() > deadline:
                    raise KubeError("timeout", f"{where}: not all of it came within {timeout:.0f} s")
                if len(body) > MAX_BODY:
                    raise KubeError("garbage", f"{where}: an answer of more than {MAX_BODY >> 20} MiB")
        return bytes(body)

    def lines(self, path: str, params: Mapping[str, str], accept: str, silence: float) -> Generator[bytes, None, None]:
        """The lines of a 200 answer as they arrive, until the server ends it (a half line at the end is dropped).

        Raises KubeError, of kind `timeout` when nothing has come for `silence` seconds.
        """
        rest = b""
        with contextlib.closing(self._stream(_Request("GET", path, params, accept), silence)) as chunks:
            for chunk in chunks:
                *whole, rest = (rest + chunk).split(b"\n")
                yield from filter(bytes.strip, whole)
                if len(rest) > MAX_LINE:
                    raise KubeError("garbage", f"GET {self.url}{path}: a line of more than {MAX_LINE >> 20} MiB")

    def close(self) -> None:
        """End the request under way (it raises KubeError or ends early) and every later one at its first byte."""
        with self._lock:
            self._closed = True
            if self._open is not None:
                _shut(self._open)

    def _stream(self, request: "_Request", timeout: float) -> Generator[bytes, None, None]:
        headers = {"Accept": request.accept, "User-Agent": "outrider"}
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        if self._token is not None:
            headers["Authorization"] = f"Bearer {_read(self._token)}"
        target = f"{urlsplit(self.url).path}{request.path}?{urlencode(request.params)}".rstrip("?")
        try:
            connections = self._connections()
            with connections.request(request.method, request.body, headers, self._sent, target, timeout) as response:
                self._check(request, response)
                while chunk := response.read1(65536):
                    yield chunk
                if response.length:
                    raise IncompleteRead(b"", response.length)
        except FAILURES as e:
            raise self._error(request, e, timeout) from e
        finally:
            with self._lock:
                self._open = None

    def _sent(self, sock: socket.socket) -> None:
        with self._lock:
            self._open = sock
            if self._closed:
                _shut(sock)

    def _connections(self) -> Connections:
        if self._pool is None:
            self._pool = Connections(self.url, 1, CONNECT_TIMEOUT, CONNECT_TIMEOUT, self._tls())
        return self._pool

    def _tls(self) -> ssl.SSLContext | None:
        if not self.url.startswith("https:"):
            return None
        try:
            context = ssl.create_default_context(cafile=self._ca)
        except (OSError, ValueError) as e:
            raise KubeError("certificate", f"the CA file {self._ca} cannot be used ({e}); see kube.ca") from e
        # Python 3.13 began to demand extensions that the CAs of many clusters do not carry.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if not self._verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _check(self, request: "_Request", response: HTTPResponse) -> None:
        status = response.status
        if status in (200, 201):
            return
        where = f"{request.method} {self.url}{request.path} answered {status}"
        if status == 401:
            raise KubeError("unauthorized", f"{where}: the bearer token is not accepted (expired?); see kube.token")
        if status == 403:
            raise KubeError("forbidden", f"{where}: the service account lacks a right; {_right(request.path)}")
        if status == 404 and request.path.startswith(LEASES):
            raise KubeError("missing", f"{where}: there is no such object")
        if status == 409:
            raise KubeError("conflict", f"{where}: somebody else has changed it")
        if status == 410:
            raise KubeError("gone", f"{where}: the resource version is too old")
        if status == 429 or status >= 500:
            kind = "throttled" if status == 429 else "server"
            raise KubeError(kind, where, _retry_after(headers_of(response).get("Retry-After")))
        raise KubeError("rejected", f"{where}; see kube.url")

    def _error(self, request: "_Request", error: Exception, timeout: float) -> KubeError:
        where = f"{request.method} {self.url}{request.path}"
        if isinstance(error, ssl.SSLError):
            self._pool = None  # the CA file is read again: it may have been replaced
            return KubeError("certificate", f"{where}: {error}; see kube.ca")
        if isinstance(error, TimeoutError):
            return KubeError("timeout", f"{where}: silent for {timeout:.0f} s")
        return KubeError("connection", f"{where}: {error}")


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    params: Mapping[str, str]
    accept: str
    body: bytes | None = None


def _read(token: Token) -> str:
    try:
        text = token.read()
    except Exception as e:  # a token source of any kind: its failure is a failed request, not the end of the thread
        raise KubeError("token", f"the bearer token cannot be read ({e}); see kube.token") from e
    if not (text and text.isascii() and text.isprintable()):
        raise KubeError("token", "the bearer token is empty, or not a token; see kube.token")
    return text


def _right(path: str) -> str:
    if path == "/pods":
        return "it needs `get` on nodes/pods (fine-grained kubelet authorization) or nodes/proxy"
    if path.startswith(LEASES):
        return "it needs `get`, `create` and `update` on leases (coordination.k8s.io) in this namespace"
    if path.endswith("/events"):
        return "it needs `list` and `watch` on events"
    return "it needs `list` and `watch` on pods"


def _retry_after(value: str | None) -> float:
    # Delta-seconds only: that is what the API server sends (RFC 9110 section 10.2.3 also allows a date).
    return float(value) if value is not None and value.isdecimal() else 0.0


def _shut(sock: socket.socket) -> None:
    # A close would wait for the reader; a shutdown of the socket wakes it. It may already be closed, or handed back.
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
