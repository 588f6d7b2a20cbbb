"""State files: the old content or the new, never half of one; and no content can break the reader."""

import os
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outrider.model.files import CorruptStateError, read_state, set_aside, write_state
from tests.support.small_disk import largest_file

json = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 53), 1 << 53) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=10,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.json"


def test_a_missing_file_is_nothing(path: Path) -> None:
    assert read_state(path) is None


@settings(max_examples=50, deadline=None)
@given(json, json)
def test_what_was_written_last_is_read(tmp_path_factory: pytest.TempPathFactory, one: Any, two: Any) -> None:
    path = tmp_path_factory.mktemp("state") / "x.json"
    for body in (one, two):
        write_state(path, body)
        assert read_state(path) == body
    assert [p.name for p in path.parent.iterdir()] == ["x.json"]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_damage_goes_unnoticed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("state") / "x.json"
    write_state(path, {"stream": {"generation": [4711, "2026-05-16T09:19:06Z"]}})
    whole = path.read_bytes()
    start = data.draw(st.integers(0, len(whole) - 2))
    end = data.draw(st.integers(start + 1, len(whole) - 1))
    damaged = whole[:start] + data.draw(st.binary(max_size=30)) + whole[end:]
    path.write_bytes(damaged)
    try:
        assert read_state(path) == {"stream": {"generation": [4711, "2026-05-16T09:19:06Z"]}}
    except CorruptStateError as e:
        assert e.kept is not None
        assert e.kept.read_bytes() == damaged
        assert not path.exists()


def test_a_json_bomb_is_a_corrupt_file(path: Path) -> None:
    bomb = b"[" * 200_000 + b"]" * 200_000
    path.write_bytes(b'{"version":1,"crc32":%d,"body":%b}\n' % (zlib.crc32(bomb), bomb))
    with pytest.raises(CorruptStateError):
        read_state(path)
    assert path.with_name("x.json.corrupt-0").exists()


def test_another_version_is_not_read(path: Path) -> None:
    write_state(path, [1], version=2)
    with pytest.raises(CorruptStateError, match="of version 2, not 1"):
        read_state(path)


def test_no_corrupt_file_replaces_another(path: Path) -> None:
    for n in range(3):
        path.write_bytes(b"%d" % n)
        assert set_aside(path) == path.with_name(f"x.json.corrupt-{n}")
    assert [path.with_name(f"x.json.corrupt-{n}").read_bytes() for n in range(3)] == [b"0", b"1", b"2"]
    assert set_aside(path) is None


def test_a_write_that_fails_leaves_the_old_file_and_no_other(path: Path) -> None:
    write_state(path, "old")
    with largest_file(100), pytest.raises(OSError):
        write_state(path, "x" * 1000)
    assert read_state(path) == "old"
    assert os.listdir(path.parent) == ["x.json"]
