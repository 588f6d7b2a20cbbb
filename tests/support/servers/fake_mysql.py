"""A server that speaks as much of MySQL's protocol as it takes to tell a client what a MySQL would: for versions and
roles that cannot be had here, and for troubles that no real server makes on demand.
"""

import socket
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from tests.support.raw_server import raw_server

Rows = Sequence[Mapping[str, object]]
Answers = Mapping[str, Rows | tuple[int, str]]
"""What a statement that contains a text is answered with: rows, or the number and words of an error. The first fits."""


def packet(number: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes([number % 256]) + payload


def greeting(version: str) -> bytes:
    """How such a server begins."""
    capabilities = 0x00080000 | 0x8000 | 0x2000 | 0x0200 | 0x0008
    low, high = capabilities & 0xFFFF, capabilities >> 16
    body = b"\x0a" + version.encode() + b"\0" + struct.pack("<I", 7) + b"saltsalt\0"
    body += struct.pack("<HBHHB10x", low, 45, 2, high, 21) + b"saltsaltsalt\0mysql_native_password\0"
    return packet(0, body)


def error(number: int, code: int, words: str) -> bytes:
    return packet(number, b"\xff" + struct.pack("<H", code) + b"#HY000" + words.encode())


@contextmanager
def fake_mysql(version: str, answers: Answers) -> Iterator[int]:
    """The port of one that lets everybody in."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(greeting(version))
        with connection.makefile("rb") as stream:
            _read(stream)
            connection.sendall(packet(2, _OK))
            while not over.is_set() and (request := _read(stream)):
                if request[:1] != b"\x03":
                    return
                connection.sendall(_answer(request[1:].decode(), answers))

    with raw_server(behave) as address:
        yield int(address.rpartition(":")[2])


_OK = b"\0\0\0\x02\0\0\0"
_END = b"\xfe\0\0\x02\0"


def _read(stream: object) -> bytes:
    head = stream.read(4)  # type: ignore[attr-defined]
    return bytes(stream.read(int.from_bytes(head[:3], "little"))) if len(head) == 4 else b""  # type: ignore[attr-defined]


def _answer(statement: str, answers: Answers) -> bytes:
    found = next((answer for text, answer in answers.items() if text in statement), None)
    if isinstance(found, tuple):
        return error(1, *found)
    if found is None:
        return packet(1, _OK) if statement.startswith("SET") else error(1, 1064, f"what is {statement[:40]}?")
    names = list(found[0]) if found else ["nothing"]
    payloads = [bytes([len(names)]), *map(_column, names), _END]
    payloads += [b"".join(_text(row[name]) for name in names) for row in found]
    return b"".join(packet(i, payload) for i, payload in enumerate([*payloads, _END], 1))


def _column(name: str) -> bytes:
    fixed = struct.pack("<BHIBHBH", 12, 45, 1024, 0xFD, 0, 0, 0)
    return _text("def") + _text("") * 3 + _text(name) + _text("") + fixed


def _text(value: object) -> bytes:
    if value is None:
        return b"\xfb"
    data = str(value).encode()
    return (bytes([len(data)]) if len(data) < 251 else b"\xfc" + struct.pack("<H", len(data))) + data
