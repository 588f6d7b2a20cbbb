"""Spark for the shared tests: answers of a real driver, recorded, since Spark itself takes 14 s and 491 MB. A test that
is marked slow asks a real one (tests/checks/spark/test_real_spark.py).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from outrider.checks.check import CheckSettings, Reading
from outrider.checks.spark.settings import SparkSettings
from tests.checks.product import Address, Product, reading_of
from tests.support.servers.recorded import recorded, server


def _at(address: Address, timeout: float) -> CheckSettings:
    return SparkSettings(url=f"http://{address[0]}:{address[1]}", timeout=timeout, executor_level_metrics=True)


@contextmanager
def _server(folder: Path) -> Iterator[Address]:
    del folder
    with server(recorded("spark/driver.json")) as found:
        yield "127.0.0.1", found.port


def _observe(folder: Path) -> list[Reading]:
    with _server(folder) as address:
        return [reading_of(PRODUCT, PRODUCT.check(address))]


PRODUCT = Product(
    "spark", _at, _server, endless=b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", observe=_observe
)
