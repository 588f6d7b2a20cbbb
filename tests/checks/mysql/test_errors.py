"""What the check `mysql` says when something is amiss, each provoked on a real MariaDB where there is one for it."""

import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from outrider.checks.check import AnswerError, CheckError, DeniedError, Reading, RefusedError, SilentError
from outrider.checks.mysql.asking import Asking
from outrider.checks.mysql.check import MysqlCheck
from outrider.checks.mysql.connection import Connection
from outrider.checks.mysql.settings import MysqlSettings
from outrider.checks.stream import CLOCK
from outrider.checks.tls import TlsSettings
from outrider.config.secrets import Secret
from outrider.model.points import Status
from tests.checks.mysql.reading import datadog
from tests.checks.product import Asked, ask, critical, once
from tests.checks.products.mysql import EVERYTHING, PRODUCT, fill
from tests.support.certificates import self_signed
from tests.support.raw_server import raw_server
from tests.support.servers.fake_mysql import error, fake_mysql, greeting
from tests.support.servers.mysql import Mysql, mariadb, shared
from tests.support.wait import until

README = Path(__file__).parents[3] / "outrider/checks/mysql/README.md"
RIGHT = Secret("right")


@pytest.fixture
def server() -> Mysql:
    """With a user `blind`, who may nothing, and a user `locked`, who may not even come in."""
    shared().run(
        "CREATE OR REPLACE USER blind@'127.0.0.1' IDENTIFIED BY 'right'",
        "CREATE OR REPLACE USER locked@'127.0.0.1' IDENTIFIED BY 'right' ACCOUNT LOCK",
        "CREATE OR REPLACE USER expired@'127.0.0.1' IDENTIFIED BY 'right' PASSWORD EXPIRE",
        "CREATE OR REPLACE USER secured@'127.0.0.1' IDENTIFIED BY 'right' REQUIRE SSL",
    )
    return shared()


def _ask(port: int, **settings: Any) -> Asked:
    blind = {"port": port, "username": "blind", "password": RIGHT}
    return once(PRODUCT, MysqlCheck(MysqlSettings(**{**blind, **settings})))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"password": Secret("hunter2")}, r"127.0.0.1:\d+ does not let blind in: correct username or password"),
        ({"username": "nobody"}, r"does not let nobody in: correct username or password"),
        ({"password": None}, r"does not let blind in: correct username or password"),
        ({"username": "secured"}, r"does not let secured in: .* does it need TLS \(tls: \{\}\)\?$"),
        ({"username": "locked"}, r"has locked the user locked: ALTER USER 'locked' ACCOUNT UNLOCK$"),
        ({"username": "expired"}, r"(has expired|change the password): ALTER USER 'expired' IDENTIFIED BY"),
        ({"password": Secret(file="/nowhere/password")}, r"no password for 127.0.0.1:\d+: .*/nowhere/password"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_who_may_not(server: Mysql, settings: dict[str, Any], words: str) -> None:
    asked = _ask(server.port, **settings)
    critical(asked, DeniedError, words)
    assert "hunter2" not in str(asked.trouble)


PROCESS = "GRANT PROCESS ON *.* TO 'blind'@'127.0.0.1'"
SELECT = "GRANT SELECT ON performance_schema.* TO 'blind'@'127.0.0.1'"
MISSING = {
    "status.Innodb_mem_total": PROCESS,
    "binlog.disk_use": "GRANT BINLOG MONITOR ON *.* TO 'blind'@'127.0.0.1'",
    "replica.seconds_behind": "GRANT SLAVE MONITOR ON *.* TO 'blind'@'127.0.0.1'",
    "query_run_time.avg": SELECT,
    "user_connections": SELECT,
    "query.count": SELECT,
    "table.rows.read": SELECT,
    "index.reads": SELECT,
    "index.size": "GRANT SELECT ON mysql.innodb_index_stats TO 'blind'@'127.0.0.1'",
    "table.data_size": "GRANT SELECT ON `<schema>`.* TO 'blind'@'127.0.0.1'",
}


def test_a_statement_that_is_refused_costs_what_it_tells_and_the_cure_is_said(server: Mysql) -> None:
    asked = _ask(server.port, timeout=20.0, **EVERYTHING)
    assert asked.trouble is None, asked.trouble
    assert asked.can_connect.status is Status.OK
    assert {key: asked.reading.missing[key].rpartition(": ")[2] for key in MISSING} == MISSING
    seen = {p.metric.key for p in asked.report.points}
    assert not MISSING.keys() & seen
    assert len(seen) > 150


def test_the_cures_cure(server: Mysql) -> None:
    fill(server, "curing", 3)
    for statement in MISSING.values():
        server.run(statement.replace("<schema>", "curing"))
    asked = _ask(server.port, timeout=20.0, **EVERYTHING)
    assert asked.trouble is None
    assert asked.reading.missing == {}
    assert datadog(asked.reading)["mysql.info.table.data_size", "schema:curing table:jobs"] == 16384


def test_the_rights_that_the_readme_names_are_enough(server: Mysql) -> None:
    (text,) = re.findall(r"```sql\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    statements = [line.partition(";")[0] for line in text.strip().splitlines()]
    server.run("DROP USER IF EXISTS 'datadog'@'127.0.0.1'", *(s.replace("PASSWORD", "right") for s in statements))
    asked = _ask(server.port, username="datadog", timeout=20.0)
    assert (asked.trouble, asked.reading.missing) == (None, {})


def test_a_password_that_was_renewed_is_used_when_the_connection_has_to_be_made_anew(
    server: Mysql, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text("right\n")
    settings = MysqlSettings(port=server.port, username="blind", password=Secret(file=str(file)), timeout=20.0)
    check = MysqlCheck(settings)
    assert ask(PRODUCT, check).trouble is None
    server.run("ALTER USER blind@'127.0.0.1' IDENTIFIED BY 'renewed'", "KILL USER blind@'127.0.0.1'")
    critical(ask(PRODUCT, check), DeniedError, "does not let blind in")
    file.write_text("renewed\n")
    assert ask(PRODUCT, check).trouble is None
    check.close()


def test_a_server_that_is_full(server: Mysql) -> None:
    server.run("SET GLOBAL max_connections = 10")  # and one more for a superuser
    held = [server.connection("blind", "right") for _ in range(10 - int(server.status("Threads_connected")) + 1)]
    try:
        critical(_ask(server.port), RefusedError, "has as many connections as it takes: raise max_connections$")
    finally:
        for connection in held:
            connection.close()
        server.run("SET GLOBAL max_connections = 151")


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Mysql, Path]]:
    """A server with a certificate, and the folder that it is in."""
    folder = tmp_path_factory.mktemp("mysql-tls")
    _, certificate = self_signed(folder)
    keys = [f"--ssl-cert={certificate}", f"--ssl-key={certificate.with_suffix('.key')}", f"--ssl-ca={certificate}"]
    with mariadb(folder / "server", "--skip-innodb", "--default-storage-engine=Aria", *keys) as found:
        found.run("CREATE USER mutual@'127.0.0.1' IDENTIFIED BY 'right' REQUIRE X509")
        found.run("CREATE USER secured@'127.0.0.1' IDENTIFIED BY 'right' REQUIRE SSL")
        yield found, folder


def test_tls(tls_server: tuple[Mysql, Path]) -> None:
    server, folder = tls_server
    ca, key = str(folder / "kubelet.crt"), str(folder / "kubelet.key")
    asked = _ask(server.port, username="secured", tls=TlsSettings(ca=ca))
    assert asked.trouble is None, asked.trouble
    assert asked.report.points
    assert _ask(server.port, username="secured", tls=TlsSettings(verify=False)).trouble is None
    assert _ask(server.port, username="mutual", tls=TlsSettings(ca=ca, cert=ca, key=key)).trouble is None
    critical(_ask(server.port, username="mutual", tls=TlsSettings(ca=ca)), DeniedError, "does not let mutual in")
    asked = _ask(server.port, username="secured", tls=TlsSettings())
    critical(asked, RefusedError, r"certificate of 127.0.0.1:\d+ is not trusted \(self.signed .*tls\.ca")
    asked = _ask(server.port, host="localhost", username="secured", tls=TlsSettings(ca=ca))
    critical(asked, RefusedError, r"not trusted .*localhost.*as host")


def test_a_server_that_speaks_no_tls(server: Mysql) -> None:
    asked = _ask(server.port, tls=TlsSettings(), username="secured")
    critical(asked, RefusedError, "speaks no TLS: leave tls out, or give the server a certificate")


def test_a_socket_that_is_not_there(tmp_path: Path) -> None:
    check = MysqlCheck(MysqlSettings(unix_socket_path=str(tmp_path / "no.sock")))
    critical(ask(PRODUCT, check), RefusedError, r"no connection to .*no\.sock: No such file")


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (error(0, 1130, "Host 'x' is not allowed"), DeniedError, "lets nobody in from this host: CREATE USER 'blind'@"),
        (error(0, 1129, "Host 'x' is blocked"), RefusedError, "has blocked this host .*: run FLUSH HOSTS on it"),
        (error(0, 1203, "User blind has more"), RefusedError, "as many connections of blind as it takes"),
        (greeting("8.4.0") + error(2, 3159, "insecure"), DeniedError, r"no connection without TLS: set tls: \{\}$"),
        (greeting("8.4.0") + error(2, 9999, "odd"), AnswerError, "answers with error 9999: odd"),
        (b"\x50\0\0\0\x0a8.0", RefusedError, "hung up"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", AnswerError, "does not speak MySQL's protocol"),
        (b"\x05\0\0\x07SSH-2", AnswerError, "does not speak MySQL's protocol"),
        (b"\x01\0\0\0\0", AnswerError, "does not speak MySQL's protocol"),
        (greeting("who knows"), AnswerError, "does not speak MySQL's protocol"),
    ],
)
def test_greetings_that_are_none(said: bytes, kind: type[CheckError], words: str) -> None:
    def behave(connection: socket.socket, over: threading.Event) -> None:
        del over
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)

    with raw_server(behave) as address:
        critical(_ask(int(address.rpartition(":")[2])), kind, words)


def test_a_server_that_lets_its_greeting_drip_costs_its_timeout() -> None:
    def behave(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(b"\xff\xff\x0f\0\x0a")
        while not over.wait(0.02):
            connection.sendall(b"x")

    with raw_server(behave) as address:
        begun = time.monotonic()
        asked = _ask(int(address.rpartition(":")[2]), timeout=0.5)
    critical(asked, SilentError, "did not answer in time: raise timeout if it is only slow")
    assert time.monotonic() - begun < 5


def test_a_server_that_never_stops_talking_is_cut_off() -> None:
    """A packet of 16 MiB less a byte goes on in the next one."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        number, chunk = 0, b"x" * 0xFFFFFF
        while not over.is_set():
            connection.sendall(b"\xff\xff\xff" + bytes([number % 256]) + chunk)
            number += 1

    with raw_server(behave) as address:
        asked = _ask(int(address.rpartition(":")[2]), timeout=20.0)
    critical(asked, RefusedError, "more than 64 MiB in one run")


def test_answers_that_make_no_sense() -> None:
    who = {"CURRENT_USER": [{"account": "a@b", "now": "1"}]}
    variables = {"SHOW GLOBAL VARIABLES": [{"Variable_name": "version", "Value": "8.0"}]}
    for answers, words in (
        ({}, "is no MySQL: it cannot tell the time"),
        ({"CURRENT_USER": []}, "is no MySQL: it cannot tell the time"),
        ({"CURRENT_USER": [{"account": "a@b", "now": "noon"}], **variables, "SHOW GLOBAL STATUS": []}, "no sense"),
        ({**who, "SHOW GLOBAL VARIABLES": (1105, "proxy is drunk")}, "answers with error 1105: proxy is drunk"),
        ({**who, **variables, "SHOW GLOBAL STATUS": []}, "an answer that makes no sense"),
        ({**who, "SHOW GLOBAL VARIABLES": [{"a": "b"}]}, "an answer that makes no sense"),
    ):
        with fake_mysql("8.0.1", answers) as port:
            critical(_ask(port), AnswerError, words)


def test_a_statement_that_takes_too_long_is_given_up_by_the_server_and_costs_itself(server: Mysql) -> None:
    settings = MysqlSettings(port=server.port, username="blind", password=RIGHT, timeout=0.3)
    connection = Connection(settings, CLOCK.monotonic() + 20)
    asking = Asking(connection, Reading(PRODUCT.load()[1], 0), "'blind'@'%'")
    assert asking.rows("SELECT SLEEP(20)", ["user_connections"]) is None
    assert asking.reading.missing["user_connections"].endswith(
        "it took too long: raise timeout if the server is only slow"
    )
    assert asking.rows("SELECT 1 AS one", []) == [{"one": 1}]
    connection.close()


def test_an_idle_connection_that_the_server_has_dropped_is_made_anew(server: Mysql) -> None:
    check = MysqlCheck(MysqlSettings(port=server.port, username="blind", password=RIGHT, timeout=20.0))
    assert ask(PRODUCT, check).trouble is None
    server.run("KILL USER blind@'127.0.0.1'")
    until(lambda: not server.run("SELECT id FROM information_schema.PROCESSLIST WHERE user = 'blind'"))
    assert ask(PRODUCT, check).trouble is None
    check.close()
