"""Servers for all tests of a process, those that all checks share among them."""

from collections.abc import Iterator

import pytest

from tests.support.servers.shared import end_all


@pytest.fixture(scope="session", autouse=True)
def _servers() -> Iterator[None]:
    """Whichever were started are ended."""
    yield
    end_all()
