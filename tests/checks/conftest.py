"""One RabbitMQ for all tests of a process, those that all checks share among them."""

from collections.abc import Iterator

import pytest

from tests.support.servers.rabbitmq import end_shared


@pytest.fixture(scope="session", autouse=True)
def _brokers() -> Iterator[None]:
    """Whichever were started are ended."""
    yield
    end_shared()
