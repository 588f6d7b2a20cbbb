"""One primary for the tests of each process, with everything switched on that PostgreSQL counts, and its standby."""

from collections.abc import Iterator

import pytest

from tests.checks.postgres.asking import Clients
from tests.support.servers.postgres import EVERYTHING, Postgres, postgres, standby_of


@pytest.fixture(scope="session")
def primary() -> Iterator[Postgres]:
    with postgres(EVERYTHING, checksums=True, tls=True) as server:
        yield server


@pytest.fixture(scope="session")
def standby(primary: Postgres) -> Iterator[Postgres]:
    with standby_of(primary, "standby_1") as server:
        yield server


@pytest.fixture
def clients() -> Iterator[Clients]:
    """Makes checks, and closes them."""
    made = Clients()
    yield made
    made.close()
