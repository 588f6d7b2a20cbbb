"""Two collectors that were given the same state: one works, the other waits for its end."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.node import NodeProcess, exporter_to, node_process
from tests.support.sink import Sink
from tests.support.tree import await_lines
from tests.support.wait import until
from tests.support.workers import writers

BATCH = {"wait": "50ms"}


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as sink:
        yield sink


@pytest.fixture(params=[1, 2], ids=["one process", "two workers"])
def first(tmp_path: Path, sink: Sink, request: pytest.FixtureRequest) -> Iterator[NodeProcess]:
    exporters = {"google": exporter_to(sink, batch=BATCH)}
    with node_process(tmp_path / "first", exporters, workers=request.param) as node:
        yield node


@pytest.fixture
def second(tmp_path: Path, first: NodeProcess) -> Iterator[NodeProcess]:
    with node_process(tmp_path / "second", first.config["exporters"]) as node:
        node.config |= {key: first.config[key] for key in ("state", "logs")}
        yield node


def test_the_second_takes_over_when_the_first_has_died(first: NodeProcess, second: NodeProcess, sink: Sink) -> None:
    lines = writers(first, 2, lines=20)
    first.start()
    await_lines(sink, *lines)
    until(lambda: first.metric("outrider_entries_accepted_total", exporter="google") == 40)
    second.start(ready=False)
    until(lambda: f"another collector uses the state {first.state}: waiting until it has ended" in second.said)
    for line in lines:
        line.write(20)
    await_lines(sink, *lines)
    first.kill()
    for line in lines:
        line.write(20)
    await_lines(sink, *lines)
    until(second.is_ready)
    assert second.said.count("another collector") == 1


def test_one_that_waits_can_be_ended(first: NodeProcess, second: NodeProcess) -> None:
    first.start()
    second.start(ready=False)
    until(lambda: "another collector uses the state" in second.said)
    assert second.process is not None
    second.process.send_signal(signal.SIGTERM)
    assert second.process.wait(10) == 0
    assert first.is_ready()
