"""Servers that behave as no HTTP library would: they accept and stay silent, trickle, or answer any bytes."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

Behaviour = Callable[[socket.socket, threading.Event], None]


def silent(connection: socket.socket, over: threading.Event) -> None:
    """Accept, and never say a word."""
    del connection
    over.wait()


def trickle(head: bytes, body: bytes, every: float = 0.05) -> Behaviour:
    """`head`, then `body` again and again, each `every` seconds, for ever."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(head)
        while not over.is_set():
            connection.sendall(body)
            time.sleep(every)

    return behave


def answer(data: bytes) -> Behaviour:
    """Read once, answer `data`, hang up."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        del over
        connection.recv(65536)
        connection.sendall(data)

    return behave


@contextlib.contextmanager
def raw_server(behave: Behaviour) -> Iterator[str]:
    """`host:port` of a server that treats every connection so."""
    over = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            behave(connection, over)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
