"""Real memcached servers on loopback.

One takes a second to end, so there is one for all tests of a process that do not mind each other (`shared`).
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.server import answers, free_port, program, running
from tests.support.servers.shared import Shared


@dataclass(frozen=True)
class Memcached:
    """One that runs."""

    port: int

    def send(self, *commands: str) -> str:
        """What it answers to a few commands."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall("".join(f"{command}\r\n" for command in (*commands, "quit")).encode())
            with connection.makefile("rb") as answer:
                return answer.read().decode()

    def set(self, key: str, value: str) -> None:
        self.send(f"set {key} 0 0 {len(value)}\r\n{value}")


@contextmanager
def memcached(folder: Path, *options: str) -> Iterator[Memcached]:
    """A server with 8 MB, and `options` as on its command line."""
    folder.mkdir(exist_ok=True)
    port = free_port()
    command = [
        program("memcached", "memcached"),
        "-l",
        "127.0.0.1",
        "-p",
        str(port),
        "-m",
        "8",
        "-t",
        "2",
        "-u",
        "root",
        *options,
    ]
    with running(command, folder / "memcached.log", lambda: answers(port)):
        yield Memcached(port)


@contextmanager
def on_a_socket(folder: Path) -> Iterator[Path]:
    """One that is reached by a Unix socket."""
    folder.mkdir(exist_ok=True)
    path = folder / "memcached.sock"
    command = [program("memcached", "memcached"), "-s", str(path), "-m", "8", "-t", "2", "-u", "root"]
    with running(command, folder / "memcached.log", path.exists):
        yield path


shared = Shared(memcached)
