"""One intake per test, with both transports."""

from collections.abc import Iterator

import pytest

from outrider.intake import Intake


@pytest.fixture
def intake() -> Iterator[Intake]:
    with Intake() as running:
        yield running


@pytest.fixture
def both() -> Iterator[Intake]:
    with Intake(grpc_port=0) as running:
        yield running
