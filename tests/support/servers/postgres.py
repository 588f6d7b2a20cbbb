"""Real PostgreSQL servers on loopback: Debian's, made anew for the tests, with a standby if wanted.

PostgreSQL refuses to run as root and to use files of others, so everything is in a directory of the user `postgres`
under the system's own for temporary files: pytest's are closed to other users.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pg8000.exceptions import DatabaseError, InterfaceError
from pg8000.native import Connection

from tests.support.certificates import self_signed
from tests.support.server import answers, free_port, running

USER = "postgres"
SETTINGS = {
    "fsync": "off",
    "shared_buffers": "16MB",
    "max_connections": "40",
    "autovacuum": "off",
    "jit": "off",
    "log_min_messages": "error",
}

EVERYTHING = {
    "wal_level": "logical",
    "archive_mode": "on",
    "archive_command": "/bin/true",
    "track_functions": "all",
    "track_io_timing": "on",
    "track_wal_io_timing": "on",
    "cluster_name": "orders",
}
"""What has a server count all that it can."""


@dataclass(frozen=True)
class Postgres:
    """One server that runs, with its superuser `postgres`, who needs no password on the unix socket in `folder`."""

    port: int
    folder: Path
    pid: int
    certificate: Path | None

    @contextlib.contextmanager
    def session(self, dbname: str = "postgres") -> Iterator[Connection]:
        """A connection of the superuser."""
        connection = Connection(
            USER, database=dbname, unix_sock=f"{self.folder}/.s.PGSQL.{self.port}", timeout=60, application_name="tests"
        )
        try:
            yield connection
        finally:
            connection.close()

    def sql(self, *statements: str, dbname: str = "postgres") -> list[list[Any]]:
        """Run statements; the rows of the last."""
        rows: list[list[Any]] = []
        with self.session(dbname) as connection:
            for statement in statements:
                rows = connection.run(statement) or []
        return rows

    def value(self, statement: str, dbname: str = "postgres") -> Any:
        """The one value that a statement selects."""
        return self.sql(statement, dbname=dbname)[0][0]

    def role(self, *grants: str, password: str = "secret") -> str:
        """A new role that can log in, with `grants` (`pg_monitor`)."""
        name = f"role_{uuid.uuid4().hex[:8]}"
        self.sql(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'", *(f"GRANT {grant} TO {name}" for grant in grants))
        return name


@contextlib.contextmanager
def postgres(settings: dict[str, str] | None = None, checksums: bool = False, tls: bool = False) -> Iterator[Postgres]:
    """A server. Over TCP it wants a password (SCRAM)."""
    with _folder() as folder:
        flags = ["--data-checksums"] if checksums else []
        _as_user("initdb", "-D", f"{folder}/data", "-U", USER, "-N", "-E", "UTF8", "--locale=C", "-A", "trust", *flags)
        (folder / "data/pg_hba.conf").write_text(
            "local all all trust\nlocal replication all trust\n"
            "hostssl all secured 127.0.0.1/32 scram-sha-256\nhostnossl all secured 127.0.0.1/32 reject\n"
            "host all md5 127.0.0.1/32 md5\nhost all nobody 127.0.0.1/32 reject\n"
            "host all all 127.0.0.1/32 scram-sha-256\n"
        )
        certificate = _with_tls(folder) if tls else None
        with _started(folder, settings or {}, certificate) as server:
            yield server


@contextlib.contextmanager
def standby_of(primary: Postgres, slot: str) -> Iterator[Postgres]:
    """A standby that streams from `primary` through a replication slot that is made for it. It speaks no TLS."""
    with _folder() as folder:
        _as_user(
            *("pg_basebackup", "-D", f"{folder}/data", "-h", str(primary.folder), "-p", str(primary.port), "-U", USER),
            *("-R", "-C", "-S", slot, "-X", "stream", "-c", "fast"),
        )
        settings = {"hot_standby_feedback": "on", "wal_receiver_status_interval": "1s", "ssl": "off"}
        with _started(folder, settings, None) as server:
            yield server


@contextlib.contextmanager
def _started(folder: Path, settings: dict[str, str], certificate: Path | None) -> Iterator[Postgres]:
    port = free_port()
    options = [f"-c{name}={value}" for name, value in {**SETTINGS, **settings}.items()]
    command = [_program("postgres"), "-D", f"{folder}/data", "-p", str(port), "-h", "127.0.0.1", "-k", str(folder)]
    found = Postgres(port, folder, 0, certificate)

    def ready() -> bool:
        if not answers(port):
            return False
        with contextlib.suppress(DatabaseError, InterfaceError):
            return bool(found.value("SELECT true"))
        return False

    with running([*command, *options], folder / "log", ready, user=USER) as process:
        yield Postgres(port, folder, process.pid, certificate)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="outrider-postgres-"))
    try:
        if os.getuid() == 0:
            shutil.chown(folder, USER, USER)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _with_tls(folder: Path) -> Path:
    """The certificate with which the server speaks TLS from now on, which is its own authority."""
    _, certificate = self_signed(folder)
    for name, suffix in (("server.crt", ".crt"), ("server.key", ".key")):
        file = Path(shutil.copy(certificate.with_suffix(suffix), folder / "data" / name))
        file.chmod(0o600)
        if os.getuid() == 0:
            shutil.chown(file, USER, USER)
    with (folder / "data/postgresql.conf").open("a") as config:
        config.write("ssl = on\n")
    return certificate


def _program(name: str) -> str:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    if not found:
        pytest.skip(f"{name} is not installed (Debian: postgresql)")
    return str(found[-1])


def _as_user(name: str, *arguments: str) -> None:
    user: dict[str, Any] = {"user": USER, "group": USER, "extra_groups": []} if os.getuid() == 0 else {}
    done = subprocess.run([_program(name), *arguments], capture_output=True, text=True, timeout=60, cwd="/", **user)
    assert done.returncode == 0, f"{name}: {done.stderr}"
