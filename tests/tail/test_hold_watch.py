"""The watcher with a hold, on real directories: what was held by an earlier run is taken up, and let go when it is
answered for.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from outrider.model.clock import SystemClock
from outrider.model.counters import Counters
from outrider.model.stream import Stream
from outrider.tail import links as links_module
from outrider.tail import watch as watch_module
from outrider.tail.files import StreamFiles
from outrider.tail.hold import Hold
from outrider.tail.reader import Reader
from outrider.tail.records import Assembler, Budget, Joining
from outrider.tail.watch import Watcher
from tests.support.tree import files_in
from tests.support.wait import until

READERS = frozenset({"google"})
LINE = b"2026-05-16T09:19:06.%09dZ stdout F %d\n"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "TICK", 0.01)
    monkeypatch.setattr(watch_module, "CHECK_HOLD", 0.02)
    monkeypatch.setattr(links_module, "LINGER", 0.05)


class Run:
    """A running watcher with a hold."""

    def __init__(self, base: Path, admit: Callable[[Stream], frozenset[str]] = lambda _: READERS) -> None:
        self.clock, self.counters = SystemClock(), Counters()
        self.found: list[StreamFiles] = []
        self.held = base / "held"
        root = str(base / "pods")
        hold = Hold(str(self.held), 1 << 30, root, self.clock, self.counters)
        self.watcher = Watcher(root, admit, self.found.append, self.clock, self.counters, hold=hold)
        self.watcher.start()
        assert self.watcher.scanned.wait(10.0)

    def links(self) -> list[Path]:
        return files_in(self.held)

    def read(self, files: StreamFiles) -> list[bytes]:
        """Everything, until the stream has ended."""
        reader = Reader("google", files, Assembler(Joining(), Budget()), {}, False, self.counters)
        contents: list[bytes] = []

        def ended() -> bool:
            taken = reader.take(self.clock.monotonic())
            if taken is not None:
                contents.extend(r[3] for r in taken.records)
                if taken.records or reader.advances(taken.boundary):
                    reader.sent(taken.boundary, taken.timestamp).settled = True
                    reader.settle()
            return reader.ended

        until(ended)
        return contents

    def stop(self) -> None:
        self.watcher.stop()
        for files in self.found:
            for generation in files.generations:
                generation.leave("google")


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Path]:
    """A tree in which a collector has run; then the pods were deleted."""
    logs = [tmp_path / "pods" / "a_web_u1" / "app" / name for name in ("0.log", "1.log")]
    logs.append(tmp_path / "pods" / "b_db_u2" / "mongo" / "0.log")
    for n, path in enumerate(logs):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(LINE % (i, i) for i in range(n + 1)))
    run = Run(tmp_path)
    assert len(run.links()) == 3
    run.stop()
    shutil.rmtree(tmp_path / "pods")
    (tmp_path / "pods").mkdir()
    return tmp_path


def test_streams_whose_pods_are_gone_are_taken_up_and_let_go(base: Path) -> None:
    run = Run(base)
    try:
        assert sorted(f.stream.key for f in run.found) == ["a_web_u1/app/0", "a_web_u1/app/1", "b_db_u2/mongo/0"]
        for n, files in enumerate(sorted(run.found, key=lambda f: f.stream.key)):
            assert run.read(files) == [b"%d" % i for i in range(n + 1)]
        until(lambda: run.links() == [] and run.watcher.streams() == [])
        assert list(run.held.iterdir()) == []
    finally:
        run.stop()


def test_what_nobody_reads_is_not_held(base: Path) -> None:
    run = Run(base, lambda stream: READERS if stream.namespace == "b" else frozenset())
    try:
        assert [f.stream.key for f in run.found] == ["b_db_u2/mongo/0"]
        assert [str(p.relative_to(run.held)).startswith("b_db_u2/mongo/0.log.") for p in run.links()] == [True]
    finally:
        run.stop()


def test_a_pod_that_is_deleted_while_it_is_watched(base: Path) -> None:
    run = Run(base)
    try:
        log = base / "pods" / "c_new_u3" / "app" / "0.log"
        log.parent.mkdir(parents=True)
        log.write_bytes(LINE % (1, 1))
        until(lambda: len(run.links()) == 4)
        shutil.rmtree(log.parent.parent)
        files = next(f for f in run.found if f.stream.namespace == "c")
        until(lambda: files.over)
        assert not files.gone
        assert run.read(files) == [b"1"]
        assert not any("c_new_u3" in str(p) for p in files_in(run.held))
    finally:
        run.stop()
