"""inotify through libc, on a real kernel."""

import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from outrider.tail.inotify import Event, Inotify
from tests.support.descriptors import open_descriptors


@pytest.fixture
def inotify() -> Iterator[Inotify]:
    made = Inotify()
    yield made
    made.close()


@pytest.fixture
def wake() -> Iterator[tuple[int, int]]:
    out, in_ = os.pipe2(os.O_NONBLOCK)
    yield out, in_
    os.close(out)
    os.close(in_)


def read(inotify: Inotify, wake: tuple[int, int], timeout: float = 0.0) -> list[Event]:
    return inotify.read(timeout, wake[0])


@pytest.mark.parametrize("what", ["create", "remove", "rename in", "rename out", "mkdir", "link"])
def test_a_directory_tells_of_names(inotify: Inotify, wake: tuple[int, int], tmp_path: Path, what: str) -> None:
    watched, other = tmp_path / "watched", tmp_path / "other"
    watched.mkdir()
    other.mkdir()
    (watched / "old").write_bytes(b"")
    (other / "new").write_bytes(b"")
    watch = inotify.directory(str(watched))
    match what:
        case "create":
            (watched / "x").write_bytes(b"")
        case "remove":
            (watched / "old").unlink()
        case "rename in":
            (other / "new").rename(watched / "new")
        case "rename out":
            (watched / "old").rename(other / "old")
        case "mkdir":
            (watched / "d").mkdir()
        case "link":
            (watched / "l").symlink_to("nowhere")
    assert {e.watch for e in read(inotify, wake, 1.0)} == {watch}


def test_writes_to_files_are_no_news_of_their_directory(
    inotify: Inotify, wake: tuple[int, int], tmp_path: Path
) -> None:
    path = tmp_path / "0.log"
    path.write_bytes(b"")
    inotify.directory(str(tmp_path))
    with open(path, "ab") as f:
        f.write(b"line\n")
    assert path.read_bytes()
    assert read(inotify, wake) == []


@pytest.mark.parametrize("what", ["write", "rename", "remove"])
def test_a_quiet_file_speaks_once(inotify: Inotify, wake: tuple[int, int], tmp_path: Path, what: str) -> None:
    path = tmp_path / "0.log"
    path.write_bytes(b"")
    watch = inotify.once(str(path))
    assert read(inotify, wake) == []
    match what:
        case "write":
            for _ in range(3):
                with open(path, "ab") as f:
                    f.write(b"line\n")
        case "rename":
            path.rename(tmp_path / "0.log.1")
        case "remove":
            path.unlink()
    events = read(inotify, wake, 1.0)
    assert events[0] == Event(watch, ended=False, overflow=False)
    assert events[1:] == [Event(watch, ended=True, overflow=False)], "one shot: the kernel took the watch away"


def test_a_directory_that_is_removed_ends_its_watch(inotify: Inotify, wake: tuple[int, int], tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    watch = inotify.directory(str(tmp_path / "d"))
    (tmp_path / "d").rmdir()
    assert read(inotify, wake, 1.0)[-1] == Event(watch, ended=True, overflow=False)


def test_watching_again_is_the_same_watch(inotify: Inotify, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    assert inotify.directory(str(tmp_path)) == inotify.directory(str(tmp_path / "link"))


@pytest.mark.parametrize(("name", "code"), [("missing", errno.ENOENT), ("file", errno.ENOTDIR)])
def test_what_cannot_be_watched_says_why(inotify: Inotify, tmp_path: Path, name: str, code: int) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError) as raised:
        inotify.directory(str(tmp_path / name))
    assert raised.value.errno == code
    assert str(tmp_path / name) in str(raised.value)


def test_waiting_ends_with_a_wake_up(inotify: Inotify, wake: tuple[int, int]) -> None:
    os.write(wake[1], b"!")
    start = time.monotonic()
    assert read(inotify, wake, 30.0) == []
    assert time.monotonic() - start < 5.0


def test_lost_events_are_said(inotify: Inotify, wake: tuple[int, int], tmp_path: Path) -> None:
    with open("/proc/sys/fs/inotify/max_queued_events") as f:
        room = int(f.read())
    inotify.directory(str(tmp_path))
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_bytes(b"")
    for _ in range(room // 2 + 10):
        path.rename(other)
        path, other = other, path
    events: list[Event] = []
    while more := read(inotify, wake):
        events += more
    assert events[-1].overflow
    assert sum(e.overflow for e in events) == 1


def test_names_that_are_no_text_can_be_watched(inotify: Inotify, tmp_path: Path) -> None:
    directory = os.fsencode(tmp_path) + b"/\xff\xfe"
    os.mkdir(directory)
    assert inotify.directory(os.fsdecode(directory)) > 0


def test_closing_gives_the_descriptor_back() -> None:
    before = open_descriptors()
    Inotify().close()
    assert open_descriptors() == before
