"""The broker, and clients of it at work."""

from collections.abc import Iterator

import pytest

from tests.checks.rabbitmq.traffic import Traffic, traffic
from tests.support.servers.rabbitmq import Rabbitmq, shared


@pytest.fixture(scope="session")
def broker() -> Rabbitmq:
    return shared()


@pytest.fixture(scope="session")
def shop(broker: Rabbitmq) -> Iterator[Traffic]:
    """Traffic in the virtual host `shop`."""
    broker.vhost("shop")
    broker.queue("shop", "orders")
    broker.queue("shop", "mail")
    broker.queue("shop", "ledger", **{"x-queue-type": "quorum"})
    broker.api("PUT", "policies/shop/short", {"pattern": "^orders$", "definition": {"max-length": 5000}})
    with traffic(broker.amqp, "shop", "orders", "mail") as at_work:
        yield at_work
