"""Real members of etcd on loopback: one alone, or several that are a cluster."""

import contextlib
import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from tests.support.server import free_port, program, running
from tests.support.servers.shared import Shared
from tests.support.wait import until


@dataclass(frozen=True)
class Etcd:
    """One that runs: where, and as which process."""

    url: str
    port: int
    process: Popen[bytes]

    def get(self, target: str) -> bytes:
        with urllib.request.urlopen(f"{self.url}{target}", timeout=10) as response:
            body: bytes = response.read()
        return body

    def put(self, key: str, value: str) -> None:
        """A put of the interface v3, through its gateway."""
        body = json.dumps({"key": key, "value": value}).encode()  # base64, which these are as they stand
        with urllib.request.urlopen(f"{self.url}/v3/kv/put", body, timeout=10) as response:
            response.read()

    def leads(self) -> bool:
        return b"\netcd_server_is_leader 1\n" in self.get("/metrics")

    def has_leader(self) -> bool:
        try:
            return b"\netcd_server_has_leader 1\n" in self.get("/metrics")
        except OSError:
            return False


@contextlib.contextmanager
def cluster(folder: Path, size: int, *options: str) -> Iterator[list[Etcd]]:
    """Members that know each other, with `options` as on their command lines."""
    folder.mkdir(exist_ok=True)
    server, peers = program("etcd", "etcd-server"), {f"m{i}": free_port() for i in range(size)}
    together = ",".join(f"{name}=http://127.0.0.1:{port}" for name, port in peers.items())
    with contextlib.ExitStack() as stack:
        members = []
        for name, peer in peers.items():
            client, peer_url = f"http://127.0.0.1:{(port := free_port())}", f"http://127.0.0.1:{peer}"
            command = [server, "--name", name, "--data-dir", str(folder / name), "--initial-cluster", together]
            command += ["--listen-client-urls", client, "--advertise-client-urls", client]
            command += ["--listen-peer-urls", peer_url, "--initial-advertise-peer-urls", peer_url, *options]
            command += ["--logger", "zap"]
            log = folder / f"{name}.log"
            process = stack.enter_context(running(command, log, lambda: True))
            members.append(Etcd(client, port, process))
        until(lambda: all(member.has_leader() for member in members), 30, every=0.05)
        yield members


@contextlib.contextmanager
def etcd(folder: Path) -> Iterator[Etcd]:
    """One alone."""
    with cluster(folder, 1) as (member,):
        yield member


shared = Shared(etcd)
