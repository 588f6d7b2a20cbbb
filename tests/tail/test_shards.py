"""Watchers of one tree that share its containers, and what each leaves to the others."""

import os
from pathlib import Path

import pytest

from outrider.model.clock import ManualClock, SystemClock
from outrider.model.counters import Counters
from outrider.model.shard import Shard, owner
from outrider.model.stream import Stream
from outrider.tail.files import StreamFiles
from outrider.tail.hold import DESCRIPTORS, Hold
from outrider.tail.links import Links
from outrider.tail.tree import Tree
from outrider.tail.watch import Watcher
from tests.support.wait import until

OF = 3
LINE = b"2026-05-16T09:19:06.000000000Z stdout F x\n"


class Sharing:
    """One of the watchers."""

    def __init__(self, base: Path, index: int) -> None:
        self.shard, self.counters = Shard(index, OF), Counters()
        self.found: list[StreamFiles] = []
        clock, root = SystemClock(), str(base / "pods")
        hold = Hold(str(base / "held"), 1 << 30, root, clock, self.counters, self.shard)
        readers = frozenset({"google"})
        tree = Tree(root, self.shard)
        self.watcher = Watcher(tree, lambda _: readers, self.found.append, clock, self.counters, hold=hold)

    @property
    def names(self) -> set[str]:
        return {f"{f.stream.uid}/{f.stream.container}" for f in self.found}


def write(base: Path, uid: str, container: str) -> None:
    log = base / "pods" / f"shop_web_{uid}" / container / "0.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(LINE)


def test_every_container_is_found_by_one_watcher_and_strange_names_are_said_once(tmp_path: Path) -> None:
    wanted = {(f"uid-{i}", c) for i in range(10) for c in ("main", "sidecar")}
    for uid, container in wanted:
        write(tmp_path, uid, container)
    (tmp_path / "pods" / "lost+found").mkdir()
    (tmp_path / "pods" / "shop_web_uid-1" / "odd name").mkdir()
    sharing = [Sharing(tmp_path, i) for i in range(OF)]
    try:
        for s in sharing:
            s.watcher.start()
        until(lambda: all(s.watcher.scanned.is_set() for s in sharing))
        write(tmp_path, "uid-new", "main")
        wanted.add(("uid-new", "main"))
        until(lambda: sum(len(s.found) for s in sharing) == len(wanted))
        for s in sharing:
            assert s.names == {f"{uid}/{c}" for uid, c in wanted if owner(uid, c, OF) == s.shard.index}
        assert sum(s.counters.value("outrider_odd_names_total") for s in sharing) == 2
    finally:
        for s in sharing:
            s.watcher.stop()
            for files in s.found:
                files.close()


def test_links_of_others_are_neither_listed_nor_tidied_up(tmp_path: Path) -> None:
    name = f"0.log.{'a' * 24}"
    for uid in ("uid-1", "uid-2", "uid-3", "uid-4"):
        full, empty = tmp_path / f"shop_web_{uid}" / "main", tmp_path / f"shop_web_{uid}" / "sidecar"
        for directory in (full, empty):
            directory.mkdir(parents=True)
        (full / name).write_bytes(LINE)
    shard = Shard(1, OF)
    links = Links(str(tmp_path), True, ManualClock(), Counters(), shard)
    assert [s.uid for s in links.streams()] == [
        uid for uid in ("uid-1", "uid-2", "uid-3", "uid-4") if shard.owns(uid, "main")
    ]
    left = {(p.parent.name, p.name) for p in tmp_path.glob("*/sidecar")}
    assert {uid.rpartition("_")[2] for uid, _ in left} == {
        uid for uid in ("uid-1", "uid-2", "uid-3", "uid-4") if not shard.owns(uid, "sidecar")
    }


def test_a_directory_that_another_one_removes_meanwhile_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was empty for a moment, and another process tidied it up between mkdir and link."""
    real, times = os.makedirs, [0]

    def makedirs(path: str, mode: int = 0o777, exist_ok: bool = False) -> None:
        times[0] += 1
        if times[0] > 2:
            real(path, mode, exist_ok)

    class File:
        def link(self, to: str) -> None:
            if not os.path.isdir(os.path.dirname(to)):
                raise FileNotFoundError(to)
            Path(to).write_bytes(LINE)

    monkeypatch.setattr(os, "makedirs", makedirs)
    links = Links(str(tmp_path / "held"), True, ManualClock(), Counters())
    stream = Stream("shop", "web", "uid-1", "main", 0)
    made: dict[str, int] = {}
    file = File()
    file.inode = 7  # type: ignore[attr-defined]
    links._link(file, links.directory(stream), "0.log.x", made)  # type: ignore[arg-type]
    assert made == {"0.log.x": 7}
    assert times[0] > 2


@pytest.mark.parametrize(("budget", "whole"), [(3000, 3000), (0, DESCRIPTORS)])
def test_the_budget_is_divided(tmp_path: Path, budget: int, whole: int) -> None:
    holds = [
        Hold(str(tmp_path / "held"), budget, str(tmp_path / "pods"), ManualClock(), Counters(), Shard(i, OF))
        for i in range(OF)
    ]
    assert sum(hold._limit for hold in holds) == whole
    assert {hold._cause for hold in holds} == {"budget" if budget else "descriptors"}
