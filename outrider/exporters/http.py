"""How entries travel: one POST of a JSON document, compressed as it is put together, on a pool of connections.

The document is never held whole when it is compressed: slices of the entries go through the compressor one after the
other, so that a request costs its entries and its compressed body. Neither ISA-L nor zstd holds the interpreter's lock.
Every wait has an end: ten seconds to connect, a minute in which nothing can be sent or nothing comes back (the deadline
of Google's own clients), and two minutes for the whole answer, which a server may let drip.

Whoever wants to see what an exporter sends, and what comes back, lets it send inside of `watched`.
"""

import contextlib
import socket
import ssl
import sys
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from outrider.config.secrets import without_password
from outrider.model.clock import Clock
from outrider.model.connections import FAILURES, Connections, headers_of, read

CONNECT_TIMEOUT, ANSWER_TIMEOUT, WHOLE_ANSWER_TIMEOUT = 10.0, 60.0, 120.0
MAX_ANSWER = 4 << 20
"""Bytes of an answer that are read, and that it may unpack to. An error for each of ten thousand entries takes less."""
SLICE = 128 * 1024
"""Bytes, about, that go into the compressor at a time."""


SMALL = 64 * 1024
"""Bytes of entries up to which a document is small: what a check of one server finds. It costs a millisecond."""


class NoAnswerError(Exception):
    """The server could not be reached, or hung up, or took too long; the text says which."""


def document(opening: bytes, entries: list[bytes], closing: bytes, coding: str) -> bytes:
    """`opening`, the entries separated by commas, and `closing`, in the content coding `gzip`, `deflate` (RFC 9110: the
    format of zlib), `zstd` or `none`.
    """
    if coding == "none":
        return b"%b%b%b" % (opening, b",".join(entries), closing)
    small = coding == "gzip" and len(entries) < SMALL and sum(map(len, entries)) < SMALL
    compressor = _small_gzip() if small else _COMPRESSORS[coding]()
    parts = [compressor.compress(part) for part in _slices(opening, entries, closing)]
    parts.append(compressor.flush())
    return b"".join(parts)


def _slices(opening: bytes, entries: list[bytes], closing: bytes) -> Iterator[bytes]:
    yield opening
    step = max(len(entries) * SLICE // (sum(map(len, entries)) + 1), 1)
    for i in range(0, len(entries), step):
        if i:
            yield b","
        yield b",".join(entries[i : i + step])
    yield closing


def _small_gzip() -> Any:
    """zlib is here anyway, and ISA-L takes 0.6 MB: somebody who says little need not load it. What is sent repeats
    itself within less than the window of 8 KB, with which the compressor takes 50 KB and not 270.
    """
    return zlib.compressobj(1, zlib.DEFLATED, 16 + 13, memLevel=6)


def _gzip() -> Any:
    from isal import isal_zlib

    return isal_zlib.compressobj(level=1, wbits=31)


def _deflate() -> Any:
    from isal import isal_zlib

    return isal_zlib.compressobj(level=1, wbits=15)


def _zstd() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd.ZstdCompressor(level=1)


_COMPRESSORS: dict[str, Callable[[], Any]] = {"gzip": _gzip, "deflate": _deflate, "zstd": _zstd}


class Response(NamedTuple):
    """What came back; a body beyond MAX_ANSWER is cut."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Exchange(NamedTuple):
    """One request as it was sent, packed and with all secrets, and what came back: a response, or `error` says why
    there is none.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes
    response: Response | None
    error: str
    seconds: float


_watcher: ContextVar[tuple[Callable[[Exchange], None], Clock] | None] = ContextVar("watcher", default=None)


@contextlib.contextmanager
def watched(tell: Callable[[Exchange], None], clock: Clock) -> Iterator[None]:
    """Have `tell` called after every exchange of this thread; not of threads that are started inside."""
    token = _watcher.set((tell, clock))
    try:
        yield
    finally:
        _watcher.reset(token)


def _unpacked(body: bytes, headers: Mapping[str, str]) -> bytes:
    """The body without a coding that nobody asked for: some proxies do not mind that. As it is if that fails."""
    if headers.get("Content-Encoding") == "gzip":
        with contextlib.suppress(zlib.error):
            return zlib.decompressobj(wbits=31).decompress(body, MAX_ANSWER)
    return body


class _Answered:
    """The socket that a request is answered on, once it is known. `hang_up` ends the wait for the answer."""

    def __init__(self) -> None:
        self.sock: socket.socket | None = None
        self.late = False

    def wait_on(self, sock: socket.socket) -> None:
        self.sock = sock

    def hang_up(self) -> None:
        self.late = True
        if self.sock is not None:
            with contextlib.suppress(OSError):  # it is closed already
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


class Poster:
    """Posts to one URL, or to what is below it. Safe to use from several threads."""

    def __init__(self, url: str, connections: int, ca: str | None) -> None:
        self._name, self._base = without_password(url), urlsplit(url).path.rstrip("/")
        context = ssl.create_default_context(cafile=ca) if url.startswith("https:") else None
        self._connections = Connections(url, connections, CONNECT_TIMEOUT, ANSWER_TIMEOUT, context)

    def post(self, body: bytes, headers: Mapping[str, str], path: str = "") -> Response:
        """The response, whatever its status. `path` is what follows the URL. Raises NoAnswerError."""
        watcher = _watcher.get()
        if watcher is None:
            return self._post(body, headers, path)
        tell, clock = watcher
        began = clock.monotonic()
        response, error = None, ""
        try:
            response = self._post(body, headers, path)
        except NoAnswerError as e:
            error = str(e)
            raise
        finally:
            tell(Exchange(self._name + path, headers, body, response, error, clock.monotonic() - began))
        return response

    def _post(self, body: bytes, headers: Mapping[str, str], path: str) -> Response:
        name, target = self._name + path, self._base + path if path else None
        answered = _Answered()
        timer = threading.Timer(WHOLE_ANSWER_TIMEOUT, answered.hang_up)
        timer.daemon = True
        timer.start()
        try:
            with self._connections.request("POST", body, headers, answered.wait_on, target) as response:
                status, said_headers, said = response.status, headers_of(response), read(response, MAX_ANSWER)
        except FAILURES as e:
            raise NoAnswerError(f"no answer from {name}: {type(e).__name__}: {e}"[:400]) from None
        finally:
            timer.cancel()
        if answered.late:  # what there is of it may look whole
            raise NoAnswerError(f"no answer from {name} within {WHOLE_ANSWER_TIMEOUT:g} s that was whole")
        return Response(status, said_headers, _unpacked(said, said_headers))

    def close(self) -> None:
        self._connections.close()
