"""A way to a server that can be cut, stopped, or let run, byte by byte."""

import contextlib
import select
import socket
import threading
from collections.abc import Iterator


class Proxy:
    """Passes on what goes to the server at `target` and back. `cut_after`: each connection is cut when so many bytes of
    the server's have come through (None: never). While `held` is set nothing comes back at all.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.cut_after: int | None = None
        self.held = threading.Event()
        self._open: set[socket.socket] = set()
        self._over = threading.Event()

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._open) // 2

    def drop(self) -> None:
        """Cut every connection there is now, as a server does that starts anew."""
        for sock in list(self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def listening(self) -> Iterator[tuple[str, int]]:
        """The address that it is reached at."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
            try:
                yield listener.getsockname()
            finally:
                self._over.set()
                with contextlib.suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)
                self.drop()

    def _accept(self, listener: socket.socket) -> None:
        while not self._over.is_set():
            try:
                near, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass, args=(near,), daemon=True).start()

    def _pass(self, near: socket.socket) -> None:
        with near, contextlib.suppress(OSError), socket.create_connection(self.target) as far:
            self._open |= {near, far}
            left = self.cut_after
            try:
                while left is None or left > 0:
                    ready, _, _ = select.select([near] if self.held.is_set() else [near, far], [], [], 0.02)
                    for sock in ready:
                        data = sock.recv(65536 if sock is near or left is None else min(left, 65536))
                        if not data:
                            return
                        (far if sock is near else near).sendall(data)
                        if sock is far and left is not None:
                            left -= len(data)
            finally:
                self._open -= {near, far}
