"""Real Redis servers on loopback."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from outrider.checks.redis.resp import Connection, Reply
from outrider.checks.stream import CLOCK
from tests.support.server import answers, free_port, program, running


@dataclass(frozen=True)
class Redis:
    """One that runs: where, and as which process."""

    port: int
    folder: Path
    pid: int

    @property
    def unix_socket(self) -> Path:
        return self.folder / "redis.sock"

    def connection(self) -> Connection:
        return Connection(("127.0.0.1", self.port), CLOCK.monotonic() + 20, None)

    def call(self, *words: str) -> Reply:
        """One command to a server that asks for no password and speaks no TLS."""
        connection = self.connection()
        try:
            return connection.call(*words)
        finally:
            connection.close()

    def info(self) -> dict[str, str]:
        said = self.call("INFO", "all")
        assert isinstance(said, bytes)
        return dict(line.split(":", 1) for line in said.decode().splitlines() if ":" in line and line[0] != "#")


@contextmanager
def redis(folder: Path, *options: str, tls: bool = False) -> Iterator[Redis]:
    """A server with its data in `folder`, and `options` as on its command line. With `tls` its one port speaks that."""
    folder.mkdir(exist_ok=True)
    port, server = free_port(), program("redis-server", "redis-server")
    ports = ["--port", "0", "--tls-port", str(port)] if tls else ["--port", str(port)]
    command = [server, *ports, "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", *options]
    command += ["--unixsocket", str(folder / "redis.sock")]
    log = folder / "redis.log"
    with running(command, log, lambda: answers(port) and "eady to accept" in log.read_text()) as process:
        yield Redis(port, folder, process.pid)


def replica_of(primary: Redis, folder: Path) -> AbstractContextManager[Redis]:
    """A server that follows `primary`."""
    return redis(folder, "--replicaof", "127.0.0.1", str(primary.port))


def cluster_of_one(folder: Path) -> AbstractContextManager[Redis]:
    """A server that is a cluster by itself, without slots."""
    return redis(folder, "--cluster-enabled", "yes", "--cluster-port", str(free_port()))


@contextmanager
def sentinel_of(primary: Redis, folder: Path) -> Iterator[Redis]:
    """A Sentinel that watches `primary`."""
    folder.mkdir()
    port, config = free_port(), folder / "sentinel.conf"
    config.write_text(f"port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {primary.port} 1\n")
    command = [program("redis-server", "redis-server"), str(config), "--sentinel", "--dir", str(folder)]
    with running(command, folder / "redis.log", lambda: answers(port)) as process:
        yield Redis(port, folder, process.pid)
