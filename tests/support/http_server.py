"""HTTP on loopback: servers that answer what a function says.

    with http_server(lambda asked: (200, {"path": asked.path})) as url:
        ...

What needs more of the connection (hanging, trickling, watching) has a `Handler` of its own, served by `Server`.
"""

import contextlib
import gzip
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Said = tuple[int, Any] | tuple[int, Any, Mapping[str, str]]
"""A status, a body (bytes as they are, a str as text, all else as JSON), and headers."""


@dataclass(frozen=True)
class HttpRequest:
    """A request; `path` has its query."""

    method: str
    path: str
    headers: Message
    body: bytes

    @property
    def plain(self) -> bytes:
        """The body, uncompressed."""
        return gzip.decompress(self.body) if self.headers.get("Content-Encoding") == "gzip" else self.body

    @property
    def lower(self) -> dict[str, str]:
        """The headers by their names in lower case."""
        return {name.lower(): value for name, value in self.headers.items()}


class Server(ThreadingHTTPServer):
    """On a free port, or on the one given; a client that hangs up is no news to it."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, handler: type[BaseHTTPRequestHandler], port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self._scheme = "https" if tls else "http"
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), name="http", daemon=True)

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.server_port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self.shutdown()
            self._thread.join()
        self.server_close()
        for connection in list(self._open):  # those that a client keeps, too
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed, or does not like our certificate, hangs up in the middle."""


class Handler(BaseHTTPRequestHandler):
    """One that keeps connections and is silent on stderr."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one piece, or each waits for the acknowledgement of its head

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or "0"))

    def say(self, status: int, what: Any = b"", headers: Mapping[str, str] | None = None) -> None:
        """The whole answer, see `Said`."""
        kind = "text/plain" if isinstance(what, str | bytes) else "application/json"
        data = what if isinstance(what, bytes) else (what if isinstance(what, str) else json.dumps(what)).encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it so)
        del format, args


@contextlib.contextmanager
def http_server(answer: Callable[[HttpRequest], Said], tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The URL of a server that answers so."""

    class Answering(Handler):
        def do_GET(self) -> None:
            self.say(*answer(HttpRequest(self.command, self.path, self.headers, self.body())))

        do_POST = do_PUT = do_GET  # noqa: N815 (the base class looks for these names)

    server = Server(Answering, tls=tls)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()
