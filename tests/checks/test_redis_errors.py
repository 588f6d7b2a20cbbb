"""What the check `redis` says when something is amiss, each provoked on a real server where there is one for it."""

import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from outrider.checks.check import AnswerError, DeniedError, RefusedError, SilentError
from outrider.checks.redis.check import RedisCheck
from outrider.checks.redis.settings import RedisSettings
from outrider.checks.tls import TlsSettings
from outrider.config.secrets import Secret
from outrider.model.points import Status
from tests.checks.product import Asked, ask, critical, once
from tests.checks.products.redis import PRODUCT
from tests.support.certificates import self_signed
from tests.support.raw_server import raw_server
from tests.support.servers.redis import Redis, redis

USERS = {
    "monitor": "on >right +ping +info +slowlog|get",
    "blind": "on >right +ping",
    "few": "on >right +info",
    "asleep": "off >right +@all",
    "keyless": "on >right +@all resetkeys",
    "lengthless": "on >right +@all -llen ~*",
}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A server whose default user has a password, with USERS besides."""
    with redis(tmp_path_factory.mktemp("redis") / "server") as server:
        for name, rights in USERS.items():
            server.call("ACL", "SETUSER", name, *rights.split())
        server.call("RPUSH", "jobs", "1", "2")
        server.call("ACL", "SETUSER", "admin", "on", ">admin", "+@all", "~*")
        server.call("ACL", "SETUSER", "default", ">secret")
        yield server


def _ask(port: int, **settings: Any) -> Asked:
    return once(PRODUCT, RedisCheck(RedisSettings(port=port, **settings)))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, r"asks for a password: set password"),
        ({"password": Secret("wrong")}, r"refuses the password of the user default"),
        ({"username": "monitor", "password": Secret("wrong")}, r"refuses the password of the user monitor"),
        ({"username": "nobody", "password": Secret("right")}, r"refuses the password of the user nobody"),
        ({"username": "asleep", "password": Secret("right")}, r"refuses the password of the user asleep"),
        ({"username": "blind", "password": Secret("right")}, r"may not run INFO: ACL SETUSER blind \+info$"),
        ({"password": Secret(file="/nowhere/password")}, r"no password for 127.0.0.1:\d+: .*/nowhere/password"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_who_may_not(guarded: Redis, settings: dict[str, Any], words: str) -> None:
    critical(_ask(guarded.port, **settings), DeniedError, words)


def test_a_password_where_none_is_set(tmp_path: Path) -> None:
    with redis(tmp_path / "server") as server:
        asked = _ask(server.port, password=Secret("any"))
    critical(asked, DeniedError, r"has no password for the user default: leave password out")


def test_no_message_has_the_password(guarded: Redis) -> None:
    assert "hunter2" not in str(_ask(guarded.port, password=Secret("hunter2")).trouble)


@pytest.mark.parametrize(
    ("user", "settings", "missing"),
    [
        ("few", {}, {"ping.latency_ms": "ACL SETUSER few +ping", "slowlog.max": "ACL SETUSER few +slowlog|get"}),
        ("monitor", {"collect_client_metrics": True}, {"client.connections": "ACL SETUSER monitor +client|list"}),
        ("monitor", {"keys": ["jobs"]}, {"key.length": "ACL SETUSER monitor +select"}),
        ("keyless", {"keys": ["jobs"]}, {"key.length": "ACL SETUSER keyless ~<pattern>"}),
        ("lengthless", {"keys": ["j*"]}, {"key.length": "ACL SETUSER lengthless +llen"}),
    ],
)
def test_a_command_that_is_refused_costs_what_it_tells_and_the_cure_is_said(
    guarded: Redis, user: str, settings: dict[str, Any], missing: dict[str, str]
) -> None:
    asked = _ask(guarded.port, username=user, password=Secret("right"), **settings)
    assert asked.trouble is None
    assert asked.can_connect.status is Status.OK
    assert {key: why.rpartition(": ")[2] for key, why in asked.reading.missing.items() if key in missing} == missing
    assert len(asked.report.points) > 100
    assert not missing.keys() & {p.metric.key for p in asked.report.points}


def test_the_rights_that_the_readme_names_are_enough(guarded: Redis) -> None:
    readme = (Path(__file__).parents[2] / "outrider/checks/redis/README.md").read_text("utf-8")
    (statement,) = re.findall(r"ACL SETUSER monitor on >PASSWORD (.*)", readme)
    more = [right.replace("\\|", "|") for right in re.findall(r"\+[a-z\\|]+", readme)]
    admin = guarded.connection()
    admin.call("AUTH", "admin", "admin")
    admin.call("ACL", "SETUSER", "plain", "on", ">right", *statement.split())
    admin.call("ACL", "SETUSER", "full", "on", ">right", *more, "%R~jobs")
    admin.close()
    plain = _ask(guarded.port, username="plain", password=Secret("right"))
    everything = {"keys": ["jobs", "j*"], "collect_client_metrics": True, "command_stats": True}
    full = _ask(guarded.port, username="full", password=Secret("right"), **everything)
    assert (plain.trouble, plain.reading.missing) == (None, {})
    assert (full.trouble, full.reading.missing) == (None, {})
    assert {"key.length", "client.connections", "command.calls"} <= {p.metric.key for p in full.report.points}


def test_a_password_that_was_renewed_is_used_when_the_connection_has_to_be_made_anew(
    guarded: Redis, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text("right\n")
    check = RedisCheck(RedisSettings(port=guarded.port, username="monitor", password=Secret(file=str(file))))
    assert ask(PRODUCT, check).trouble is None
    admin = guarded.connection()
    admin.call("AUTH", "admin", "admin")
    admin.call("ACL", "SETUSER", "monitor", "resetpass", ">renewed")
    admin.call("CLIENT", "KILL", "USER", "monitor")
    critical(ask(PRODUCT, check), DeniedError, "refuses the password")
    file.write_text("renewed\n")
    assert ask(PRODUCT, check).trouble is None
    admin.call("ACL", "SETUSER", "monitor", "resetpass", ">right")
    admin.close()
    check.close()


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Redis, Path]]:
    """A server that speaks TLS alone and wants the certificate of a client, and the folder with the certificate."""
    folder = tmp_path_factory.mktemp("redis-tls")
    _, certificate = self_signed(folder)
    key = certificate.with_suffix(".key")
    files = ("--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", certificate)
    with redis(folder / "server", *map(str, files), tls=True) as server:
        yield server, folder


def test_tls_with_certificates_on_both_sides(tls_server: tuple[Redis, Path]) -> None:
    server, folder = tls_server
    ca, key = str(folder / "kubelet.crt"), str(folder / "kubelet.key")
    assert _ask(server.port, tls=TlsSettings(ca=ca, cert=ca, key=key)).trouble is None
    assert _ask(server.port, tls=TlsSettings(verify=False, cert=ca, key=key)).trouble is None
    asked = _ask(server.port, tls=TlsSettings(ca=ca))
    critical(asked, RefusedError, r"(cut the connection|hung up).*set tls\.cert$")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"tls": TlsSettings()},
            r"the certificate of 127.0.0.1:\d+ is not trusted \(self.signed .*tls\.ca",
        ),
        ({"host": "localhost"}, r"(hung up before it had answered|cut the connection).*set tls: \{\}$"),
    ],
)
def test_tls_that_is_not_trusted_or_not_spoken(tls_server: tuple[Redis, Path], settings: Any, words: str) -> None:
    critical(_ask(tls_server[0].port, **settings), RefusedError, words)


def test_a_name_that_the_certificate_is_not_for(tls_server: tuple[Redis, Path]) -> None:
    server, folder = tls_server
    asked = _ask(server.port, host="localhost", tls=TlsSettings(ca=str(folder / "kubelet.crt")))
    critical(asked, RefusedError, r"not trusted .*localhost.*as host")


def test_tls_with_a_server_that_speaks_none(guarded: Redis) -> None:
    asked = _ask(guarded.port, tls=TlsSettings(), timeout=0.5)
    critical(asked, SilentError, r"did not finish the TLS handshake in time: does it speak TLS")


def test_a_server_with_too_many_clients(tmp_path: Path) -> None:
    with redis(tmp_path / "server") as server:
        other = server.connection()
        other.call("CONFIG", "SET", "maxclients", "1")
        asked = _ask(server.port)
        other.close()
    critical(asked, RefusedError, "as many clients as it takes: raise maxclients|cut the connection|hung up")


def test_a_socket_that_is_not_there(tmp_path: Path) -> None:
    check = RedisCheck(RedisSettings(unix_socket_path=str(tmp_path / "no.sock")))
    critical(ask(PRODUCT, check), RefusedError, r"no connection to .*no\.sock: No such file")


def test_a_sentinel_has_no_role_tag_and_a_server_of_another_kind_is_none() -> None:
    with _Fake({b"INFO": b"server:memcached\r\n"}) as port:
        critical(_ask(port), AnswerError, "is no Redis: its INFO has no redis_version")
    with _Fake({b"INFO": 7}) as port:
        critical(_ask(port), AnswerError, "is no Redis: its INFO is no text")


OLD = (
    b"# Server\r\nredis_version:3.2.1\r\nrun_id:abc\r\nuptime_in_seconds:100\r\n# Clients\r\nconnected_clients:3\r\n"
    b"client_longest_output_list:1\r\nmem_fragmentation_ratio:nan\r\nused_memory_human:1M\r\n"
    b"cmdstat_host::calls=2,usec=145,usec_per_call=72.50\r\nrole:master\r\ndb0:keys=0,expires=0\r\n"
)


def test_an_old_server_is_read_as_far_as_it_tells() -> None:
    answers = {b"INFO": OLD, b"CONFIG": [b"maxclients", b"4064"], b"SLOWLOG": b"-ERR unknown command 'SLOWLOG'"}
    with _Fake(answers) as port:
        check = RedisCheck(RedisSettings(port=port, command_stats=True))
        asked, again = ask(PRODUCT, check), ask(PRODUCT, check)
        check.close()
    assert asked.trouble is None
    found = {p.metric.datadog.name: p.value for p in asked.report.points if p.metric.datadog}
    assert found["redis.net.maxclients"] == 4064
    assert found["redis.clients.longest_output_list"] == 1
    assert (found["redis.command.calls"], found["redis.command.usec_per_call"]) == (2, 72.5)
    assert found["redis.keys"] == 0
    assert "redis.mem.fragmentation_ratio" not in found
    assert "redis.persist.percent" not in found
    assert "has no SLOWLOG GET" in asked.reading.missing["slowlog.max"]
    starts = {p.start for a in (asked, again) for p in a.report.points if p.metric.kind == "counter"}
    assert len(starts) == 1


def test_a_server_that_loads_its_data_is_there() -> None:
    with _Fake(
        {b"INFO": OLD + b"loading:1\r\nloading_eta_seconds:9\r\n", b"PING": b"-LOADING Redis is loading"}
    ) as port:
        asked = _ask(port)
    assert asked.can_connect.status is Status.OK
    assert "LOADING" in asked.reading.missing["ping.latency_ms"]
    assert {"info.loading", "info.loading_eta_seconds"} <= {p.metric.key for p in asked.report.points}


class _Fake:
    """A server that answers each command with what is given for it, and with OK otherwise."""

    def __init__(self, answers: dict[bytes, Any]) -> None:
        self._server = raw_server(self._behave)
        self._answers = answers

    def __enter__(self) -> int:
        return int(self._server.__enter__().rpartition(":")[2])

    def __exit__(self, *args: object) -> None:
        self._server.__exit__(None, None, None)

    def _behave(self, connection: socket.socket, over: threading.Event) -> None:
        with connection.makefile("rb") as lines:
            while not over.is_set() and (head := lines.readline()):
                words = [lines.read(int(lines.readline()[1:]) + 2)[:-2] for _ in range(int(head[1:]))]
                connection.sendall(_resp(self._answers.get(words[0], b"+OK")))


def _resp(answer: Any) -> bytes:
    if isinstance(answer, list):
        return b"*%d\r\n" % len(answer) + b"".join(map(_resp, answer))
    if isinstance(answer, int):
        return b":%d\r\n" % answer
    if answer[:1] in b"+-":
        return bytes(answer) + b"\r\n"
    return b"$%d\r\n%b\r\n" % (len(answer), answer)
