"""`kill -9` at any moment, SIGTERM and SIGINT: nothing is lost, and what comes twice is the same entry twice."""

import random
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from outrider.demo.kubelet import PodLog
from outrider.model.clock import SystemClock
from tests.support.node import exporter_to, node_process
from tests.support.sink import Sink, repeats_are_identical
from tests.support.tree import Numbered, assert_complete, await_lines, numbers
from tests.support.wait import until

KILLS = 4
LONG = 40_000
"""Characters of a line that the runtime cuts in three."""
TRACE = ["Traceback (most recent call last):", '  File "a.py", line 1, in <module>', "    f()"]


class SteadyWriter:
    """A thread that writes numbered lines, long lines and traces, and rotates, until it is told to stop."""

    def __init__(self, pod: PodLog) -> None:
        self.log = pod.container("main")
        self.lines = Numbered(pod.name, self.log)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @contextmanager
    def writing(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.01):
            n = self.lines.written
            if n % 17 == 3:
                self.log.write(self.lines.text(LONG))
            elif n % 17 == 11:
                self._trace()
            else:
                self.lines.write()
            if self.log.due():
                self.log.rotate()

    def _trace(self) -> None:
        """Slowly, so that a kill or a rotation may fall in its middle."""
        for i, line in enumerate([*TRACE, f"ValueError: {self.lines.text()}"]):
            if i:
                self._over.wait(0.01)
            self.log.write(line, "stderr")


def test_kill_9_at_random_moments_loses_nothing(tmp_path: Path) -> None:
    """Long lines and traces across the kills and across rotations are whole, and every repeat is identical."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    exporters: dict[str, Any] = {}
    with Sink() as sink, node_process(tmp_path, exporters) as node:
        exporters["google"] = exporter_to(sink, batch={"wait": "50ms"})
        pod = PodLog(node.pods, "shop", "steady", "uid-1", SystemClock(), max_size=128 * 1024)
        writer = SteadyWriter(pod)
        with writer.writing():
            for _ in range(KILLS):
                node.start(ready=False)
                until(lambda: node.alive and "following" in node.said, timeout=20)
                at = len(sink.requests) + rng.randrange(1, 8)
                until(lambda at=at: len(sink.requests) >= at, timeout=20)  # type: ignore[misc]
                threading.Event().wait(rng.random() * 0.1)  # anywhere between two requests, or in one
                node.kill()
            node.start()
        await_lines(sink, writer.lines)
        assert node.end() == 0
        received = sink.received()
        repeats = len(received) - len(sink.first())
        print(f"{writer.lines.written} records, {repeats} repeats, {KILLS} kills, {pod.counts.rotations} rotations")
        assert_complete(sink, writer.lines)
        assert repeats_are_identical(received)
        assert pod.counts.rotations >= 3
        for r in received:
            n = numbers([r])[0]
            assert n % 17 != 3 or len(r.text) == LONG
            assert n % 17 != 11 or r.text.startswith("\n".join([*TRACE, "ValueError: steady "]))


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as sink:
        yield sink


def test_an_orderly_end_repeats_nothing(tmp_path: Path, sink: Sink) -> None:
    """It sends what it has read, exits 0, and goes on exactly there."""
    with node_process(tmp_path, {"google": exporter_to(sink)}) as node:
        w = Numbered("web", PodLog(node.pods, "shop", "web", "uid-1", SystemClock()).container("main"))
        for number in (signal.SIGTERM, signal.SIGINT):
            before = w.written
            w.write(5)
            node.start()
            await_lines(sink, w)
            w.write(300)
            until(lambda: node.metric("outrider_lines_read_total") == 305)
            assert node.end(number) == 0
            assert numbers(sink.received())[before:] == list(range(before, w.written)), "what was read is sent"
        assert len(sink.received()) == w.written
        assert_complete(sink, w)


def test_a_trace_that_is_still_growing_at_the_end_is_whole_after_the_restart(tmp_path: Path, sink: Sink) -> None:
    with node_process(tmp_path, {"google": exporter_to(sink)}) as node:
        node.config["logs"]["join"] = {"wait": "20s"}
        log = PodLog(node.pods, "shop", "web", "uid-1", SystemClock()).container("main")
        node.start()
        for line in TRACE[:2]:
            log.write(line, "stderr")
        log.write_piece(b"one ", final=False)
        until(lambda: node.metric("outrider_lines_read_total") == 3)
        assert node.end() == 0
        assert sink.received() == []
        log.write_piece(b"line")
        for line in [*TRACE[2:], "ValueError: x"]:
            log.write(line, "stderr")
        log.write("INFO something else", "stderr")
        node.start()
        wanted = {"\n".join([*TRACE, "ValueError: x"]), "one line"}
        until(lambda: wanted <= {r.text for r in sink.received()})
        assert {r.text for r in sink.received()} <= wanted | {"INFO something else"}
