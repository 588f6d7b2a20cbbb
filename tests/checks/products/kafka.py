"""Kafka for the shared tests: a broker with a topic, and a group that reads it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from outrider.checks.check import CheckSettings, Reading
from outrider.checks.kafka.check import KafkaCheck
from outrider.checks.kafka.settings import KafkaSettings
from tests.checks.product import Address, Product, ask
from tests.support.servers.noida import noida, shared


def _at(address: Address, timeout: float) -> CheckSettings:
    return KafkaSettings(bootstrap_servers=[f"{address[0]}:{address[1]}"], timeout=timeout)


@contextmanager
def _server(folder: Path) -> Iterator[Address]:
    del folder
    yield "127.0.0.1", shared().kafka


def _observe(folder: Path) -> list[Reading]:
    """Two runs, with records between them."""
    readings = []
    with noida(folder) as server:
        server.topic("orders", 2)
        server.produce("orders", 0, 10)
        check = KafkaCheck(KafkaSettings(bootstrap_servers=[f"127.0.0.1:{server.kafka}"], timeout=20.0))
        server.commit("shipping", {("orders", 0): 4})
        for _ in range(2):
            asked = ask(PRODUCT, check)
            assert asked.trouble is None, asked.trouble
            readings.append(asked.reading)
            server.produce("orders", 0, 5)
        check.close()
    return readings


PRODUCT = Product("kafka", _at, _server, endless=b"\x00\x0f\xff\xff\x00\x00\x00\x01", observe=_observe)
