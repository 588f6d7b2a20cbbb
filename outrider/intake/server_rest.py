"""The HTTP side: HTTP/1.1 with keep-alive, one thread per connection; routes to both APIs, console and controls.

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
from collections.abc import Callable
from importlib import resources
from typing import Any, NoReturn
from urllib.parse import parse_qs, urlsplit

import orjson

from outrider.intake import body
from outrider.intake.api import Api
from outrider.intake.datadog.api import Datadog
from outrider.intake.datadog.errors import DatadogError
from outrider.intake.datadog.errors import too_large as datadog_too_large
from outrider.intake.errors import INTERNAL, NOT_FOUND, AnswerError, ApiError, invalid
from outrider.intake.faults import Fault
from outrider.intake.requests import parse_list, parse_write

_MOST_READ = 8 * body.MAX_REQUEST  # of a body that is refused anyway; beyond it the connection is closed instead
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s
_JSON = "application/json; charset=UTF-8"


class _AbandonError(Exception):
    """The connection ends here, without an answer."""


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """The HTTP server of one intake."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], api: Api, datadog: Datadog) -> None:
        self.api = api
        self.datadog = datadog
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
        """Console, statistics, entries, logs.list."""
        self._answer()

    def do_POST(self) -> None:
        """entries.write, entries.list, Datadog's logs and search, fault control."""
        self._answer()

    def do_DELETE(self) -> None:
        """logs.delete."""
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
                status, kind, data, headers = error.http_status, _JSON, orjson.dumps(error.body()), error.headers
            except _AbandonError:
                self.close_connection = True
                return
            except Exception:
                traceback.print_exc()
                unexpected = ApiError(INTERNAL, "Internal error encountered.")
                status, kind, data = unexpected.http_status, _JSON, orjson.dumps(unexpected.body())
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

    def _dispatch(self, data: bytes) -> tuple[int, str, bytes]:
        url = urlsplit(self.path)
        route = _ROUTES.get((self.command, url.path.replace("%3A", ":")))
        if route is not None:
            return route(self, data, parse_qs(url.query))
        resource = url.path.removeprefix("/v2/")
        if resource != url.path and self.command == "GET" and resource.endswith("/logs"):
            return _json({"logNames": self.server.api.list_logs(resource.removesuffix("/logs"))})
        if resource != url.path and self.command == "DELETE" and "/logs/" in resource:
            self.server.api.delete_log(resource)
            return _json({})
        if self._is_datadog:
            raise DatadogError(404, "not_found", f"Not found: {self.command} {url.path}")
        raise ApiError(NOT_FOUND, f"Method not found: {self.command} {url.path}")

    def _plain(self, data: bytes) -> bytes:
        return body.decode(data, self._header("Content-Encoding").lower())

    def _header(self, name: str) -> str:
        return str(self.headers.get(name, "")).strip()

    def write_entries(self, data: bytes, _: dict[str, list[str]]) -> tuple[int, str, bytes]:
        """`entries.write`, with the faults in force."""
        api = self.server.api
        fault = api.draw()
        self._write(
            data,
            fault,
            fault.error() if fault else None,
            self._plain,
            lambda plain: api.write(parse_write(body.parse(plain))),
            api.store.count_request,
        )
        return _json({})

    def submit_logs(self, data: bytes, query: dict[str, list[str]]) -> tuple[int, str, bytes]:
        """Datadog's "send logs", with the faults in force."""
        api = self.server.datadog
        fault = api.draw()
        try:
            self._write(
                data,
                fault,
                api.answer(fault) if fault else None,
                lambda data: api.decode(data, self._header),
                lambda plain: api.submit(plain, query),
                api.store.count_request,
                "202",
            )
        except DatadogError as error:
            if fault is None:
                api.store.count_refused(error.reason)
            raise
        return 202, _JSON, b"{}"

    def _write(
        self,
        data: bytes,
        fault: Fault | None,
        answer: AnswerError | None,
        decode: Callable[[bytes], bytes],
        take: Callable[[bytes], None],
        count: Callable[[str, int, int], None],
        done: str = "200",
    ) -> None:
        """Decode and take a body, unless the fault drawn for it comes before; and count the request either way."""
        if fault and fault.name != "lost-ack":
            count(fault.name, len(data), 0)
            self._fail(fault, answer)
        outcome, plain = done, b""
        try:
            plain = decode(data)
            take(plain)
        except AnswerError as error:
            outcome = str(error.http_status)
            if fault is None:
                raise
        finally:
            count(fault.name if fault else outcome, len(data), len(plain))
        if fault:
            raise _AbandonError

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

    def list_entries(self, data: bytes, _: dict[str, list[str]]) -> tuple[int, str, bytes]:
        """`entries.list`."""
        page = self.server.api.list_entries(parse_list(body.parse(self._plain(data))))
        answer: dict[str, Any] = {"entries": page.entries} if page.entries else {}
        if page.next_page_token:
            answer["nextPageToken"] = page.next_page_token
        return _json(answer)

    def stats(self, _data: bytes, _: dict[str, list[str]]) -> tuple[int, str, bytes]:
        """The counters of both APIs, and the faults in force."""
        api = self.server.api
        return _json({**api.store.stats(), "datadog": self.server.datadog.store.stats(), "faults": api.faults.specs()})

    def entries(self, _data: bytes, query: dict[str, list[str]]) -> tuple[int, str, bytes]:
        """Entries as received, after `since`, at most `limit`."""
        since, limit = _number(query, "since", 0), _number(query, "limit", 1000)
        records = self.server.api.store.records(since, limit)
        return 200, _JSON, b"[" + b",".join(record.line() for record in records) + b"]"

    def search_logs(self, data: bytes, _: dict[str, list[str]]) -> tuple[int, str, bytes]:
        """Datadog's log search."""
        return _json(self.server.datadog.search(data, self._header))

    def logs(self, _data: bytes, query: dict[str, list[str]]) -> tuple[int, str, bytes]:
        """Datadog's logs as received, after `since`, at most `limit`."""
        since, limit = _number(query, "since", 0), _number(query, "limit", 1000)
        records = self.server.datadog.store.records(since, limit)
        return 200, _JSON, b"[" + b",".join(record.line() for record in records) + b"]"

    def get_faults(self, _data: bytes, _: dict[str, list[str]]) -> tuple[int, str, bytes]:
        """The faults in force."""
        return _json({"faults": self.server.api.faults.specs()})

    def set_faults(self, data: bytes, query: dict[str, list[str]]) -> tuple[int, str, bytes]:
        """Replace the faults."""
        wanted = body.parse(self._plain(data)).get("faults")
        if not isinstance(wanted, list) or not all(isinstance(spec, str) for spec in wanted):
            raise invalid('The body must be {"faults": ["503:0.2", ...]}')
        try:
            self.server.api.faults.set(wanted)
        except ValueError as error:
            raise invalid(str(error)) from None
        return self.get_faults(data, query)

    def console(self, _data: bytes, _: dict[str, list[str]]) -> tuple[int, str, bytes]:
        """The live page."""
        page = resources.files("outrider.intake").joinpath("console.html").read_bytes()
        return 200, "text/html; charset=utf-8", page


_Route = Callable[[Handler, bytes, dict[str, list[str]]], tuple[int, str, bytes]]
_ROUTES: dict[tuple[str, str], _Route] = {
    ("POST", "/v2/entries:write"): Handler.write_entries,
    ("POST", "/v2/entries:list"): Handler.list_entries,
    ("POST", "/api/v2/logs"): Handler.submit_logs,
    ("POST", "/api/v2/logs/events/search"): Handler.search_logs,
    ("GET", "/intake/stats"): Handler.stats,
    ("GET", "/intake/entries"): Handler.entries,
    ("GET", "/intake/logs"): Handler.logs,
    ("GET", "/intake/faults"): Handler.get_faults,
    ("POST", "/intake/faults"): Handler.set_faults,
    ("GET", "/"): Handler.console,
}


def _json(value: Any) -> tuple[int, str, bytes]:
    return 200, _JSON, orjson.dumps(value)


def _number(query: dict[str, list[str]], name: str, default: int) -> int:
    text = query.get(name, [str(default)])[0]
    if not text.isdecimal():
        raise invalid(f"{name} must be a number: {text}")
    return int(text)
