"""Every metric that is declared comes from a real server, with the value that PostgreSQL's views have, and moves."""

from collections.abc import Callable
from typing import Any

import pytest

from outrider.model.points import Status
from tests.checks.postgres.asking import Clients, ask, declaration
from tests.checks.postgres.shop import background, build, in_every_state, settled
from tests.support.servers.postgres import Postgres
from tests.support.wait import until


@pytest.fixture(scope="session")
def shop(primary: Postgres) -> Postgres:
    build(primary, "shop")
    return primary


@pytest.fixture(scope="session")
def market(primary: Postgres) -> Postgres:
    """The same once more, to work in."""
    build(primary, "market")
    return primary


def test_every_metric_that_is_declared_can_be_seen(shop: Postgres, standby: Postgres) -> None:
    seen = {point.metric.key for reading in in_every_state(shop, standby, "shop") for point in reading.points}
    automatic = {"tables.last_autovacuum_age", "tables.last_autoanalyze_age", "tables.toast_last_autovacuum_age"}
    assert declaration().metrics.keys() - seen == automatic  # the daemon is off in these tests


def test_what_needs_nothing_is_always_there(shop: Postgres, clients: Clients) -> None:
    keys = {point.metric.key for point in clients.ask(shop).report.points}
    assert {key for key in declaration().metrics if key not in declaration().needs} - keys == set()


def test_no_value_is_out_of_bounds(shop: Postgres, standby: Postgres, clients: Clients) -> None:
    for server in (shop, standby):
        for point in clients.ask(server).report.points:
            assert isinstance(point.value, int | float) and not isinstance(point.value, bool), point
            assert point.value >= (-1 if point.metric.key == "table_sizes.tuples" else 0), point
            assert point.start is None or point.start <= point.time, point


OF_TABLES = {
    "tables.seq_scans": "seq_scan",
    "tables.seq_rows_read": "seq_tup_read",
    "tables.index_rel_scans": "idx_scan",
    "tables.rows_inserted": "n_tup_ins",
    "tables.rows_updated": "n_tup_upd",
    "tables.rows_deleted": "n_tup_del",
    "tables.rows_hot_updated": "n_tup_hot_upd",
    "tables.live_rows": "n_live_tup",
    "tables.dead_rows": "n_dead_tup",
    "tables.vacuumed": "vacuum_count",
    "tables.autovacuumed": "autovacuum_count",
    "tables.analyzed": "analyze_count",
    "tables.autoanalyzed": "autoanalyze_count",
}
OF_BLOCKS = {
    "tables.heap_blocks_read": "heap_blks_read",
    "tables.heap_blocks_hit": "heap_blks_hit",
    "tables.index_blocks_read": "idx_blks_read",
    "tables.index_blocks_hit": "idx_blks_hit",
    "tables.toast_blocks_read": "toast_blks_read",
    "tables.toast_blocks_hit": "toast_blks_hit",
    "tables.toast_index_blocks_read": "tidx_blks_read",
    "tables.toast_index_blocks_hit": "tidx_blks_hit",
}
OF_TOAST = {
    "tables.toast_rows_inserted": "n_tup_ins",
    "tables.toast_rows_deleted": "n_tup_del",
    "tables.toast_live_rows": "n_live_tup",
    "tables.toast_dead_rows": "n_dead_tup",
    "tables.toast_index_scans": "idx_scan",
    "tables.toast_rows_fetched": "idx_tup_fetch",
}
ORDERS = "'orders'::regclass"
TOAST = f"(SELECT reltoastrelid FROM pg_class WHERE oid = {ORDERS})"
SAME = [
    *((key, f"SELECT {column} FROM pg_stat_user_tables WHERE relid = {ORDERS}") for key, column in OF_TABLES.items()),
    *((key, f"SELECT {column} FROM pg_statio_user_tables WHERE relid = {ORDERS}") for key, column in OF_BLOCKS.items()),
    *((key, f"SELECT {column} FROM pg_stat_all_tables WHERE relid = {TOAST}") for key, column in OF_TOAST.items()),
    ("table_sizes.relation", f"SELECT pg_relation_size({ORDERS})"),
    ("table_sizes.indexes", f"SELECT pg_indexes_size({ORDERS})"),
    ("table_sizes.toast", f"SELECT pg_relation_size({TOAST})"),
    ("table_sizes.data", f"SELECT pg_relation_size({ORDERS}) + pg_relation_size({TOAST})"),
    (
        "table_sizes.total",
        f"SELECT pg_relation_size({ORDERS}) + pg_relation_size({TOAST}) + pg_indexes_size({ORDERS})",
    ),
    ("tables.xmin", f"SELECT xmin::text::bigint FROM pg_class WHERE oid = {ORDERS}"),
]


@pytest.mark.parametrize(("key", "query"), SAME, ids=[key for key, _ in SAME])
def test_a_table_has_the_values_of_the_views(shop: Postgres, clients: Clients, key: str, query: str) -> None:
    expected = shop.value(query, dbname="shop")
    assert clients.ask(shop).value(key, db="shop", schema="public", table="orders") == expected


def test_the_rows_of_the_shop_are_those_that_were_put_there(shop: Postgres, clients: Clients) -> None:
    asked = clients.ask(shop)
    of = {"db": "shop", "schema": "public", "table": "orders", "qualified": "public.orders"}
    expected = {"rows_inserted": 100, "rows_updated": 3, "rows_deleted": 5, "live_rows": 95, "toast_rows_inserted": 30}
    assert {key: asked.value(f"tables.{key}", **of) for key in expected} == expected
    assert asked.value("indexes.size", index="orders_item", db="shop", table="orders") == 16384
    assert asked.value("functions.calls", db="shop", schema="public", function="price_n") == 3
    assert asked.labels("tables.live_rows", "qualified") >= {"public.orders", "stock.items_2026", "stock.totals"}
    assert asked.value("table_sizes.total", table="items_2026", partition_of="stock.items") == 8192
    assert asked.value("schemas.tables", db="shop", schema="stock") == 2  # the parent and its partition
    assert asked.value("database.tables", db="shop") == 4  # orders, slow, the partition, the view


def _size(server: Postgres) -> Any:
    return server.value("SELECT pg_database_size('shop')")


DATABASE = [
    ("connections.max", lambda _: 40),
    ("database_sizes.size", _size),
    (
        "databases.before_xid_wraparound",
        lambda s: s.value("SELECT 2147483648 - age(datfrozenxid) FROM pg_database LIMIT 1"),
    ),
    ("control.timeline_id", lambda _: 1),
    ("waldir.size", lambda s: s.value("SELECT sum(size)::bigint FROM pg_ls_waldir()")),
    ("waldir.count", lambda s: s.value("SELECT count(*) FROM pg_ls_waldir()")),
]


@pytest.mark.parametrize(("key", "expected"), DATABASE, ids=[key for key, _ in DATABASE])
def test_a_value_is_what_the_server_says(
    shop: Postgres, clients: Clients, key: str, expected: Callable[[Postgres], Any]
) -> None:
    labels = {"db": "shop"} if "database" in key else {}
    assert clients.ask(shop).value(key, **labels) == expected(shop)


ORDERS_TABLE, SLOW_TABLE = {"db": "market", "table": "orders"}, {"db": "market", "table": "slow"}
MOVES: list[tuple[str, str, dict[str, str], int]] = [
    ("INSERT INTO orders SELECT n, 'more' FROM generate_series(1001, 1007) n", "tables.rows_inserted", ORDERS_TABLE, 7),
    ("UPDATE orders SET item = 'sold' WHERE id IN (20, 21)", "tables.rows_updated", ORDERS_TABLE, 2),
    ("DELETE FROM orders WHERE id IN (30, 31, 32)", "tables.rows_deleted", ORDERS_TABLE, 3),
    ("SELECT count(*) FROM slow", "tables.seq_scans", SLOW_TABLE, 1),
    ("SELECT count(*) FROM slow", "tables.seq_rows_read", SLOW_TABLE, 50000),
    (
        "SET enable_seqscan = off; SELECT 1 FROM orders WHERE id = 40",
        "indexes.scans",
        {"db": "market", "index": "orders_pkey"},
        1,
    ),
    ("VACUUM orders", "tables.vacuumed", ORDERS_TABLE, 1),
    ("ANALYZE orders", "tables.analyzed", ORDERS_TABLE, 1),
    ("SELECT price(7)", "functions.calls", {"db": "market", "function": "price_n"}, 1),
    ("BEGIN; ROLLBACK", "databases.rollbacks", {"db": "market"}, 1),
    ("DELETE FROM slow WHERE id <= 11", "databases.rows_deleted", {"db": "market"}, 11),
    (
        "SET work_mem = 64; SELECT count(*) FROM (SELECT id FROM slow ORDER BY id) s",
        "databases.temp_files",
        {"db": "market"},
        1,
    ),
    ("CHECKPOINT", "bgwriter.checkpoints_requested", {}, 1),
]


@pytest.mark.parametrize(("statements", "key", "labels", "growth"), MOVES, ids=[move[1] for move in MOVES])
def test_work_moves_what_counts_it(
    market: Postgres, clients: Clients, statements: str, key: str, labels: dict[str, str], growth: int
) -> None:
    check = clients.check(market)
    before = ask(check).value(key, **labels)
    market.sql(*statements.split("; "), dbname="market")
    settled(market, "market")
    assert ask(check).value(key, **labels) == before + growth


def test_clients_are_told_by_what_they_do(shop: Postgres, clients: Clients) -> None:
    with shop.session("shop") as idle, shop.session("shop") as waiting:
        idle.run("BEGIN; LOCK TABLE slow IN ACCESS EXCLUSIVE MODE")
        pid = waiting.run("SELECT pg_backend_pid()")[0][0]
        with background(shop, "shop", "SELECT count(*) FROM slow"):
            event = f"SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND pid <> {pid}"
            until(lambda: shop.value(event) == 1)
            asked = clients.ask(shop)
            mine = {"app": "tests", "db": "shop", "user": "postgres"}
            assert asked.value("activity.idle_in_transaction", **mine) == 1
            assert asked.value("activity.open", **mine) == 2
            assert asked.value("activity.active_waiting_queries", **mine) == 1
            assert asked.value("waiting.clients", wait_event="relation", backend_type="client backend", **mine) == 1
            assert asked.value("locks.count", table="slow", lock_mode="AccessExclusiveLock", granted="True") == 1
            assert asked.value("locks.count", table="slow", lock_mode="AccessShareLock", granted="False") == 1
            # who asks for the size of a table that is locked waits, so it is left out
            assert not asked.points("tables.live_rows", db="shop", table="slow")
            assert asked.points("tables.live_rows", db="shop", table="orders")


def test_what_has_no_database_and_no_user_says_none(shop: Postgres, clients: Clients) -> None:
    (writer,) = clients.ask(shop).points("waiting.clients", backend_type="walwriter")
    assert {"db", "user"} & dict(writer.attributes).keys() == set()


def test_every_point_says_which_server_it_is_of(shop: Postgres, standby: Postgres, clients: Clients) -> None:
    for server, role in ((shop, "master"), (standby, "standby")):
        asked = clients.ask(server)
        expected = {
            "server": str(server.folder),
            "port": str(server.port),
            "replication_role": role,
            "postgresql_version": server.value("SHOW server_version"),
            "system_identifier": str(server.value("SELECT system_identifier FROM pg_control_system()")),
        }
        if role == "master":
            expected["postgresql_cluster_name"] = "orders"
        for point in asked.report.points:
            assert expected.items() <= dict(point.attributes).items(), point
        assert asked.can_connect.status is Status.OK
        assert dict(asked.can_connect.tags).keys() == {
            *("server", "port", "db", "database_hostname", "database_instance"),
        }


def test_what_the_server_counts_has_a_start_once_it_was_reset(shop: Postgres, clients: Clients) -> None:
    check = clients.check(shop)
    shop.sql("SELECT pg_stat_reset_slru('Notify')")
    point = ask(check).points("slru.blks_hit", slru_name="Notify")[0]
    reset = shop.value("SELECT extract(epoch FROM stats_reset)::float8 FROM pg_stat_slru WHERE name = 'Notify'")
    assert point.start is not None and abs(point.start / 1e9 - reset) < 0.001
