"""nginx for the shared tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from outrider.checks.check import CheckSettings, Reading
from outrider.checks.nginx.check import NginxSettings
from tests.checks.product import Address, Product, reading_of
from tests.support.servers.nginx import nginx


def _at(address: Address, timeout: float) -> CheckSettings:
    return NginxSettings(url=f"http://{address[0]}:{address[1]}/nginx_status", timeout=timeout)


@contextmanager
def _server(folder: Path) -> Iterator[Address]:
    with nginx(folder) as found:
        yield "127.0.0.1", found.port


def _observe(folder: Path) -> list[Reading]:
    with _server(folder) as address:
        return [reading_of(PRODUCT, PRODUCT.check(address))]


PRODUCT = Product(
    "nginx", _at, _server, endless=b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", observe=_observe
)
