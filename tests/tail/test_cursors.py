"""Cursors on disk: whole or not there, and whatever is wrong with the disk, delivery can go on."""

import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from outrider.model.counters import Counters
from outrider.model.files import read_state, write_state
from outrider.tail.cursors import Cursors, Place
from tests.support.small_disk import largest_file

PLACES: dict[str, Place] = {
    "18b000000000000000000001": (4711, "2026-05-16T09:19:06Z"),
    "18b000000000000000000002": (0, ""),
}


def cursors(path: Path, counters: Counters | None = None) -> Cursors:
    made = Cursors(path, counters or Counters(), "google")
    made.load()
    return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "cursors-google.json"


def test_what_was_saved_is_there_after_a_restart(path: Path) -> None:
    first = cursors(path)
    first.set("a/b/0", PLACES)
    assert first.save()
    second = cursors(path)
    assert second.get("a/b/0") == PLACES
    assert second.get("a/b/1") == {}


def test_nothing_is_written_when_nothing_changed(path: Path) -> None:
    first = cursors(path)
    assert first.save()
    assert not path.exists()
    first.set("a/b/0", PLACES)
    first.save()
    path.unlink()
    assert first.save()
    assert not path.exists()
    first.drop("never there")
    assert first.save()
    assert not path.exists()


def test_what_a_caller_does_with_its_copy_changes_nothing(path: Path) -> None:
    first = cursors(path)
    first.set("a/b/0", dict(PLACES))
    first.get("a/b/0").clear()
    assert first.get("a/b/0") == PLACES


def test_streams_that_are_gone_are_dropped(path: Path) -> None:
    first = cursors(path)
    for stream in ("a/b/0", "a/b/1", "a/b/2"):
        first.set(stream, PLACES)
    first.save()
    second = cursors(path)
    second.get("a/b/0")
    second.get("a/b/1")
    second.drop("a/b/1")
    second.drop_untouched()
    second.save()
    assert set(read_state(path) or ()) == {"a/b/0"}


# -- what can be wrong with the file ----------------------------------------------------------------------------------


@pytest.mark.parametrize("harm", ["empty", "cut", "flipped", "noise", "zeros", "version"])
def test_a_corrupt_file_is_set_aside_and_said(path: Path, caplog: pytest.LogCaptureFixture, harm: str) -> None:
    first = cursors(path)
    first.set("a/b/0", PLACES)
    first.save()
    whole = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "cut": whole[: len(whole) // 2],
            "flipped": whole.replace(b"4711", b"4712"),
            "noise": os.urandom(200),
            "zeros": bytes(len(whole)),
            "version": whole.replace(b'"version":1', b'"version":2'),
        }[harm]
    )
    damaged = path.read_bytes()
    counters = Counters()
    second = cursors(path, counters)
    assert second.get("a/b/0") == {}
    assert counters.value("outrider_state_corrupt_total", exporter="google") == 1
    kept = path.with_name(path.name + ".corrupt-0")
    assert kept.read_bytes() == damaged
    assert str(kept) in caplog.text
    second.set("a/b/0", PLACES)
    assert second.save()
    assert cursors(path).get("a/b/0") == PLACES


@pytest.mark.parametrize(
    "body",
    [
        [],
        "text",
        7,
        {"a/b/0": []},
        {"a/b/0": {"key": 5}},
        {"a/b/0": {"key": []}},
        {"a/b/0": {"key": [1]}},
        {"a/b/0": {"key": [1, "t", 2]}},
        {"a/b/0": {"key": ["1", "t"]}},
        {"a/b/0": {"key": [1.5, "t"]}},
        {"a/b/0": {"key": [True, "t"]}},
        {"a/b/0": {"key": [None, "t"]}},
        {"a/b/0": {"key": [1, 2]}},
        {"a/b/0": {"key": [-1, "t"]}},
        {"a/b/0": {"key": [1 << 48, "t"]}},
        {"a/b/0": {"key": [1e300, "t"]}},
        {"good": {"key": [1, "t"]}, "a/b/0": {"key": {"offset": 1}}},
    ],
)
def test_json_of_another_shape_is_set_aside_and_said(path: Path, caplog: pytest.LogCaptureFixture, body: Any) -> None:
    path.parent.mkdir()
    write_state(path, body)
    counters = Counters()
    loaded = cursors(path, counters)
    assert loaded.get("a/b/0") == {}
    assert counters.value("outrider_state_corrupt_total") == 1
    assert path.with_name(path.name + ".corrupt-0").exists()
    assert "does not hold cursors" in caplog.text


def test_a_path_that_cannot_be_read_is_said(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.mkdir(parents=True)
    counters = Counters()
    assert cursors(path, counters).get("a/b/0") == {}
    assert counters.value("outrider_state_corrupt_total") == 1
    assert "cursors could not be read" in caplog.text


# -- what can be wrong with the disk ----------------------------------------------------------------------------------


def refuse(code: int) -> Any:
    def call(*_: Any, **__: Any) -> Any:
        raise OSError(code, os.strerror(code))

    return call


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_failed_save_is_counted_said_once_and_tried_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, call: str, code: int
) -> None:
    """The kernel's answers are patched in: a read-only or broken disk cannot be had without mounting one."""
    counters = Counters()
    first = cursors(path, counters)
    first.set("a/b/0", PLACES)
    first.save()
    first.set("a/b/1", PLACES)
    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse(code))
        assert [first.save() for _ in range(3)] == [False, False, False]
    assert cursors(path).get("a/b/1") == {}
    assert cursors(path).get("a/b/0") == PLACES, "the old file is untouched"
    assert counters.value("outrider_state_write_errors_total", exporter="google") == 3
    assert caplog.text.count("cursors cannot be saved") == 1
    assert first.save()
    assert "saved again" in caplog.text
    assert cursors(path).get("a/b/1") == PLACES
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_disk_that_fills_up_in_the_middle_of_a_write(path: Path) -> None:
    first = cursors(path)
    first.set("a/b/0", PLACES)
    first.save()
    first.set("a/b/1", {f"{n:024x}": (n, "2026-05-16T09:19:06Z") for n in range(1000)})
    with largest_file(4096):
        assert not first.save()
    assert cursors(path).get("a/b/0") == PLACES
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert first.save()
    assert len(cursors(path).get("a/b/1")) == 1000


def test_state_that_is_no_directory(path: Path) -> None:
    path.parent.write_bytes(b"")
    counters = Counters()
    first = cursors(path, counters)
    first.set("a/b/0", PLACES)
    assert not first.save()
    assert first.get("a/b/0") == PLACES
    assert counters.value("outrider_state_write_errors_total") == 1


# -- threads ----------------------------------------------------------------------------------------------------------


def test_pump_and_saver_at_once(path: Path) -> None:
    shared = cursors(path)
    stop = threading.Event()
    seen: list[int] = []

    def save() -> None:
        while not stop.is_set():
            assert shared.save()
            if path.exists():
                body = read_state(path)
                assert body is not None
                seen.append(min(body[stream]["k"][0] for stream in body))

    saver = threading.Thread(target=save)
    saver.start()
    try:
        for n in range(2000):
            shared.set(f"s/{n % 7}/0", {"k": (n, "t")})
    finally:
        stop.set()
        saver.join()
    assert shared.save()
    assert seen == sorted(seen), "no save went back"
    body = read_state(path)
    assert body is not None
    assert sorted(body[stream]["k"][0] for stream in body) == list(range(1993, 2000))
