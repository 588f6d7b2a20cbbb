"""RabbitMQ for the shared tests: one broker for all of them, since it takes six seconds to start."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from outrider.checks.check import CheckSettings, Reading
from outrider.checks.rabbitmq.check import RabbitmqCheck
from outrider.checks.rabbitmq.settings import RabbitmqSettings
from tests.checks.product import Address, Asked, Product, ask
from tests.checks.rabbitmq.traffic import traffic
from tests.support.servers.rabbitmq import shared
from tests.support.wait import until


def _at(address: Address, timeout: float) -> CheckSettings:
    return RabbitmqSettings(url=f"http://{address[0]}:{address[1]}", prometheus_url="none", timeout=timeout)


@contextmanager
def _server(folder: Path) -> Iterator[Address]:
    del folder
    yield "127.0.0.1", shared().management


def _observe(folder: Path) -> list[Reading]:
    """Both sources, when what is done to the broker has come to its counters."""
    del folder
    broker, declared = shared(), PRODUCT.load()[1]
    broker.vhost("observed")
    for queue, kind in (("held", "classic"), ("busy", "classic"), ("quorum", "quorum")):
        broker.queue("observed", queue, **{"x-queue-type": kind})
    check = RabbitmqCheck(RabbitmqSettings(url=broker.url, prometheus_url=broker.prometheus_url, timeout=20.0))
    with traffic(broker.amqp, "observed", "held", "busy") as at_work:

        def everything() -> Asked | None:
            at_work.go_on()
            asked = ask(PRODUCT, check)
            assert asked.trouble is None, asked.trouble
            seen = {point.metric.key for point in asked.report.points}
            return asked if declared.metrics.keys() - declared.needs.keys() <= seen else None

        asked = until(everything, 60, every=0.1)
    check.close()
    assert asked is not None
    return [asked.reading]


PRODUCT = Product(
    "rabbitmq", _at, _server, endless=b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", observe=_observe
)
