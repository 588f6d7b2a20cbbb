"""Everything that can stand between the check and a server, provoked; each is told in its own words."""

import contextlib
import os
import signal
import struct
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from outrider.checks.check import AnswerError, CheckError, DeniedError, RefusedError, SilentError
from outrider.checks.tls import TlsSettings
from outrider.model.points import Status
from tests.checks.mongodb.reading import Found, ask, check, once
from tests.support.certificates import self_signed
from tests.support.raw_server import answer, raw_server, silent, trickle
from tests.support.server import free_port
from tests.support.servers.fake_mongodb import fake_mongodb
from tests.support.servers.mongodb import Mongod, mongod
from tests.support.wait import until


def _failed(found: Found, kind: type[CheckError], *words: str) -> None:
    assert type(found.trouble) is kind, found.trouble
    for word in words:
        assert word in str(found.trouble)
    assert found.can_connect.status is Status.CRITICAL
    assert found.can_connect.message == str(found.trouble)
    assert {"host", "port", "db", "server"} <= dict(found.can_connect.tags).keys()
    assert found.report.points == ()


def test_nobody_listens() -> None:
    host = f"127.0.0.1:{free_port()}"
    began = time.monotonic()
    _failed(once(host), RefusedError, host, "connection refused")
    assert time.monotonic() - began < 3  # not after the timeout


def test_a_name_that_is_unknown() -> None:
    _failed(once("nowhere.invalid:27017"), RefusedError, "nowhere.invalid:27017")


# Of an answer of a thousand bytes, one every tenth of a second.
SLOW = trickle(struct.pack("<iiii", 1016, 1, 1, 2013), b"\0", every=0.1)


@pytest.mark.parametrize("behave", [silent, SLOW], ids=["silent", "trickling"])
def test_a_server_that_does_not_answer(behave: object) -> None:
    began = time.monotonic()
    with raw_server(behave) as host:  # type: ignore[arg-type]
        _failed(once(host, timeout=0.5), SilentError, host, "no answer within 0.5 s")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "said",
    [b"-ERR unknown command\r\n", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", b"\0" * 64, b"x"],
    ids=["redis", "http", "zeros", "a letter"],
)
def test_somebody_else_answers(said: bytes) -> None:
    with raw_server(answer(said)) as host:
        _failed(once(host), AnswerError, host, "is no MongoDB server")


def test_a_connection_that_is_cut() -> None:
    with raw_server(answer(b"")) as host:
        _failed(once(host), RefusedError, host, "hung up without an answer", "tls")


def test_a_version_that_is_too_old() -> None:
    with fake_mongodb({"maxWireVersion": 5}, {}) as host:
        _failed(once(host), AnswerError, host, "wire version 5")


def test_an_answer_that_makes_no_sense() -> None:
    status = {"host": "h", "uptime": 7.0}
    with fake_mongodb({}, {"serverStatus": status, "listDatabases": {"dbs": []}}) as host:
        found = once(host)
    assert type(found.trouble) is AnswerError
    assert "an answer that makes no sense: KeyError('databases')" in str(found.trouble)
    assert found.can_connect.status is Status.CRITICAL
    assert found.value("serverStatus.uptime") == 7  # what was read before stays


def test_a_set_of_another_name(primary: Mongod) -> None:
    _failed(once(primary.host, replica_set="other"), AnswerError, primary.host, "replica set rs0", "other")


def test_a_server_that_is_of_no_set() -> None:
    with fake_mongodb({}, {}) as host:
        _failed(once(host, replica_set="rs0"), AnswerError, host, "no replica set")


def test_the_first_of_several_hosts_is_down(primary: Mongod) -> None:
    found = once(f"127.0.0.1:{free_port()}", primary.host, replica_set="rs0")
    assert found.trouble is None
    assert found.value("replSet.state") == 1


def test_a_server_that_hangs_and_comes_back(tmp_path: Path) -> None:
    with mongod(tmp_path) as server, closing(check(server.host, timeout=1.0)) as asked:
        assert ask(asked).trouble is None
        os.kill(server.pid, signal.SIGSTOP)
        try:
            for _ in range(2):
                began = time.monotonic()
                found = ask(asked)
                assert type(found.trouble) is SilentError, found.trouble
                assert found.can_connect.status is Status.CRITICAL
                assert time.monotonic() - began < 4
        finally:
            os.kill(server.pid, signal.SIGCONT)
        until(lambda: ask(asked).trouble is None, 20, every=0.1)


def test_a_server_that_is_started_anew(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        with mongod(tmp_path) as server:
            asked = stack.enter_context(closing(check(server.host, timeout=2.0)))
            before = ask(asked)
        assert isinstance(ask(asked).trouble, RefusedError)
        with mongod(tmp_path, port=server.port):
            after = ask(asked)
    assert after.trouble is None
    starts = [{p.start for p in f.report.points if p.metric.kind == "counter"} for f in (before, after)]
    [[old], [new]] = starts
    assert old is not None
    assert new is not None
    assert new > old
    assert after.value("serverStatus.opcounters.command") < before.value("serverStatus.opcounters.command") + 100


@dataclass(frozen=True)
class Secured:
    """A server that takes TLS only, from those who show the certificate that is also its own."""

    server: Mongod
    certificate: Path
    key: Path
    both: Path


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("tls")
    _, certificate = self_signed(folder)
    key = certificate.with_suffix(".key")
    both = folder / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    tls = ["--tlsMode", "requireTLS", "--tlsCertificateKeyFile", str(both), "--tlsCAFile", str(certificate)]
    with mongod(folder, *tls) as server:
        yield Secured(server, certificate, key, both)


def _tls(path: Path | None, cert: Path | None = None, key: Path | None = None, verify: bool = True) -> TlsSettings:
    ca, cert_file, key_file = (None if p is None else str(p) for p in (path, cert, key))
    return TlsSettings(ca=ca, cert=cert_file, key=key_file, verify=verify)


def test_tls(secured: Secured) -> None:
    s = secured
    for tls in (
        _tls(s.certificate, s.both),
        _tls(s.certificate, s.certificate, s.key),
        _tls(None, s.both, verify=False),
    ):
        found = once(s.server.host, tls=tls)
        assert found.trouble is None
        assert found.value("serverStatus.uptime") >= 0


def test_tls_that_the_server_wants_and_the_check_does_not_speak(secured: Secured) -> None:
    _failed(once(secured.server.host), RefusedError, "hung up without an answer", "tls")


def test_a_certificate_that_is_not_trusted(secured: Secured) -> None:
    _failed(once(secured.server.host, tls=_tls(None, secured.both)), RefusedError, "no TLS", "self-signed certificate")


def test_a_client_without_a_certificate(secured: Secured) -> None:
    found = once(secured.server.host, tls=_tls(secured.certificate), timeout=2.0)
    assert isinstance(found.trouble, RefusedError | SilentError)
    assert found.can_connect.status is Status.CRITICAL


def test_tls_with_a_server_that_has_none(primary: Mongod) -> None:
    found = once(primary.host, tls=_tls(None, verify=False), timeout=2.0)
    assert isinstance(found.trouble, RefusedError), found.trouble
    assert "TLS" in str(found.trouble)


def test_a_certificate_that_is_not_there(tmp_path: Path, primary: Mongod) -> None:
    found = once(primary.host, tls=_tls(tmp_path / "nothing.pem"))
    assert found.trouble is not None
    assert "nothing.pem" in str(found.trouble)


def test_settings_that_contradict(primary: Mongod) -> None:
    found = once(primary.host, auth_mechanism="SCRAM-SHA-256")
    assert type(found.trouble) is not DeniedError
    assert "SCRAM-SHA-256 requires a username" in str(found.trouble)
