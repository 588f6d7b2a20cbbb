"""Unread files kept by links and descriptors: what is kept, for how long, and that what is not is counted to the byte.

Files, links and kubelet's way of rotating them are real; only time is not.
"""

import errno
import gzip
import logging
import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from outrider.demo.kubelet import ContainerLog, rfc3339nano
from outrider.model.clock import ManualClock
from outrider.model.stream import Stream
from outrider.tail import hold as hold_module
from outrider.tail.files import StreamFiles
from outrider.tail.generation import Generation
from outrider.tail.hold import Hold
from outrider.tail.links import LINGER
from tests.support.descriptors import open_descriptors
from tests.support.holding import STREAM, Holding, Identity

UNLIMITED = 1 << 40
_NUMBER = re.compile(rb"#(\d+)#")


class Container:
    """Kubelet's part: numbered lines in files that are rotated, gzipped and deleted."""

    def __init__(self, base: Path, clock: ManualClock, max_files: int = 5) -> None:
        self.log = ContainerLog(base / "pods" / os.path.dirname(STREAM.key), clock, max_files=max_files)
        self.sizes: list[int] = []

    def write(self, lines: int = 1, width: int = 100) -> None:
        for _ in range(lines):
            before = self.log.counts.bytes
            self.log.write((b"2026 #%d# " % len(self.sizes)).ljust(width, b"x"))
            self.sizes.append(self.log.counts.bytes - before)

    def remove(self) -> None:
        """The pod is deleted."""
        self.log.close()
        shutil.rmtree(self.log.directory.parent)

    def missing(self, contents: list[bytes]) -> list[int]:
        """The numbers of the lines that are not among `contents`."""
        return sorted(set(range(len(self.sizes))) - numbers(contents))

    def bytes_of(self, lines: list[int]) -> int:
        return sum(self.sizes[n] for n in lines)


def numbers(contents: list[bytes]) -> set[int]:
    return {int(n) for c in contents for n in _NUMBER.findall(c)}


class Setup:
    def __init__(self, base: Path) -> None:
        self.base, self.clock = base, ManualClock()
        self.container = Container(base, self.clock)

    def holding(self, budget: int = UNLIMITED, *exporters: str, hold: Path | None = None) -> Holding:
        return Holding(self.base, self.clock, budget, exporters or ("google",), hold=hold)

    def rotations(self, holding: Holding, count: int, lines: int = 20) -> None:
        """`count` files' worth of lines that nobody reads."""
        for _ in range(count):
            self.container.write(lines)
            self.container.log.rotate()
            self.clock.advance(1.0)
            holding.look()
            holding.check()


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(tmp_path)


# -- what is kept, and how long ---------------------------------------------------------------------------------------


def test_an_outage_longer_than_the_rotation_loses_nothing(setup: Setup) -> None:
    before = open_descriptors()
    setup.container.write()
    holding = setup.holding()
    setup.rotations(holding, 30)
    setup.container.write(3)
    holding.look()
    assert len(holding.links()) == 31
    assert setup.container.missing(holding.read()) == list(range(601, 604)), "the live one waits for late writes"
    holding.pass_time(LINGER + 3, read=True)
    assert setup.container.missing([c for _, c in holding.emitted["google"]]) == []
    assert holding.links() == [f"{STREAM.key}.log.{holding.files.generations[-1].key}"], "the live one's"
    assert len(holding.files.generations) == len(os.listdir(setup.container.log.directory)), "ours are forgotten"
    setup.container.remove()
    holding.look()
    holding.pass_time(LINGER + 3, read=True)
    assert (holding.files.gone, holding.readers["google"].ended, holding.links()) == (True, True, [])
    assert os.listdir(holding.path) == [], "no directory is left behind"
    assert (holding.lost(), open_descriptors()) == (0, before - 1), "the writer's is closed as well"


def test_links_use_no_space_as_long_as_kubelet_has_the_file(setup: Setup) -> None:
    setup.container.write(20)
    holding = setup.holding(1)
    holding.look()
    holding.check()
    assert len(holding.links()) == 1
    assert "outrider_held_files 0" in holding.counters.exposition()
    setup.container.log.rename()
    setup.container.log.reopen()
    holding.look()
    holding.check()
    assert (len(holding.links()), holding.files.generations[0].given_up) == (1, None)


def test_a_link_is_kept_until_the_answer_and_a_little_longer(setup: Setup) -> None:
    setup.container.write(5)
    holding = setup.holding()
    setup.container.remove()
    holding.look()
    holding.clock.advance(1.0)
    assert len(holding.read()) == 5
    holding.pass_time(LINGER + 5)
    assert len(holding.links()) == 1, "read, and not answered for"
    again = holding.restarted()
    again.clock.advance(1.0)
    assert len(again.read()) == 5, "the pod's directory is gone, the lines are not"
    again.ack()
    again.check()
    again.pass_time(LINGER - 1)
    assert len(again.links()) == 1
    again.pass_time(2)
    assert (again.links(), again.files.gone) == ([], True)


def test_every_exporter_has_to_answer(setup: Setup) -> None:
    holding = setup.holding(UNLIMITED, "a", "b")
    setup.rotations(holding, 10)
    for _ in range(8):
        setup.clock.advance(1.0)
        holding.read("a")
        holding.ack("a")
        holding.check()
    assert len(holding.links()) == 10
    for _ in range(8):
        setup.clock.advance(1.0)
        holding.read("b")
        holding.ack("b")
        holding.check()
    assert holding.links() == []


def test_answers_out_of_order_release_from_the_front(setup: Setup) -> None:
    holding = setup.holding()
    setup.rotations(holding, 3)
    setup.clock.advance(1.0)
    holding.read()
    holding.ack("google", 1, 2)
    holding.pass_time(LINGER + 2)
    assert len(holding.links()) == 3
    holding.ack("google", 0)
    holding.pass_time(LINGER + 2)
    assert holding.links() == []


def test_a_log_that_is_a_symbolic_link_is_held_itself(setup: Setup, tmp_path: Path) -> None:
    """dockerd's: the link in kubelet's tree goes away with the pod, and with it the file that it led to."""
    target = tmp_path / "docker.log"
    live = setup.container.log.path
    live.rename(target)
    live.symlink_to(target)
    setup.container.write(5)
    holding = setup.holding()
    target.unlink()
    setup.container.remove()
    holding.look()
    setup.clock.advance(1.0)
    assert len(holding.restarted().read()) == 5


def test_the_end_of_the_pod_ends_its_unfinished_records(setup: Setup) -> None:
    """Nothing of kubelet's is left: the rest of a line that was cut is not waited for, though our link is there."""
    setup.container.log.write_piece(b"2026 half", final=False)
    holding = setup.holding()
    setup.container.remove()
    holding.look()
    assert len(holding.links()) == 1
    setup.clock.advance(0.5)
    assert holding.read() == [b"2026 half"]
    holding.pass_time(LINGER + 3, read=True)
    assert (holding.links(), holding.readers["google"].ended) == ([], True)


# -- other ways to rotate ---------------------------------------------------------------------------------------------


def test_copytruncate(setup: Setup) -> None:
    """The inode under the link of the first generation begins with another line; the copy is linked in its place."""
    log = setup.container.log
    holding = setup.holding()
    for _ in range(4):
        setup.container.write(20)
        holding.look()
        log.copytruncate()
        holding.look()
        setup.clock.advance(1.0)
    setup.container.write(20)
    holding.look()
    held = [(holding.path / name).stat() for name in holding.links()]
    assert len({s.st_ino for s in held}) == len(held) == 5
    assert all(s.st_nlink == 2 for s in held)
    setup.container.remove()
    holding.look()
    holding = holding.restarted()
    holding.pass_time(LINGER + 5, read=True)
    assert [c for _, c in holding.emitted["google"]] == sorted(
        (c for _, c in holding.emitted["google"]), key=lambda c: min(numbers([c]))
    )
    assert setup.container.missing([c for _, c in holding.emitted["google"]]) == []
    assert len(holding.emitted["google"]) == 100
    assert (holding.lost(), holding.links()) == (0, [])


def test_a_link_that_holds_something_else_is_not_read_as_what_it_is_called(setup: Setup) -> None:
    """The file was truncated while the collector was down, and then the pod was deleted."""
    setup.container.write(5)
    holding = setup.holding()
    (before,) = holding.links()
    holding.read()
    holding.ack()
    holding.save()
    holding.close()
    os.truncate(setup.container.log.path, 0)
    setup.container.write(3)
    setup.container.remove()
    again = holding.restarted()
    again.clock.advance(1.0)
    assert numbers(again.read()) == {5, 6, 7}
    (after,) = again.links()
    assert after != before
    again.ack()
    again.pass_time(LINGER + 2, read=True)
    assert (again.links(), again.files.gone) == ([], True)


def test_only_names_of_our_own_form_are_touched(setup: Setup) -> None:
    setup.container.write(2)
    holding = setup.holding()
    directory = holding.path / os.path.dirname(STREAM.key)
    (directory / "0.log.20260516-091906").write_bytes(b"2026-05-16T09:19:06Z stdout F stranger\n")
    (directory / f"1.log.{'0' * 24}").write_bytes(b"2026-05-16T09:19:06Z stdout F another run's\n")
    holding.look()
    setup.container.remove()
    holding.look()
    holding.pass_time(LINGER + 3, read=True)
    assert numbers([c for _, c in holding.emitted["google"]]) == {0, 1}
    assert sorted(os.listdir(directory)) == ["0.log.20260516-091906", f"1.log.{'0' * 24}"]
    assert [s.restart for s in holding.hold.links.streams()] == [1]


# -- the budget -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("budget", "cause"), [(40_000, "budget"), (0, "descriptors")])
def test_the_oldest_is_given_up_first_and_counted_to_the_byte(
    setup: Setup,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    budget: int,
    cause: str,
) -> None:
    monkeypatch.setattr(hold_module, "DESCRIPTORS", 40_000)
    before = open_descriptors()
    setup.container.write(10)
    holding = setup.holding(budget, "a", "b")
    assert len(holding.read("a")) == 10
    setup.rotations(holding, 30, 60)
    assert bool(holding.links()) == (budget > 0)
    by = "link" if budget else "descriptor"
    held = next(s for f in holding.counters.families("outrider_held_bytes") for s in f.samples if (("by", by),) == s[0])
    assert 20_000 < held[1] <= 40_000
    holding.pass_time(LINGER + 3, read=True)
    for name in ("a", "b"):
        missing = setup.container.missing([c for _, c in holding.emitted[name]])
        start = 10 if name == "a" else 0
        assert missing == list(range(start, start + len(missing))), "the oldest"
        assert len(missing) > 100
        assert holding.lost_by(name) == {cause: setup.container.bytes_of(missing)}
        counted = holding.counters.value(
            "outrider_lost_bytes_total", exporter=name, namespace="default", pod="web", container="app", cause=cause
        )
        assert counted == holding.lost(name)
    assert "is given up to make room" in caplog.text
    setup.container.remove()
    holding.look()
    holding.pass_time(LINGER + 3, read=True)
    assert (holding.files.gone, holding.links(), open_descriptors()) == (True, [], before - 1)


@pytest.mark.parametrize("budget", [1, 0])
def test_where_kubelet_has_it_compressed_nothing_is_lost(
    setup: Setup, monkeypatch: pytest.MonkeyPatch, budget: int
) -> None:
    """The plain file is let go, its space is free at once, and reading goes on in the .gz at the exact offset."""
    monkeypatch.setattr(hold_module, "DESCRIPTORS", 1)
    setup.container.write(7000)
    holding = setup.holding(budget)
    first = holding.read(turns=1)
    assert 1000 < len(first) < 7000
    plain = holding.files.generations[0].inode
    for _ in range(2):
        setup.container.log.rotate()
        setup.container.write()
        holding.look()
    status = holding.files.generations[0].status()
    assert status is not None and (status.st_ino, status.st_nlink) == (plain, 1 if budget else 0)
    holding.check()
    status = holding.files.generations[0].status()
    assert status is None or status.st_ino != plain
    holding.pass_time(2)
    holding.read()
    holding.pass_time(2, read=True)
    contents = [c for _, c in holding.emitted["google"]]
    assert (setup.container.missing(contents), len(contents), holding.lost()) == ([], 7002, 0)


def test_a_compressed_rotation_is_held_when_there_is_no_room_for_the_plain_one(setup: Setup) -> None:
    setup.container.write(5000)
    holding = setup.holding(200_000)
    for _ in range(8):
        setup.container.log.rotate()
        setup.container.write(10)
        setup.clock.advance(1.0)
        holding.look()
        holding.check()
    assert [name.endswith(".gz") for name in holding.links()] == [True] + [False] * 8
    holding.pass_time(LINGER + 3, read=True)
    assert setup.container.missing([c for _, c in holding.emitted["google"]]) == []
    assert holding.lost() == 0


def test_what_was_read_and_not_answered_for_costs_nothing_if_it_is_given_up(setup: Setup) -> None:
    setup.container.write(20)
    holding = setup.holding(1)
    holding.read()
    setup.container.remove()
    holding.look()
    setup.clock.advance(1.0)
    holding.read()
    holding.check()
    holding.look()
    assert holding.links() == []
    holding.ack()
    holding.read()
    assert (holding.lost(), holding.readers["google"].ended) == (0, True)


def test_links_of_an_earlier_run_are_read_and_removed_where_the_budget_is_0_now(setup: Setup) -> None:
    holding = setup.holding()
    setup.rotations(holding, 10)
    again = holding.restarted(0)
    assert len(again.links()) == 10
    again.pass_time(LINGER + 3, read=True)
    assert setup.container.missing([c for _, c in again.emitted["google"]]) == []
    assert again.links() == []


def test_space_is_left_on_the_disk(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file system would have to be mounted: what it answers is patched."""
    holding = setup.holding()
    setup.rotations(holding, 10, 60)
    real = os.statvfs(setup.base)
    size = 1_000_000 * real.f_frsize
    values = list(real)
    values[2], values[3], values[4] = 1_000_000, 50_000 - 15, 50_000 - 15  # blocks, free, available: 5 % less 15
    monkeypatch.setattr(hold_module, "RESERVE", size)
    monkeypatch.setattr(hold_module.os, "statvfs", lambda _: os.statvfs_result(values))
    links = len(holding.links())
    holding.check()
    gone = links - len(holding.links())
    assert 1 <= gone <= 5, "files that kubelet has compressed come first"
    holding.check()
    assert len(holding.links()) == links - gone, "the file system gets time to give the space back"
    holding.pass_time(LINGER + 3, read=True)
    missing = setup.container.missing([c for _, c in holding.emitted["google"]])
    assert holding.lost_by("google") == {"disk": setup.container.bytes_of(missing)}


def test_what_costs_nothing_goes_first_and_then_the_oldest_of_all_streams(setup: Setup) -> None:
    """Stream 0 has the oldest file, which kubelet has deleted, and one that is compressed; stream 1 one in between."""
    setup.container.write(3000)
    holding = setup.holding()
    other = Stream("default", "web", "uid-1", "app", 1)
    path = setup.container.log.directory / "1.log"
    files = StreamFiles(other, str(path), frozenset({"google"}), setup.clock, holding.counters, holding.hold.links)
    setup.container.log.rename().unlink()
    setup.container.log.reopen()
    setup.clock.advance(1.0)
    path.write_bytes(f"{rfc3339nano(int(setup.clock.now() * 1e9))} stdout F x\n".encode() * 8000)
    files.refresh()
    path.unlink()
    files.refresh()
    for _ in range(2):
        setup.clock.advance(1.0)
        setup.container.write(3000)
        setup.container.log.rotate()
        holding.look()
    everything = [files, holding.files]
    holding.hold.check(everything)
    (oldest, compressed, _) = holding.files.generations[:3]
    total = sum(holding.hold._bytes.values())

    def check(budget: int) -> list[str | None]:
        less = Hold(str(holding.path), budget, str(holding.root), setup.clock, holding.counters)
        for changed in less.check(everything):
            changed.refresh()
        return [oldest.given_up, files.generations[0].given_up if files.generations else "forgotten"]

    assert compressed.path.startswith(str(holding.path))
    assert check(total - 1) == [None, None]
    assert compressed.path.endswith(".gz"), "what kubelet has as well"
    assert check(400_000) == ["budget", None], "the older of two of which either would do"
    assert check(1)[1] == "budget"
    for generation in files.generations:
        generation.leave("google")


def test_descriptors_of_a_stream_that_is_gone_count(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    setup.container.write(1000)
    holding = setup.holding(0)
    setup.container.remove()
    holding.look()
    assert holding.files.gone
    told: list[bool] = []
    holding.files.changed.append(lambda: told.append(True))
    holding.hold.gone(holding.files)
    assert holding.hold.check([]) == []
    assert "outrider_held_files 1" in holding.counters.exposition()
    assert not told
    monkeypatch.setattr(hold_module, "DESCRIPTORS", 1)
    less = Hold(str(setup.base / "held"), 0, str(setup.base / "pods"), setup.clock, holding.counters)
    less.gone(holding.files)
    assert less.check([]) == [], "there is nothing to look at any more"
    assert told
    setup.clock.advance(1.0)
    holding.read()
    assert holding.lost_by("google") == {"descriptors": sum(setup.container.sizes)}
    less.check([])
    assert "outrider_held_files 0" in holding.counters.exposition()


def test_a_reader_that_leaves_is_not_waited_for(setup: Setup) -> None:
    holding = setup.holding(UNLIMITED, "a", "b")
    setup.rotations(holding, 10)
    holding.files.leave("b")
    setup.rotations(holding, 2)
    for _ in range(8):
        setup.clock.advance(1.0)
        holding.read("a")
        holding.ack("a")
        holding.check()
    assert holding.links() == []
    holding.close()


# -- where links cannot be made ---------------------------------------------------------------------------------------


def other_file_system(than: Path) -> Path | None:
    shm = Path("/dev/shm")
    if shm.is_dir() and os.access(shm, os.W_OK) and shm.stat().st_dev != than.stat().st_dev:
        return Path(tempfile.mkdtemp(dir=shm))
    return None


def test_another_file_system(setup: Setup, caplog: pytest.LogCaptureFixture) -> None:
    elsewhere = other_file_system(setup.base)
    if elsewhere is None:
        pytest.skip("there is no second file system here")
    try:
        setup.container.write(5)
        holding = setup.holding(hold=elsewhere)
        setup.rotations(holding, 10)
        said = [r.message for r in caplog.records if "logs.hold.path" in r.message]
        assert len(said) == 1, "once"
        assert "EXDEV" in said[0] and "cross mounts" in said[0]
        assert holding.counters.value("outrider_hold_errors_total", error="EXDEV") >= 10
        assert os.listdir(elsewhere) == []
        holding.pass_time(4, read=True)
        assert setup.container.missing([c for _, c in holding.emitted["google"]]) == [], "descriptors do it"
    finally:
        shutil.rmtree(elsewhere)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.EROFS, "one mount"),
        (errno.EACCES, "allowed to write"),
        (errno.EPERM, "CAP_FOWNER"),
        (errno.ENOSPC, "disk is full"),
        (errno.EDQUOT, "quota"),
        (errno.EOPNOTSUPP, "no hard links"),
    ],
)
def test_a_link_that_is_refused_is_said_counted_and_tried_again(
    setup: Setup, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: int, words: str
) -> None:
    """The tests may run as root, whom nothing is refused: link(2) is patched."""

    def refuse(_: Generation, to: str) -> None:
        raise OSError(code, os.strerror(code), to)

    monkeypatch.setattr("outrider.tail.links._protected", lambda: True)
    setup.container.write(5)
    with monkeypatch.context() as patch:
        patch.setattr(Generation, "link", refuse)
        holding = setup.holding()
        holding.look()
    assert holding.counters.value("outrider_hold_errors_total", error=errno.errorcode[code]) == 2
    said = [r.message for r in caplog.records if "logs.hold.path" in r.message]
    assert len(said) == 1
    assert words in said[0] and errno.errorcode[code] in said[0] and str(holding.path) in said[0]
    assert holding.links() == []
    holding.look()
    assert len(holding.links()) == 1


def test_a_hold_inside_the_tree_makes_no_links(setup: Setup, caplog: pytest.LogCaptureFixture) -> None:
    holding = setup.holding(hold=setup.base / "pods" / "held")
    setup.rotations(holding, 3)
    assert "logs.hold.path" in caplog.text and "beside" in caplog.text
    assert holding.links() == []


def test_a_directory_that_cannot_be_listed_leaves_the_links_alone(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    holding = setup.holding()
    setup.rotations(holding, 8)
    links = holding.links()
    with monkeypatch.context() as patch:
        patch.setattr("outrider.tail.files.look", _refused)
        patch.setattr("outrider.tail.links.Links.names", _refused)
        holding.look()
        assert holding.files.troubled
    again = holding.restarted()
    with monkeypatch.context() as patch:
        patch.setattr("outrider.tail.files.look", _refused)
        fresh = again.restarted()
        assert fresh.links() == links, "what cannot be identified may be the last name of an unread file"
    fresh.look()
    fresh.pass_time(LINGER + 3, read=True)
    assert setup.container.missing([c for _, c in fresh.emitted["google"]]) == []


def _refused(*_: object) -> None:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def test_a_damaged_rotation_does_not_keep_the_links_of_others(setup: Setup) -> None:
    holding = setup.holding()
    setup.rotations(holding, 10)
    setup.container.log.path.with_name("0.log.20000101-000000.gz").write_bytes(b"this is not gzip")
    holding.pass_time(LINGER + 3, read=True)
    assert holding.files.troubled
    assert holding.links() == []


def test_a_link_with_a_wrong_name_stays_while_no_better_one_can_be_made(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Truncated and written to again while the collector was down, then the pod was deleted; and the disk is full."""
    setup.container.write(5)
    holding = setup.holding()
    holding.close()
    os.truncate(setup.container.log.path, 0)
    setup.container.write(3)
    setup.container.remove()
    with monkeypatch.context() as patch:
        patch.setattr(Generation, "link", _refused)
        holding.restarted().close()
        again = holding.restarted()
        assert len(again.links()) == 1
    again.clock.advance(1.0)
    assert numbers(again.read()) == {5, 6, 7}


# -- losses for other reasons -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("harm", "known"), [("cut", False), ("ones", True)])
def test_a_damaged_gzip_is_counted_as_far_as_its_size_is_known(
    setup: Setup, caplog: pytest.LogCaptureFixture, harm: str, known: bool
) -> None:
    setup.container.write(5000)
    path = setup.container.log.rename()
    data = gzip.compress(path.read_bytes())
    path.unlink()
    setup.container.log.reopen()
    path.with_name(path.name + ".gz").write_bytes(
        {"cut": data[: len(data) // 2], "ones": data[:5000] + b"\xff" * 1000 + data[6000:]}[harm]
    )
    holding = setup.holding()
    holding.pass_time(5, read=True)
    missing = setup.container.missing([c for _, c in holding.emitted["google"]])
    assert missing
    lost = holding.lost_by("google")
    assert lost.keys() == {"damaged"}
    (stood,) = map(int, re.findall(r"behind byte (\d+)", caplog.text))
    assert lost["damaged"] == (sum(setup.container.sizes) - stood if known else 0)
    assert holding.counters.value("outrider_lost_generations_total", exporter="google") == 1


def test_a_truncation_without_a_copy_is_counted_as_far_as_it_was_looked_at(setup: Setup) -> None:
    setup.container.write(5000)
    holding = setup.holding()
    read = numbers(holding.read(turns=1))
    os.truncate(setup.container.log.path, 0)
    setup.container.write()
    holding.look()
    holding.pass_time(4, read=True)
    missing = setup.container.missing([c for _, c in holding.emitted["google"]])
    assert missing == list(range(len(read), 5000))
    assert holding.lost_by("google") == {"truncated": setup.container.bytes_of(missing)}


# -- any history ------------------------------------------------------------------------------------------------------


class History(RuleBasedStateMachine):
    """Two exporters, one container, any budget: for each exporter what was answered for and what was counted as lost
    is what was written, to the byte, and what came out twice was the same twice.

    A loss is counted when its reader gets there, in memory; so before a kill (and one that would lose what only
    descriptors hold) the readers get there.
    """

    EXPORTERS = ("a", "b")

    @initialize(budget=st.sampled_from([0, 1, 30_000, UNLIMITED]), max_files=st.integers(2, 4))
    def begin(self, budget: int, max_files: int) -> None:
        self.before = open_descriptors()
        self.base = Path(tempfile.mkdtemp())
        self.clock = ManualClock()
        self.container = Container(self.base, self.clock, max_files)
        self.holding = Holding(self.base, self.clock, budget, self.EXPORTERS)
        self.removed = False
        self.said: dict[str, dict[Identity, bytes]] = {name: {} for name in self.EXPORTERS}
        self.answered: dict[str, list[bytes]] = {name: [] for name in self.EXPORTERS}
        self.lost = dict.fromkeys(self.EXPORTERS, 0)
        self.copies = self.renames = False

    def teardown(self) -> None:
        if hasattr(self, "base"):
            try:
                self._end()
            finally:
                self.holding.close()
                self.container.log.close()
                shutil.rmtree(self.base)

    @precondition(lambda self: not self.removed)
    @rule(lines=st.integers(1, 40), width=st.sampled_from([60, 1000]))
    def write(self, lines: int, width: int) -> None:
        self.container.write(lines, width)

    @precondition(lambda self: not self.removed and not self.copies)
    @rule(times=st.integers(1, 4))
    def rotate(self, times: int) -> None:
        self.renames = True
        for _ in range(times):
            self.container.write(3)
            self.holding.look()
            self.container.log.rotate()
            self.clock.advance(1.0)
            self.holding.look()

    @precondition(lambda self: not self.removed and not self.renames)
    @rule()
    def copytruncate(self) -> None:
        self.copies = True
        self.container.write(3)
        self.holding.look()
        self.container.log.copytruncate()
        self.holding.look()

    @precondition(lambda self: not self.removed)
    @rule()
    def remove_the_pod(self) -> None:
        self.container.write()
        self.holding.look()
        self.container.remove()
        self.removed = True
        self.holding.look()

    @rule()
    def look(self) -> None:
        self.holding.look()

    @rule(seconds=st.integers(1, 6))
    def time_passes(self, seconds: int) -> None:
        self.holding.pass_time(seconds)

    @rule(exporter=st.sampled_from(EXPORTERS), turns=st.integers(1, 6))
    def read(self, exporter: str, turns: int) -> None:
        self.holding.read(exporter, turns)

    @rule(exporter=st.sampled_from(EXPORTERS), which=st.lists(st.integers(0, 5), max_size=4))
    def answer(self, exporter: str, which: list[int]) -> None:
        self.holding.ack(exporter, *which)

    @rule(budget=st.sampled_from([0, 1, 30_000, UNLIMITED]), away=st.sampled_from(["", "write", "rotate", "remove"]))
    def kill_and_restart(self, budget: int, away: str) -> None:
        if self.removed:
            away = ""
        if away:
            self.container.write()
        self.holding.look()  # a file that nobody saw before the kill has no link
        if self.holding.budget < UNLIMITED:
            self.holding.pass_time(8, read=True)
        if away == "rotate" and not self.copies and self.holding.budget:
            self.container.log.rotate()
            self.container.write()
            self.renames = True
        elif away == "write":
            self.container.write(5)
        elif away == "remove" and self.holding.budget:
            self.container.remove()
            self.removed = True
        self._note()
        self.holding.save()
        self.holding = self.holding.restarted(budget)

    def _note(self) -> None:
        for name in self.EXPORTERS:
            for identity, content in self.holding.emitted[name]:
                assert self.said[name].setdefault(identity, content) == content, identity
            self.answered[name] += self.holding.answered(name)
            self.lost[name] += self.holding.lost(name)

    def _end(self) -> None:
        self.holding.look()
        self.holding.pass_time(LINGER + 8, read=True)
        if not self.removed:
            self.remove_the_pod()
            self.holding.pass_time(LINGER + 8, read=True)
        self._note()
        for name in self.EXPORTERS:
            missing = self.container.missing(self.answered[name])
            assert self.lost[name] == self.container.bytes_of(missing), name
            assert self.holding.readers[name].ended
        assert (self.holding.files.gone, self.holding.links()) == (True, [])
        assert open_descriptors() == self.before


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_messages_are_not_repeated_for_every_file(setup: Setup, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    holding = setup.holding()
    setup.rotations(holding, 10)
    assert [r.message for r in caplog.records] == []
    assert holding.lost() == 0
