"""MongoDB for the shared tests: a primary with a collection, its index, and a query at work on it."""

import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from outrider.checks.check import CheckSettings, Reading
from outrider.checks.mongodb.check import MongodbCheck
from outrider.checks.mongodb.settings import MongodbSettings
from tests.checks.mongodb.reading import EVERYTHING
from tests.checks.product import Address, Product, ask
from tests.support.servers.mongodb import mongod, replica_set


def _at(address: Address, timeout: float) -> CheckSettings:
    return MongodbSettings(hosts=[f"{address[0]}:{address[1]}"], timeout=timeout)


@contextmanager
def _server(folder: Path) -> Iterator[Address]:
    with mongod(folder) as server:
        yield "127.0.0.1", server.port


def _observe(folder: Path) -> list[Reading]:
    """Alone it is primary, and tells everything that a member can: mongos is not to be had here."""
    with replica_set(folder) as [server], server.client() as client:
        things = client.shop.things
        things.insert_many([{"x": i} for i in range(100)])
        things.create_index("x")
        client.shop.create_collection("capped", capped=True, size=65536, max=10)
        settings = MongodbSettings(hosts=[server.host], timeout=20.0, additional_metrics=EVERYTHING)
        with closing(MongodbCheck(settings)) as check, closing(things.find({"x": {"$gt": 10}}, batch_size=2)) as cursor:
            next(cursor)
            asked = ask(PRODUCT, check)
    assert asked.trouble is None, asked.trouble
    return [asked.reading]


# An answer of a million bytes of which only the head comes.
_ENDLESS = struct.pack("<iiii", 1_000_000, 1, 1, 2013)

PRODUCT = Product("mongodb", _at, _server, endless=_ENDLESS, observe=_observe, told=frozenset({"database_instance"}))
