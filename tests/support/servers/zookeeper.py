"""A real ZooKeeper on loopback, in the clear and over TLS. It takes two seconds to start, so the tests of a
process share one.
"""

import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.certificates import self_signed
from tests.support.server import answers, free_port, program, running
from tests.support.servers.shared import Shared
from tests.support.wait import until

CLASSES = Path("/usr/share/java")
_CONFIG = """\
tickTime=2000
dataDir={folder}/data
clientPort={port}
clientPortAddress=127.0.0.1
secureClientPort={tls_port}
secureClientPortAddress=127.0.0.1
serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory
ssl.keyStore.location={folder}/both.pem
ssl.clientAuth=none
admin.enableServer=false
4lw.commands.whitelist=ruok, mntr, stat
"""


@dataclass(frozen=True)
class Zookeeper:
    """One that runs: where, and the certificate that it has."""

    port: int
    tls_port: int
    certificate: Path

    def word(self, word: str) -> str:
        """The answer to a four-letter word."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as connection:
            connection.sendall(word.encode())
            said = b""
            while part := connection.recv(65536):
                said += part
        return said.decode()

    @contextlib.contextmanager
    def client(self) -> Iterator[None]:
        """A client with a session."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as connection:
            request = bytes(16) + (10000).to_bytes(4, "big") + bytes(8) + (16).to_bytes(4, "big") + bytes(16) + b"\0"
            connection.sendall((len(request) - 4).to_bytes(4, "big") + request[4:])
            assert connection.recv(4096)
            yield


@contextlib.contextmanager
def zookeeper(folder: Path) -> Iterator[Zookeeper]:
    """A server with its data in `folder`."""
    java, jar = program("java", "zookeeper"), CLASSES / "zookeeper.jar"
    if not jar.exists():
        pytest.skip(f"{jar} is not installed (Debian: zookeeper)")
    folder.mkdir(exist_ok=True)
    _, certificate = self_signed(folder)
    (folder / "both.pem").write_bytes((folder / "kubelet.key").read_bytes() + certificate.read_bytes())
    server = Zookeeper(free_port(), free_port(), certificate)
    config, log = folder / "zoo.cfg", folder / "zookeeper.log"
    config.write_text(_CONFIG.format(folder=folder, port=server.port, tls_port=server.tls_port))
    frugal = ["-Xmx96m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dzookeeper.jmx.log4j.disable=true"]
    main = ["org.apache.zookeeper.server.quorum.QuorumPeerMain", str(config)]
    command = [java, *frugal, "-cp", os.pathsep.join(["/etc/zookeeper/conf", f"{CLASSES}/*"]), *main]
    with running(command, log, lambda: answers(server.port) and answers(server.tls_port)):
        until(lambda: server.word("ruok") == "imok", 10)
        yield server


shared = Shared(zookeeper)
