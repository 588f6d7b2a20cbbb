"""Cursors dealt out to another number of processes, also when that is broken off."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from collectors.dealing import deal
from outrider.model.counters import Counters
from outrider.model.files import read_state, write_state
from outrider.model.shard import Shard, owner_of_key

NAME = "cursors-google.json"
KEYS = [f"shop_pod-{i}_uid-{i}/main/{i % 3}" for i in range(40)]


class Killed(BaseException):
    """The process ends here."""


def places(i: int, offset: int = 0) -> dict[str, list[object]]:
    return {f"{i:024x}": [i * 100 + offset, "2026-05-16T09:19:06Z"]}


def state_of(root: Path, of: int) -> Path:
    """The state as `of` processes leave it."""
    deal_by_hand(root, of, {key: places(i) for i, key in enumerate(KEYS)})
    return root


def deal_by_hand(root: Path, of: int, streams: dict[str, Any]) -> None:
    for i in range(of):
        directory = root / Shard(i, of).directory
        directory.mkdir(parents=True, exist_ok=True)
        write_state(directory / NAME, {k: v for k, v in streams.items() if owner_of_key(k, of) == i})


def found(root: Path) -> dict[Path, dict[str, Any]]:
    return {path.parent: read_state(path) or {} for path in sorted(root.rglob(NAME))}


def assert_dealt(root: Path, of: int) -> None:
    """Every cursor is where it belongs, and nowhere else."""
    holders = {root / Shard(i, of).directory: i for i in range(of)}
    files = found(root)
    assert {key: value for body in files.values() for key, value in body.items()} == {
        key: places(i) for i, key in enumerate(KEYS)
    }
    for directory, body in files.items():
        assert directory in holders
        assert {owner_of_key(key, of) for key in body} <= {holders[directory]}


NUMBERS = [(1, 2), (2, 1), (2, 3), (3, 2), (1, 5), (5, 1), (2, 2), (1, 1)]


@pytest.mark.parametrize(("before", "after"), NUMBERS)
def test_every_cursor_goes_to_the_process_that_reads_its_stream(tmp_path: Path, before: int, after: int) -> None:
    state_of(tmp_path, before)
    assert deal(tmp_path, after, Counters()) == (before != after)
    assert_dealt(tmp_path, after)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob(NAME)}
    assert not deal(tmp_path, after, Counters())
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob(NAME)} == written, "nothing to be done"


def test_a_state_that_is_new_or_not_there_is_left_alone(tmp_path: Path) -> None:
    assert not deal(tmp_path / "none", 3, Counters())
    assert not deal(tmp_path, 3, Counters())
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Changes of the disk that are still allowed; the next one kills."""
    left = [10**6]
    for name in ("replace", "unlink"):
        real = getattr(os, name)

        def step(*args: Any, real: Any = real, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return real(*args, **kwargs)

        monkeypatch.setattr(os, name, step)
    yield left
    monkeypatch.undo()


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 3), (3, 2), (3, 1), (2, 5)])
@pytest.mark.parametrize("then", [1, 2, 3])
def test_killed_anywhere_nothing_is_lost(tmp_path: Path, steps: list[int], before: int, after: int, then: int) -> None:
    """Whoever begins next, with the same number or another one, has everything."""
    for allowed in count():
        steps[0] = 10**6
        root = state_of(tmp_path / str(allowed), before)
        steps[0] = allowed
        try:
            deal(root, after, Counters())
        except Killed:
            assert {k for body in found(root).values() for k in body} == set(KEYS)
            steps[0] = 10**6
            deal(root, then, Counters())
            assert_dealt(root, then)
        else:
            assert allowed >= 2
            return


def test_kill_9_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    state_of(tmp_path, 1)
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from collectors.dealing import deal\n"
        "from outrider.model.counters import Counters\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    for n in (2, 3, 1, 4):\n"
        "        deal(Path(sys.argv[1]), n, Counters())\n"
    )
    for pause in (0.0, 0.01, 0.023, 0.05, 0.08):
        with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            child.stdout.readline()
            try:
                child.wait(pause)
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGKILL)
        assert {k for body in found(tmp_path).values() for k in body} == set(KEYS)
    deal(tmp_path, 2, Counters())
    assert_dealt(tmp_path, 2)


def test_of_a_stream_in_several_files_the_newest_is_taken(tmp_path: Path) -> None:
    state_of(tmp_path, 2)
    stale = tmp_path / "worker-7"
    stale.mkdir()
    write_state(stale / NAME, {key: places(i, 1) for i, key in enumerate(KEYS)})
    os.utime(stale / NAME, (1, 1))
    deal(tmp_path, 3, Counters())
    assert_dealt(tmp_path, 3)
    write_state(tmp_path / "worker-1" / NAME, {KEYS[0]: places(0, 99)})
    deal(tmp_path, 1, Counters())
    assert found(tmp_path)[tmp_path][KEYS[0]] == places(0, 99)


def test_every_exporter_is_dealt_also_one_that_is_not_used_now(tmp_path: Path) -> None:
    state_of(tmp_path, 1)
    write_state(tmp_path / "cursors-old-one.json", {KEYS[0]: places(0)})
    deal(tmp_path, 2, Counters())
    kept = tmp_path / f"worker-{owner_of_key(KEYS[0], 2)}" / "cursors-old-one.json"
    assert read_state(kept) == {KEYS[0]: places(0)}
    assert not (tmp_path / "cursors-old-one.json").exists()


def test_a_damaged_file_is_set_aside_and_counted_and_the_others_are_dealt(tmp_path: Path) -> None:
    state_of(tmp_path, 2)
    damaged = tmp_path / "worker-0" / NAME
    lost = set(read_state(damaged) or ())
    damaged.write_bytes(b"{")
    counters = Counters()
    deal(tmp_path, 1, counters)
    assert set(found(tmp_path)[tmp_path]) == set(KEYS) - lost
    assert counters.value("outrider_state_corrupt_total", exporter="google") == 1
    assert len(list(tmp_path.glob("worker-0/*.corrupt-*"))) == 1


def test_a_state_that_cannot_be_written_is_said_and_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    state_of(tmp_path, 2)
    before = found(tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    counters = Counters()
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        deal(tmp_path, 3, counters)
    assert "cannot be dealt out" in caplog.text
    assert counters.value("outrider_state_write_errors_total") == 1
    assert found(tmp_path) == before


def test_what_was_known_of_pods_goes_to_everybody_and_dead_letters_stay(tmp_path: Path) -> None:
    state_of(tmp_path, 2)
    pod = {"name": "a", "namespace": "shop", "labels": {"v": "old"}}
    write_state(tmp_path / "worker-0" / "pods.json", {"pods": [{**pod, "uid": "1"}], "gone": {"1": 5.0}})
    os.utime(tmp_path / "worker-0" / "pods.json", (1, 1))
    newer = [{**pod, "uid": "1", "labels": {"v": "new"}}, {**pod, "uid": "2"}]
    write_state(tmp_path / "worker-1" / "pods.json", {"pods": newer, "gone": {"2": 7.0}})
    letters = tmp_path / "worker-1" / "dead-letters" / "google.ndjson"
    letters.parent.mkdir()
    letters.write_text(json.dumps({"error": "no"}))
    deal(tmp_path, 3, Counters())
    for i in range(3):
        assert read_state(tmp_path / f"worker-{i}" / "pods.json") == {"pods": newer, "gone": {"2": 7.0}}
    deal(tmp_path, 1, Counters())
    assert (read_state(tmp_path / "pods.json") or {})["pods"] == newer
    assert letters.exists()
