"""An outage that outlasts kubelet's rotation: what was written meanwhile arrives once the destination is back, whatever
became of kubelet's files and of the collector; and what the budget does not allow is counted to the byte.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from outrider.demo.kubelet import PodLog
from outrider.model.clock import SystemClock
from tests.support.mounts import on_a_mount_of_its_own, on_a_read_only_disk, private_mounts
from tests.support.node import NodeProcess, exporter_to, node_process
from tests.support.sink import Fault, Sink, repeats_are_identical
from tests.support.tree import Numbered, assert_complete, await_lines, files_in, numbers
from tests.support.wait import until

DOWN = Fault(503, {"Retry-After": "1"})
LINES, WIDTH = 100, 400
"""Of one file: about 44 KB."""


class Outage:
    """A pod whose log is rotated while nothing can be delivered."""

    def __init__(self, root: Path, sink: Sink, node: NodeProcess, budget: str) -> None:
        self.sink, self.node, self.held = sink, node, root / "held"
        node.config["logs"]["hold"] = {"budget": budget, "path": str(self.held)}
        self.pod = PodLog(node.pods, "shop", "web", "uid-1", SystemClock())
        self.lines = Numbered("web", self.pod.container("main"))
        self.sizes: list[int] = []

    def write(self, count: int = LINES) -> None:
        for _ in range(count):
            before = self.pod.counts.bytes
            self.lines.write(width=WIDTH)
            self.sizes.append(self.pod.counts.bytes - before)

    def rotate(self, times: int) -> None:
        """As often, each time after the collector has seen the new file."""
        for _ in range(times):
            opened = self.node.metric("outrider_rotations_total")
            self.write()
            self.lines.log.rotate()
            self.write(1)
            until(lambda opened=opened: self.node.metric("outrider_rotations_total") > opened)  # type: ignore[misc]

    def links(self) -> list[Path]:
        return files_in(self.held)


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as sink:
        yield sink


def small_batches(sink: Sink) -> dict[str, object]:
    return exporter_to(sink, batch={"bytes": "64KiB", "wait": "50ms", "in_flight": 1})


def test_an_outage_a_kill_and_the_end_of_the_pod_lose_nothing(tmp_path: Path, sink: Sink) -> None:
    with node_process(tmp_path, {"google": small_batches(sink)}) as node:
        outage = Outage(tmp_path, sink, node, "100MiB")
        outage.write()
        node.start()
        await_lines(sink, outage.lines)
        sink.always = DOWN
        outage.rotate(15)
        node.kill()
        outage.write(30)
        node.start()
        outage.rotate(15)
        outage.write(30)
        assert outage.pod.counts.removed > 20
        until(lambda: len(outage.links()) >= 30)
        until(lambda: node.metric("outrider_held_bytes", by="link") > 25 * 40_000)
        outage.pod.remove()
        node.kill()
        node.start()
        assert len(sink.first()) < outage.lines.written / 2
        sink.always = None
        await_lines(sink, outage.lines, timeout=30)
        assert_complete(sink, outage.lines)
        assert repeats_are_identical(sink.received())
        assert node.metric("outrider_lost_bytes_total") == 0
        until(lambda: outage.links() == [], timeout=15)
        until(lambda: node.metric("outrider_streams") == 0, timeout=15)
        assert list(outage.held.iterdir()) == []


@pytest.mark.parametrize("budget", ["300KiB", "0"])
def test_what_the_budget_does_not_allow_is_counted_to_the_byte(tmp_path: Path, sink: Sink, budget: str) -> None:
    """Without a budget descriptors keep all of it, for there is much less than they may."""
    with node_process(tmp_path, {"google": small_batches(sink)}) as node:
        outage = Outage(tmp_path, sink, node, budget)
        outage.write()
        node.start()
        await_lines(sink, outage.lines)
        sink.always = DOWN
        outage.rotate(25)
        if budget == "0":
            assert outage.links() == []
            until(lambda: node.metric("outrider_held_bytes", by="descriptor") > 15 * 40_000)
        else:
            until(lambda: node.metric("outrider_given_up_bytes_total", cause="budget") > 5 * 40_000)
            assert node.metric("outrider_held_bytes") <= 300 * 1024
        outage.pod.remove()
        sink.always = None
        last = outage.lines.written - 1
        until(lambda: last in numbers(sink.received()), timeout=30)
        until(lambda: node.metric("outrider_streams") == 0, timeout=15)
        missing = set(range(outage.lines.written)) - set(numbers(sink.first()))
        lost = node.metric("outrider_lost_bytes_total", exporter="google", namespace="shop", pod="web", cause="budget")
        assert lost == node.metric("outrider_lost_bytes_total") == sum(outage.sizes[n] for n in missing)
        assert (lost > 0) == (budget != "0")
        assert outage.links() == []


@pytest.mark.skipif(not private_mounts(), reason="no private mounts here")
@pytest.mark.parametrize(
    ("mounted", "error"), [(on_a_read_only_disk, "EROFS"), (on_a_mount_of_its_own, "EXDEV")], ids=["EROFS", "EXDEV"]
)
def test_where_no_links_can_be_made_descriptors_do_it(
    tmp_path: Path, sink: Sink, mounted: Callable[[Path], tuple[str, ...]], error: str
) -> None:
    with node_process(tmp_path, {"google": small_batches(sink)}) as node:
        outage = Outage(tmp_path, sink, node, "100MiB")
        outage.held.mkdir()
        node.before = mounted(outage.held)
        outage.write()
        node.start()
        await_lines(sink, outage.lines)
        sink.always = DOWN
        outage.rotate(12)
        said = [line for line in node.said.splitlines() if "logs.hold.path" in line]
        assert len(said) == 1
        assert error in said[0]
        assert node.metric("outrider_hold_errors_total", error=error) > 0
        assert outage.links() == []
        outage.pod.remove()
        until(lambda: node.metric("outrider_held_bytes", by="descriptor") > 5 * 40_000)
        sink.always = None
        await_lines(sink, outage.lines, timeout=30)
        assert_complete(sink, outage.lines)
        assert node.metric("outrider_lost_bytes_total") == 0
