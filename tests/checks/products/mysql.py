"""MySQL for the shared tests: a MariaDB that does everything at once, and its replica."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from outrider.checks.check import CheckSettings, Reading
from outrider.checks.mysql.check import MysqlCheck
from outrider.checks.mysql.settings import MysqlSettings
from tests.checks.product import Address, Product, reading_of
from tests.support.servers.mysql import Mysql, replica, shared

EVERYTHING = {
    "top_queries": 10,
    "schema_size_metrics": True,
    "table_size_metrics": True,
    "table_rows_stats_metrics": True,
    "index_metrics": True,
}


def _at(address: Address, timeout: float) -> CheckSettings:
    return MysqlSettings(host=address[0], port=address[1], username="root", timeout=timeout)


@contextmanager
def _server(folder: Path) -> Iterator[Address]:
    del folder
    yield "127.0.0.1", shared().port


def read(server: Mysql, **settings: Any) -> Reading:
    """What one run finds at `server`."""
    usual = {"port": server.port, "username": "root", "timeout": 20.0}
    return reading_of(PRODUCT, MysqlCheck(MysqlSettings(**{**usual, **settings})))


def fill(server: Mysql, schema: str, rows: int = 10) -> None:
    """Make a schema anew, with a table that has an index beside its primary key, and use both."""
    server.run(
        f"DROP DATABASE IF EXISTS {schema}",
        f"CREATE DATABASE {schema}",
        f"USE {schema}",
        "CREATE TABLE jobs (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(20), KEY by_name (name)) ENGINE=InnoDB",
        *(f"INSERT INTO jobs (name) VALUES ('job-{i}')" for i in range(rows)),
        "SELECT * FROM jobs WHERE name = 'job-1'",
        "UPDATE jobs SET name = 'done' WHERE id = 1",
        "ANALYZE TABLE jobs",
    )


def _observe(folder: Path) -> list[Reading]:
    del folder
    fill(shared(), "observed")
    return [read(shared(), **EVERYTHING), read(replica())]


PRODUCT = Product("mysql", _at, _server, endless=b"J\0\0\0\x0a8.4.0\0", observe=_observe)
