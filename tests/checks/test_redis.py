"""The check `redis` against real servers: what it reports, and that it moves when load moves it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from outrider.checks.check import Reading
from outrider.checks.redis.check import RedisCheck
from outrider.checks.redis.settings import RedisSettings
from outrider.model.clock import ManualClock
from outrider.model.points import Status
from tests.checks.product import ask
from tests.checks.products.redis import PRODUCT, read
from tests.checks.reading import datadog, google, tags
from tests.support.servers.redis import Redis, redis, replica_of
from tests.support.wait import until


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with redis(tmp_path_factory.mktemp("redis") / "server") as server:
        yield server


@pytest.fixture
def server(shared: Redis) -> Redis:
    """The same one for all tests, without data and with an empty slow log."""
    for command in ("FLUSHALL", "SLOWLOG RESET", "CONFIG SET slowlog-log-slower-than 10000"):
        shared.call(*command.split())
    return shared


def _datadog(reading: Reading) -> dict[tuple[str, str], Any]:
    """Values by name and tags, without those of the server."""
    return datadog(reading, ("redis_host", "redis_port", "redis_role"))


def test_points_have_the_tags_of_the_agents_check(server: Redis) -> None:
    where = {"redis_host": "127.0.0.1", "redis_port": str(server.port)}
    server.call("SET", "a", "1")
    reading = read(server)
    assert tags(reading, "redis.net.clients") == {**where, "redis_role": "master"}
    assert tags(reading, "redis.keys") == {**where, "redis_role": "master", "redis_db": "db0"}
    (can_connect,) = reading.service_checks
    assert (can_connect.name, can_connect.status, dict(can_connect.tags)) == ("redis.can_connect", Status.OK, where)


def test_a_unix_socket_is_read_and_tagged_as_the_agent_does(server: Redis) -> None:
    reading = ask(PRODUCT, RedisCheck(RedisSettings(unix_socket_path=str(server.unix_socket)))).reading
    where = {"redis_host": str(server.unix_socket), "redis_port": "unix_socket", "redis_role": "master"}
    assert tags(reading, "redis.net.clients") == where


def _under_load(server: Redis) -> tuple[Reading, Reading]:
    """What was read before and after a few hundred commands of several kinds."""
    before = read(server)
    subscriber = server.connection()
    subscriber.call("SUBSCRIBE", "news")
    for i in range(300):
        server.call("SET", f"key{i}", "x" * 1000)
        server.call("GET", f"key{i}" if i % 2 else "nowhere")
    server.call("SET", "short", "1", "PX", "1")
    server.call("EVAL", "return 1", "0")
    until(lambda: server.info()["expired_keys"] != "0" and server.info()["instantaneous_ops_per_sec"] != "0", 10)
    cpu = ("redis.cpu.sys", "redis.cpu.user", "redis.cpu.user_main_thread")  # may have been counted by the tick
    until(lambda: all(_datadog(read(server))[name, ""] > _datadog(before)[name, ""] for name in cpu), 20)
    after = read(server)
    subscriber.close()
    return before, after


def test_what_load_moves_moves(tmp_path: Path) -> None:
    with redis(tmp_path / "fresh") as server:
        before, after = _under_load(server)
    old, new = _datadog(before), _datadog(after)
    grown = {
        name: new[name, ""] - old[name, ""]
        for name, labels in old
        if labels == "" and not name.startswith("redis.slowlog")
    }
    at_least = {
        "redis.net.commands": 600,
        "redis.net.total_connections_received": 600,
        "redis.net.total_input_bytes": 300_000,
        "redis.net.total_output_bytes": 100_000,
        "redis.net.clients": 1,
        "redis.net.instantaneous_ops_per_sec": 1,
        "redis.net.commands.instantaneous_ops_per_sec": 1,
        "redis.ops.reads_processed": 600,
        "redis.ops.writes_processed": 600,
        "redis.stats.keyspace_hits": 150,
        "redis.stats.keyspace_misses": 150,
        "redis.rdb.changes_since_last": 300,
        "redis.mem.used": 200_000,
        "redis.mem.dataset": 200_000,
        "redis.mem.peak": 200_000,
        "redis.pubsub.channels": 1,
        "redis.keys.expired": 1,
        "redis.scripts.cached": 1,
        "redis.mem.scripts_eval": 1,
    }
    assert {name: (grown[name], low) for name, low in at_least.items() if grown[name] < low} == {}
    assert new["redis.keys", "redis_db:db0"] == 300


def test_databases_are_told_apart_for_both_vendors(server: Redis) -> None:
    server.call("MSET", "a", "1", "b", "1", "c", "1")
    server.call("EXPIRE", "a", "1000")
    connection = server.connection()
    for words in (("SELECT", "3"), ("SET", "z", "1")):
        connection.call(*words)
    connection.close()
    reading = read(server)
    expected = {
        ("redis.keys", "redis_db:db0"): 3,
        ("redis.expires", "redis_db:db0"): 1,
        ("redis.persist", "redis_db:db0"): 2,
        ("redis.persist.percent", "redis_db:db0"): pytest.approx(66.667, abs=0.01),
        ("redis.expires.percent", "redis_db:db0"): pytest.approx(33.333, abs=0.01),
        ("redis.keys", "redis_db:db3"): 1,
        ("redis.expires.percent", "redis_db:db3"): 0,
    }
    found = _datadog(reading)
    assert {key: found.get(key) for key in expected} == expected
    assert {key: value for key, value in google(reading).items() if key[0] == "redis.db.keys"} == {
        ("redis.db.keys", "db=0"): 3,
        ("redis.db.keys", "db=3"): 1,
    }


def test_processor_time_is_one_metric_of_states_at_google(server: Redis) -> None:
    states = {labels for name, labels in google(read(server)) if name == "redis.cpu.time"}
    of = ("sys", "sys_children", "sys_main_thread", "user", "user_children", "user_main_thread")
    assert states == {f"state={state}" for state in of}


def test_commands_are_counted_if_asked_for(server: Redis) -> None:
    server.call("CONFIG", "RESETSTAT")
    for _ in range(3):
        server.call("GET", "a")
    assert not any(name == "redis.command.calls" for name, _ in _datadog(read(server)))
    reading = read(server, command_stats=True)
    assert _datadog(reading)["redis.command.calls", "command:get"] == 3
    assert _datadog(reading)["redis.command.usec_per_call", "command:get"] > 0
    assert _datadog(reading)["redis.command.calls", "command:config|resetstat"] == 1
    assert google(reading)["redis.cmd.calls", "cmd=get"] == 3


def test_connections_are_counted_by_name_if_asked_for(server: Redis) -> None:
    named = [server.connection() for _ in range(3)]
    for connection, name in zip(named, ("web", "web", "worker"), strict=True):
        connection.call("CLIENT", "SETNAME", name)
    found = _datadog(read(server, collect_client_metrics=True))
    few = _datadog(read(server, collect_client_metrics=True, top=1))
    for connection in named:
        connection.close()
    ours = {"redis.net.connections": 1}
    assert found["redis.net.connections", "source:web"] == 2
    assert found["redis.net.connections", "source:worker"] == 1
    assert found["redis.net.connections", "source:unknown"] == ours["redis.net.connections"]
    assert few["redis.net.connections", "source:web"] == 2
    assert few["redis.net.connections", "source:other"] == 2


def test_a_primary_tells_how_far_each_replica_is_behind_and_a_replica_whether_it_has_its_primary(
    tmp_path: Path,
) -> None:
    with redis(tmp_path / "primary") as primary, replica_of(primary, tmp_path / "replica") as replica:
        until(lambda: "state=online" in primary.info().get("slave0", ""), 20)
        until(lambda: replica.info().get("master_link_status") == "up", 20)
        behind = _datadog(read(primary))
        labels = f"slave_id:0 slave_ip:127.0.0.1 slave_port:{replica.port}"
        assert 0 <= behind["redis.replication.delay", labels] < 1_000_000
        assert behind["redis.net.slaves", ""] == 1
        up = read(replica)
        assert tags(up, "redis.net.clients")["redis_role"] == "slave"
        assert _datadog(up)["redis.replication.master_link_down_since_seconds", ""] == 0
        (link,) = [c for c in up.service_checks if c.name == "redis.replication.master_link_status"]
        assert (link.status, link.message) == (Status.OK, "")
        assert dict(link.tags) == {"redis_host": "127.0.0.1", "redis_port": str(replica.port), "redis_role": "slave"}

        replica.call("REPLICAOF", "127.0.0.1", "1")  # nobody is there
        until(lambda: int(replica.info().get("master_link_down_since_seconds", "0")) > 0, 20)
        down = read(replica)
        (link,) = [c for c in down.service_checks if c.name == "redis.replication.master_link_status"]
        assert (link.status, link.message) == (Status.CRITICAL, "the link to the primary at 127.0.0.1:1 is down")
        assert _datadog(down)["redis.replication.master_link_down_since_seconds", ""] > 0
        assert [c.status for c in down.service_checks if c.name == "redis.can_connect"] == [Status.OK]


def test_counters_start_when_the_server_did_whoever_asks_and_when(server: Redis, tmp_path: Path) -> None:
    def starts(reading: Reading) -> set[int | None]:
        return {p.start for p in reading.points if p.metric.kind == "counter"}

    check = RedisCheck(RedisSettings(port=server.port))
    clock = ManualClock()
    first = starts(ask(PRODUCT, check, clock).reading)
    clock.jump(-3600)
    assert len(first) == 1
    assert starts(ask(PRODUCT, check, clock).reading) == starts(read(server)) == first
    check.close()
    uptime = int(server.info()["uptime_in_seconds"])
    (start,) = first
    assert start is not None
    until(lambda: int(server.info()["uptime_in_seconds"]) > uptime)
    assert starts(read(server)) == first
    with redis(tmp_path / "another") as another:
        ((later,), (earlier,)) = starts(read(another)), first
        assert later is not None and earlier is not None and later >= earlier


def test_maxmemory_and_evictions(server: Redis) -> None:
    server.call("CONFIG", "SET", "maxmemory", "3mb")
    server.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        before = _datadog(read(server))
        for i in range(400):
            server.call("SET", f"large{i}", "x" * 20_000)
        after = _datadog(read(server))
    finally:
        server.call("CONFIG", "SET", "maxmemory", "0")
    assert after["redis.mem.maxmemory", ""] == 3 << 20
    assert after["redis.keys.evicted", ""] > before["redis.keys.evicted", ""]
    assert after["redis.perf.latest_fork_usec", ""] >= 0
