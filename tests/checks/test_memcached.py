"""The check `memcached` against real servers: what it reports, that it moves with load, and what it says is amiss."""

import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from outrider.checks.check import AnswerError, CheckError, DeniedError, Reading, RefusedError, SilentError
from outrider.checks.memcached.check import MemcachedCheck
from outrider.checks.memcached.settings import MemcachedSettings
from outrider.checks.tls import TlsSettings
from outrider.config.secrets import Secret
from outrider.model.clock import ManualClock
from outrider.model.points import Status
from tests.checks.coverage import spelled
from tests.checks.product import Asked, ask, critical, once
from tests.checks.products.memcached import PRODUCT, read
from tests.checks.reading import datadog, google
from tests.support.certificates import self_signed
from tests.support.raw_server import answer, raw_server
from tests.support.servers.memcached import Memcached, memcached, on_a_socket


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Memcached]:
    with memcached(tmp_path_factory.mktemp("memcached") / "server") as found:
        yield found


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Memcached, Path]]:
    """A server that speaks TLS alone and knows one user, and the folder with its certificate."""
    folder = tmp_path_factory.mktemp("memcached-guarded")
    _, certificate = self_signed(folder)
    (folder / "users").write_text("monitor:right\n")
    keys = f"ssl_chain_cert={certificate},ssl_key={certificate.with_suffix('.key')}"
    with memcached(folder / "server", "-Y", str(folder / "users"), "-Z", "-o", keys) as found:
        yield found, folder


def _values(reading: Reading, vendor: str) -> dict[tuple[str, str], Any]:
    """By name and tags or labels, without the tag of the server."""
    return google(reading) if vendor == "google" else datadog(reading, ("url",))


def _ask(port: int, **settings: Any) -> Asked:
    return once(PRODUCT, MemcachedCheck(MemcachedSettings(port=port, **settings)))


def test_points_and_the_service_check_have_the_tags_of_the_agents_check(server: Memcached) -> None:
    reading = read(server)
    assert {tuple(spelled(p, "datadog")) for p in reading.points if p.metric.datadog} == {
        (("url", f"127.0.0.1:{server.port}"),)
    }
    (can_connect,) = reading.service_checks
    assert dict(can_connect.tags) == {"host": "127.0.0.1", "port": str(server.port)}
    assert can_connect.status is Status.OK


def test_a_unix_socket_is_read_and_tagged_as_the_agent_does_and_what_has_no_value_yet_is_left_out(
    tmp_path: Path,
) -> None:
    with on_a_socket(tmp_path / "server") as path:
        asked = _ask(1, unix_socket_path=str(path))
    assert asked.trouble is None
    assert ("url", f"unix:{path}") in spelled(asked.report.points[0], "datadog")
    assert dict(asked.can_connect.tags) == {"host": "unix", "port": str(path)}
    names = {name for name, _ in _values(asked.reading, "datadog")}
    assert not names & {"memcache.get_hit_percent", "memcache.avg_item_size"}
    assert {"memcache.fill_percent", "memcache.curr_items"} <= names


def test_what_load_moves_moves(server: Memcached) -> None:
    before = read(server)
    for i in range(20):
        server.set(f"key{i}", "7" * 100)
        server.send(
            f"get key{i}", "get nowhere", f"touch key{i} 0", f"incr key{i} 1", "decr nowhere 1", "delete nowhere"
        )
    server.send("flush_all")
    after = read(server)
    old, new = _values(before, "google"), _values(after, "google")
    grown = {key: new[key] - old[key] for key in new if "hit_ratio" not in key[0]}
    expected = {
        ("memcached.commands", "command=set"): 20,
        ("memcached.commands", "command=get"): 40,
        ("memcached.commands", "command=touch"): 20,
        ("memcached.commands", "command=flush"): 1,
        ("memcached.operations", "operation=get type=hit"): 20,
        ("memcached.operations", "operation=get type=miss"): 20,
        ("memcached.operations", "operation=decrement type=miss"): 20,
        ("memcached.connections.total", ""): 42,
        ("memcached.evictions", ""): 0,
    }
    assert {key: grown[key] for key in expected} == expected
    assert grown["memcached.network", "direction=received"] > 2000
    assert grown["memcached.network", "direction=sent"] > 2000
    told = _values(after, "datadog")
    assert told["memcache.delete_misses_rate", ""] - _values(before, "datadog")["memcache.delete_misses_rate", ""] == 20
    assert told["memcache.get_hit_percent", ""] == 50
    assert new["memcached.operation_hit_ratio", "operation=get"] == 50
    assert new["memcached.operation_hit_ratio", "operation=decrement"] == 0
    assert told["memcache.limit_maxbytes", ""] == 8 << 20


def test_items_that_had_to_go_and_slab_classes(server: Memcached) -> None:
    server.send(*(f"set large{i} 0 0 100000\r\n{'x' * 100_000}" for i in range(100)))
    plain, reading = read(server), read(server, items=True, slabs=True)
    found = _values(reading, "datadog")
    (slab,) = [tags for (name, tags), value in found.items() if name == "memcache.slabs.cmd_set_rate" and value == 100]
    assert re.fullmatch("slab:[0-9]+", slab)
    assert found["memcache.items.evicted_rate", slab] == found["memcache.evictions_rate", ""] > 10
    assert 10 < found["memcache.items.number", slab] <= found["memcache.curr_items", ""]
    assert found["memcache.slabs.active_slabs", ""] >= 1
    assert found["memcache.slabs.total_malloced", ""] >= 1 << 20
    assert not any(re.match(r"memcache\.(items|slabs)\.", name) for name, _ in _values(plain, "datadog"))


def test_counters_start_when_the_server_did_whoever_asks_and_when(server: Memcached) -> None:
    def starts(reading: Reading) -> set[int | None]:
        return {p.start for p in reading.points if p.metric.kind == "counter"}

    check, clock = MemcachedCheck(MemcachedSettings(port=server.port)), ManualClock()
    first = starts(ask(PRODUCT, check, clock).reading)
    clock.jump(-3600)
    assert len(first) == 1
    assert starts(ask(PRODUCT, check, clock).reading) == starts(read(server)) == first
    check.close()


def test_a_user_over_tls(guarded: tuple[Memcached, Path]) -> None:
    server, folder = guarded
    tls = TlsSettings(ca=str(folder / "kubelet.crt"))
    assert _ask(server.port, tls=tls, username="monitor", password=Secret("right")).trouble is None
    asked = _ask(server.port, tls=tls, username="monitor", password=Secret("hunter2"))
    critical(asked, DeniedError, r"does not take the password of the user monitor: correct password or username")
    assert "hunter2" not in str(asked.trouble)
    critical(_ask(server.port, tls=tls), DeniedError, r"asks for a user: set username and password")
    nowhere = Secret(file="/nowhere/password")
    asked = _ask(server.port, tls=tls, username="monitor", password=nowhere)
    critical(asked, DeniedError, r"no password for 127.0.0.1:\d+: .*/nowhere/password")


def test_tls_that_is_not_trusted_or_not_spoken(guarded: tuple[Memcached, Path]) -> None:
    port = guarded[0].port
    critical(_ask(port, tls=TlsSettings()), RefusedError, r"certificate of 127.0.0.1:\d+ is not trusted")
    critical(_ask(port), RefusedError, r"(hung up before|cut the connection).*set tls: \{\}$")


def test_the_binary_protocol_alone(tmp_path: Path) -> None:
    with memcached(tmp_path / "server", "-B", "binary") as server:
        asked = _ask(server.port, timeout=0.5)
    critical(asked, SilentError, r"stats was not answered in time: does it take the binary protocol alone \(-S")


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (b"SERVER_ERROR out of memory\r\n", AnswerError, "answers stats with: SERVER_ERROR out of memory"),
        (b"ERROR Too many open connections\r\n", RefusedError, r"as many connections as it takes: raise its limit"),
        (b"STAT version 1\r\nEND\r\n", AnswerError, "is no memcached: its stats have no pid"),
        (b"STAT pid 1\r\nEND\r\n", AnswerError, "is no memcached: its stats have no time and uptime"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", AnswerError, "does not speak memcached's text protocol"),
        (b"x" * 10_000, AnswerError, "does not speak memcached's text protocol"),
        (b"STAT a 1\r\n", RefusedError, "hung up before it had answered"),
    ],
)
def test_answers_that_are_none(said: bytes, kind: type[CheckError], words: str) -> None:
    with raw_server(answer(said)) as address:
        critical(_ask(int(address.rpartition(":")[2])), kind, words)


def test_what_is_not_offered_costs_itself_alone() -> None:
    """A proxy or another product with memcached's protocol may know `stats` alone."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        with connection.makefile("rb") as lines:
            while not over.is_set() and (line := lines.readline()):
                known = b"STAT pid 1\r\nSTAT uptime 5\r\nSTAT time 100\r\nEND\r\n"
                connection.sendall(known if line == b"stats\r\n" else b"ERROR\r\n")

    with raw_server(behave) as address:
        asked = _ask(int(address.rpartition(":")[2]), items=True, slabs=True)
    assert asked.can_connect.status is Status.OK
    assert "answers stats with: ERROR" in asked.reading.missing["slabs.chunk_size"]
    assert "answers stats with: ERROR" in asked.reading.missing["items.number"]
