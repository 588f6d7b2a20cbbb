"""The HTTP side: HTTP/1.1 with keep-alive, one thread per connection. What answers a path is found by `finds`.

Paths under `/api/` are Datadog's and are refused in Datadog's form, all others in Google's.

A request is read whole before anything is decided, so that a refused or faulted request leaves its connection usable.
`Connections` remembers what is open: stopping the server ends idle keep-alive connections, and a connection can be
reset (RST instead of FIN) when a fault asks for it.
"""

import contextlib
import http.server
import select
import socket
import socketserver
import struct
import threading
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NoReturn
from urllib.parse import urlsplit

import orjson

from outrider.intake import body
from outrider.intake.datadog.errors import DatadogError
from outrider.intake.datadog.errors import too_large as datadog_too_large
from outrider.intake.errors import INTERNAL, NOT_FOUND, AnswerError, ApiError, invalid
from outrider.intake.exchange import JSON, Answer, Find, Request
from outrider.intake.faults import Fault

_MOST_READ = 8 * body.MAX_REQUEST  # of a body that is refused anyway; beyond it the connection is closed instead
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s


class _AbandonError(Exception):
    """The connection ends here, without an answer."""


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """The HTTP server of one intake."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], finds: Sequence[Find]) -> None:
        self.finds = finds
        self.stopping = threading.Event()
        self._open: set[Any] = set()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._serve, name="intake", daemon=True)
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        """Bind without the reverse look-up of the host name that HTTPServer does (it may take seconds)."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def start(self) -> None:
        """Take connections, in a thread."""
        self._thread.start()

    def _serve(self) -> None:
        """Blocks in accept, where the base class's serve_forever would wake up to look around."""
        while not self.stopping.is_set():
            try:
                connection, address = self.get_request()
            except OSError:
                self.stopping.wait(0.01)  # out of descriptors, or stopping
                continue
            try:
                self.process_request(connection, address)
            except RuntimeError:  # no thread to be had
                self.shutdown_request(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections that break are everyday life here and are not reported."""

    def stop(self) -> None:
        """Stop listening and end all connections."""
        self.stopping.set()
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes accept
        self._thread.join()
        self.server_close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "outrider-intake"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one piece
    timeout = None

    def do_GET(self) -> None:
        """What reads."""
        self._answer()

    def do_POST(self) -> None:
        """What writes, and searches that need a body."""
        self._answer()

    def do_DELETE(self) -> None:
        """What deletes."""
        self._answer()

    def do_PUT(self) -> None:
        """Known to no route: a 404 in the API's form."""
        self._answer()

    def do_PATCH(self) -> None:
        """Known to no route: a 404 in the API's form."""
        self._answer()

    def handle_expect_100(self) -> bool:
        """Let a client that asks first (curl does, above 1 MiB) send its body."""
        go_on = super().handle_expect_100()
        self.wfile.flush()
        return go_on

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base class names it so)
        """Requests are counted, not logged."""

    def _answer(self) -> None:
        headers: dict[str, str] = {}
        try:
            try:
                status, kind, data = self._dispatch(self._read())
            except AnswerError as error:
                status, kind, data, headers = error.http_status, JSON, orjson.dumps(error.body()), error.headers
            except _AbandonError:
                self.close_connection = True
                return
            except Exception:
                traceback.print_exc()
                unexpected = ApiError(INTERNAL, "Internal error encountered.")
                status, kind, data = unexpected.http_status, JSON, orjson.dumps(unexpected.body())
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)
            self.wfile.flush()
        except OSError:
            self.close_connection = True

    def _too_large(self) -> AnswerError:
        return datadog_too_large() if self._is_datadog else body.too_large()

    @property
    def _is_datadog(self) -> bool:
        return self.path.startswith("/api/")

    def _read(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._read_chunks()
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal():
            self.close_connection = True
            raise invalid(f"Invalid Content-Length: {length}")
        size = int(length)
        if size > _MOST_READ:
            self.close_connection = True
            raise self._too_large()
        data = self.rfile.read(size)
        if len(data) < size:
            raise _AbandonError
        return data

    def _read_chunks(self) -> bytes:
        parts: list[bytes] = []
        total = 0
        while True:
            line = self.rfile.readline(1024)
            try:
                size = int(line.split(b";")[0], 16)
            except ValueError:
                raise _AbandonError from None
            total += size
            if total > _MOST_READ or size < 0:
                self.close_connection = True
                raise self._too_large()
            parts.append(self.rfile.read(size))
            if size:
                self.rfile.readline(1024)
                continue
            while self.rfile.readline(65_536) not in (b"\r\n", b"\n", b""):
                pass
            return b"".join(parts)

    def _dispatch(self, data: bytes) -> Answer:
        url = urlsplit(self.path)
        for find in self.server.finds:
            route = find(self.command, url.path)
            if route is not None:
                return route(Request(url.query, data, self._header, partial(self._write, data)))
        if self._is_datadog:
            raise DatadogError(404, "not_found", f"Not found: {self.command} {url.path}")
        raise ApiError(NOT_FOUND, f"Method not found: {self.command} {url.path}")

    def _header(self, name: str) -> str:
        return str(self.headers.get(name, "")).strip()

    def _write(
        self,
        data: bytes,
        fault: Fault | None,
        answer: AnswerError | None,
        decode: Callable[[bytes], bytes],
        take: Callable[[bytes], Answer],
        count: Callable[[str, int, int], None],
    ) -> Answer:
        """See `exchange.Write`."""
        if fault and not fault.taken:
            count(fault.name, len(data), 0)
            self._fail(fault, answer)
        outcome, plain = "500", b""
        reply: Answer | None = None
        try:
            plain = decode(data)
            reply = take(plain)
            outcome = str(reply[0])
        except AnswerError as error:
            outcome = str(error.http_status)
            if fault is None or not fault.loses_answer:
                raise
        finally:
            count(fault.name if fault else outcome, len(data), len(plain))
        if reply is None or (fault and fault.loses_answer):
            raise _AbandonError
        return reply

    def _fail(self, fault: Fault, answer: AnswerError | None) -> NoReturn:
        if answer:
            raise answer
        if fault.name == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.connection.close()
        else:
            self._hang()
        raise _AbandonError

    def _hang(self) -> None:
        """Wait until the client gives up or the server stops."""
        while not self.server.stopping.wait(0.05):
            readable, _, _ = select.select([self.connection], [], [], 0)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                return
