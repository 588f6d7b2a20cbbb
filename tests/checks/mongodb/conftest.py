"""Servers of the tests of MongoDB, started when a test asks for them."""

from collections.abc import Iterator

import pytest

from tests.support.servers.mongodb import Mongod, replica_set


@pytest.fixture(scope="session")
def primary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongod]:
    """A replica set of one."""
    with replica_set(tmp_path_factory.mktemp("mongodb")) as [server]:
        yield server
