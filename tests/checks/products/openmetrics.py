"""A Prometheus endpoint for the shared tests. Any will do, so it is one of ours."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from outrider.checks.check import CheckSettings, Reading
from outrider.checks.openmetrics.settings import OpenmetricsSettings
from tests.checks.product import Address, Product, reading_of

_TEXT = b"# TYPE up gauge\nup 1\n# TYPE jobs_total counter\njobs_total 7\n" + b"".join(
    b'# TYPE size_%d gauge\nsize_%d{queue="a"} 1\n' % (i, i) for i in range(100)
)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one piece, or each waits for the acknowledgement of its head

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(_TEXT)))
        self.end_headers()
        self.wfile.write(_TEXT)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        del format, args


def _at(address: Address, timeout: float) -> CheckSettings:
    return OpenmetricsSettings(url=f"http://{address[0]}:{address[1]}/metrics", timeout=timeout)


@contextmanager
def _server(folder: Path) -> Iterator[Address]:
    del folder
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield "127.0.0.1", server.server_port
        server.shutdown()


def _observe(folder: Path) -> list[Reading]:
    with _server(folder) as address:
        return [reading_of(PRODUCT, PRODUCT.check(address))]


PRODUCT = Product(
    "openmetrics", _at, _server, endless=b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", observe=_observe
)
