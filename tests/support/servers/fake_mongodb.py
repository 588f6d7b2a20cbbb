"""A server that speaks MongoDB's protocol and answers each command as a test wants: for roles and versions that no real
server here has.
"""

import contextlib
import itertools
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import bson

Document = dict[str, Any]
Answer = Document | Callable[[Document], Document]

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
HEADER = struct.Struct("<iiii")


def cursor(*rows: Document) -> Document:
    """The answer to an aggregation."""
    return {"cursor": {"id": 0, "ns": "a.b", "firstBatch": list(rows)}}


@contextlib.contextmanager
def fake_mongodb(hello: Document, answers: Mapping[str, Answer]) -> Iterator[str]:
    """`host:port` of a server that says `hello` and has `answers` by command; anything else it does not know."""
    greeting = {
        "ismaster": True,
        "isWritablePrimary": True,
        "maxBsonObjectSize": 16 << 20,
        "maxMessageSizeBytes": 48_000_000,
        "maxWriteBatchSize": 100_000,
        "minWireVersion": 0,
        "maxWireVersion": 17,
        **hello,
    }

    def answer(command: Document) -> Document:
        name = next(iter(command))
        if name in ("isMaster", "ismaster", "hello"):
            return {"ok": 1.0, **greeting}
        known = answers.get(name)
        if known is None:
            return {"ok": 0.0, "code": 59, "codeName": "CommandNotFound", "errmsg": f"no such command: '{name}'"}
        return {"ok": 1.0, **(known(command) if callable(known) else known)}

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for number in itertools.count(1):
                header = self.rfile.read(HEADER.size)
                if len(header) < HEADER.size:
                    return
                length, request, _, code = HEADER.unpack(header)
                body = self.rfile.read(length - HEADER.size)
                if code == OP_MSG:
                    reply, kind = b"\0\0\0\0\0" + bson.encode(answer(bson.decode(body[5:]))), OP_MSG
                else:  # OP_QUERY: flags, a name that ends with a zero, two numbers, the command
                    asked = bson.decode(body[body.index(b"\0", 4) + 9 :])
                    reply, kind = struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(answer(asked)), OP_REPLY
                self.wfile.write(HEADER.pack(HEADER.size + len(reply), number, request, kind) + reply)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
