"""A server of a few small pages, for probes and scrapers: one GET or HEAD for each connection, HTTP/1.0. A page may
also be one that goes on for as long as its reader does; it ends with the connection.

`http.server` would do, at the price of 1.1 MB of modules for forms, files and HTML, and of a look-up of the host's name
at the start, which may take seconds.
"""

import logging
import select
import socket
import socketserver
from collections.abc import Callable, Generator
from http import HTTPStatus
from typing import Any, NamedTuple

log = logging.getLogger(__name__)

Page = tuple[int, str, bytes | Generator[bytes, None, None]]
"""Status, content type, body."""
PATIENCE = 10.0
"""Seconds in which a client may be silent, or take nothing."""
_LONGEST_LINE, _MOST_LINES = 8192, 200


class Asked(NamedTuple):
    """A request: the path with its query, the address of who asks, and the host that he believes to ask ("" if he does
    not say).
    """

    path: str
    peer: str
    host: str


class PageServer(socketserver.ThreadingTCPServer):
    """Serves what `answer` makes of a request. `serve_forever` as in `socketserver`. Raises OSError if the address
    cannot be had.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 16

    def __init__(self, host: str, port: int, answer: Callable[[Asked], Page]) -> None:
        self.answer = answer
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host.strip("[]"), port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """A scraper that hangs up in the middle is nobody's news."""
        log.debug("telemetry", exc_info=True)


class _Handler(socketserver.StreamRequestHandler):
    server: PageServer
    timeout = PATIENCE

    def handle(self) -> None:
        words = self.rfile.readline(_LONGEST_LINE).decode("latin-1").split()
        host = ""
        for _ in range(_MOST_LINES):
            line = self.rfile.readline(_LONGEST_LINE)
            if line in (b"\r\n", b"\n", b""):
                break
            name, _, value = line.partition(b":")
            if name.lower() == b"host":
                host = value.strip().decode("latin-1")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            self._send(400, "text/plain", b"this is no request\n")
        elif words[0] not in ("GET", "HEAD"):
            self._send(501, "text/plain", b"there are GET and HEAD\n")
        else:
            asked = Asked(words[1], str(self.client_address[0]), host)
            self._send(*self.server.answer(asked), only_head=words[0] == "HEAD")

    def _send(
        self, status: int, kind: str, body: bytes | Generator[bytes, None, None], only_head: bool = False
    ) -> None:
        head = f"HTTP/1.0 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {kind}\r\n"
        if isinstance(body, bytes):
            head += f"Content-Length: {len(body)}\r\n"
            self.wfile.write(f"{head}\r\n".encode() + (b"" if only_head else body))
            return
        self.wfile.write(f"{head}\r\n".encode())
        try:
            for some in body if not only_head else ():
                if self._hung_up():
                    break
                self.wfile.write(some)
        finally:
            body.close()

    def _hung_up(self) -> bool:
        """Whoever reads a page that goes on has nothing more to say: what can be read of him is the end."""
        look = select.poll()
        look.register(self.connection, select.POLLIN)
        return bool(look.poll(0))
