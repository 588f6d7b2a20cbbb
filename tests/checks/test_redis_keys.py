"""How long keys are, as the check `redis` reports it."""

from collections.abc import Iterator
from typing import Any

import pytest

from outrider.checks.check import Reading
from outrider.checks.redis import keys as lengths
from tests.checks.coverage import spelled
from tests.checks.products.redis import read
from tests.support.servers.redis import Redis, redis

DATA = (
    "SELECT 0",
    "RPUSH jobs:mail 1 2 3",
    "RPUSH jobs:print 1",
    "SADD people ann bob",
    "ZADD scores 1 a 2 b 3 c 4 d",
    "HSET user name ann",
    "SET greeting hello",
    "XADD events * a 1",
    "SELECT 5",
    "RPUSH jobs:mail 1 2",
    "SADD jobs:print 1 2 3 4 5",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with redis(tmp_path_factory.mktemp("redis") / "server") as found:
        connection = found.connection()
        for command in DATA:
            connection.call(*command.split())
        connection.close()
        yield found


def _lengths(reading: Reading) -> dict[str, Any]:
    return {
        " ".join(f"{k}:{v}" for k, v in spelled(p, "datadog") if not k.startswith("redis_") or k == "redis_db"): p.value
        for p in reading.points
        if p.metric.key == "key.length"
    }


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"keys": ["jobs:mail"]},
            {
                "key:jobs:mail key_type:list redis_db:db0": 3,
                "key:jobs:mail key_type:list redis_db:db5": 2,
            },
        ),
        (
            {"keys": ["jobs:*"]},
            {
                "key:jobs:mail key_type:list redis_db:db0": 3,
                "key:jobs:print key_type:list redis_db:db0": 1,
                "key:jobs:mail key_type:list redis_db:db5": 2,
                "key:jobs:print key_type:set redis_db:db5": 5,
            },
        ),
        (
            {"keys": ["people", "scores", "user", "greeting", "events"]},
            {
                "key:people key_type:set redis_db:db0": 2,
                "key:scores key_type:zset redis_db:db0": 4,
                "key:user key_type:hash redis_db:db0": 1,
                "key:greeting key_type:string redis_db:db0": 1,
                "key:events key_type:stream redis_db:db0": 1,
            },
        ),
        ({"keys": ["jobs:mail"], "db": 5}, {"key:jobs:mail key_type:list redis_db:db5": 2}),
        ({"keys": ["jobs:mail"], "db": 0}, {"key:jobs:mail key_type:list redis_db:db0": 3}),
        ({"keys": ["people"], "db": 5}, {"key:people redis_db:db5": 0}),
        ({"keys": ["nowhere"]}, {"key:nowhere": 0}),
        ({"keys": ["nowhere*"]}, {}),
        (
            {"keys": ["jobs:*"], "top": 2},
            {
                "key:jobs:print key_type:set redis_db:db5": 5,
                "key:jobs:mail key_type:list redis_db:db0": 3,
                "key:other": 3,
            },
        ),
    ],
    ids=lambda value: str(value) if "keys" in value else "",
)
def test_lengths(server: Redis, settings: dict[str, Any], expected: dict[str, int]) -> None:
    assert _lengths(read(server, **settings)) == expected


def test_an_empty_server_has_everything_of_length_nothing(tmp_path: Any) -> None:
    with redis(tmp_path / "server") as server:
        assert _lengths(read(server, keys=["a", "b*"])) == {"key:a": 0, "key:b*": 0}


def test_no_more_than_so_many_keys_are_looked_at(server: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lengths, "MOST", 2)
    monkeypatch.setattr(lengths, "PAGE", 1)
    reading = read(server, keys=["*"])
    assert 2 <= len(_lengths(reading)) < 9
    assert "more than 2 keys" in reading.missing["key.length"]
