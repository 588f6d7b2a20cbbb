"""Redis for the shared tests: alone and under load, as a primary with a replica, in a cluster, as a Sentinel."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from outrider.checks.check import CheckSettings, Reading
from outrider.checks.redis.check import RedisCheck
from outrider.checks.redis.settings import RedisSettings
from tests.checks.product import Address, Product, reading_of
from tests.support.servers.redis import Redis, cluster_of_one, redis, replica_of, sentinel_of
from tests.support.wait import until


def _at(address: Address, timeout: float) -> CheckSettings:
    return RedisSettings(host=address[0], port=address[1], timeout=timeout)


@contextmanager
def _server(folder: Path) -> Iterator[Address]:
    with redis(folder) as found:
        yield "127.0.0.1", found.port


def read(server: Redis, **settings: Any) -> Reading:
    """What one run finds at `server`."""
    return reading_of(PRODUCT, RedisCheck(RedisSettings(port=server.port, timeout=20.0, **settings)))


def _observe(folder: Path) -> list[Reading]:
    readings = []
    folder.mkdir(exist_ok=True)
    with ExitStack() as stack:
        alone = stack.enter_context(redis(folder / "alone", "--slowlog-log-slower-than", "0", "--appendonly", "yes"))
        alone.call("SET", "a", "1")
        alone.call("SET", "b", "1", "EX", "1000")
        readings.append(read(alone, keys=["a*"], command_stats=True, collect_client_metrics=True))
        primary = stack.enter_context(redis(folder / "primary", "--min-replicas-to-write", "1"))
        replica = stack.enter_context(replica_of(primary, folder / "replica"))
        until(lambda: replica.info().get("master_link_status") == "up", 20)
        until(lambda: "state=online" in primary.info().get("slave0", ""), 20)
        readings += [read(primary), read(replica)]
        readings.append(read(stack.enter_context(cluster_of_one(folder / "cluster"))))
        readings.append(read(stack.enter_context(sentinel_of(primary, folder / "sentinel"))))
    return readings


PRODUCT = Product("redis", _at, _server, endless=b"$1000000\r\n", observe=_observe)
