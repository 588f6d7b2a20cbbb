"""A Prometheus endpoint for the shared tests. Any will do, so it is one of ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from outrider.checks.check import CheckSettings, Reading
from outrider.checks.openmetrics.settings import OpenmetricsSettings
from tests.checks.product import Address, Product, reading_of
from tests.support.http_server import http_server

_TEXT = b"# TYPE up gauge\nup 1\n# TYPE jobs_total counter\njobs_total 7\n" + b"".join(
    b'# TYPE size_%d gauge\nsize_%d{queue="a"} 1\n' % (i, i) for i in range(100)
)


def _at(address: Address, timeout: float) -> CheckSettings:
    return OpenmetricsSettings(url=f"http://{address[0]}:{address[1]}/metrics", timeout=timeout)


@contextmanager
def _server(folder: Path) -> Iterator[Address]:
    del folder
    with http_server(lambda _: (200, _TEXT, {"Content-Type": "text/plain; version=0.0.4"})) as url:
        yield "127.0.0.1", int(url.rpartition(":")[2])


def _observe(folder: Path) -> list[Reading]:
    with _server(folder) as address:
        return [reading_of(PRODUCT, PRODUCT.check(address))]


PRODUCT = Product(
    "openmetrics", _at, _server, endless=b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", observe=_observe
)
