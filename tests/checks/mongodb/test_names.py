"""The names, types, units, tags and labels that both vendors' dashboards know."""

import uuid
from collections.abc import Iterator

import pytest

from outrider.model.points import Status
from tests.checks.mongodb.reading import DECLARED, EVERYTHING, Found, once
from tests.support.servers.mongodb import Mongod

# What Datadog's dashboard and monitors of MongoDB read: name, unit, per unit. All are gauges, those in "ps" submitted
# as rates (DataDog/integrations-core mongo: assets/, metadata.csv, September 2025). "mongos": what only that can tell.
DATADOG = """
mongodb.chunks.jumbo - - mongos
mongodb.chunks.total - - mongos
mongodb.connections.available connection -
mongodb.connections.current connection -
mongodb.extra_info.page_faultsps fault second
mongodb.globallock.currentqueue.readers operation -
mongodb.globallock.currentqueue.writers operation -
mongodb.mem.resident mebibyte -
mongodb.network.bytesinps byte second
mongodb.network.bytesoutps byte second
mongodb.opcounters.commandps command second
mongodb.opcounters.deleteps operation second
mongodb.opcounters.getmoreps operation second
mongodb.opcounters.insertps operation second
mongodb.opcounters.queryps query second
mongodb.opcounters.updateps operation second
mongodb.oplatencies.commands.latency microsecond -
mongodb.oplatencies.reads.latency microsecond -
mongodb.oplatencies.writes.latency microsecond -
mongodb.oplog.logsizemb mebibyte -
mongodb.oplog.timediff second -
mongodb.oplog.usedsizemb mebibyte -
mongodb.replset.health - -
mongodb.replset.optime_lag second -
mongodb.sessions.count session -
mongodb.stats.datasize byte -
mongodb.stats.fstotalsize byte -
mongodb.stats.fsusedsize byte -
mongodb.uptime second -
"""
# What Google's Ops Agent reports: name, kind, labels; all are INT64 (GoogleCloudPlatform/ops-agent,
# integration_test/third_party_apps_test/applications/mongodb/metadata.yaml).
GOOGLE = """
mongodb.cache.operations CUMULATIVE type
mongodb.collection.count GAUGE database
mongodb.connection.count GAUGE database type
mongodb.cursor.count GAUGE
mongodb.cursor.timeout.count GAUGE
mongodb.data.size GAUGE database
mongodb.database.count GAUGE
mongodb.document.operation.count GAUGE database operation
mongodb.global_lock.time CUMULATIVE
mongodb.index.access.count GAUGE collection database
mongodb.index.count GAUGE database
mongodb.index.size GAUGE database
mongodb.memory.usage GAUGE database type
mongodb.network.io.receive GAUGE
mongodb.network.io.transmit GAUGE
mongodb.network.request.count GAUGE
mongodb.object.count GAUGE database
mongodb.operation.count CUMULATIVE operation
mongodb.operation.time CUMULATIVE operation
mongodb.session.count GAUGE
mongodb.storage.size CUMULATIVE database
"""


def _rows(table: str) -> list[list[str]]:
    return [line.split() for line in table.strip().splitlines()]


@pytest.fixture(scope="module")
def database() -> str:
    return f"names_{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def found(primary: Mongod, database: str) -> Iterator[Found]:
    with primary.client() as client:
        client[database].things.insert_many([{"x": i} for i in range(10)])
        client[database].things.create_index("x")
        yield once(primary.host, additional_metrics=EVERYTHING)
        client.drop_database(database)


@pytest.mark.parametrize("row", _rows(DATADOG), ids=lambda row: row[0])
def test_what_datadogs_dashboard_reads(found: Found, row: list[str]) -> None:
    name, unit, per_unit, *where = row
    [metric] = [m.datadog for of in DECLARED.metrics.values() for m in of if m.datadog and m.datadog.name == name]
    declared = (metric.type, metric.submit, metric.unit or "-", metric.per_unit or "-")
    assert declared == ("gauge", "rate" if name.endswith("ps") else "gauge", unit, per_unit)
    assert bool(found.datadog(name)) != bool(where)


@pytest.mark.parametrize("row", _rows(GOOGLE), ids=lambda row: row[0])
def test_what_googles_dashboard_reads(found: Found, row: list[str]) -> None:
    name, kind, *labels = row
    full = f"workload.googleapis.com/{name}"
    kinds = {
        (m.google.kind, m.google.value_type)
        for of in DECLARED.metrics.values()
        for m in of
        if m.google and m.google.type == full
    }
    assert kinds == {(kind, "INT64")}
    assert {tuple(sorted(told)) for _, told in found.google(name)} == {tuple(sorted(labels))}


def test_googles_labels_have_the_values_of_the_ops_agent(found: Found, database: str) -> None:
    told = {
        name: [labels for _, labels in found.google(f"mongodb.{name}")] for name in ("operation.count", "memory.usage")
    }
    operations = ["command", "delete", "getmore", "insert", "query", "update"]
    assert sorted(labels["operation"] for labels in told["operation.count"]) == operations
    assert sorted(labels["type"] for labels in told["memory.usage"]) == ["resident", "virtual"]
    assert sorted(labels["operation"] for _, labels in found.google("mongodb.operation.time")) == operations
    assert {"collection": "things", "database": database} in [
        labels for _, labels in found.google("mongodb.index.access.count")
    ]
    [resident] = [value for value, labels in found.google("mongodb.memory.usage") if labels["type"] == "resident"]
    assert resident == found.value("serverStatus.mem.resident") * 2**20


def test_tags_are_those_of_datadogs_check(found: Found, primary: Mongod, database: str) -> None:
    common = {
        "server": f"mongodb://{primary.host}/",
        "hosting_type": "self-hosted",
        "replset_name": "rs0",
        "replset_state": "primary",
        "replset_me": primary.host,
    }
    of_db = {**common, "db": database}
    of_collection = {**of_db, "collection": "things"}
    for name, tags in {
        "mongodb.uptime": common,
        "mongodb.oplog.timediff": common,
        "mongodb.replset.optime_lag": {**common, "member": primary.host},
        "mongodb.stats.datasize": {**of_db, "cluster": f"db:{database}"},
        "mongodb.collection.size": of_collection,
        "mongodb.usage.insert.countps": of_collection,
        "mongodb.collection.indexsizes": {**of_collection, "index": "x_1"},
        "mongodb.collection.indexes.accesses.ops": {**of_collection, "index": "x_1", "name": "x_1"},
    }.items():
        assert tags in [told for _, told in found.datadog(name)], name
        assert {tuple(sorted(told)) for _, told in found.datadog(name)} == {tuple(sorted(tags))}, name


def test_no_two_points_of_a_run_are_of_one_series(found: Found) -> None:
    for side in ("datadog", "google"):
        series = []
        for point in found.report.points:
            name = point.metric.datadog if side == "datadog" else point.metric.google
            if name is not None:
                spelled = [(name.spelling.get(k, k), v) for k, v in point.attributes]
                constant = getattr(name, "labels", ()) or getattr(name, "tags", ())
                told = tuple((k, v) for k, v in spelled if k is not None)
                series.append((getattr(name, "type" if side == "google" else "name"), told, constant))
        assert len(series) == len(set(series))


def test_the_service_check(found: Found, primary: Mongod) -> None:
    assert found.can_connect.status is Status.OK
    assert found.can_connect.name == "mongodb.can_connect"
    assert dict(found.can_connect.tags) == {
        "host": "127.0.0.1",
        "port": str(primary.port),
        "db": "admin",
        "server": f"mongodb://{primary.host}/",
        "database_instance": primary.admin("serverStatus")["host"],
    }
