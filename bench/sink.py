"""The destination of the benchmark: takes every request at once, and looks into them only when it is asked to.

    python -m bench.sink SPOOL        # a child of the benchmark, which talks to it over its standard input and output

It speaks HTTP/1.1 over TLS, one thread for each connection. A body is written to the file SPOOL as it came, still
compressed, so that the sink takes next to nothing of the machine while a collector is measured; on demand it unpacks
what has come since it was asked last and counts the lines (`bench.tally`). Requests to /discard are answered and
forgotten.

On standard input comes one JSON object per line, on standard output goes one for each:

    {"do": "state"}                     requests, bytes on the wire, and when the first and the last answer was written
    {"do": "tally", "numbers": [...]}   lines that have arrived, are missing, came again; the numbers by file are said
                                        once
    {"do": "first", "ends": ["..."]}    when the first request to a path with each of these ends was answered, or 0
    {"do": "acks", "path": "..."}       when each line's request was answered, to a file of int64
"""

import argparse
import contextlib
import json
import os
import socket
import ssl
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.tally import Tally, unpacked
from tests.support.certificates import self_signed

MOST_HEAD = 64 * 1024
_REASONS = {200: b"200 OK", 202: b"202 Accepted"}


@dataclass(frozen=True, slots=True)
class _Body:
    """Where a body lies in the spool, and when its request was answered (monotonic nanoseconds)."""

    offset: int
    length: int
    coding: str
    at: int


@dataclass
class Spool:
    """What has come. `lose`: the body of the request of this number, counted from 1, is answered and forgotten."""

    fd: int
    lose: int = 0
    bodies: list[_Body] = field(default_factory=list)
    requests: int = 0
    wire: int = 0
    first: int = 0
    last: int = 0
    firsts: dict[str, int] = field(default_factory=dict)
    """By path, when the first request was answered."""
    _end: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def write(self, body: bytes | bytearray) -> int:
        """Keep `body`; its place."""
        with self._lock:
            offset = self._end
            self._end += len(body)
        os.pwrite(self.fd, body, offset)
        return offset

    def answered(self, path: str, offset: int, length: int, coding: str, wire: int) -> None:
        at = time.monotonic_ns()
        with self._lock:
            self.firsts.setdefault(path, at)
            self.requests += 1
            self.wire += wire
            self.first, self.last = self.first or at, at
            if self.requests != self.lose:
                self.bodies.append(_Body(offset, length, coding, at))

    def first_to(self, end: str) -> int:
        """When the first request to a path with this end was answered, 0 for never."""
        with self._lock:
            return min((at for path, at in self.firsts.items() if path.endswith(end)), default=0)

    def read(self, body: _Body) -> bytes:
        """The body, unpacked."""
        return unpacked(os.pread(self.fd, body.length, body.offset), body.coding)


class HungUpError(Exception):
    """The other side is gone, or does not speak HTTP."""


class Connection:
    """One client's connection. `serve` returns when it is over."""

    def __init__(self, sock: socket.socket, spool: Spool) -> None:
        self._sock, self._spool = sock, spool
        self._had = bytearray()

    def serve(self) -> None:
        with contextlib.suppress(HungUpError, OSError), self._sock:
            while self._request():
                pass

    def _request(self) -> bool:
        head = self._take_head()
        line, _, rest = head.partition(b"\r\n")
        _, path, _ = line.split(b" ", 2)
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (h.partition(b":") for h in rest.split(b"\r\n"))
        }
        if headers.get(b"expect", b"").lower() == b"100-continue":
            self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        chunked = headers.get(b"transfer-encoding", b"").lower() == b"chunked"
        body = self._take_chunks() if chunked else self._take(int(headers.get(b"content-length", b"0")))
        kept = body and path != b"/discard"
        offset = self._spool.write(body) if kept else 0
        status = 202 if path.startswith(b"/api/v2/logs") else 200
        answer = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}" % _REASONS[status]
        self._sock.sendall(answer)
        if kept:
            coding = headers.get(b"content-encoding", b"").decode().lower()
            self._spool.answered(path.decode(), offset, len(body), coding, len(head) + 4 + len(body))
        return headers.get(b"connection", b"").lower() != b"close"

    def _more(self) -> None:
        got = self._sock.recv(64 * 1024)
        if not got:
            raise HungUpError
        self._had += got

    def _take_head(self) -> bytes:
        return self._until(b"\r\n\r\n")

    def _until(self, end: bytes) -> bytes:
        while (at := self._had.find(end)) < 0:
            if len(self._had) > MOST_HEAD:
                raise HungUpError
            self._more()
        taken = bytes(self._had[:at])
        del self._had[: at + len(end)]
        return taken

    def _take(self, length: int) -> bytearray:
        """The next `length` bytes, read straight into their place."""
        body = bytearray(length)
        had = min(length, len(self._had))
        body[:had] = self._had[:had]
        del self._had[:had]
        with memoryview(body) as view:
            while had < length:
                got = self._sock.recv_into(view[had:])
                if not got:
                    raise HungUpError
                had += got
        return body

    def _take_chunks(self) -> bytearray:
        body = bytearray()
        while length := int(self._until(b"\r\n").partition(b";")[0], 16):
            body += self._take(length)
            self._until(b"\r\n")
        while self._until(b"\r\n"):
            pass
        return body


class Server:
    """Accepts connections on a free loopback port, over TLS."""

    def __init__(self, spool: Spool, context: ssl.SSLContext) -> None:
        self._spool, self._context = spool, context
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            sock, _ = self._listening.accept()
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):  # a client that does not like the certificate
            Connection(self._context.wrap_socket(sock, server_side=True), self._spool).serve()


class Judge:
    """Answers the benchmark's questions about a spool."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._tally: Tally | None = None
        self._counted = 0

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        spool = self._spool
        match question["do"]:
            case "state":
                return {"requests": spool.requests, "wire": spool.wire, "first": spool.first, "last": spool.last}
            case "first":
                return {end: spool.first_to(end) for end in question["ends"]}
            case "tally":
                if self._tally is None:
                    self._tally = Tally(question["numbers"], acks=bool(question.get("acks")))
                return self._count(self._tally)
            case "acks":
                assert self._tally is not None and self._tally.acks is not None, "tally was asked for with acks"
                with open(question["path"], "wb") as f:
                    for acks in self._tally.acks:
                        acks.tofile(f)
                return {}
        raise ValueError(question)

    def _count(self, tally: Tally) -> dict[str, Any]:
        new = self._spool.bodies[self._counted :]
        for body in new:
            tally.add(self._spool.read(body), body.at)
        self._counted += len(new)
        return {
            "arrived": tally.arrived,
            "missing": tally.missing,
            "repeated": tally.repeated,
            "strangers": tally.strangers,
            "entries": tally.entries,
            "some_missing": tally.some_missing(),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spool", type=Path)
    parser.add_argument("--lose", type=int, default=0, help="forget the body of the request of this number")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        context, certificate = self_signed(Path(folder))
        pem = certificate.read_text()
    with open(arguments.spool, "w+b") as f:
        spool = Spool(f.fileno(), arguments.lose)
        server = Server(spool, context)
        print(json.dumps({"port": server.port, "certificate": pem}), flush=True)
        judge = Judge(spool)
        for line in sys.stdin:
            print(json.dumps(judge.answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
