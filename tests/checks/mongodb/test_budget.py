"""Databases and collections are reported by themselves up to a number; the rest are one."""

import logging
import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.checks.mongodb.reading import Found, ask, check, once
from tests.support.servers.mongodb import Mongod

OWN = {"admin", "config", "local"}
"""Databases that are there anyhow."""


@pytest.fixture(scope="module")
def prefix(primary: Mongod) -> Iterator[str]:
    """Of four databases, each with as many collections as it is busy, and documents alike: 40, 30, 20 and 10."""
    prefix = f"b{uuid.uuid4().hex[:8]}_"
    with primary.client() as client:
        for i in range(4):
            for j in range(4 - i):
                for _ in range(10):
                    client[f"{prefix}{i}"][f"c{j}"].insert_one({"x": 1})
        yield prefix
        for i in range(4):
            client.drop_database(f"{prefix}{i}")


def _by(found: Found, key: str, attribute: str) -> dict[str, float]:
    return {dict(p.attributes)[attribute]: p.value for p in found.points(key) if isinstance(p.value, int | float)}


def test_the_rest_of_the_databases_is_one(primary: Mongod, prefix: str, caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.WARNING),
        closing(check(primary.host, databases=[f"{prefix}*"], max_databases=2)) as one,
    ):
        found, again = ask(one), ask(one)
    objects = {f"{prefix}0": 40, f"{prefix}1": 30, "other": 30}
    assert _by(found, "dbStats.objects", "db") == _by(again, "dbStats.objects", "db") == objects
    assert _by(found, "cluster.dbStats.objects", "db") == objects
    assert _by(found, "cluster.dbStats.objects", "dbstats") == {f"db:{name}": n for name, n in objects.items()}
    assert set(_by(found, "cluster.dbStats.fsTotalSize", "db")) == {f"{prefix}0", f"{prefix}1"}
    said = [record.getMessage() for record in caplog.records if "databases" in record.getMessage()]
    assert said == [
        "4 mongodb databases are more than max_databases (2): the less active are reported together as 'other'"
    ]


def test_the_rest_of_the_collections_is_one(primary: Mongod, prefix: str) -> None:
    wanted = {"databases": [f"{prefix}*"], "additional_metrics": ["collection", "top"]}
    with closing(check(primary.host, max_collections=3, **wanted)) as one, primary.client() as client:
        client[f"{prefix}0"].c0.find_one({"x": 1})
        ask(one)  # counters of the rest are what it grows by from the first run on
        before = ask(one)
        client[f"{prefix}3"].c0.insert_one({"x": 1})
        after = ask(one)
        client[f"{prefix}3"].c0.delete_one({"x": 1})
    places = {(dict(p.attributes)["db"], dict(p.attributes)["collection"]) for p in after.points("top.total.count")}
    assert len(places) == 4
    assert (f"{prefix}0", "c0") in places
    rest = {"db": "other", "collection": "other"}
    assert after.value("collStats.storageStats.count", **rest) == 71
    assert after.value("top.insert.count", **rest) - before.value("top.insert.count", **rest) == 1
    assert not after.points("collStats.storageStats.avgObjSize", **rest)
    assert not after.points("collStats.indexSizes", **rest)


def test_only_databases_and_collections_that_are_wanted(primary: Mongod, prefix: str) -> None:
    everything = once(primary.host)
    some = once(primary.host, databases=[f"{prefix}[01]", "admin"], collections=[f"{prefix}*.c[12]"])
    assert set(_by(everything, "dbStats.objects", "db")) >= {f"{prefix}{i}" for i in range(4)} | OWN
    assert set(_by(some, "dbStats.objects", "db")) == {f"{prefix}0", f"{prefix}1", "admin"}
    places = {(dict(p.attributes)["db"], dict(p.attributes)["collection"]) for p in some.points("indexAccesses")}
    assert places == {(f"{prefix}0", "c1"), (f"{prefix}0", "c2"), (f"{prefix}1", "c1"), (f"{prefix}1", "c2")}
    # What is not wanted is still counted.
    assert some.value("databases") == everything.value("databases")


def test_what_servers_keep_for_themselves_is_no_collection(primary: Mongod) -> None:
    places = {dict(p.attributes)["db"] for p in once(primary.host).points("indexAccesses")}
    assert not places & {"config", "local"}
