"""Open files that go from one node to the next, with what they owe: nothing lost uncounted, nothing kept for ever."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from outrider.model.clock import ManualClock, SystemClock
from outrider.model.counters import Counters
from outrider.tail import links as links_module
from outrider.tail import watch as watch_module
from outrider.tail.files import StreamFiles
from outrider.tail.hold import Hold
from outrider.tail.reader import Reader
from outrider.tail.records import Assembler, Budget, Joining
from outrider.tail.watch import Watcher
from tests.support.descriptors import open_descriptors
from tests.support.holding import STREAM, Holding
from tests.support.wait import until

READERS = frozenset({"google"})


def line(i: int, width: int = 200) -> bytes:
    return f"2026-01-01T00:00:{i:02d}.000000000Z stdout F ".encode() + b"x" * width + b"\n"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    found = tmp_path / "pods" / os.path.dirname(STREAM.key)
    found.mkdir(parents=True)
    return found


def deleted_rotation(directory: Path, budget: int) -> Holding:
    """A stream with a live log of 100 lines, and 100 lines before it in a file that kubelet has deleted."""
    live = directory / "0.log"
    live.write_bytes(line(1) * 100)
    holding = Holding(directory.parents[2], ManualClock(), budget)
    live.rename(directory / "0.log.20260101-000001")
    live.write_bytes(line(2) * 100)
    holding.look()
    (directory / "0.log.20260101-000001").unlink()
    holding.look()
    return holding


def reloaded(holding: Holding, path: Path | None = None) -> None:
    """The next node takes over, with its own hold."""
    hold = Hold(str(path or holding.path), holding.budget, str(holding.root), holding.clock, holding.counters)
    if path is not None:
        holding.hold.links.move(STREAM, hold.links)
    live = holding.files.path
    files = StreamFiles(STREAM, live, READERS, holding.clock, holding.counters, hold.links, holding.files)
    files.refresh()
    holding.files, holding.hold = files, hold
    holding.readers["google"] = Reader("google", files, Assembler(Joining(), Budget()), {}, False, holding.counters)


def test_what_the_hold_gave_up_before_a_reload_is_counted_after_it(directory: Path) -> None:
    holding = deleted_rotation(directory, budget=10_000)
    holding.check()
    reloaded(holding)
    assert len(holding.read()) == 100
    assert holding.lost_by() == {"budget": 100 * len(line(1))}
    holding.close()


def test_a_hold_that_cannot_be_written_blocks_nothing(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be let go is not given up: it can still be read."""
    unlink = os.unlink

    def refuse(path: Any, *args: Any, **kwargs: Any) -> None:
        if "/held/" in str(path):
            raise OSError(30, "Read-only file system", path)
        unlink(path, *args, **kwargs)

    monkeypatch.setattr(links_module.os, "unlink", refuse)
    holding = deleted_rotation(directory, budget=10_000)
    for _ in range(5):
        holding.clock.advance(1.0)
        holding.check()
    assert holding.counters.value("outrider_given_up_bytes_total") == 0
    assert holding.counters.value("outrider_hold_errors_total") > 0
    assert len(holding.read()) == 200
    assert holding.lost() == 0
    holding.close()


def test_links_move_with_the_hold(directory: Path, tmp_path: Path) -> None:
    holding = deleted_rotation(directory, budget=1 << 30)
    before = holding.links()
    assert len(before) == 2
    reloaded(holding, tmp_path / "elsewhere")
    assert holding.links() == []
    assert sorted(p.name for p in (tmp_path / "elsewhere").rglob("0.log*")) == [os.path.basename(b) for b in before]
    lines = len(holding.read())
    holding.clock.advance(1.0)
    assert lines + len(holding.read()) == 200
    holding.close()


def test_who_has_everything_of_a_stream_that_is_gone_does_not_begin_again(directory: Path) -> None:
    """Its cursor was forgotten with the stream; another exporter may still need the files."""
    (directory / "0.log").write_bytes(line(1) * 10)
    holding = Holding(directory.parents[2], ManualClock(), 0, ("google", "datadog"))
    shutil.rmtree(directory.parent)
    holding.look()
    holding.pass_time(3)
    holding.read("datadog")
    holding.ack("datadog")
    assert holding.files.gone
    assert {name for g in holding.files.generations for name in g.waiting | g.owed} == {"google"}
    both, links = frozenset({"google", "datadog"}), holding.hold.links
    files: StreamFiles | None = holding.files
    for _ in range(3):
        files = StreamFiles(STREAM, holding.files.path, both, holding.clock, holding.counters, links, files)
        assert files.through == {"datadog"}
        files.refresh()
        files.leave("datadog")  # what the watcher does
    assert files is not None
    assert [g.waiting for g in files.generations] == [{"google"}]
    files.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(watch_module, "TICK", 0.01)
    monkeypatch.setattr(watch_module, "CHECK_HOLD", 0.02)
    return


@pytest.mark.usefixtures("quick")
def test_two_streams_of_one_path_are_one_for_the_next_watcher(directory: Path) -> None:
    """A static pod keeps its uid when its manifest goes and comes back: the files of before live only here."""
    before = open_descriptors()
    root, counters = directory.parents[1], Counters()
    found: list[StreamFiles] = []

    def watcher(adopt: list[StreamFiles]) -> Watcher:
        hold = Hold(str(root.parent / "held"), 0, str(root), SystemClock(), counters)
        made = Watcher(str(root), lambda _: READERS, found.append, SystemClock(), counters, hold=hold)
        made.adopt(adopt)
        made.start()
        assert made.scanned.wait(10)
        return made

    live = directory / "0.log"
    live.write_bytes(line(1) * 100)
    first = watcher([])
    shutil.rmtree(directory.parent)
    until(lambda: not first.streams())
    directory.mkdir(parents=True)
    live.write_bytes(line(2) * 100)
    until(first.streams)
    first.stop()
    found.clear()
    second = watcher(first.bequest())
    until(lambda: found)
    [files] = found
    reader = Reader("google", files, Assembler(Joining(), Budget()), {}, False, counters)
    clock, lines = SystemClock(), 0

    def read() -> bool:
        nonlocal lines
        taken = reader.take(clock.monotonic())
        lines += len(taken.records) if taken else 0
        return lines == 200

    until(read)
    assert counters.value("outrider_lost_bytes_total") == 0
    second.stop()
    files.close()
    assert open_descriptors() == before
