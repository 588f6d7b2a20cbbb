"""An HTTP server on loopback that answers with pages which a test sets."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TEXT = "text/plain; version=0.0.4; charset=utf-8"


@dataclass
class Page:
    body: str | bytes = ""
    status: int = 200
    content_type: str = TEXT
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Pages:
    """`url` answers with what stands in `at` under the path, with its query or without (404 if nothing). `asked` are
    the headers of requests.
    """

    url: str
    at: dict[str, Page] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)


@contextlib.contextmanager
def pages(context: ssl.SSLContext | None = None) -> Iterator[Pages]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            served.asked.append({key.lower(): value for key, value in self.headers.items()})
            page = served.at.get(self.path) or served.at.get(self.path.partition("?")[0]) or Page("not here", 404)
            body = page.body.encode() if isinstance(page.body, str) else page.body
            self.send_response(page.status)
            for key, value in {"Content-Type": page.content_type, **page.headers}.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def get_request(self) -> tuple[socket.socket, Any]:
            connection, address = super().get_request()
            connections.append(connection)
            return connection, address

    connections: list[socket.socket] = []
    server = Server(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    served = Pages(f"http{'s' if context else ''}://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        for connection in connections:  # those that a client keeps, too
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
