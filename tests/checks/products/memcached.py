"""Memcached for the shared tests: one server for all of them, since it takes a second to end."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from outrider.checks.check import CheckSettings, Reading
from outrider.checks.memcached.check import MemcachedCheck
from outrider.checks.memcached.settings import MemcachedSettings
from tests.checks.product import Address, Product, reading_of
from tests.support.servers.memcached import Memcached, shared


def _at(address: Address, timeout: float) -> CheckSettings:
    return MemcachedSettings(host=address[0], port=address[1], timeout=timeout)


@contextmanager
def _server(folder: Path) -> Iterator[Address]:
    del folder
    yield "127.0.0.1", shared().port


def read(server: Memcached, **settings: Any) -> Reading:
    """What one run finds at `server`."""
    return reading_of(PRODUCT, MemcachedCheck(MemcachedSettings(port=server.port, timeout=20.0, **settings)))


def _observe(folder: Path) -> list[Reading]:
    del folder
    shared().set("a", "1")
    shared().send("get a", "incr a 1", "decr a 1", "get nowhere")
    return [read(shared(), items=True, slabs=True)]


PRODUCT = Product("memcached", _at, _server, endless=b"STAT pid ", observe=_observe)
