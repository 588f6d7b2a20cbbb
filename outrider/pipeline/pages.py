"""A server of a few small pages, for probes and scrapers: one GET or HEAD for each connection, HTTP/1.0.

`http.server` would do, at the price of 1.1 MB of modules for forms, files and HTML, and of a look-up of the host's name
at the start, which may take seconds.
"""

import logging
import socket
import socketserver
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

log = logging.getLogger(__name__)

Page = tuple[int, str, bytes]
"""Status, content type, body."""
PATIENCE = 10.0
"""Seconds in which a client may be silent."""
_LONGEST_LINE, _MOST_LINES = 8192, 200


class PageServer(socketserver.ThreadingTCPServer):
    """Serves what `answer` makes of a path. `serve_forever` as in `socketserver`. Raises OSError if the address cannot
    be had.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 16

    def __init__(self, host: str, port: int, answer: Callable[[str], Page]) -> None:
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
        for _ in range(_MOST_LINES):
            if self.rfile.readline(_LONGEST_LINE) in (b"\r\n", b"\n", b""):
                break
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            self._send(400, "text/plain", b"this is no request\n")
        elif words[0] not in ("GET", "HEAD"):
            self._send(501, "text/plain", b"there are GET and HEAD\n")
        else:
            self._send(*self.server.answer(words[1]), only_head=words[0] == "HEAD")

    def _send(self, status: int, kind: str, body: bytes, only_head: bool = False) -> None:
        head = f"HTTP/1.0 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}"
        self.wfile.write(f"{head}\r\n\r\n".encode() + (b"" if only_head else body))
