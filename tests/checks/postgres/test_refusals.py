"""What the check says when it cannot get in, may not see everything, or waits in vain: what, where, and the way out."""

import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from outrider.checks.check import AnswerError, CheckError, DeniedError, RefusedError, SilentError
from outrider.checks.postgres.settings import PostgresTls
from outrider.config.secrets import Secret
from outrider.model.points import Status
from tests.checks.postgres.asking import Asked, Clients, ask
from tests.support.raw_server import Behaviour, answer, raw_server, silent, trickle
from tests.support.server import free_port
from tests.support.servers.postgres import Postgres
from tests.support.wait import until


def _failed(asked: Asked, kind: type[CheckError], *words: str) -> None:
    assert type(asked.trouble) is kind, asked.trouble
    assert asked.can_connect.status is Status.CRITICAL
    for word in words:
        assert word in asked.can_connect.message
    tags = dict(asked.can_connect.tags)
    assert tags.keys() == {"server", "port", "db", "database_hostname", "database_instance"}
    assert asked.report.points == ()


def _tcp(server: Postgres, **settings: Any) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": server.port, "password": "secret", **settings}


def _no_password(server: Postgres) -> dict[str, Any]:
    return _tcp(server, username=server.role(), password=None)


def _limited(server: Postgres) -> dict[str, Any]:
    role = server.role()
    server.sql(f"ALTER ROLE {role} CONNECTION LIMIT 0")
    return _tcp(server, username=role)


def _shut_out(server: Postgres) -> dict[str, Any]:
    role = server.role()
    if not server.value("SELECT count(*) FROM pg_database WHERE datname = 'closed'"):
        server.sql("CREATE DATABASE closed", "REVOKE CONNECT ON DATABASE closed FROM PUBLIC")
    return _tcp(server, username=role, dbname="closed")


REFUSALS: list[tuple[str, Callable[[Postgres], dict[str, Any]], type[CheckError], list[str]]] = [
    ("nobody listens", lambda _: {"port": free_port()}, RefusedError, ["127.0.0.1:", "Connection refused"]),
    ("no such host", lambda _: {"host": "nowhere.invalid"}, RefusedError, ["nowhere.invalid:5432"]),
    (
        "no such socket",
        lambda s: {"host": str(s.folder), "port": 1},
        RefusedError,
        [".s.PGSQL.1", "No such file or directory"],
    ),
    (
        "wrong password",
        lambda s: _tcp(s, username=s.role(), password="wrong"),
        DeniedError,
        ["password authentication failed for user", "`password`"],
    ),
    ("no password", _no_password, DeniedError, ["asks for a password, and there is none", "set `password`"]),
    (
        "a secret that is not there",
        lambda s: _tcp(s, password=Secret(file="/nowhere/password")),
        CheckError,
        ["`password`", "/nowhere/password"],
    ),
    ("no such role", lambda s: _tcp(s, username="who"), DeniedError, ['user "who"']),
    ("not let in", lambda s: _tcp(s, username="nobody"), DeniedError, ["pg_hba.conf", 'CREATE ROLE "nobody" LOGIN']),
    (
        "no such database",
        lambda s: _tcp(s, username=s.role(), dbname="nothing"),
        CheckError,
        ['database "nothing" does not exist', "`dbname`"],
    ),
    ("no right to connect", _shut_out, DeniedError, ['GRANT CONNECT ON DATABASE "closed" TO "role_']),
    ("too many connections", _limited, RefusedError, ["too many connections for role", "max_connections"]),
]


@pytest.mark.parametrize(("settings", "kind", "words"), [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS])
def test_why_there_is_no_way_in(
    primary: Postgres,
    clients: Clients,
    settings: Callable[[Postgres], dict[str, Any]],
    kind: type[CheckError],
    words: list[str],
) -> None:
    _failed(clients.ask(**settings(primary)), kind, *words)


GARBAGE = [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"-ERR unknown command\r\n", b"\0" * 100, b"SSH-2.0-OpenSSH_9.2\r\n"]


@pytest.mark.parametrize("mode", ["prefer", "disable"])
@pytest.mark.parametrize("garbage", GARBAGE, ids=["http", "redis", "zeros", "ssh"])
def test_somebody_else_is_no_postgresql(clients: Clients, garbage: bytes, mode: Any) -> None:
    with raw_server(answer(garbage)) as address:
        asked = clients.ask(port=_port(address), tls=PostgresTls(mode=mode), timeout=1.0)
    assert isinstance(asked.trouble, CheckError) and asked.report.points == ()
    assert asked.can_connect.status is Status.CRITICAL and address in asked.can_connect.message


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


READY = _message(b"Z", b"I")


def _says(version: bytes) -> Behaviour:
    """A server that lets anybody in and says that its version is this."""
    column = b"server_version_num\0" + struct.pack("!ihihih", 0, 0, 25, -1, -1, 0)
    row = struct.pack("!hi", 1, len(version)) + version
    set_ = _message(b"C", b"SET\0")
    shown = _message(b"T", struct.pack("!h", 1) + column) + _message(b"D", row) + _message(b"C", b"SHOW\0")
    answers = [_message(b"R", struct.pack("!i", 0)) + READY, set_ + READY, shown + READY]

    def behave(connection: socket.socket, over: threading.Event) -> None:
        for one in answers:
            connection.recv(65536)
            connection.sendall(one)
        over.wait()

    return behave


@pytest.mark.parametrize(
    ("version", "words"),
    [(b"90524", ["is PostgreSQL 9.5", "9.6 is the oldest"]), (b"a lot", ["not as a PostgreSQL does"])],
)
def test_a_version_that_is_not_known(clients: Clients, version: bytes, words: list[str]) -> None:
    with raw_server(_says(version)) as address:
        _failed(
            clients.ask(port=_port(address), tls=PostgresTls(mode="disable"), timeout=5.0), AnswerError, address, *words
        )


METHODS = {"GSSAPI": struct.pack("!i", 7), "SASL without SCRAM": struct.pack("!i", 10) + b"OAUTHBEARER\0\0"}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
def test_a_way_to_authenticate_that_is_not_known(clients: Clients, method: bytes) -> None:
    with raw_server(answer(_message(b"R", method))) as address:
        asked = clients.ask(port=_port(address), tls=PostgresTls(mode="disable"), timeout=5.0, password="secret")
    _failed(asked, DeniedError, address, "scram-sha-256 or md5 in pg_hba.conf")


@pytest.mark.parametrize("mode", ["prefer", "disable"])
def test_a_server_that_is_silent_costs_its_timeout(clients: Clients, mode: Any) -> None:
    with raw_server(silent) as address:
        begun = time.monotonic()
        asked = clients.ask(port=_port(address), tls=PostgresTls(mode=mode), timeout=0.5)
        assert 0.4 < time.monotonic() - begun < 5
    _failed(asked, SilentError, address, "0.5 s")


def test_a_server_whose_answer_drips_costs_its_timeout(clients: Clients) -> None:
    endless = b"N" + b"R" + struct.pack("!i", 1_000_000)
    with raw_server(trickle(endless, b"x", every=0.02)) as address:
        begun = time.monotonic()
        asked = clients.ask(port=_port(address), timeout=0.5)
        assert time.monotonic() - begun < 5
    _failed(asked, SilentError, address)


def test_a_server_that_hangs_costs_its_timeout_and_is_read_again_when_it_goes_on(
    primary: Postgres, clients: Clients
) -> None:
    role = primary.role("pg_monitor")
    check = clients.check(**_tcp(primary, username=role, timeout=1.0, relations=[]))
    until(lambda: ask(check).trouble is None)
    pid = primary.value(f"SELECT pid FROM pg_stat_activity WHERE usename = '{role}'")
    os.kill(pid, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        _failed(ask(check), SilentError, "did not answer within 1 s")
        assert time.monotonic() - begun < 5
    finally:
        os.kill(pid, signal.SIGCONT)
    until(lambda: ask(check).trouble is None)


def test_a_connection_that_the_server_has_dropped_is_made_anew(primary: Postgres, clients: Clients) -> None:
    role = primary.role("pg_monitor")
    check = clients.check(**_tcp(primary, username=role))
    assert ask(check).trouble is None
    primary.sql(f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = '{role}'")
    asked = ask(check)
    assert asked.trouble is None and asked.can_connect.status is Status.OK and asked.report.points


def test_a_query_that_hangs_costs_its_own_metrics(primary: Postgres, clients: Clients) -> None:
    with primary.session() as session:
        session.run("BEGIN; LOCK TABLE pg_subscription IN ACCESS EXCLUSIVE MODE")
        asked = clients.ask(primary, query_timeout=0.2)
    assert asked.trouble is None and asked.can_connect.status is Status.OK
    slow = {key for key, why in asked.reading.missing.items() if "longer than `query_timeout` (0.2 s)" in why}
    assert {key.partition(".")[0] for key in slow} == {"subscription", "subscription_state", "subscription_errors"}
    assert asked.points("tables.live_rows") or asked.points("databases.commits")


OF_OTHERS = {"activity", "waiting", "replication", "standbys", "wal_receiver", "waldir"}
OF_OTHERS |= {"vacuum", "cluster_vacuum", "create_index", "analyze"}


def test_a_right_that_is_missing_is_named_and_the_rest_is_reported(primary: Postgres, clients: Clients) -> None:
    role = primary.role()
    check = clients.check(**_tcp(primary, username=role))
    asked = ask(check)
    assert asked.trouble is None and asked.can_connect.status is Status.OK
    assert asked.values("databases.commits") and asked.values("bgwriter.buffers_alloc")
    denied = {key: why for key, why in asked.reading.missing.items() if "GRANT pg_monitor" in why}
    assert {key.partition(".")[0] for key in denied} == OF_OTHERS
    assert all(f'GRANT pg_monitor TO "{role}"' in why for why in denied.values())
    primary.sql(f"GRANT pg_monitor TO {role}")
    asked = ask(check)
    assert not {key for key, why in asked.reading.missing.items() if "GRANT" in why and "closed" not in why}
    assert asked.values("waldir.size") and asked.values("activity.open")


def test_a_database_that_is_closed_is_named_and_the_others_are_looked_into(
    primary: Postgres, clients: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    role = _shut_out(primary)["username"]
    primary.sql("CREATE TABLE IF NOT EXISTS here (n int)")
    check = clients.check(**_tcp(primary, username=role, databases=["postgres", "closed"]))
    for _ in range(2):
        asked = ask(check)
        assert asked.trouble is None
        assert asked.labels("tables.live_rows", "db") == {"postgres"}
        assert asked.labels("databases.commits", "db") == {"postgres", "closed"}
        assert asked.labels("database_sizes.size", "db") == {"postgres"}
    (said,) = [r.getMessage() for r in caplog.records if "closed" in r.getMessage()]  # once
    assert f'GRANT CONNECT ON DATABASE "closed" TO "{role}"' in said
    only = clients.ask(**_tcp(primary, username=role, databases=["closed"]))
    assert f'GRANT CONNECT ON DATABASE "closed" TO "{role}"' in only.reading.missing["tables.live_rows"]


def test_databases_that_are_looked_into_can_be_dropped(primary: Postgres, clients: Clients) -> None:
    primary.sql("CREATE DATABASE shortlived")
    primary.sql("CREATE TABLE t (n int)", dbname="shortlived")
    check = clients.check(primary)
    assert "shortlived" in ask(check).labels("tables.live_rows", "db")
    primary.sql("DROP DATABASE shortlived")
    assert "shortlived" not in ask(check).labels("tables.live_rows", "db")
