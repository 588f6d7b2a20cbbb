"""The check `mysql` against a real MariaDB: what it reports, and that it moves when load moves it."""

import socket
from pathlib import Path

import pytest

from outrider.checks.check import Reading
from outrider.checks.mysql.check import MysqlCheck
from outrider.checks.mysql.settings import MysqlSettings
from outrider.model.clock import ManualClock
from outrider.model.points import Status
from tests.checks.mysql.reading import datadog
from tests.checks.product import ask
from tests.checks.products.mysql import EVERYTHING, PRODUCT, fill, read
from tests.checks.reading import google, tags
from tests.support.servers.mysql import Mysql, mariadb, shared
from tests.support.wait import until


@pytest.fixture
def server() -> Mysql:
    return shared()


def test_points_and_the_service_check_have_the_tags_of_the_agents_check(server: Mysql) -> None:
    reading = read(server)
    here = socket.gethostname()
    where = {"port": str(server.port), "database_hostname": here, "database_instance": here}
    assert tags(reading, "mysql.net.max_connections") == {**where, "dbms_flavor": "mariadb"}
    (can_connect,) = [c for c in reading.service_checks if c.name == "mysql.can_connect"]
    assert (can_connect.status, dict(can_connect.tags)) == (Status.OK, {**where, "server": "127.0.0.1"})


def test_a_unix_socket_is_read_and_tagged_as_the_agent_does(server: Mysql) -> None:
    settings = MysqlSettings(unix_socket_path=str(server.unix_socket), username="root")
    asked = ask(PRODUCT, MysqlCheck(settings))
    assert asked.trouble is None, asked.trouble
    assert tags(asked.reading, "mysql.net.max_connections")["port"] == "unix_socket"
    assert dict(asked.can_connect.tags)["server"] == str(server.unix_socket)


def test_what_load_moves_moves(server: Mysql) -> None:
    fill(server, "moved")
    before = read(server)
    server.run(
        "USE moved",
        "SET long_query_time = 0",
        *("INSERT INTO jobs (name) VALUES ('more')" for _ in range(20)),
        *("SELECT SQL_NO_CACHE * FROM jobs" for _ in range(10)),
        "SELECT * FROM jobs ORDER BY CONCAT(name, id) DESC",
        "SELECT * FROM jobs ORDER BY CONCAT(name, id) DESC",
        "UPDATE jobs SET name = 'changed' WHERE id = 2",
        "DELETE FROM jobs WHERE id = 3",
        "PREPARE statement FROM 'SELECT 1'",
        "EXECUTE statement",
    )
    after = read(server)
    old, new = datadog(before), datadog(after)
    at_least = {
        "mysql.performance.com_insert": 20,
        "mysql.performance.com_select": 11,
        "mysql.performance.com_update": 1,
        "mysql.performance.com_delete": 1,
        "mysql.performance.questions": 36,
        "mysql.performance.slow_queries": 30,
        "mysql.performance.qcache_hits": 1,
        "mysql.performance.qcache_inserts": 1,
        "mysql.performance.bytes_sent": 1000,
        "mysql.performance.bytes_received": 1000,
        "mysql.performance.handler_write": 20,
        "mysql.performance.sort_scan": 1,
        "mysql.performance.sort_rows": 10,
        "mysql.net.connections": 2,
        "mysql.innodb.buffer_pool_read_requests": 10,
        "mysql.innodb.log_write_requests": 10,
        "mysql.innodb.lsn_current": 1000,
        "mysql.binlog.disk_use": 2000,
        "mysql.binlog.cache_use": 20,
        "mysql.galera.wsrep_replicated_bytes": 2000,
    }
    grown = {name: new[name, ""] - old[name, ""] for name in at_least}
    assert {name: (grown[name], low) for name, low in at_least.items() if grown[name] < low} == {}
    ours, theirs = google(after), google(before)
    assert ours["mysql.commands", "command=insert"] - theirs["mysql.commands", "command=insert"] == 20
    executed = ("mysql.prepared_statements", "command=execute")
    assert ours[executed] - theirs[executed] == 1


def test_what_follows_from_other_numbers(server: Mysql) -> None:
    reading = read(server)
    found, ours = datadog(reading), google(reading)
    page = int(server.status("Innodb_page_size"))
    total = found["mysql.innodb.buffer_pool_pages_total", ""]
    free = found["mysql.innodb.buffer_pool_pages_free", ""]
    assert found["mysql.innodb.buffer_pool_total", ""] == total * page
    assert found["mysql.innodb.buffer_pool_free", ""] == free * page
    assert found["mysql.innodb.buffer_pool_used", ""] == (total - free) * page
    assert found["mysql.innodb.buffer_pool_utilization", ""] == pytest.approx((total - free) / total)
    assert ours["mysql.buffer_pool_limit", ""] == 16 << 20
    data = sum(ours["mysql.buffer_pool_data_pages", f"status={status}"] for status in ("clean", "dirty"))
    assert data == ours["mysql.buffer_pool_pages", "kind=data"]
    assert found["mysql.innodb.mem_total", ""] > 16 << 20
    assert 0 <= found["mysql.performance.key_cache_utilization", ""] < 1
    assert found["mysql.innodb.checkpoint_age", ""] >= 0


def test_the_labels_of_one_metric_are_kinds_of_it(server: Mysql) -> None:
    ours = google(read(server))
    of = {name: {labels for other, labels in ours if other == name} for name, _ in ours}
    assert of["mysql.threads"] == {f"kind={kind}" for kind in ("cached", "connected", "created", "running")}
    assert of["mysql.log_operations"] == {f"operation={kind}" for kind in ("requests", "waits", "writes")}
    assert of["mysql.row_locks"] == {"kind=time", "kind=waits"}
    assert "kind=lock" in of["mysql.handlers"] and len(of["mysql.handlers"]) == 18
    assert ours["mysql.threads", "kind=running"] >= 1


def test_processor_time_is_that_of_the_server(server: Mysql) -> None:
    fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    found = datadog(read(server))
    assert 0 < int(fields[11]) / 100 <= found["mysql.performance.user_time", ""] < int(fields[11]) / 100 + 30
    both = found["mysql.performance.user_time", ""] + found["mysql.performance.kernel_time", ""]
    assert found["mysql.performance.cpu_time", ""] == pytest.approx(both)


def test_counters_start_when_the_server_did_whoever_asks_and_when(server: Mysql) -> None:
    def starts(reading: Reading) -> set[int | None]:
        return {p.start for p in reading.points if p.metric.kind == "counter"}

    check, clock = MysqlCheck(MysqlSettings(port=server.port, username="root", timeout=20.0)), ManualClock()
    first = starts(ask(PRODUCT, check, clock).reading)
    clock.jump(-3600)
    assert len(first) == 1
    uptime = int(server.status("Uptime"))
    until(lambda: int(server.status("Uptime")) > uptime)
    assert starts(ask(PRODUCT, check, clock).reading) == starts(read(server)) == first
    check.close()


def test_schemas_tables_and_indexes_if_asked_for(server: Mysql) -> None:
    fill(server, "sized", 50)
    nothing = {name for name, _ in datadog(read(server)) if name.startswith(("mysql.info", "mysql.index"))}
    found = datadog(read(server, **EVERYTHING))
    assert nothing == set()
    table, index = "schema:sized table:jobs", "db:sized index:by_name table:jobs"
    assert found["mysql.info.table.data_size", table] == 16384
    assert found["mysql.info.table.index_size", table] == 16384
    assert found["mysql.info.schema.size", "schema:sized"] == 32768
    assert found["mysql.info.table.rows.changed", table] >= 51
    assert found["mysql.info.table.rows.read", table] >= 1
    assert found["mysql.index.size", index] == 16384
    assert found["mysql.index.reads", index] >= 1


def test_the_largest_come_one_by_one_and_the_rest_together(server: Mysql) -> None:
    for name in ("many1", "many2", "many3"):
        fill(server, name, 2)
    found = datadog(read(server, top=1, table_size_metrics=True))
    sizes = {labels for name, labels in found if name == "mysql.info.table.data_size"}
    assert len(sizes) == 2
    assert found["mysql.info.table.data_size", "schema:other table:other"] >= 2 * 16384


def test_queries_by_their_digest_if_asked_for(server: Mysql) -> None:
    server.run("TRUNCATE performance_schema.events_statements_summary_by_digest")
    fill(server, "digested", 3)
    check = MysqlCheck(MysqlSettings(port=server.port, username="root", timeout=20.0, top_queries=3))
    first = datadog(ask(PRODUCT, check).reading)
    server.run("USE digested", *("INSERT INTO jobs (name) VALUES ('again')" for _ in range(5)))
    second = datadog(ask(PRODUCT, check).reading)
    check.close()
    by_text = {labels: value for (name, labels), value in second.items() if name == "mysql.queries.count"}
    assert len(by_text) == 4
    assert (
        sum(
            second.get(("mysql.queries.count", labels), 0) - first.get(("mysql.queries.count", labels), 0)
            for labels in by_text
        )
        >= 5
    )
    everything = datadog(read(server, top_queries=1000))
    (inserted,) = [
        labels for name, labels in everything if name == "mysql.queries.count" and "query:INSERT INTO `jobs`" in labels
    ]
    assert "schema:digested" in inserted
    assert everything["mysql.queries.count", inserted] == 8
    assert everything["mysql.queries.rows_affected", inserted] == 8
    assert 1000 < everything["mysql.queries.time", inserted] < 60e9
    assert not any("'again'" in labels for _, labels in everything)


def test_how_long_queries_take_and_who_is_connected(server: Mysql) -> None:
    fill(server, "timed", 3)
    found = datadog(read(server))
    assert 1 < found["mysql.performance.query_run_time.avg", "schema:timed"] < 10e6
    assert found["mysql.performance.digest_95th_percentile.avg_us", ""] >= 1
    ours = [labels for name, labels in found if name == "mysql.performance.user_connections" and "user:root" in labels]
    assert any("processlist_host:127.0.0.1" in labels and "processlist_state:" in labels for labels in ours)
    without = {name for name, _ in datadog(read(server, extra_performance_metrics=False))}
    assert not without & {"mysql.performance.user_connections", "mysql.performance.query_run_time.avg"}


def test_transactions_that_wait_for_each_other(server: Mysql) -> None:
    fill(server, "locked", 3)
    holder, waiter = server.connection(), server.connection()
    with holder, waiter, holder.cursor() as holding, waiter.cursor() as waiting:
        holding.execute("BEGIN")
        holding.execute("UPDATE locked.jobs SET name = 'held' WHERE id = 2")
        waiting.execute("SET innodb_lock_wait_timeout = 20")
        waiter._execute_command(3, "UPDATE locked.jobs SET name = 'wanted' WHERE id = 2")
        until(lambda: server.status("Innodb_row_lock_current_waits") == "1", 10)
        found = datadog(read(server))
        holding.execute("ROLLBACK")
    assert found["mysql.innodb.row_lock_current_waits", ""] == 1
    assert found["mysql.innodb.active_transactions", ""] == 2
    assert found["mysql.innodb.locked_transactions", ""] == 1
    assert found["mysql.innodb.current_transactions", ""] >= 2
    assert found["mysql.innodb.lock_structs", ""] >= 2
    assert found["mysql.innodb.tables_in_use", ""] >= 1


def test_a_plain_server_without_anything_switched_on(tmp_path: Path) -> None:
    with mariadb(tmp_path / "server", "--skip-innodb", "--default-storage-engine=Aria") as plain:
        reading = read(plain, **EVERYTHING)
    names = {name for name, _ in datadog(reading)}
    assert {"mysql.performance.questions", "mysql.net.connections", "mysql.myisam.key_buffer_size"} <= names
    assert not any(name.startswith(("mysql.galera", "mysql.innodb.b", "mysql.binlog.disk")) for name in names)
    assert "Unknown storage engine" in reading.missing["status.Innodb_mem_total"]
    assert reading.missing["query_run_time.avg"] == reading.missing["table.rows.read"] == "performance_schema is off"
    assert [c.name for c in reading.service_checks] == ["mysql.can_connect"]
