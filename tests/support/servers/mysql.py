"""MariaDB servers of Debian on loopback.

There is one for all tests of a process (`shared`), with everything switched on that a check could ask for: it is a node
of a Galera cluster of its own, writes a binary log, and counts for performance_schema. Its `replica` follows it.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
import pytest
from pymysql.cursors import DictCursor

from tests.support.server import program, quiet_ports, running
from tests.support.servers.shared import Shared
from tests.support.wait import until

SCRIPTS = Path("/usr/share/mysql")
GALERA = Path("/usr/lib/galera/libgalera_smm.so")
SMALL = ("--innodb-buffer-pool-size=16M", "--innodb-log-file-size=4M", "--aria-log-file-size=8M", "--user=root")
CARELESS = ("--innodb-flush-method=nosync", "--innodb-flush-log-at-trx-commit=2")
"""Nothing of it has to outlive the machine."""


@dataclass(frozen=True)
class Mysql:
    """One that runs. The user root may do everything, without a password."""

    port: int
    folder: Path
    pid: int

    @property
    def unix_socket(self) -> Path:
        return self.folder / "mysql.sock"

    def connection(self, user: str = "root", password: str = "", timeout: float = 30) -> Any:
        """`timeout` seconds at most for an answer: whoever else has got the port may never say a word."""
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user=user,
            password=password,
            autocommit=True,
            read_timeout=timeout,
            cursorclass=DictCursor,
        )

    def run(self, *statements: str, user: str = "root", password: str = "") -> list[dict[str, Any]]:
        """What the last of a few statements answers."""
        with self.connection(user, password) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def status(self, name: str) -> str:
        return str(self.run(f"SHOW GLOBAL STATUS LIKE '{name}'")[0]["Value"])


@contextmanager
def mariadb(folder: Path, *options: str) -> Iterator[Mysql]:
    """A server with its data in `folder`, and `options` as on its command line."""
    server, data = program("mariadbd", "mariadb-server"), folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    _install(server, data)
    (port,) = quiet_ports(1)
    command = [server, "--no-defaults", *SMALL, *CARELESS, f"--datadir={data}", f"--socket={folder / 'mysql.sock'}"]
    command += [f"--port={port}", "--bind-address=127.0.0.1", "--skip-name-resolve", f"--pid-file={folder / 'pid'}"]
    log = folder / "mysql.log"

    def ready() -> bool:
        try:
            with Mysql(port, folder, 0).connection(timeout=2) as connection, connection.cursor() as cursor:
                cursor.execute("SELECT 1")  # which a node of Galera refuses until it is one
        except pymysql.MySQLError:
            return False
        return True

    with running([*command, *options], log, ready, timeout=60) as process:
        yield Mysql(port, folder, process.pid)


def _install(server: str, data: Path) -> None:
    """Fill a folder with the system tables, as mariadb-install-db does in three times the time."""
    names = ("mysql_system_tables.sql", "mysql_system_tables_data.sql", "mysql_performance_tables.sql")
    if not all((SCRIPTS / name).exists() for name in names):
        pytest.skip("MariaDB's system tables are not installed (Debian: mariadb-server-core)")
    text = "create database mysql;\nuse mysql;\nset @auth_root_socket=null;\n"
    text += "".join((SCRIPTS / name).read_text("utf-8") for name in names)
    done = subprocess.run(
        [server, "--no-defaults", *SMALL, *CARELESS, "--bootstrap", f"--datadir={data}"],
        input=text.encode(),
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]


@contextmanager
def _with_everything(folder: Path) -> Iterator[Mysql]:
    listen, receive = quiet_ports(2)
    galera = [
        "--wsrep-on=ON",
        f"--wsrep-provider={GALERA}",
        "--wsrep-cluster-address=gcomm://",
        "--wsrep-node-address=127.0.0.1",
        f"--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:{listen};gcache.size=1M;"
        f"ist.recv_addr=127.0.0.1:{receive}",
        "--innodb-autoinc-lock-mode=2",
    ]
    logging = ["--log-bin=bin", "--binlog-format=ROW", "--server-id=1", "--log-slave-updates"]
    counting = ["--performance-schema=ON", "--query-cache-size=1M", "--query-cache-type=1"]
    with mariadb(folder, *(galera if GALERA.exists() else []), *logging, *counting) as server:
        yield server


shared = Shared(_with_everything)


@contextmanager
def _following(folder: Path) -> Iterator[Mysql]:
    source = shared()
    source.run(
        "CREATE OR REPLACE USER follower@'127.0.0.1' IDENTIFIED BY 'pw'",
        "GRANT REPLICATION SLAVE ON *.* TO follower@'127.0.0.1'",
    )
    with mariadb(folder, "--server-id=2", "--performance-schema=OFF", "--skip-log-bin") as server:
        server.run(
            f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={source.port}, MASTER_USER='follower', "
            "MASTER_PASSWORD='pw', MASTER_LOG_FILE='bin.000001', MASTER_LOG_POS=4, MASTER_CONNECT_RETRY=1",
            "START SLAVE",
        )
        yield server


_follower = Shared(_following)


def replica() -> Mysql:
    """One that follows the shared server, and has caught up with it."""
    server = _follower()
    until(lambda: follows(server), 30)
    return server


def follows(server: Mysql) -> bool:
    """Whether both threads of a replica run, and it has caught up."""
    (row,) = server.run("SHOW SLAVE STATUS")
    return (row["Slave_IO_Running"], row["Slave_SQL_Running"], row["Seconds_Behind_Master"]) == ("Yes", "Yes", 0)
