"""A real HAProxy on loopback: metrics, statistics by page and by socket, two backends, and a server that is
down.
"""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from tests.support.certificates import self_signed
from tests.support.server import answers, free_port, program, running
from tests.support.servers.shared import Shared
from tests.support.wait import until

_CONFIG = """\
global
  stats socket {folder}/api.sock
  stats socket ipv4@127.0.0.1:{api_port}
  maxconn 100
userlist readers
  user reader insecure-password pw
defaults
  mode http
  timeout connect 1s
  timeout client 10s
  timeout server 10s
frontend www
  bind 127.0.0.1:{port}
  bind 127.0.0.1:{tls_port} ssl crt {folder}/both.pem
  option socket-stats
  http-request auth realm metrics if {{ path /guarded }} !{{ http_auth(readers) }}
  http-request use-service prometheus-exporter if {{ path /metrics }}
  http-request use-service prometheus-exporter if {{ path /guarded }}
  http-request return status 200 content-type text/plain string hello if {{ path /hello }}
  http-request deny if {{ path_beg /denied }}
  stats enable
  stats uri /stats
  use_backend quiet if {{ path_beg /quiet }}
  default_backend web
frontend guarded
  bind 127.0.0.1:{guarded_port}
  stats enable
  stats uri /
  stats auth reader:pw
frontend inner
  bind 127.0.0.1:{inner_port}
  http-request return status 200 content-type text/plain string inner
backend web
  stick-table type ip size 10k
  http-request track-sc0 src
  server up 127.0.0.1:{inner_port} check inter 100ms maxconn 50 maxqueue 10 pool-max-conn 20
  server down 127.0.0.1:1 check inter 100ms fall 1
backend quiet
  server only 127.0.0.1:{inner_port}
"""


@dataclass(frozen=True)
class Haproxy:
    """One that runs: where, and the certificate that it has."""

    port: int
    tls_port: int
    guarded_port: int
    api_port: int
    folder: Path
    certificate: Path

    @property
    def socket(self) -> Path:
        return self.folder / "api.sock"

    def get(self, path: str = "/") -> int:
        """The status of an answer."""
        with contextlib.closing(HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            return response.status

    def command(self, command: str) -> str:
        """What the runtime API says."""
        with socket.create_connection(("127.0.0.1", self.api_port), 10) as connection:
            connection.sendall(command.encode() + b"\n")
            said = b""
            while part := connection.recv(65536):
                said += part
        return said.decode()


@contextlib.contextmanager
def haproxy(folder: Path) -> Iterator[Haproxy]:
    """A server with its files in `folder`; it has a user `reader` with the password `pw`."""
    folder.mkdir(exist_ok=True)
    _, certificate = self_signed(folder)
    (folder / "both.pem").write_bytes((folder / "kubelet.key").read_bytes() + certificate.read_bytes())
    server = Haproxy(free_port(), free_port(), free_port(), free_port(), folder, certificate)
    config, log = folder / "haproxy.cfg", folder / "haproxy.log"
    ports = {"port": server.port, "tls_port": server.tls_port, "guarded_port": server.guarded_port}
    config.write_text(_CONFIG.format(folder=folder, api_port=server.api_port, inner_port=free_port(), **ports))
    command = [program("haproxy", "haproxy"), "-db", "-f", str(config)]
    with running(command, log, lambda: answers(server.port)):
        until(lambda: "web,down,0,0,0,0,,0,0,0,,0,,0,0,0,0,DOWN" in server.command("show stat"), 10)
        yield server


shared = Shared(haproxy)
