"""How entries travel: one POST of a JSON document, compressed as it is put together, on a pool of connections.

The document is never held whole when it is compressed: slices of the entries go through the compressor one after the
other, so that a request costs its entries and its compressed body. Neither ISA-L nor zstd holds the interpreter's lock.
Every wait has an end: ten seconds to connect, a minute in which nothing can be sent or nothing comes back (the deadline
of Google's own clients), and two minutes for the whole answer, which a server may let drip.
"""

import contextlib
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

CONNECT_TIMEOUT, ANSWER_TIMEOUT, WHOLE_ANSWER_TIMEOUT = 10.0, 60.0, 120.0
SLICE = 128 * 1024
"""Bytes, about, that go into the compressor at a time."""


class NoAnswerError(Exception):
    """The server could not be reached, or hung up, or took too long; the text says which."""


def document(opening: bytes, entries: list[bytes], closing: bytes, coding: str) -> bytes:
    """`opening`, the entries separated by commas, and `closing`, in the content coding `gzip`, `zstd` or `none`."""
    if coding == "none":
        return b"%b%b%b" % (opening, b",".join(entries), closing)
    compressor = _COMPRESSORS[coding]()
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


def _gzip() -> Any:
    from isal import isal_zlib

    return isal_zlib.compressobj(level=1, wbits=31)


def _zstd() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd.ZstdCompressor(level=1)


_COMPRESSORS: dict[str, Callable[[], Any]] = {"gzip": _gzip, "zstd": _zstd}


class _Answered:
    """The socket that a request is answered on, once it is known. `hang_up` ends the wait for the answer."""

    def __init__(self) -> None:
        self.sock: socket.socket | None = None
        self.late = False

    def hang_up(self) -> None:
        self.late = True
        if self.sock is not None:
            with contextlib.suppress(OSError):  # it is closed already
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


_now = threading.local()
"""`answered`: that of the request which this thread makes."""


class _Patient:
    """A connection that gives a batch as long to be sent as the answer to come: a line may be slow and sound."""

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        self.sock.settimeout(ANSWER_TIMEOUT)  # type: ignore[attr-defined]

    def getresponse(self) -> Any:
        _now.answered.sock = self.sock  # type: ignore[attr-defined]
        return super().getresponse()  # type: ignore[misc]


class _Plain(_Patient, HTTPConnection):
    pass


class _Secure(_Patient, HTTPSConnection):
    pass


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Secure


class Poster:
    """Posts to one URL. Safe to use from several threads."""

    def __init__(self, url: str, connections: int, ca: str | None) -> None:
        self._url = url
        context = ssl.create_default_context(cafile=ca) if url.startswith("https:") else None
        self._pool = urllib3.PoolManager(
            maxsize=connections,
            block=False,
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=ANSWER_TIMEOUT),
            ssl_context=context,
        )
        self._pool.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}

    def post(self, body: bytes, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        """The response, whatever its status. Raises NoAnswerError."""
        _now.answered = answered = _Answered()
        timer = threading.Timer(WHOLE_ANSWER_TIMEOUT, answered.hang_up)
        timer.daemon = True
        timer.start()
        try:
            response = self._pool.request("POST", self._url, body=body, headers=headers, redirect=False)
        except (urllib3.exceptions.HTTPError, OSError) as e:
            raise NoAnswerError(f"no answer from {self._url}: {type(e).__name__}: {e}"[:400]) from None
        finally:
            timer.cancel()
        if answered.late:  # what there is of it may look whole
            raise NoAnswerError(f"no answer from {self._url} within {WHOLE_ANSWER_TIMEOUT:g} s that was whole")
        return response

    def close(self) -> None:
        self._pool.clear()
