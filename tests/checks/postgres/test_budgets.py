"""The most active databases, tables and clients are reported one by one, and the rest together."""

import logging
from collections.abc import Iterator

import pytest

from tests.checks.postgres.asking import Asked, Clients, ask
from tests.checks.postgres.shop import settled
from tests.support.servers.postgres import Postgres
from tests.support.wait import until

TABLES = {"little": 1, "more": 20, "much": 300, "most": 4000}
"""Rows."""


@pytest.fixture(scope="module")
def crowd(primary: Postgres) -> Iterator[Postgres]:
    primary.sql("CREATE DATABASE crowd")
    primary.sql(
        *(f"CREATE TABLE {table} (n int PRIMARY KEY)" for table in TABLES),
        *(f"INSERT INTO {table} SELECT generate_series(1, {rows})" for table, rows in TABLES.items()),
        dbname="crowd",
    )
    settled(primary, "crowd")
    yield primary
    primary.sql("DROP DATABASE crowd WITH (FORCE)")


def _live(asked: Asked) -> dict[str, object]:
    return {table: asked.value("tables.live_rows", table=table) for table in asked.labels("tables.live_rows", "table")}


def test_the_rest_of_the_tables_is_summed_and_that_is_said_once(
    crowd: Postgres, clients: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    check = clients.check(crowd, databases=["crowd"], max_relations=2)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            asked = ask(check)
    assert _live(asked) == {"most": 4000, "much": 300, "other": 21}
    other = asked.points("tables.live_rows", table="other")[0]
    assert {("db", "other"), ("schema", "other"), ("qualified", "other")} <= set(other.attributes)
    size = crowd.value("SELECT pg_relation_size('little') + pg_relation_size('more')", dbname="crowd")
    assert asked.value("table_sizes.relation", table="other") == size
    indexes = asked.labels("indexes.size", "index")
    assert {"most_pkey", "other"} < indexes and len(indexes) == 3
    assert not asked.points("tables.last_vacuum_age", table="other")
    said = [record.getMessage() for record in caplog.records]
    assert [words for words in said if "4 postgres tables are more than max_relations (2)" in words] == said[:1]


def test_what_the_rest_counts_is_what_it_grew_by(crowd: Postgres, clients: Clients) -> None:
    check = clients.check(crowd, databases=["crowd"], max_relations=2)
    ask(check)
    crowd.sql("INSERT INTO little SELECT generate_series(2, 6)", dbname="crowd")
    settled(crowd, "crowd")
    assert ask(check).value("tables.rows_inserted", table="other") == 5


def test_a_database_that_cannot_be_read_for_once_changes_nothing_in_what_the_rest_counts(
    crowd: Postgres, clients: Clients
) -> None:
    role = crowd.role("pg_monitor")
    settings = {"host": "127.0.0.1", "username": role, "password": "secret"}
    check = clients.check(crowd, **settings, databases=["crowd"], max_relations=2)
    ask(check)
    assert ask(check).value("tables.rows_inserted", table="other") == 0
    crowd.sql("REVOKE CONNECT ON DATABASE crowd FROM PUBLIC")
    closed = ask(check)
    assert closed.value("tables.rows_inserted", table="other") == 0
    assert closed.labels("tables.rows_inserted", "table") == {"other"}
    crowd.sql("GRANT CONNECT ON DATABASE crowd TO PUBLIC")
    again = ask(check)
    assert again.value("tables.rows_inserted", table="other") == 0
    assert again.labels("tables.rows_inserted", "table") == {"most", "much", "other"}


def test_the_rest_of_the_databases_is_summed_and_not_looked_into(crowd: Postgres, clients: Clients) -> None:
    check = clients.check(crowd, databases=["crowd", "postgres"], max_databases=1)
    ask(check)
    commits = "SELECT xact_commit FROM pg_stat_database WHERE datname = 'postgres'"
    before = crowd.value(commits)
    crowd.sql(*["SELECT 1"] * 200)  # more than anything else does in the other one meanwhile
    until(lambda: crowd.value(commits) >= before + 200)
    asked = ask(check)
    assert asked.labels("databases.commits", "db") == {"postgres", "other"}
    assert asked.value("database_sizes.size", db="other") == crowd.value("SELECT pg_database_size('crowd')")
    assert asked.labels("database.tables", "db") == {"postgres"}
    assert asked.value("server.databases") == 2


def test_the_rest_of_the_clients_is_summed(crowd: Postgres, clients: Clients) -> None:
    with crowd.session("crowd") as one, crowd.session("postgres") as two:
        one.run("SELECT 1")
        two.run("SELECT 1")
        asked = clients.ask(crowd, max_clients=1)
    clients_there = sum(asked.values("waiting.clients"))
    assert asked.labels("waiting.clients", "app") >= {"other"} and len(asked.values("waiting.clients")) == 2
    assert clients_there >= 4  # two sessions, the check and the server's own


SELECTIONS: list[tuple[list[str], set[str]]] = [
    (["m*"], {"more", "much", "most"}),
    (["mo?e", "LITTLE"], {"more"}),
    (["public.l*"], {"little"}),
    (["other.*"], set()),
    (["it's"], set()),
    (["m_re", "m%"], set()),
    ([], set()),
]


@pytest.mark.parametrize(("patterns", "tables"), SELECTIONS)
def test_tables_are_chosen_by_globs(crowd: Postgres, clients: Clients, patterns: list[str], tables: set[str]) -> None:
    asked = clients.ask(crowd, databases=["crowd"], relations=patterns)
    assert asked.trouble is None
    assert asked.labels("tables.live_rows", "table") == tables
    assert bool(asked.points("database.tables")) is bool(patterns)


CHOICES: list[tuple[dict[str, list[str]], set[str]]] = [
    ({"databases": ["crowd", "post*"]}, {"crowd", "postgres"}),
    ({"databases": ["crowd", "post*"], "ignore_databases": ["p*"]}, {"crowd"}),
    ({"databases": ["template1"]}, set()),
    ({"databases": ["template1"], "ignore_databases": []}, {"template1"}),
]


@pytest.mark.parametrize(("settings", "databases"), CHOICES)
def test_databases_are_chosen_by_globs(
    crowd: Postgres, clients: Clients, settings: dict[str, list[str]], databases: set[str]
) -> None:
    asked = clients.ask(crowd, **settings)
    assert asked.labels("databases.commits", "db") == databases
    assert asked.value("server.databases") == len(databases)
