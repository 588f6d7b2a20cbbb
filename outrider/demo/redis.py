"""The demo's Redis, and the shop that keeps its carts in it.

Redis is the real one if `redis-server` is installed, else a stand-in (`redis_stand_in.py`). It listens on a free port
of 127.0.0.1, keeps nothing on disk, and ends with the demo, as every `Child` does.

The load is little, and comes and goes within twenty seconds, so that there is something to see: clients look for carts,
and put there those that they do not find, to expire soon. So lookups, hits and misses, keys, memory and connections all
move.
"""

import math
import random
import shutil
import socket
import sys
import threading
from pathlib import Path

from outrider.checks.check import CheckError
from outrider.checks.redis.resp import Connection, ServerError
from outrider.checks.stream import CLOCK
from outrider.demo.children import Child

READY = "(Ready to accept connections)"
"""What Redis says, and the stand-in too."""
_STEP, _PERIOD = 0.05, 20.0
"""Seconds between two bursts, and of a tide of the load."""
_CARTS, _LOOKUPS, _CLIENTS = 500, 60.0, 4
"""Carts that there may be; lookups per second, and connections, of a mean tide."""
_PATIENCE = 5.0


class Redis:
    """How to reach it. `name` says which one it is."""

    def __init__(self, root: Path) -> None:
        real = shutil.which("redis-server")
        self.port = _free_port()
        self.name = "redis-server" if real else "a stand-in for Redis (redis-server is not installed)"
        here = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(root), "--save", ""]
        stand_in = [sys.executable, "-m", "outrider.demo.redis_stand_in", str(self.port)]
        self.child = Child(self.name, [real, *here] if real else stand_in, root / "redis.log")


def _free_port() -> int:
    """Redis cannot be told to find one."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


class Load:
    """Clients of the Redis at `port`. What they do is drawn from `seed`."""

    def __init__(self, port: int, seed: int) -> None:
        self.failed: CheckError | None = None
        """Why they could not go on."""
        self._port, self._rng = port, random.Random(seed)
        self._connections: list[Connection] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="redis-load", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """No client is left."""
        self._stop.set()
        if self._thread.ident:
            self._thread.join()

    def _run(self) -> None:
        began, owed = CLOCK.monotonic(), 0.0
        try:
            while not self._stop.wait(_STEP):
                tide = 1 + 0.8 * math.sin((CLOCK.monotonic() - began) * 2 * math.pi / _PERIOD)
                owed += tide * _LOOKUPS * _STEP
                self._come_and_go(max(round(tide * _CLIENTS), 1))
                self._look_up(int(owed))
                owed -= int(owed)
        except CheckError as e:
            self.failed = e
        finally:
            self._come_and_go(0)

    def _come_and_go(self, clients: int) -> None:
        while len(self._connections) < clients:
            self._connections.append(Connection(("127.0.0.1", self._port), CLOCK.monotonic() + _PATIENCE, None))
        while len(self._connections) > clients:
            self._connections.pop().close()

    def _look_up(self, lookups: int) -> None:
        """Look for carts, and put those there that are not."""
        client = self._rng.choice(self._connections)
        client.deadline = CLOCK.monotonic() + _PATIENCE
        carts = [f"cart:{self._rng.randrange(_CARTS)}" for _ in range(lookups)]
        found = client.calls([["GET", cart] for cart in carts])
        made = [
            ["SET", cart, "x" * self._rng.randrange(100, 4000), "EX", str(self._rng.randrange(2, 20))]
            for cart, value in zip(carts, found, strict=True)
            if value is None
        ]
        for answer in client.calls(made):
            if isinstance(answer, ServerError):
                raise CheckError(f"Redis takes no cart: {answer}")
