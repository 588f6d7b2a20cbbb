"""Connections to one server that are kept for the next request, by whichever thread.

This is what is needed of a pool, on `http.client` alone: urllib3, which wraps the same, brings 45 modules and 2 MB of
memory for what is not used here (proxies, retries, HTTP/2, uploads of files), which is a sixteenth of what a sidecar
may have.

A connection that was kept may have been closed by the server meanwhile: it is readable then, and thrown away. One that
had any trouble is never kept.
"""

import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead
from typing import cast
from urllib.parse import urlsplit

FAILURES = (HTTPException, OSError)
"""What goes wrong on the way is one of these."""
SLICE = 64 << 10
"""Bytes of a body that are read at a time: room for them is made before they come."""


class Connections:
    """Connections to the server of `url`, of which up to `kept` are kept. Seconds: `connecting` until one is there,
    `waiting` for each read or write on it.
    """

    def __init__(
        self, url: str, kept: int, connecting: float, waiting: float, context: ssl.SSLContext | None = None
    ) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if parts.scheme == "https" and context is None:
            context = ssl.create_default_context()
        if context is not None:
            context.set_alpn_protocols(["http/1.1"])
        self._context = context
        self._connecting, self._waiting = connecting, waiting
        self._kept, self._idle = kept, list[HTTPConnection]()
        self._lock = threading.Lock()

    @contextmanager
    def request(
        self,
        method: str,
        body: bytes | str | None,
        headers: Mapping[str, str],
        sent: Callable[[socket.socket], None] = lambda _: None,
        target: str | None = None,
        waiting: float | None = None,
    ) -> Iterator[HTTPResponse]:
        """Send a request; the response, of which the body is to be read (`read`) inside the block. `sent` is called in
        between, with the socket on which the answer will come. `target` and `waiting` (seconds) take the place of what
        was said for all requests. Raises FAILURES.
        """
        connection = self._connection(self._waiting if waiting is None else waiting)
        try:
            unread = False
            try:
                connection.request(method, target or self._target, body=body, headers=dict(headers))
            except (BrokenPipeError, ConnectionResetError):
                unread = True  # a server that refuses may answer before it has read everything, and hang up
                if connection.sock is None:
                    raise
            sent(connection.sock)
            response = connection.getresponse()
            yield response
            whole = not unread and (response.isclosed() or response.length == 0)
            response.close()
        except BaseException:
            connection.close()
            raise
        with self._lock:
            if whole and connection.sock is not None and len(self._idle) < self._kept:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Let go what is kept."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _connection(self, waiting: float) -> HTTPConnection:
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return self._connect(waiting)
            if not _readable(connection.sock):
                connection.sock.settimeout(waiting)
                return connection
            connection.close()

    def _connect(self, waiting: float) -> HTTPConnection:
        # As bytes: for a name that is text the codec for international ones is loaded, with all of Unicode's tables.
        host = self._host.encode("ascii" if self._host.isascii() else "idna")
        address = cast("tuple[str, int]", (host, self._port))  # bytes will do
        sock = socket.create_connection(address, min(self._connecting, waiting))
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is None:
                made = HTTPConnection(self._host, self._port)
            else:
                made = HTTPSConnection(self._host, self._port, context=self._context)
                sock = self._context.wrap_socket(sock, server_hostname=host)
            sock.settimeout(waiting)
        except BaseException:
            sock.close()
            raise
        made.sock = sock
        return made


def headers_of(response: HTTPResponse) -> Mapping[str, str]:
    """Its headers; names in any case."""
    return cast("Mapping[str, str]", response.headers)


class TooLongError(Exception):
    """A body that takes too long."""


def read(response: HTTPResponse, most: int, late: Callable[[], bool] = lambda: False) -> bytes:
    """The body, up to `most` bytes of it. Raises FAILURES (IncompleteRead if it ends early), and TooLongError if `late`
    says so while it comes.
    """
    said = bytearray()
    while len(said) < most and (part := response.read1(min(most - len(said), SLICE))):
        said += part
        if late():
            raise TooLongError
    if len(said) < most and response.length:
        raise IncompleteRead(bytes(said[:100]), response.length)
    return bytes(said)


def _readable(sock: socket.socket) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
