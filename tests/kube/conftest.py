"""What several modules stand on: stand-in servers, counters, and a pod cache that is stopped at the end."""

from collections.abc import Callable, Iterator

import pytest

from outrider.kube.pods import Pods
from outrider.kube.source import Source
from outrider.model.clock import SystemClock
from outrider.model.counters import Counters
from tests.support.fake_api import FakeApi
from tests.support.fake_kube import FakeKube


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def kube() -> Iterator[FakeKube]:
    with FakeKube() as fake:
        yield fake


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as fake:
        yield fake


@pytest.fixture
def run(counters: Counters) -> Iterator[Callable[[Source, Callable[[str], None]], Pods]]:
    """Starts a pod cache on a source, with the function that is told of changes."""
    started: list[Pods] = []

    def begin(source: Source, tell: Callable[[str], None]) -> Pods:
        pods = Pods(source, None, SystemClock(), counters, tell)
        pods.start()
        started.append(pods)
        return pods

    yield begin
    for pods in started:
        pods.stop()
