"""StreamFiles on a real directory: which generations there are, their order, and that trouble is no disappearance."""

import errno
import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from outrider.model.clock import ManualClock
from outrider.model.counters import Counters
from outrider.model.stream import Stream
from outrider.tail import files as files_module
from outrider.tail.files import StreamFiles
from tests.support.descriptors import open_descriptors

STREAM = Stream("default", "web", "uid-1", "app", 0)
READERS = frozenset({"google"})


def line(second: int, content: str = "x") -> bytes:
    return f"2026-05-16T09:19:{second:02d}Z stdout F {content}\n".encode()


class Tree:
    """The directory of one container, and the stream in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock, self.counters = ManualClock(), Counters()
        self.files = StreamFiles(STREAM, str(directory / "0.log"), READERS, self.clock, self.counters)

    def write(self, name: str, data: bytes) -> Path:
        path = self.directory / name
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    def look(self) -> list[tuple[str, bool, bool]]:
        """Name, closed, gone of every generation after a look."""
        self.files.refresh()
        return [(os.path.basename(g.path), g.closed_at is not None, g.gone) for g in self.files.generations]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_generations_stand_in_the_order_in_which_they_were_begun(tree: Tree) -> None:
    tree.write("0.log", line(9))
    tree.write("0.log.b", line(7))
    tree.write("0.log.a", line(8))
    tree.write("0.log.c.gz", line(6))
    tree.write("0.log.d.gz.tmp", line(5))
    tree.write("1.log", line(4))
    assert tree.look() == [
        ("0.log.c.gz", True, False),
        ("0.log.b", True, False),
        ("0.log.a", True, False),
        ("0.log", False, False),
    ]
    assert tree.counters.value("outrider_rotations_total") == 3


def test_the_growing_one_stands_last_even_if_the_clock_went_back(tree: Tree) -> None:
    tree.write("0.log", line(5))
    tree.write("0.log.1", line(9))
    assert [name for name, *_ in tree.look()] == ["0.log.1", "0.log"]


def test_an_empty_or_half_written_file_is_waited_for(tree: Tree) -> None:
    path = tree.write("0.log", b"")
    assert (tree.look(), tree.files.gone, tree.files.unidentified) == ([], False, {str(path)})
    path.write_bytes(line(1)[:-1])
    assert (tree.look(), tree.files.unidentified) == ([], {str(path)})
    path.write_bytes(line(1))
    assert (tree.look(), tree.files.unidentified) == ([("0.log", False, False)], frozenset())


def test_a_rotation_closes_when_the_new_file_is_there(tree: Tree) -> None:
    path = tree.write("0.log", line(1))
    tree.look()
    path.rename(path.with_name("0.log.1"))
    assert tree.look() == [("0.log.1", False, False)]
    assert tree.files.growing() == {str(path), str(path.with_name("0.log.1"))}
    tree.clock.advance(7.0)
    tree.write("0.log", b"")
    assert tree.look() == [("0.log.1", True, False)]
    assert tree.files.generations[0].closed_at == tree.clock.monotonic()


def test_a_file_that_comes_back_grows_again(tree: Tree) -> None:
    path = tree.write("0.log", line(1))
    tree.look()
    path.rename(path.with_name("elsewhere"))
    assert (tree.look(), tree.files.gone) == ([("0.log", True, True)], True)
    path.with_name("elsewhere").rename(path)
    assert (tree.look(), tree.files.gone) == ([("0.log", False, False)], False)


def test_what_was_read_and_is_gone_is_forgotten(tree: Tree) -> None:
    before = open_descriptors()
    tree.write("0.log.1", line(1))
    tree.write("0.log", line(2))
    tree.look()
    tree.files.generations[0].leave("google")
    (tree.directory / "0.log.1").unlink()
    assert [name for name, *_ in tree.look()] == ["0.log"]
    tree.files.generations[0].leave("google")
    (tree.directory / "0.log").unlink()
    assert tree.look() == []
    assert open_descriptors() == before


def test_a_storm_of_rotations_leaves_no_descriptor(tree: Tree) -> None:
    before = open_descriptors()
    path = tree.directory / "0.log"
    for n in range(60):
        tree.write("0.log", line(n % 60, str(n)))
        tree.look()
        path.rename(path.with_name(f"0.log.{n:03}"))
        if n % 3 == 0:
            tree.look()
        if n > 3:
            old = path.with_name(f"0.log.{n - 3:03}")
            tree.write(f"{old.name}.gz", old.read_bytes())
            old.unlink()
        for generation in tree.files.generations[:-1]:
            generation.leave("google")
    for name in os.listdir(tree.directory):
        (tree.directory / name).unlink()
    for generation in tree.files.generations:
        generation.leave("google")
    assert tree.look() == []
    assert open_descriptors() == before


def test_whoever_wants_to_know_is_told(tree: Tree) -> None:
    told: list[int] = []
    tree.files.changed.append(lambda: told.append(len(tree.files.generations)))
    tree.write("0.log", line(1))
    tree.look()
    assert told == [1]


# -- trouble ----------------------------------------------------------------------------------------------------------


def failing(real: Callable[..., Any], name: str, error: int) -> Callable[..., Any]:
    """`real`, except for paths that end with `name`. (The tests may run as root, whom no mode bits stop.)"""

    def call(path: str, *rest: Any) -> Any:
        if str(path).endswith(name):
            raise OSError(error, os.strerror(error), path)
        return real(path, *rest)

    return call


@pytest.mark.parametrize("error", [errno.EMFILE, errno.EACCES, errno.EIO])
def test_a_file_that_cannot_be_opened_now_is_not_gone(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: int
) -> None:
    tree.write("0.log.1", line(1))
    path = tree.write("0.log", line(2))
    known = tree.look()
    with monkeypatch.context() as patch:
        patch.setattr(files_module, "look", failing(files_module.look, "", error))
        assert tree.look() == known
        assert (tree.files.gone, tree.files.troubled) == (False, True)
        path.rename(path.with_name("0.log.2"))
        assert tree.look() == [("0.log.1", True, False), ("0.log.2", False, False)]
    assert tree.counters.value("outrider_file_open_errors_total") == 4
    assert len([r for r in caplog.records if r.message.endswith(f"0.log: {os.strerror(error)}")]) == 1, "said once"
    tree.write("0.log", line(3))
    assert [closed for _, closed, _ in tree.look()] == [True, True, False]
    assert not tree.files.troubled


@pytest.mark.parametrize("error", [errno.EMFILE, errno.EACCES])
def test_a_directory_that_cannot_be_listed_leaves_everything_as_it_is(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    tree.write("0.log", line(1))
    known = tree.look()
    with monkeypatch.context() as patch:
        patch.setattr(files_module.os, "listdir", failing(os.listdir, tree.directory.name, error))
        assert tree.look() == known
        assert (tree.files.gone, tree.files.troubled) == (False, True)
    assert tree.look() == known
    assert not tree.files.troubled


@pytest.mark.parametrize("new_live", [True, False])
def test_a_file_renamed_between_the_listing_and_the_opening(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, new_live: bool
) -> None:
    path = tree.write("0.log", line(1))
    tree.look()
    real, renamed = files_module.look, path.with_name("0.log.1")

    def late(name: str, gz: bool, *rest: Any) -> Any:
        if name == str(path) and not renamed.exists():
            path.rename(renamed)
            if new_live:
                path.write_bytes(line(2))
        return real(name, gz, *rest)

    monkeypatch.setattr(files_module, "look", late)
    tree.look()
    assert not tree.files.gone
    monkeypatch.undo()
    assert tree.look() == [("0.log.1", new_live, False), ("0.log", False, False)][: 1 + new_live]


def test_a_file_that_never_holds_still_is_not_taken_for_gone(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.write("0.log", line(1))
    tree.look()
    monkeypatch.setattr(files_module, "look", failing(files_module.look, "0.log", errno.ENOENT))
    tree.look()
    assert not tree.files.gone
    monkeypatch.undo()
    assert tree.look() == [("0.log", False, False)]


def test_what_is_no_file_is_left_alone(tree: Tree) -> None:
    os.mkfifo(tree.directory / "0.log.1")
    (tree.directory / "0.log.2").mkdir()
    (tree.directory / "0.log.3").symlink_to("nowhere")
    assert (tree.look(), tree.files.gone, tree.files.troubled) == ([], True, False)


def test_a_damaged_rotation_does_not_hold_up_the_others(tree: Tree) -> None:
    tree.write("0.log.1", line(1))
    (tree.directory / "0.log.0.gz").write_bytes(b"this is not gzip")
    tree.write("0.log", line(2))
    assert [name for name, *_ in tree.look()] == ["0.log.1", "0.log"]
    assert tree.counters.value("outrider_file_open_errors_total") == 1


# -- links ------------------------------------------------------------------------------------------------------------


def test_a_log_that_is_a_link_has_its_rotations_beside_the_target(tmp_path: Path) -> None:
    docker, pod = tmp_path / "docker", tmp_path / "pod"
    docker.mkdir()
    pod.mkdir()
    tree = Tree(pod)
    (docker / "abc-json.log").write_bytes(line(3))
    (docker / "abc-json.log.1").write_bytes(line(2))
    (docker / "other.log").write_bytes(line(1))
    (pod / "0.log").symlink_to(docker / "abc-json.log")
    assert tree.look() == [("abc-json.log.1", True, False), ("0.log", False, False)]
    assert tree.files.directories() == [str(pod), str(docker)]
    (docker / "abc-json.log.1").rename(docker / "abc-json.log.2")
    (docker / "abc-json.log").rename(docker / "abc-json.log.1")
    assert [name for name, *_ in tree.look()] == ["abc-json.log.2", "abc-json.log.1"]
    (docker / "abc-json.log").write_bytes(line(4))
    assert tree.look()[-1] == ("0.log", False, False)


def test_a_linked_tree_is_one_directory(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    tree = Tree(tmp_path / "link")
    tree.write("0.log", line(2))
    tree.write("0.log.1", line(1))
    assert [name for name, *_ in tree.look()] == ["0.log.1", "0.log"]
    assert tree.files.directories() == [str(tmp_path / "link")]
