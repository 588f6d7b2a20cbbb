"""A database with something of everything that is counted, and what goes on in it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pg8000.exceptions import DatabaseError, InterfaceError
from pg8000.native import Connection

from outrider.checks.check import Reading
from tests.checks.postgres.asking import Clients, ask
from tests.support.servers.postgres import Postgres
from tests.support.wait import until

SHOP = (
    "CREATE TABLE orders (id int PRIMARY KEY, item text NOT NULL, notes text)",
    "CREATE INDEX orders_item ON orders (item)",
    "ALTER TABLE orders ALTER notes SET STORAGE EXTERNAL",
    # 100 rows, of which 10 have notes that are too long for the row and lie in the TOAST table
    "INSERT INTO orders SELECT n, 'item ' || n, CASE WHEN n <= 10 THEN repeat('x', 5000) END "
    "FROM generate_series(1, 100) n",
    "UPDATE orders SET item = 'none' WHERE id = 1",
    "UPDATE orders SET notes = 'short' WHERE id BETWEEN 11 AND 12",
    "DELETE FROM orders WHERE id BETWEEN 91 AND 95",
    "SELECT count(*), sum(length(notes)) FROM orders",
    "CREATE SCHEMA stock",
    "CREATE TABLE stock.items (name text, day date) PARTITION BY RANGE (day)",
    "CREATE TABLE stock.items_2026 PARTITION OF stock.items FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
    "INSERT INTO stock.items VALUES ('apple', '2026-05-01')",
    "CREATE MATERIALIZED VIEW stock.totals AS SELECT count(*) FROM orders",
    "CREATE FUNCTION price(n int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN n; END'",
    "CREATE FUNCTION price(n text) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'",
    "SELECT price(1), price(2), price('3')",
    # an index that takes as long as it takes: for a command that can be watched
    "CREATE FUNCTION slowly(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS "
    "'BEGIN IF current_setting(''shop.slow'', true) = ''on'' THEN PERFORM pg_sleep(60); END IF; RETURN n; END'",
    "CREATE TABLE slow (id int)",
    "INSERT INTO slow SELECT generate_series(1, 50000)",
    "CREATE INDEX slow_index ON slow (slowly(id))",
)


SLOWLY = "SET vacuum_cost_delay = 100; SET vacuum_cost_limit = 1"
IN_PROGRESS = [
    ("vacuum.", [SLOWLY, "VACUUM slow"]),
    ("analyze.", [SLOWLY, "ANALYZE slow"]),
    ("create_index.", ["SET shop.slow = on", "CREATE INDEX slow_too ON slow (slowly(id + 1))"]),
    ("cluster_vacuum.", ["SET shop.slow = on", "VACUUM FULL slow"]),
]
"""What there is to see while a command runs, and how to make one run long."""


def build(server: Postgres, dbname: str) -> None:
    """Make the database. When this returns, the server has counted what was done in it."""
    server.sql(f"CREATE DATABASE {dbname}")
    server.sql(*SHOP, dbname=dbname)
    settled(server, dbname)


def settled(server: Postgres, dbname: str) -> None:
    """Wait until no session of the tests is in the database any more: what it did is counted at the latest then."""
    query = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{dbname}' AND application_name = 'tests'"
    until(lambda: server.value(query) == 0, 20.0)


@contextmanager
def background(server: Postgres, dbname: str, *statements: str) -> Iterator[Connection]:
    """`statements` are being run for as long as the block lasts."""
    with server.session(dbname) as connection:
        (pid,) = connection.run("SELECT pg_backend_pid()")[0]

        def work() -> None:
            with suppress(DatabaseError, InterfaceError, OSError):
                for statement in statements:
                    connection.run(statement)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield connection
        finally:
            while thread.is_alive():
                server.sql(f"SELECT pg_cancel_backend({pid})")
                thread.join(0.2)


def in_every_state(primary: Postgres, standby: Postgres, dbname: str) -> list[Reading]:
    """What a check reads of a primary and its standby while everything is going on that can be counted. `dbname` is a
    database as `build` makes it; another one subscribes to it.
    """
    clients = Clients()
    try:
        _subscribe(primary, dbname, "copy")
        primary.sql("SELECT pg_switch_wal()", "VACUUM ANALYZE orders", dbname=dbname)
        seen = []
        with primary.session(dbname) as writer:
            writer.run("BEGIN; SELECT txid_current(); LOCK TABLE orders IN SHARE MODE")
            lags = ("standbys.write_lag", "standbys.flush_lag", "standbys.replay_lag")
            feedback = ("slots.xmin_age", "replication.backend_xmin_age")
            seen.append(_with(clients, primary, dbname, *lags, *feedback, "archiver.last_age"))
        seen.append(_with(clients, primary, "copy", "slots.catalog_xmin_age", "subscription.latest_end_age"))
        seen.append(_with(clients, standby, "postgres", "standby.delay"))
        for prefix, statements in IN_PROGRESS:
            with background(primary, dbname, *statements):
                seen.append(_with(clients, primary, dbname, prefix))
        return seen
    finally:
        clients.close()


def _subscribe(server: Postgres, source: str, target: str) -> None:
    server.sql(f"CREATE DATABASE {target}")
    server.sql(
        "CREATE PUBLICATION orders FOR TABLE orders",
        "SELECT pg_create_logical_replication_slot('copying', 'pgoutput')",
        dbname=source,
    )
    connection = f"host={server.folder} port={server.port} user=postgres dbname={source}"
    server.sql(
        "CREATE TABLE orders (id int PRIMARY KEY, item text, notes text)",
        f"CREATE SUBSCRIPTION copying CONNECTION '{connection}' PUBLICATION orders WITH (create_slot = false)",
        dbname=target,
    )
    until(lambda: server.value("SELECT count(*) FROM orders", dbname=target) == 95, 30.0)


def _with(clients: Clients, server: Postgres, dbname: str, *keys: str) -> Reading:
    """What is read once there is something of each of `keys`, while a primary has something to do."""
    check = clients.check(server, dbname=dbname)
    primary = not server.value("SELECT pg_is_in_recovery()")

    def look() -> Reading | None:
        if primary:
            server.sql("CREATE TABLE IF NOT EXISTS noise (n int)", "INSERT INTO noise SELECT generate_series(1, 1000)")
        asked = ask(check)
        assert asked.trouble is None
        there = {point.metric.key for point in asked.report.points}
        return asked.reading if all(any(key.startswith(k) for key in there) for k in keys) else None

    return until(look, 30.0)
