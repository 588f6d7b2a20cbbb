"""A real nginx on loopback: its page of counters in the clear and over TLS, with a password, and where nobody may."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from tests.support.certificates import self_signed
from tests.support.server import answers, free_port, program, running

_CONFIG = """\
daemon off;
user root;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    listen 127.0.0.1:{tls_port} ssl;
    ssl_certificate {folder}/kubelet.crt;
    ssl_certificate_key {folder}/kubelet.key;
    location = /nginx_status {{ stub_status; }}
    location = /forbidden {{ stub_status; deny all; }}
    location = /guarded {{ stub_status; auth_basic "status"; auth_basic_user_file {folder}/users; }}
    location / {{ return 200 "hello"; }}
  }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """One that runs: where, and the certificate that it has."""

    port: int
    tls_port: int
    certificate: Path

    def get(self, path: str = "/") -> int:
        """The status of an answer."""
        with contextlib.closing(HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            return response.status


@contextlib.contextmanager
def nginx(folder: Path) -> Iterator[Nginx]:
    """A server with its files in `folder`; it has a user `reader` with the password `pw`."""
    folder.mkdir(exist_ok=True)
    server, port, tls_port = program("nginx", "nginx-core"), free_port(), free_port()
    _, certificate = self_signed(folder)
    (folder / "users").write_text("reader:{PLAIN}pw\n")
    config, log = folder / "nginx.conf", folder / "nginx.log"
    config.write_text(_CONFIG.format(folder=folder, port=port, tls_port=tls_port))
    command = [server, "-p", str(folder), "-c", str(config), "-e", str(log)]
    with running(command, log, lambda: answers(port)):
        yield Nginx(port, tls_port, certificate)
