"""What the check `redis` makes of the slow log."""

from pathlib import Path
from typing import Any

import pytest

from outrider.checks.check import Reading
from outrider.checks.redis.check import RedisCheck
from outrider.checks.redis.settings import RedisSettings
from outrider.checks.redis.slowlog import SlowLog
from tests.checks.product import ask
from tests.checks.products.redis import PRODUCT
from tests.support.servers.redis import redis

DECLARED = PRODUCT.load()[1]


def _found(reading: Reading, command: str) -> dict[str, Any]:
    of = [p for p in reading.points if p.metric.key.startswith("slowlog.") and ("command", command) in p.attributes]
    return {p.metric.key.removeprefix("slowlog."): p.value for p in of}


def _reported(log: SlowLog, entries: Any, run: str = "one") -> Reading:
    reading = Reading(DECLARED, 0)
    log.report(reading, entries, run)
    return reading


def test_what_is_slow_is_reported_once_and_by_command_without_the_role(tmp_path: Path) -> None:
    with redis(tmp_path / "server", "--slowlog-log-slower-than", "1000") as server:
        check = RedisCheck(RedisSettings(port=server.port))
        server.call("EVAL", _SLOW, "0")
        first = ask(PRODUCT, check).reading
        second = ask(PRODUCT, check).reading
        server.call("EVAL", _SLOW, "0")
        server.call("EVAL", _SLOW, "0")
        third = ask(PRODUCT, check).reading
        check.close()
    assert _found(first, "EVAL")["count"] == 1
    assert _found(first, "EVAL")["max"] > 1000
    assert _found(second, "EVAL") == {}
    assert _found(third, "EVAL")["count"] == 2  # within one second, most likely
    (point,) = [p for p in first.points if p.metric.key == "slowlog.max"]
    assert dict(point.attributes) == {"command": "EVAL", "redis_host": "127.0.0.1", "redis_port": str(server.port)}


_SLOW = "local n = 0; for i = 1, 1000000 do n = n + i end; return n"


@pytest.mark.parametrize(
    ("durations", "median", "p95"),
    [([7], 7, 7), ([1, 2], 1, 2), ([3, 1, 2], 2, 3), (list(range(1, 101)), 50, 95), (list(range(1, 22)), 11, 20)],
)
def test_percentiles_are_of_the_nearest_rank(durations: list[int], median: int, p95: int) -> None:
    entries: Any = [[i, 0, micros, [b"GET", b"a"], b"", b""] for i, micros in enumerate(durations)]
    found = _found(_reported(SlowLog(), entries), "GET")
    assert found == {
        "avg": sum(durations) / len(durations),
        "max": max(durations),
        "median": median,
        "95percentile": p95,
        "count": len(durations),
    }


def test_another_run_of_the_server_numbers_its_entries_anew() -> None:
    log, entries = SlowLog(), [[5, 0, 10, [b"GET"], b"", b""]]
    assert _found(_reported(log, entries), "GET")["count"] == 1
    assert _found(_reported(log, entries), "GET") == {}
    assert _found(_reported(log, [[0, 0, 10, [b"GET"], b"", b""]], run="two"), "GET")["count"] == 1


@pytest.mark.parametrize(
    ("entry", "command"),
    [
        ([1, 1, 10, [b"LPUSH", b"k"]], "LPUSH"),  # Redis before 4
        ([1, 1, 10, 1000, [b"LPUSH", b"k"], b"", b""], "LPUSH"),  # Redis Enterprise says how complex it was
        ([1, 1, 10, [b"\xff", b"k"]], "\ufffd"),
    ],
)
def test_forms_of_an_entry(entry: Any, command: str) -> None:
    assert _found(_reported(SlowLog(), [entry]), command)["count"] == 1


@pytest.mark.parametrize("entries", [None, b"text", 7, [], [[]], [[1, 2]], [[1, 1, 10, []]], [None]])
def test_what_is_no_entry_is_passed_over(entries: Any) -> None:
    assert _reported(SlowLog(), entries).points == []
