"""Files of a program that are written to after they were rotated: what comes late is read, and nothing is mixed up."""

import gzip
from pathlib import Path

import pytest

from outrider.tail.forms import PLAIN
from outrider.tail.generation import LATEST_LOOK, SOONEST_LOOK
from outrider.tail.reader import LATE_WRITES
from outrider.tail.records import PARTS_PATIENCE, Joining
from tests.support.following import Following

WAIT = Joining().wait


def append(path: Path, text: str) -> None:
    with open(path, "a") as f:
        f.write(text)


class Rotated(Following):
    """`0.log.1`, read to its end and let go, and a new `0.log`."""

    def __init__(self, directory: Path, joining: Joining | None = None) -> None:
        self.live, self.old = directory / "0.log", directory / "0.log.1"
        self.live.write_text("old\n")
        super().__init__(directory, form=PLAIN, joining=joining)
        self.live.rename(self.old)
        self.live.write_text("new\n")
        assert self.read_over(2 * WAIT) == [b"old", b"new"]
        self.ack()


def test_the_reader_goes_back_and_returns(tmp_path: Path) -> None:
    following = Rotated(tmp_path)
    for n in range(3):
        append(following.old, f"old {n}\n")
        append(following.live, f"new {n}\n")
        assert following.read_over(2 * LATE_WRITES + 1) == [b"new %d" % n, b"old %d" % n]
        places = following.ack()
    assert places is not None
    assert sorted(offset for offset, _ in places.values()) == [4 + 3 * 6, 4 + 3 * 6]
    assert len({identity for identity, _ in following.emitted}) == 8
    assert not following.unacknowledged()


@pytest.mark.parametrize("packed", [False, True])
def test_what_came_while_nobody_looked_is_found(tmp_path: Path, packed: bool) -> None:
    following = Rotated(tmp_path)
    append(following.old, "late\n")
    if packed:
        (tmp_path / "0.log.1.gz").write_bytes(gzip.compress(following.old.read_bytes()))
        following.old.unlink()
    assert following.read_over(1) == [b"late"]


def test_closed_files_are_looked_at_often_at_first_and_seldom_later(tmp_path: Path) -> None:
    following = Rotated(tmp_path)
    waited = []
    for age in (1.0, 10.0, 1000.0):
        following.clock.advance(age)
        following.files.look_back()
        following.read()
        append(following.old, f"after {age}\n")
        waited.append(0)
        while not following.read():
            following.clock.advance(SOONEST_LOOK)
            following.files.look_back()
            waited[-1] += 1
    assert waited[0] <= 4
    assert waited[-1] <= LATEST_LOOK
    assert waited == sorted(waited)


def test_an_unfinished_trace_is_not_continued_by_another_file(tmp_path: Path) -> None:
    following = Rotated(tmp_path)
    append(following.live, 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n')
    append(following.old, "    late, and indented\n")
    following.look()
    assert following.read() == []
    append(following.live, "ValueError: x\n")
    assert following.read_over(2 * WAIT) == [
        b'Traceback (most recent call last):\n  File "a.py", line 1, in f\nValueError: x',
        b"    late, and indented",
    ]


def test_a_record_that_is_never_whole_keeps_nobody_waiting(tmp_path: Path) -> None:
    """With a pattern the last record is open until the next begins, and a busy file always has one."""
    following = Rotated(tmp_path, Joining(pattern="^[a-z]"))
    append(following.old, "late\n")
    contents = []
    for n in range(int(PARTS_PATIENCE * WAIT * 2) + 4):
        append(following.live, f"new {n}\n")
        contents += following.read_over(0.5)
    assert b"late" in contents
    contents += following.read_over(2 * WAIT)
    assert sorted(contents) == sorted([b"late", *(b"new %d" % n for n in range(14))])
