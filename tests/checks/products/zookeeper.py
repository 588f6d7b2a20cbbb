"""ZooKeeper for the shared tests: one server for all of them, which serves alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from outrider.checks.check import CheckSettings, Reading
from outrider.checks.zookeeper.settings import ZookeeperSettings
from tests.checks.product import Address, Product, reading_of
from tests.support.servers.zookeeper import shared


def _at(address: Address, timeout: float) -> CheckSettings:
    return ZookeeperSettings(host=address[0], port=address[1], timeout=timeout)


@contextmanager
def _server(folder: Path) -> Iterator[Address]:
    del folder
    yield "127.0.0.1", shared().port


def _observe(folder: Path) -> list[Reading]:
    with _server(folder) as address, shared().client():
        return [reading_of(PRODUCT, PRODUCT.check(address))]


PRODUCT = Product("zookeeper", _at, _server, endless=b"i", observe=_observe)
