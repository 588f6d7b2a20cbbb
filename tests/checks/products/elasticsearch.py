"""Elasticsearch for the shared tests: a node with an index, a pipeline and something to search."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from outrider.checks.check import CheckSettings, Reading
from outrider.checks.elasticsearch.check import ElasticsearchCheck
from outrider.checks.elasticsearch.settings import ElasticsearchSettings
from tests.checks.product import Address, Product, reading_of
from tests.support.servers.noida import Noida, noida, shared


def _at(address: Address, timeout: float) -> CheckSettings:
    return ElasticsearchSettings(url=f"http://{address[0]}:{address[1]}", timeout=timeout)


@contextmanager
def _server(folder: Path) -> Iterator[Address]:
    del folder
    yield "127.0.0.1", shared().elasticsearch


def read(server: Noida, **settings: Any) -> Reading:
    """What one run finds at `server`."""
    url = f"http://127.0.0.1:{server.elasticsearch}"
    return reading_of(PRODUCT, ElasticsearchCheck(ElasticsearchSettings(url=url, timeout=20.0, **settings)))


def fill(server: Noida) -> None:
    """An index with three documents that came through a pipeline, of which one is deleted."""
    server.call("PUT", "/_ingest/pipeline/stamp", {"processors": [{"set": {"field": "seen", "value": True}}]})
    for i in range(3):
        server.call("PUT", f"/books/_doc/{i}?pipeline=stamp&refresh=true", {"title": f"book {i}"})
    server.call("DELETE", "/books/_doc/2?refresh=true")
    server.call("GET", "/books/_doc/0")
    server.call("POST", "/books/_search", {"query": {"match": {"title": "book"}}})


def _observe(folder: Path) -> list[Reading]:
    with noida(folder) as server:
        fill(server)
        every = dict.fromkeys(("pshard_stats", "index_stats", "cat_allocation_stats", "slm_stats"), True)
        return [read(server), read(server, **every)]


PRODUCT = Product(
    "elasticsearch", _at, _server, endless=b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", observe=_observe
)
