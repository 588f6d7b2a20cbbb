"""Everything that metrics.yaml declares, seen on a real replica set of one; and moving when somebody works there."""

import math
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC
from typing import Any

import pytest
from pymongo.collection import Collection
from pymongo.errors import OperationFailure

from tests.checks.mongodb.reading import DECLARED, EVERYTHING, Found, ask, check, once
from tests.support.servers.mongodb import Mongod
from tests.support.wait import until

Documents = Collection[dict[str, Any]]

NOT_HERE = (
    "mongos",
    "MongoDB 6.2",
    "MongoDB 7.0",
    "a version older than MongoDB 6.0",
    "a lock of this kind",
    "a wait for such a lock",
    "a member of a sharded cluster",
    "additional_metrics: [collection] and a transaction",
)
"""What metrics may need that this server, used as the fixture uses it, need not have."""


@contextmanager
def collection(server: Mongod) -> Iterator[Documents]:
    """A new collection in a database of its own, with an index and a thousand documents, dropped afterwards."""
    with server.client() as client:
        database = client[f"db_{uuid.uuid4().hex[:8]}"]
        database.things.insert_many([{"x": i, "text": "words " * 10} for i in range(1000)])
        database.things.create_index("x")
        database.create_collection("capped", capped=True, size=65536, max=10)
        try:
            yield database.things
        finally:
            client.drop_database(database.name)


@pytest.fixture(scope="module")
def seen(primary: Mongod) -> Iterator[Found]:
    with collection(primary) as things:
        list(things.find({"x": {"$gt": 10}}).batch_size(100))
        yield once(primary.host, additional_metrics=EVERYTHING)


def test_every_declared_metric_is_seen(seen: Found) -> None:
    assert seen.trouble is None
    assert not seen.reading.missing
    unseen = DECLARED.metrics.keys() - seen.keys
    assert {key: DECLARED.needs.get(key) for key in unseen if DECLARED.needs.get(key) not in NOT_HERE} == {}


def test_without_additional_metrics_only_they_are_missing(seen: Found, primary: Mongod) -> None:
    plain = once(primary.host)
    more = {key for key, needs in DECLARED.needs.items() if needs.startswith("additional_metrics")}
    assert plain.trouble is None
    assert not plain.keys & more
    # A lock that was taken in between is a key more.
    assert {key for key in seen.keys ^ plain.keys if ".locks." not in key} <= more


def test_values_are_plausible(seen: Found) -> None:
    limits: dict[str, tuple[float, float]] = {
        "serverStatus.mem.resident": (20, 4000),
        "serverStatus.mem.bits": (64, 64),
        "serverStatus.connections.current": (1, 100),
        "serverStatus.connections.available": (100, 1_000_000),
        "serverStatus.uptime": (0, 7200),
        "serverStatus.wiredTiger.cache.maximum bytes configured": (256 << 20, 256 << 20),
        "replSet.state": (1, 1),
        "replSet.health": (1, 1),
        "replSet.votes": (1, 1),
        "replSet.voteFraction": (1, 1),
        "oplog.logSizeMB": (50, 50),
        "oplog.usedSizeMB": (0.01, 50),
        "databases": (4, 100),
        "hostInfo.system.numCores": (1, 4096),
        "fsyncLocked": (0, 0),
    }
    for point in seen.report.points:
        low, high = limits.get(point.metric.key, (0, 1e18))
        assert isinstance(point.value, int | float)
        assert math.isfinite(point.value)
        assert low <= point.value <= high, point


DB = "cluster.dbStats."
MOVES: list[tuple[str, Callable[[Documents], object], dict[str, float]]] = [
    (
        "insertions",
        lambda c: c.insert_many([{"x": -i} for i in range(1, 51)]),
        {
            "serverStatus.opcounters.insert": 50,
            "serverStatus.metrics.document.inserted": 50,
            f"{DB}objects": 50,
            f"{DB}dataSize": 50 * 20,
            "dbStats.objects": 50,
            "top.insert.count": 1,
            "top.insert.time": 1,
            "operationTime.insert": 1,
            "collStats.storageStats.count": 50,
            "collStats.latencyStats.writes.ops": 1,
            "serverStatus.opLatencies.writes.latency": 1,
            "oplog.usedSizeMB": 0,
            "serverStatus.network.bytesIn": 50 * 20,
        },
    ),
    (
        "queries",
        lambda c: [list(c.find({"x": {"$gte": 0}}, batch_size=200)), list(c.find({"text": "no"}))],
        {
            "serverStatus.opcounters.query": 2,
            "serverStatus.opcounters.getmore": 5,
            "serverStatus.metrics.document.returned": 1000,
            "serverStatus.metrics.queryExecutor.scanned": 1000,
            "serverStatus.metrics.queryExecutor.scannedObjects": 2000,
            "indexAccesses": 1,
            "indexStats.accesses.ops": 1,
            "top.queries.count": 2,
            "top.getmore.count": 5,
            "collStats.queryExecStats.collectionScans.total": 1,
            "collStats.latencyStats.reads.ops": 7,
            "serverStatus.network.bytesOut": 1000 * 100,
            "cache.hits": 100,
        },
    ),
    (
        "updates and deletions",
        lambda c: [c.update_many({"x": {"$gte": 0}}, {"$set": {"y": 1}}), c.delete_many({"x": {"$lt": 10}})],
        {
            "serverStatus.opcounters.update": 1,
            "serverStatus.opcounters.delete": 1,
            "serverStatus.metrics.document.updated": 1000,
            "serverStatus.metrics.document.deleted": 10,
            "serverStatus.metrics.commands.update.total": 1,
            "top.update.time": 1,
            "operationTime.remove": 1,
        },
    ),
    (
        "an index, a view, a sort, a mistake",
        lambda c: [
            c.create_index("text"),
            c.database.create_collection("seen", viewOn="things"),
            list(c.find({}).sort("_not", 1)),
            _fails(lambda: c.database.command("createIndexes", "things", indexes=[])),
        ],
        {
            f"{DB}indexes": 1,
            f"{DB}views": 1,
            "dbStats.indexes": 1,
            "collStats.storageStats.nindexes": 1,
            "serverStatus.metrics.operation.scanAndOrder": 1,
            "serverStatus.metrics.commands.createIndexes.failed": 1,
            "serverStatus.asserts.user": 1,
        },
    ),
]


def _fails(action: Callable[[], object]) -> None:
    with pytest.raises(OperationFailure):
        action()


@pytest.mark.parametrize(("action", "moves"), [m[1:] for m in MOVES], ids=[m[0] for m in MOVES])
def test_what_load_moves(primary: Mongod, action: Callable[[Documents], object], moves: dict[str, float]) -> None:
    with collection(primary) as things, closing(check(primary.host, additional_metrics=EVERYTHING)) as asked:
        before = ask(asked)
        action(things)
        after = ask(asked)
        for key, least in moves.items():
            here = _here(key, things)
            assert after.value(key, **here) - before.value(key, **here) >= least, key


def _here(key: str, things: Documents) -> dict[str, str]:
    if key.startswith(("dbStats.", DB)):
        return {"db": things.database.name}
    if key.startswith(("top.", "collStats.", "indexAccesses", "indexStats.")):
        of_index = {"index": "x_1"} if key.startswith("indexStats.") else {}
        return {"db": things.database.name, "collection": "things", **of_index}
    return {}


def test_what_open_things_are_counted(primary: Mongod) -> None:
    with collection(primary) as things, primary.client(minPoolSize=5) as client:
        created, opened = "serverStatus.connections.totalCreated", "serverStatus.metrics.cursor.open.total"
        before = once(primary.host)
        cursor = things.find({}, batch_size=2)
        next(cursor)
        client.admin.command("ping")
        until(lambda: once(primary.host).value(created) >= before.value(created) + 5)
        after = once(primary.host)
        cursor.close()
    assert after.value(opened) > before.value(opened)
    assert after.value("serverStatus.connections.current") >= 5, "those that the client keeps"


def test_sessions_are_counted_once_servers_have_noted_them(primary: Mongod) -> None:
    with primary.client() as client, client.start_session() as session:
        client.app.things.find_one({}, session=session)
        until(lambda: once(primary.host).value("sessions") >= 1, 15, every=0.2)


def test_a_server_whose_writes_are_blocked(primary: Mongod) -> None:
    primary.admin("fsync", lock=True)
    try:
        assert once(primary.host).value("fsyncLocked") == 1
    finally:
        primary.admin("fsyncUnlock")
    assert once(primary.host).value("fsyncLocked") == 0


def test_counters_count_from_the_start_of_the_server(primary: Mongod) -> None:
    with closing(check(primary.host)) as asked:
        starts = {p.start for _ in range(3) for p in ask(asked).report.points if p.metric.kind == "counter"}
    [start] = starts
    status = primary.admin("serverStatus")
    assert start is not None
    started = status["localTime"].replace(tzinfo=UTC).timestamp() - status["uptimeMillis"] / 1000
    assert start / 1e9 == pytest.approx(started, abs=0.5)


def test_operations_take_no_less_time_because_a_collection_is_dropped(primary: Mongod) -> None:
    with closing(check(primary.host)) as asked:
        with collection(primary):
            before = ask(asked).value("operationTime.insert")
        after = ask(asked).value("operationTime.insert")
    assert after >= before > 0
