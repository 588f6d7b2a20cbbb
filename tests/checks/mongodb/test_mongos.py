"""What only mongos can tell. There is none here: its answers are written down, as MongoDB's manual has them."""

import datetime

import pytest

from outrider.model.points import Status
from tests.checks.mongodb.reading import Found, once
from tests.support.servers.fake_mongodb import Document, cursor, fake_mongodb

NOW = datetime.datetime(2026, 1, 1, 12, 0, 0)
OPERATIONS = ("command", "delete", "getmore", "insert", "query", "update")


def _aggregate(command: Document) -> Document:
    [stage, *more] = command["pipeline"]
    if "$listSessions" in stage:
        return cursor({"total": 12})
    if "$indexStats" in stage:
        return cursor(
            *({"name": "_id_", "shard": shard, "accesses": {"ops": ops}} for shard, ops in (("s0", 3), ("s1", 4)))
        )
    if "$collStats" in stage:
        sizes = {
            "size": 100,
            "count": 10,
            "nindexes": 1,
            "totalIndexSize": 20,
            "storageSize": 50,
            "indexSizes": {"_id_": 20},
        }
        latency = {kind: {"latency": 90, "ops": 3} for kind in ("reads", "writes", "commands", "transactions")}
        return cursor(*({"shard": shard, "storageStats": sizes, "latencyStats": latency} for shard in ("s0", "s1")))
    jumbo = bool(stage.get("$match", {}).get("jumbo"))  # count_documents
    assert command["aggregate"] == "chunks"
    assert more
    return cursor({"_id": 1, "n": 2 if jumbo else 40})


ANSWERS = {
    "serverStatus": {
        "host": "router-1",
        "process": "mongos",
        "localTime": NOW,
        "uptime": 60.0,
        "uptimeMillis": 60_000,
        "connections": {"current": 5, "available": 800, "totalCreated": 9, "active": 1},
        "opcounters": dict.fromkeys(OPERATIONS, 7),
        "mem": {"bits": 64, "resident": 50, "virtual": 500},
        "network": {"bytesIn": 1, "bytesOut": 2, "numRequests": 3},
    },
    "getCmdLineOpts": {"parsed": {"sharding": {"configDB": "cfg/config-1:27019"}}},
    "hostInfo": {"system": {"numCores": 4, "memSizeMB": 1000, "memLimitMB": 500}},
    "connPoolStats": {"numClientConnections": 1, "numAScopedConnections": 0, "totalInUse": 2, "totalCreated": 30},
    "listDatabases": {"databases": [{"name": name} for name in ("admin", "config", "shop")]},
    "dbStats": {"collections": 3, "objects": 30, "dataSize": 300.0, "storageSize": 400.0},
    "listCollections": lambda command: cursor({"name": "orders"} if command["$db"] == "shop" else {"name": "system.x"}),
    "aggregate": _aggregate,
}


@pytest.fixture(scope="module")
def router() -> Found:
    with fake_mongodb({"msg": "isdbgrid"}, ANSWERS) as host:
        return once(host, additional_metrics=["collection", "indexes", "top"])


def test_a_router_is_told_from_a_server(router: Found) -> None:
    assert router.trouble is None
    assert router.can_connect.status is Status.OK
    [(value, tags)] = router.datadog("mongodb.uptime")
    assert value == 60
    assert tags.keys() == {"server", "hosting_type", "sharding_cluster_role"}
    assert (tags["hosting_type"], tags["sharding_cluster_role"]) == ("self-hosted", "mongos")


def test_it_tells_of_the_whole_cluster(router: Found) -> None:
    values = {
        name: [value for value, _ in router.datadog(f"mongodb.{name}")]
        for name in ("chunks.total", "chunks.jumbo", "sessions.count", "dbs", "connection_pool.totalinuse")
    }
    assert values == {
        "chunks.total": [40],
        "chunks.jumbo": [2],
        "sessions.count": [12],
        "dbs": [3],
        "connection_pool.totalinuse": [2],
    }
    assert {tags["db"] for _, tags in router.datadog("mongodb.stats.objects")} == {"admin", "config", "shop"}


def test_what_shards_have_of_a_collection_is_tagged_with_them(router: Found) -> None:
    place = {"db": "shop", "collection": "orders"}
    assert router.value("indexAccesses", shard="s0", **place) == 3
    assert router.value("indexAccesses", shard="s1", **place) == 4
    assert router.value("collStats.storageStats.count", shard="s1", **place) == 10
    assert router.value("collStats.latency.reads", shard="s1", **place) == 30
    assert router.value("collStats.indexSizes", shard="s0", index="_id_", **place) == 20


def test_it_is_not_asked_what_only_servers_know(router: Found) -> None:
    asked_in_vain = [why for why in router.reading.missing.values() if "no such command" in why]
    assert asked_in_vain == []
    assert not router.keys & {"fsyncLocked", "oplog.timeDiff", "operationTime.insert", "replSet.state"}


@pytest.mark.parametrize(
    ("host", "hosting"),
    [
        ("cluster0-shard-00-00.abcde.mongodb.net:27017", "mongodb-atlas"),
        ("docdb-1.abcde.eu-west-1.docdb.amazonaws.com:27017", "amazon-documentdb"),
        ("dds-abc.mongodb.rds.aliyuncs.com:3717", "alibaba-apsaradb"),
        ("db-0.db.svc.cluster.local:27017", "self-hosted"),
    ],
)
def test_who_hosts_it_is_seen_by_its_name(host: str, hosting: str) -> None:
    status = {"host": host, "uptime": 1.0, "uptimeMillis": 1000, "localTime": NOW}
    with fake_mongodb({}, {"serverStatus": status}) as address:
        found = once(address)
    assert found.datadog("mongodb.uptime")[0][1]["hosting_type"] == hosting
    # It knew no other command. That is told, and no reason to give up.
    assert found.trouble is None
    assert "no such command" in found.reading.missing["hostInfo.system.numCores"]
