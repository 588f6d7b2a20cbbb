"""Files that a program writes by itself: which log a name belongs to, what a line's time is, and what tells files
apart that begin alike.
"""

import os
from pathlib import Path

import pytest

from outrider.model.clock import ManualClock
from outrider.model.counters import Counters
from outrider.model.stream import Stream
from outrider.tail.files import StreamFiles
from outrider.tail.forms import PLAIN
from outrider.tail.plain import identify, log_of, numbered_of, split


@pytest.mark.parametrize(
    ("name", "log"),
    [
        ("app.log", "app.log"),
        ("app.log.1", "app.log"),
        ("app.log.2.gz", "app.log"),
        ("app.log.gz", "app.log"),
        ("app.log-20260516", "app.log"),
        ("app.log-20260516-1778923146.gz", "app.log"),
        ("app.log.2026-05-16.0.gz", "app.log"),
        ("app.log.2026-05-16-09", "app.log"),
        ("app-2026-05-16T09-19-06.315.log", "app.log"),
        ("app-2026-05-16T09-19-06.315.log.gz", "app.log"),
        ("catalina.2026-05-16.log", "catalina.log"),
        ("app-05-16-2026.log.gz", "app.log"),
        ("app-05-16-2026-2.log.gz", "app.log"),
        ("app-16-05-2026.log", "app-16-05-2026.log"),
        ("access_log.1", "access_log"),
        ("app.log.old", "app.log"),
        ("service.1.log", "service.1.log"),
        ("worker-1", "worker-1"),
        ("10.0.0.1", "10.0.0.1"),
        ("pid-12345678.log", "pid-12345678.log"),
        ("x.20261332.log", "x.20261332.log"),
        ("app.log.xz", None),
        ("app.log.tmp", None),
    ],
)
def test_names(name: str, log: str | None) -> None:
    assert log_of(name) == log


@pytest.mark.parametrize(
    ("name", "log"),
    [
        ("app-1.log", "app.log"),
        ("app.12.log.gz", "app.log"),
        ("app_3.json", "app.json"),
        ("app-123456.log", None),
        ("app-1.log.xz", None),
        ("app1.log", None),
        ("app.log", None),
        ("10.1.log", None),
    ],
)
def test_a_number_before_the_extension(name: str, log: str | None) -> None:
    assert numbered_of(name) == log


def test_lines() -> None:
    lines = split(b"2026-05-16T09:19:06.315Z a\r\n[2026-05-16T09:19:06+02:00] b\n\0\0c\n2026-05-16 09:19:06 d\n\n")
    assert lines.times == [b"2026-05-16T09:19:06.315Z", b"2026-05-16T09:19:06+02:00", b"", b"", b""]
    assert lines.contents[2:] == [b"c", b"2026-05-16 09:19:06 d", b""]
    assert b"".join(lines.raws).count(b"\n") == 5
    assert set(lines.tags) == {b"F"}


@pytest.mark.parametrize("start", [b"2026-05-16T09:19:06Z INFO x\n", b'{"a":1,"ts":"2026-05-16T09:19:06Z"}\n'])
def test_a_time_in_the_first_line_is_part_of_the_key(start: bytes) -> None:
    head = identify(start)
    assert head is not None
    assert int(head.key[:16], 16) == 1778923146 * 10**9
    assert head.timestamp == b"", "and stands in for no other line's"


class Volume:
    """One log and its rotations, looked at by hand."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        stream = Stream("shop", "web", "uid-1", "web", 0, str(directory / "app.log"))
        self.files = StreamFiles(
            stream, stream.file, frozenset({"google"}), ManualClock(), Counters(), form=PLAIN
        )  # fmt: skip

    def write(self, name: str, text: str, age: int = 0) -> None:
        (self.directory / name).write_text(text)
        os.utime(self.directory / name, (1_780_000_000 - age,) * 2)

    def look(self) -> list[str]:
        """The names of the generations' files, in the order of reading."""
        self.files.refresh()
        return [os.path.basename(g.path) for g in self.files.generations]


def test_a_header_at_the_top_of_every_file_does_not_make_them_one(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    volume.write("app.log.2", "#header\n1\n", age=20)
    volume.write("app.log.1", "#header\n2\n", age=10)
    volume.write("app.log", "#header\n")
    assert volume.look() == ["app.log.2", "app.log.1", "app.log"]
    keys = [g.key for g in volume.files.generations]
    assert len(set(keys)) == 3
    (tmp_path / "app.log").rename(tmp_path / "app.log.0")
    volume.write("app.log", "#header\n")
    assert volume.look() == ["app.log.2", "app.log.1", "app.log.0", "app.log"]
    assert [g.key for g in volume.files.generations][:3] == keys


def test_a_copy_is_the_same_whatever_it_begins_with(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    volume.write("app.log", "#header\n1\n2\n")
    assert volume.look() == ["app.log"]
    volume.write("app.log.1", "#header\n1\n")
    assert volume.look() == ["app.log"], "a copy that is being made"
    volume.write("app.log.1", "#header\n1\n2\n")
    volume.write("app.log", "another\n")
    assert volume.look() == ["app.log.1", "app.log"]
