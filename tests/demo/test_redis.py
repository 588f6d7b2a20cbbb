"""The demo's Redis, real or not: the check reads all that the screen shows, the load moves it, and nothing stays."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from outrider.checks import found
from outrider.checks.check import run
from outrider.checks.redis.resp import Connection, ServerError
from outrider.checks.stream import CLOCK
from outrider.demo import redis as module
from outrider.demo.redis import READY, Load, Redis
from outrider.demo.redis_stand_in import CommandError, Store
from outrider.demo.run import METRICS
from outrider.model.clock import SystemClock
from outrider.model.points import Subject
from tests.support.server import program
from tests.support.wait import until


@pytest.fixture(params=["real", "stand-in"])
def redis(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Redis]:
    if request.param == "real":
        program("redis-server", "redis-server")
    else:
        monkeypatch.setattr(module.shutil, "which", lambda _: None)
    made = Redis(tmp_path)
    assert ("stand-in" in made.name) == (request.param == "stand-in")
    with made.child:
        made.child.wait_for(READY, 20)
        yield made


def test_the_load_moves_what_the_check_reads(redis: Redis) -> None:
    made, declared = found.load("redis")
    check = made(made.Settings(port=redis.port))  # type: ignore[call-arg]

    def read() -> dict[str, float]:
        report, reading, trouble = run(check, declared, Subject(), SystemClock())
        assert trouble is None
        assert reading.missing.keys() & set(METRICS) == set()
        return {point.metric.key: point.value for point in report.points if isinstance(point.value, int | float)}

    before = read()
    load = Load(redis.port, 1)
    load.start()

    def moved() -> bool:
        now = read()
        return now.keys() >= set(METRICS) and all(now[key] > before.get(key, 0) for key in METRICS)

    until(moved)
    load.stop()
    assert load.failed is None
    until(lambda: read()["info.connected_clients"] == before["info.connected_clients"])
    check.close()


def test_a_redis_that_ends_is_noticed(redis: Redis) -> None:
    load = Load(redis.port, 1)
    load.start()
    redis.child.end()
    until(lambda: load.failed)
    load.stop()


def test_the_stand_in_refuses_what_it_does_not_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.shutil, "which", lambda _: None)
    redis = Redis(tmp_path)
    with redis.child:
        redis.child.wait_for(READY, 20)
        client = Connection(("127.0.0.1", redis.port), CLOCK.monotonic() + 20, None)
        [lost, kept, none, clients, slow] = client.calls(
            [["FLUSHALL"], ["SET", "a", "12", "EX", "9"], ["GET", "b"], ["CLIENT", "LIST"], ["SLOWLOG", "GET", "128"]]
        )
        assert isinstance(lost, ServerError)
        assert lost.words == "ERR unknown command 'FLUSHALL'"
        assert (kept, none, clients, slow) == (b"OK", None, b"id=0 name= db=0\n", [])
        client.close()
        with socket.create_connection(("127.0.0.1", redis.port), 20) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert stranger.recv(100) == b""


def test_keys_of_the_stand_in_expire() -> None:
    now = [1000.0]
    store = Store(lambda: now[0])

    def info(name: str) -> str:
        said = store.call([b"INFO", b"all"])
        assert isinstance(said, bytes)
        return dict(line.split(":", 1) for line in said.decode().splitlines() if ":" in line).get(name, "")

    assert store.call([b"SET", b"a", b"1", b"EX", b"10"]) == b"OK"
    assert store.call([b"get", b"a"]) == b"1"
    assert info("db0") == "keys=1,expires=1,avg_ttl=0"
    now[0] += 10
    assert store.call([b"GET", b"a"]) is None
    assert (info("keyspace_hits"), info("keyspace_misses"), info("expired_keys"), info("db0")) == ("1", "1", "1", "")
    assert info("uptime_in_seconds") == "10"
    with pytest.raises(CommandError):
        store.call([b"SET", b"a", b"1", b"EX", b"soon"])
