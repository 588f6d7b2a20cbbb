"""Wherever the thread of a reader or of the watcher stands still, whatever happens meanwhile: every line is read once.

Two threads share the files of a stream. With `sys.settrace` one of them is stopped before each line of its code in turn
(the first times that it gets there, and not where it holds a lock that the other needs), and all that the other and the
program do happens there. So this is every way in which they can get in between each other once, and none of it is left
to chance.
"""

import gzip
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, product
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import outrider.tail
from outrider.tail.forms import PLAIN, RUNTIME, Form
from outrider.tail.generation import LATEST_LOOK
from outrider.tail.reader import LATE_WRITES
from tests.support.following import Following

CODE = str(Path(outrider.tail.__file__).parent)
OFTEN = 2
"""How many times one line is a place of its own."""


def standing_still(
    call: Callable[[], object], place: int, meanwhile: Callable[[], None], held: Callable[[], bool]
) -> str:
    """Make the call, and let something happen before the line number `place` of it, or the next one where no lock is
    `held`. Where that was; empty if the call was over before.
    """
    left, where = place, ""
    visits: Counter[str] = Counter()

    def at_line(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left, where
        if event == "line" and not where:
            line = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
            visits[line] += 1
            left -= visits[line] <= OFTEN
            if left < 0 and not held():
                where = line
                sys.settrace(None)
                meanwhile()
        return at_line

    def at_call(frame: FrameType, _event: str, _: Any) -> Any:
        return at_line if frame.f_code.co_filename.startswith(CODE) and not where else None

    before = sys.gettrace()
    sys.settrace(at_call)
    try:
        call()
    finally:
        sys.settrace(before)
    return where


class World:
    """A program that writes numbered lines, somebody who rotates its log, and who reads it."""

    def __init__(self, directory: Path, form: Form) -> None:
        directory.mkdir()
        self.live, self.directory, self.form = directory / "0.log", directory, form
        self.written = self.rotations = 0
        self.live.touch()
        self.following = Following(directory, form=form)

    def write(self, path: Path | None = None) -> None:
        with open(path or self.live, "ab") as f:
            f.write(b"2026-05-16T09:19:%02dZ stdout F %d\n" % (self.written, self.written))
        self.written += 1

    def rotate(self) -> Path:
        self.rotations += 1
        return self.live.rename(self.directory / f"0.log.{self.rotations}")

    def pack(self, path: Path) -> None:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()

    def copy_and_truncate(self) -> None:
        self.rotations += 1
        shutil.copy(self.live, self.directory / f"0.log.{self.rotations}")
        self.live.write_bytes(b"")

    def remove_all(self) -> None:
        for path in self.directory.iterdir():
            path.unlink()

    def look(self) -> None:
        """As the watcher does: one of which no file is left is not looked at again."""
        if not self.following.files.gone:
            self.following.look()

    def take(self) -> None:
        self.following.take()

    def take_all(self) -> None:
        """As the pump does: a reader that says that its stream has ended is not asked again."""
        while not self.following.reader.ended and self.following.take():
            pass

    def held(self) -> bool:
        return any(generation._lock.locked() for generation in self.following.files.generations)

    def finished(self) -> list[int]:
        """The numbers of all lines that came out in the end. What is written once a stream has ended begins another."""
        for seconds in (0.0, 1.0, LATE_WRITES, LATEST_LOOK, 1.0, LATE_WRITES):
            self.following.clock.advance(seconds)
            self.look()
            self.take_all()
        self.following.ack()
        assert not self.following.unacknowledged()
        again = Following(self.directory, places=self.following.places, form=self.form)
        again.read_over(1 if self.following.reader.ended else 0)
        assert self.following.reader.ended or not again.emitted
        again.close()
        self.following.close()
        return [int(record[3].rsplit(b" ", 1)[-1]) for _, record in self.following.emitted + again.emitted]


Step = Callable[[World], None]


def everywhere(directory: Path, form: Form, before: Step, call: Step, meanwhile: Step) -> Iterator[tuple[str, World]]:
    """A world for each place at which `call` can be stopped, after `meanwhile` has happened there."""
    for place in count():
        world = World(directory / str(place), form)
        before(world)
        where = standing_still(partial(call, world), place, partial(meanwhile, world), world.held)
        if not where:
            break
        yield where, world
    assert place > 10


# -- what there is before ---------------------------------------------------------------------------------------------


def nothing(_: World) -> None:
    """An empty log."""


def unread(w: World) -> None:
    w.write()
    w.look()


def at_the_end(w: World) -> None:
    unread(w)
    w.take_all()


def at_the_end_of_a_rotated_one(w: World) -> None:
    at_the_end(w)
    w.rotate()
    w.write()
    w.look()
    w.following.clock.advance(LATE_WRITES)


# -- what happens meanwhile -------------------------------------------------------------------------------------------


def a_line(w: World) -> None:
    w.write()


def a_rotation(w: World) -> None:
    w.write()
    w.rotate()
    w.write()


def two_rotations(w: World) -> None:
    a_rotation(w)
    a_rotation(w)


def a_rotation_and_compression(w: World) -> None:
    w.write()
    old = w.rotate()
    w.write()
    w.pack(old)


def a_rotation_seen_in_between(w: World) -> None:
    w.write()
    w.rotate()
    w.look()
    w.live.touch()
    w.look()
    w.write()


def a_rotation_taken_back(w: World) -> None:
    w.write()
    old = w.rotate()
    w.look()
    w.write(old)
    old.rename(w.live)
    w.write()


def a_copy_and_truncation(w: World) -> None:
    w.write()
    w.copy_and_truncate()
    w.write()


def the_end(w: World) -> None:
    w.write()
    w.look()
    w.remove_all()


def late_lines(w: World) -> None:
    """As programs may write to what was rotated; runtimes do not."""
    for old in w.directory.glob("0.log.[0-9]"):
        w.write(old)


BEFORE = (nothing, unread, at_the_end, at_the_end_of_a_rotated_one)
MEANWHILE = (
    a_line,
    a_rotation,
    two_rotations,
    a_rotation_and_compression,
    a_rotation_seen_in_between,
    a_rotation_taken_back,
    a_copy_and_truncation,
    the_end,
)


@pytest.mark.parametrize(
    ("form", "before", "meanwhile"),
    [
        *product((RUNTIME, PLAIN), BEFORE, MEANWHILE),
        (PLAIN, at_the_end_of_a_rotated_one, late_lines),
    ],
)
def test_while_a_reader_stands_still(tmp_path: Path, form: Form, before: Step, meanwhile: Step) -> None:
    def meanwhile_and_look(world: World) -> None:
        meanwhile(world)
        world.look()

    for where, world in everywhere(tmp_path, form, before, World.take, meanwhile_and_look):
        found = world.finished()
        assert (sorted(found) if meanwhile is late_lines else found) == list(range(world.written)), where


# -- what a reader and the program do while the watcher stands still ---------------------------------------------------


def it_is_read(w: World) -> None:
    w.following.clock.advance(LATE_WRITES)
    w.take_all()


def it_is_read_and_written(w: World) -> None:
    it_is_read(w)
    w.write()


def it_is_read_and_rotated(w: World) -> None:
    it_is_read(w)
    a_rotation(w)


def it_is_read_and_written_late(w: World) -> None:
    it_is_read(w)
    late_lines(w)


@pytest.mark.parametrize(
    ("form", "meanwhile"),
    [
        (RUNTIME, it_is_read_and_written),
        (RUNTIME, it_is_read_and_rotated),
        (PLAIN, it_is_read_and_rotated),
        (PLAIN, it_is_read_and_written_late),
    ],
)
@pytest.mark.parametrize("pending", MEANWHILE)
def test_while_the_watcher_stands_still(tmp_path: Path, form: Form, pending: Step, meanwhile: Step) -> None:
    def before(world: World) -> None:
        at_the_end(world)
        pending(world)

    for where, world in everywhere(tmp_path, form, before, World.look, meanwhile):
        assert sorted(world.finished()) == list(range(world.written)), where


def test_what_is_lost_while_the_watcher_stands_still_is_counted_once(tmp_path: Path) -> None:
    def before(world: World) -> None:
        unread(world)
        world.live.write_bytes(b"")
        world.write()

    for where, world in everywhere(tmp_path, RUNTIME, before, World.look, it_is_read):
        assert world.finished() == [1], where
        assert world.following.counters.value("outrider_lost_generations_total") == 1, where
