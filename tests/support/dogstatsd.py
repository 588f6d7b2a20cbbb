"""A DogStatsD server as far as a client sees it: a real socket on which lines arrive.

with dogstatsd("unixstream", tmp_path) as agent:
    exporter(statsd=agent.address)
    agent.lines(2)                # waits until so many have come
    agent.reading.clear()         # the Agent hangs: what comes stays in the socket
"""

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.support.wait import until


class Agent:
    """What arrived: `datagrams` (or frames), and the lines in them."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.datagrams: list[bytes] = []
        self.reading = threading.Event()
        self.reading.set()

    def lines(self, n: int) -> list[str]:
        """All lines, once there are `n` at least."""
        return until(lambda: found if len(found := self._lines()) >= n else None) or []

    def _lines(self) -> list[str]:
        return [line for d in list(self.datagrams) for line in d.decode().splitlines()]


@contextlib.contextmanager
def dogstatsd(kind: str, folder: Path, port: int = 0) -> Iterator[Agent]:
    """`kind` is udp, unixgram or unixstream; of a unix socket, `unix` would do as well in the address."""
    path = str(folder / "dsd.socket")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    if kind == "udp":
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener.bind(("127.0.0.1", port))
        agent = Agent(f"udp://127.0.0.1:{listener.getsockname()[1]}")
    else:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM if kind == "unixstream" else socket.SOCK_DGRAM)
        listener.bind(path)
        agent = Agent(f"{kind}://{path}")
    listener.settimeout(0.05)
    over = threading.Event()
    work = _frames if kind == "unixstream" else _datagrams
    if kind == "unixstream":
        listener.listen()
    thread = threading.Thread(target=work, args=(listener, agent, over), daemon=True)
    thread.start()
    try:
        yield agent
    finally:
        over.set()
        agent.reading.set()
        thread.join(5)
        listener.close()


def _datagrams(listener: socket.socket, agent: Agent, over: threading.Event) -> None:
    while not over.is_set():
        agent.reading.wait()
        with contextlib.suppress(TimeoutError):
            agent.datagrams.append(listener.recv(65536))


def _frames(listener: socket.socket, agent: Agent, over: threading.Event) -> None:
    """One connection after the other; a frame is its length (32 bits, little-endian) and so many bytes."""
    while not over.is_set():
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        connection.settimeout(0.05)
        with connection:
            while not over.is_set() and (head := _exactly(connection, 4, agent, over)):
                frame = _exactly(connection, struct.unpack("<I", head)[0], agent, over)
                if frame:
                    agent.datagrams.append(frame)


def _exactly(connection: socket.socket, n: int, agent: Agent, over: threading.Event) -> bytes:
    """So many bytes; nothing if the other side hung up."""
    data = b""
    while len(data) < n and not over.is_set():
        agent.reading.wait()
        try:
            part = connection.recv(n - len(data))
        except TimeoutError:
            continue
        if not part:
            return b""
        data += part
    return data
