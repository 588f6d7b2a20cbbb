"""The HTTP side of OTLP: POST /v1/metrics and /v1/logs (opentelemetry.io/docs/specs/otlp, OTLP/HTTP).

    200   taken; the answer names what was not, and why (a partial success)
    400   the body cannot be read: clients drop it
    404, 405, 413, 415   another path, method, size or media type: the same
    503   no room for now, with Retry-After: clients keep it and come again

What is answered with 200 is in memory and nowhere else yet. Everything that a client can make large has a bound: bodies
before and after they are unpacked, connections, the time until a request is there. A message takes several
times the bytes of its body while it is read, so this is done for one body at a time; the interpreter could do no two
anyway.
"""

import contextlib
import io
import logging
import socket
import socketserver
import threading
import time
import zlib
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, NamedTuple

from outrider.model.counters import Counters
from outrider.receivers.otlp.messages import (
    JSON,
    KINDS,
    PROTOBUF,
    BadMessageError,
    failure,
    logs_request,
    metrics_request,
    success,
)

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

log = logging.getLogger(__name__)

MAX_BODY = 16 << 20
"""Bytes of a body, packed or unpacked."""
MAX_CONNECTIONS = 64
"""Connections at a time; each has a thread."""
PATIENCE = 30.0
"""Seconds in which a client may be silent, and then those until its request is there, however slowly it speaks. SDKs
leave a minute between two exports of metrics: longer would keep threads for nothing, and just as long would hang up on
a client that is about to speak.
"""
RETRY_AFTER = 5
"""Seconds after which a client may come again that there was no room for."""


class Taken(NamedTuple):
    """What was not taken of a request, for good, and why."""

    rejected: int = 0
    words: str = ""


class FullError(Exception):
    """There is no room for now."""


class _Refused(Exception):  # noqa: N818 - an answer, not a failure
    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status, self.words = status, words


Take = Callable[[Any], Taken]
"""Takes an ExportMetricsServiceRequest or ExportLogsServiceRequest, one at a time. Raises FullError or
BadMessageError.
"""


class OtlpServer(socketserver.ThreadingTCPServer):
    """Serves requests until it is closed. `serve_forever` as in `socketserver`. Raises OSError if the address cannot be
    had. A socket that listens already can be taken over.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(
        self,
        host: str,
        port: int,
        metrics: Take,
        logs: Take,
        counters: Counters,
        listening: socket.socket | None = None,
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host.strip("[]"), port), _Handler, bind_and_activate=listening is None)
        if listening is not None:
            self.socket.close()
            self.socket = listening
            self.server_address = listening.getsockname()
        self.counters = counters
        self.ways = {
            "/v1/metrics": ("metrics", metrics_request, metrics, "rejectedDataPoints"),
            "/v1/logs": ("logs", logs_request, logs, "rejectedLogRecords"),
        }
        self.one_at_a_time = threading.Lock()
        self.over = False
        self._room = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._open: set[socket.socket] = set()

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002
        if self._room.acquire(blocking=False):
            self._open.add(request)
            return True
        self.count("connections", 503)
        return False

    def shutdown_request(self, request: Any) -> None:
        if request in self._open:
            self._open.discard(request)
            self._room.release()
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Take nothing more, and end the connections that clients keep open, once what is under way is answered."""
        with self.one_at_a_time:
            self.over = True  # whoever waits for his turn is sent back: his successor may know what becomes of it
        for request in list(self._open):
            with contextlib.suppress(OSError):
                request.shutdown(socket.SHUT_RD)

    def count(self, signal: str, status: int) -> None:
        text = "Requests of OTLP clients by signal and status."
        self.counters.counter("outrider_otlp_requests_total", text, signal=signal, status=str(status)).add()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """A client that hangs up in the middle is nobody's news."""
        log.debug("otlp", exc_info=True)


class _Incoming(socket.SocketIO):
    """What a client sends, until it is too late."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock, "r")
        self._of, self._until = sock, 0.0

    def allow(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        """Raises TimeoutError."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._of.settimeout(left)
        return super().readinto(buffer)


class _Handler(BaseHTTPRequestHandler):
    server: OtlpServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "outrider", ""
    wbufsize = -1  # an answer in one piece: in two, the second would wait for the client's kernel

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self._incoming = _Incoming(self.connection)
        self.rfile = self._reader = io.BufferedReader(self._incoming)

    def handle_one_request(self) -> None:
        self._incoming.allow(PATIENCE)
        self._reader.peek(1)
        self._incoming.allow(PATIENCE)
        super().handle_one_request()

    def handle_expect_100(self) -> bool:
        goes_on = super().handle_expect_100()
        self.wfile.flush()  # a client may wait for it before it sends its body
        return goes_on

    def do_POST(self) -> None:
        signal, read, take, name = self.server.ways.get(self.path.partition("?")[0], ("other", None, None, ""))
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        kind_of_answer = kind if kind in KINDS else JSON
        try:
            body = self._body()  # in any case, or the connection could not go on
            if read is None or take is None:
                raise _Refused(404, "there are /v1/metrics and /v1/logs")
            if kind not in KINDS:
                raise _Refused(415, f"Content-Type must be {PROTOBUF} or {JSON}")
            with self.server.one_at_a_time:
                if self.server.over:
                    raise FullError("this server is about to end")
                taken = take(read(self._unpacked(body), kind))
            status, answer = 200, success(kind, taken.rejected, taken.words, name)
        except _Refused as e:
            status, answer = e.status, failure(kind_of_answer, e.words)
        except BadMessageError as e:
            status, answer = 400, failure(kind_of_answer, str(e))
        except FullError as e:
            status, answer = 503, failure(kind_of_answer, str(e))
        except (OSError, EOFError):
            raise
        except Exception as e:  # a defect: the client may try again, and somebody has to know
            log.exception("otlp: unexpected failure")
            status, answer = 500, failure(kind_of_answer, f"unexpected failure: {type(e).__name__}")
        self.server.count(signal, status)
        self._send(status, kind_of_answer, answer)

    def do_GET(self) -> None:
        self.server.count("other", 405)
        self._send(405, JSON, failure(JSON, "requests are POST"))
        self.close_connection = True

    do_PUT = do_DELETE = do_HEAD = do_GET  # noqa: N815 - http.server looks for these names

    def _send(self, status: int, kind: str, answer: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(answer)))
        if status == 503:
            self.send_header("Retry-After", str(RETRY_AFTER))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    def _body(self) -> bytes:
        """The body as it was sent. Raises _Refused, after which the connection cannot go on."""
        self.close_connection, goes_on = True, self.close_connection
        if self.headers.get("Transfer-Encoding", "").strip().lower() == "chunked":
            body = self._chunks()
        else:
            text = self.headers.get("Content-Length", "")
            if not (text.isascii() and text.isdigit()):
                raise _Refused(411, "Content-Length is missing")
            body = self._exactly(_within(int(text) if len(text) < 20 else MAX_BODY + 1))
        self.close_connection = goes_on
        return body

    def _chunks(self) -> bytes:
        """RFC 9112, 7.1."""
        found = bytearray()
        while True:
            text = self._line().partition(b";")[0].strip()
            try:
                size = int(text, 16) if text.isalnum() else -1
            except ValueError:
                size = -1
            if size < 0:
                raise _Refused(400, "the size of a chunk is none")
            if size == 0:
                while self._line().strip():
                    pass
                return bytes(found)
            _within(len(found) + size)
            found += self._exactly(size)
            self._line()

    def _line(self) -> bytes:
        line = self.rfile.readline(8192)
        if not line.endswith(b"\n"):
            raise _Refused(400, "a line of the body has no end")
        return line

    def _exactly(self, size: int) -> bytes:
        found = self.rfile.read(size)
        if len(found) < size:
            raise EOFError("the client hung up")
        return found

    def _unpacked(self, body: bytes) -> bytes:
        coding = self.headers.get("Content-Encoding", "").strip().lower()
        if coding in ("", "identity"):
            return body
        wbits = {"gzip": 31, "deflate": 15}.get(coding)
        if wbits is None:
            raise _Refused(415, "Content-Encoding must be gzip, deflate or identity")
        unpacking = zlib.decompressobj(wbits)
        try:
            found = unpacking.decompress(body, MAX_BODY + 1)
        except zlib.error as e:
            raise _Refused(400, f"the body is no {coding}: {e}") from None
        _within(len(found))
        if not unpacking.eof:
            raise _Refused(400, f"the body is no {coding}: it ends early")
        if unpacking.unused_data:
            raise _Refused(400, f"the body is more than one {coding}: {len(unpacking.unused_data):,} bytes are left")
        return found

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        log.debug(format, *args)


def _within(size: int) -> int:
    if size > MAX_BODY:
        raise _Refused(413, f"a body may have {MAX_BODY:,} bytes")
    return size
