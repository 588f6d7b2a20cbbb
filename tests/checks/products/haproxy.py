"""HAProxy for the shared tests: one for all of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from outrider.checks.check import CheckSettings, Reading
from outrider.checks.haproxy.check import HaproxyCheck
from outrider.checks.haproxy.settings import HaproxySettings
from tests.checks.product import Address, Product, reading_of
from tests.support.servers.haproxy import shared


def _at(address: Address, timeout: float) -> CheckSettings:
    return HaproxySettings(prometheus_url=f"http://{address[0]}:{address[1]}/metrics", timeout=timeout)


@contextmanager
def _server(folder: Path) -> Iterator[Address]:
    del folder
    yield "127.0.0.1", shared().port


def _observe(folder: Path) -> list[Reading]:
    """By the endpoint and by the runtime API."""
    del folder
    server = shared()
    assert server.get("/") == 200
    url = f"unix://{server.socket}"
    settings = HaproxySettings(prometheus_url=f"http://127.0.0.1:{server.port}/metrics", url=url, timeout=20.0)
    return [reading_of(PRODUCT, HaproxyCheck(settings))]


PRODUCT = Product(
    "haproxy", _at, _server, endless=b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", observe=_observe
)
