"""The load of the benchmark: the same again for the same seed, of the kinds that it promises, every number once."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from bench.lines import CUT, TRACES
from bench.load import Load, generate, stamp
from outrider.tail.lines import split
from outrider.tail.records import Assembler, Budget, Joining

UNTIL = 1_778_923_146_315_692_671
FILES = 4
_NUMBER = re.compile(rb"seq=(\d+)-(\d+)")


def content(load: Load) -> dict[str, bytes]:
    return {str(path.relative_to(load.pods)): path.read_bytes() for path in sorted(load.pods.rglob("*.log"))}


def made(root: Path, **more: object) -> Load:
    return generate(root, 1_000_000, FILES, until=UNTIL, **more)  # type: ignore[arg-type]


def test_the_same_seed_makes_the_same_load(tmp_path: Path) -> None:
    first, again = made(tmp_path / "a", joined=True), made(tmp_path / "b", joined=True)
    assert content(first) == content(again)
    assert first.kinds == again.kinds
    assert content(made(tmp_path / "c", joined=True, seed=2)) != content(first)


@pytest.mark.parametrize("joined", [False, True])
def test_every_number_is_there_once_and_the_sums_are_right(tmp_path: Path, joined: bool) -> None:
    load = made(tmp_path, joined=joined)
    files = content(load)
    assert len(files) == FILES
    assert all(re.fullmatch(r"team-\d_shop-\d+-[\w-]+_[0-9a-f-]+/main/0\.log", path) for path in files)
    assert sum(map(len, files.values())) == load.size
    assert sum(log.count(b"\n") for log in files.values()) == load.lines
    found = [(int(f), int(n)) for log in files.values() for f, n in _NUMBER.findall(log)]
    assert sorted(found) == [(f, n) for f, count in enumerate(load.numbers) for n in range(count)]


@pytest.mark.parametrize("mix", ["mixed", "text", "json"])
def test_lines_are_of_the_kinds_that_were_asked_for(tmp_path: Path, mix: str) -> None:
    load = made(tmp_path, mix=mix)
    contents = [line.split(b" ", 3)[3] for log in content(load).values() for line in log.splitlines()]
    objects = [json.loads(c) for c in contents if c.startswith(b"{")]
    share = len(objects) / load.lines
    assert share == pytest.approx({"mixed": 0.44, "text": 0.0, "json": 1.0}[mix], abs=0.06)
    wanted = {"severity", "time", "message", "httpRequest", "logging.googleapis.com/trace"}
    assert all(o.keys() > wanted for o in objects)
    assert mix != "mixed" or 290 < load.size / load.lines < 350


def test_what_belongs_together_is_joined_to_as_many_records_as_there_are_items(tmp_path: Path) -> None:
    load = made(tmp_path, joined=True)
    records = []
    for log in content(load).values():
        assembler = Assembler(Joining(), Budget())
        records += [*assembler.feed(split(log), 0, 0.0), *assembler.finish(0.0)]
    assert len(records) == load.items
    traces = Counter(c.split(b" ")[0] for _, _, std, c in records if std == b"stderr" and b"\n" in c)
    assert sum(traces.values()) == load.kinds["trace"]
    assert traces.keys() <= {b"Traceback", b"java.lang.IllegalStateException:"}
    assert load.kinds["cut"] / load.items == pytest.approx(CUT, rel=0.5)
    assert load.kinds["trace"] / load.items == pytest.approx(TRACES, rel=0.9)
    for _, _, _, record in records:
        if record.startswith(b"{"):
            json.loads(record)


def test_times_are_those_of_containerd_and_lie_in_the_last_minutes(tmp_path: Path) -> None:
    times = [line.split(b" ", 1)[0] for log in content(made(tmp_path)).values() for line in log.splitlines()]
    assert all(re.fullmatch(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d*[1-9]Z", t) for t in times)
    assert min(times) >= stamp(UNTIL - 301 * 10**9)
    assert max(times) < stamp(UNTIL)


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (UNTIL, b"2026-05-16T09:19:06.315692671Z"),
        (1_778_923_146_310_000_000, b"2026-05-16T09:19:06.31Z"),
        (1_778_923_146_000_000_000, b"2026-05-16T09:19:06Z"),
    ],
)
def test_zeros_at_the_end_of_a_time_are_left_out(at: int, text: bytes) -> None:
    assert stamp(at) == text
