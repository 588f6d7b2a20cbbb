"""The demo's load is what it says: the numbers are those of the files, a seed gives the same tree, pods come and go."""

import gzip
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from outrider.demo import lines
from outrider.demo.workload import APPS, JOB, Workload
from outrider.model.clock import ManualClock

START = re.compile(r"(?:Exception|Error|Throwable)[:\r\n]|^Traceback|\bpanic: |^PHP |Unhandled exception|Error \(")
GOES_ON = re.compile(
    rb"^[\t ]|^Caused by|^$|^\[signal|^goroutine |^main\.\(|^created by |^KeyError: "  # nothing else prints such lines
)
CRI = re.compile(rb"^\S+Z (stdout|stderr) ([PF]) (.*)$")


def run(root: Path, seconds: float, *, rate: float = 300, seed: int = 7) -> tuple[Workload, ManualClock]:
    clock = ManualClock(1_787_479_872.0)
    load = Workload(root, clock, rate=rate, seed=seed)
    pass_time(load, clock, seconds)
    return load, clock


def pass_time(load: Workload, clock: ManualClock, seconds: float) -> None:
    for _ in range(round(seconds / 0.05)):
        clock.advance(0.05)
        load.advance()


def content(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def by_name(load: Workload) -> dict[str, dict[str, Any]]:
    return {p["metadata"]["name"]: p for p in load.pods()}


@pytest.mark.parametrize("app", [*APPS, JOB], ids=lambda a: a.name)
def test_only_traces_look_like_traces_and_no_entry_is_too_big(app: Any) -> None:
    rng = random.Random(3)
    seen_trace = False
    for n in range(600):
        item = app.printer(rng, 1_787_479_872.0 + n)
        texts = [text for _, text in item.lines]
        assert all("\n" not in text and len(text.encode()) < lines.MAX_LINE for text in texts)
        assert {stream for stream, _ in item.lines} <= {"stdout", "stderr"}
        if item.joined:
            seen_trace = True
            trace = [text for stream, text in item.lines if stream == "stderr"]
            assert START.search(trace[0] + "\n")
            assert all(GOES_ON.search(text.encode()) for text in trace[1:])
            assert item.joined == len(trace) - 1
        else:
            assert len(texts) == 1
            assert not START.search(texts[0] + "\n"), texts[0]
            assert not GOES_ON.search(texts[0].encode())
    assert seen_trace == (app.name in {"ledger", "fraud"})


def test_the_numbers_are_those_of_the_files(tmp_path: Path) -> None:
    load, _ = run(tmp_path, 5.5)  # nothing has been removed yet
    load.close()
    physical, parts, joined = Counter[str](), Counter[str](), Counter[str]()
    for path in tmp_path.glob("*/*/*"):
        namespace = path.parent.parent.name.split("_")[0]
        for line in content(path).splitlines():
            found = CRI.match(line)
            assert found, line[:200]
            physical[namespace] += 1
            parts[namespace] += found[2] == b"P"
            joined[namespace] += bool(found[1] == b"stderr" and GOES_ON.search(found[3]))  # traces go to stderr
    counts = load.counts()
    assert {n: c.lines for n, c in counts.items()} == physical
    assert {n: c.parts for n, c in counts.items() if c.parts} == {n: p for n, p in parts.items() if p}
    assert {n: t for n, t in load.traces.items() if t} == {n: j for n, j in joined.items() if j}
    assert sum(physical.values()) == pytest.approx(300 * 5.5, rel=0.05)
    assert sum(parts.values()) > 10
    assert sum(joined.values()) > 50


def test_a_seed_gives_the_same_tree_again(tmp_path: Path) -> None:
    trees = []
    for name in ("a", "b"):
        run(tmp_path / name, 6)[0].close()
        trees.append({str(p.relative_to(tmp_path / name)): p.read_bytes() for p in (tmp_path / name).rglob("*.*")})
        assert trees[-1]
    assert trees[0] == trees[1]


def test_another_seed_gives_another_tree(tmp_path: Path) -> None:
    run(tmp_path / "a", 1)[0].close()
    run(tmp_path / "b", 1, seed=8)[0].close()
    assert {p.name for p in (tmp_path / "a").iterdir()} != {p.name for p in (tmp_path / "b").iterdir()}


def test_rotations_and_gzips_are_to_be_seen_within_seconds(tmp_path: Path) -> None:
    load, _ = run(tmp_path, 10, rate=400)
    load.close()
    assert sum(c.rotations for c in load.counts().values()) >= 3
    assert sum(c.gzips for c in load.counts().values()) >= 1
    assert list(tmp_path.glob("*/*/*.gz"))


def test_a_job_is_born_finishes_and_is_removed_and_the_next_one_comes(tmp_path: Path) -> None:
    load, clock = run(tmp_path, 1.1)
    (name,) = [n for n in by_name(load) if n.startswith("report-")]
    job = by_name(load)[name]
    assert job["metadata"]["ownerReferences"][0]["kind"] == "Job"
    assert re.fullmatch(r"report-[2-5]\d{7}", job["metadata"]["ownerReferences"][0]["name"])
    directory = tmp_path / f"batch_{name}_{job['metadata']['uid']}"
    pass_time(load, clock, 3)
    assert directory.is_dir()
    assert by_name(load)[name]["status"]["phase"] == "Succeeded"
    assert (load.born, load.died) == (1, 1)
    pass_time(load, clock, 3.1)
    assert not directory.exists()
    assert name not in by_name(load)
    pass_time(load, clock, 5)
    assert load.born == 2
    assert load.counts()["batch"].lines > 0


def test_the_go_service_panics_and_its_container_restarts(tmp_path: Path) -> None:
    load, _ = run(tmp_path, 2.6)
    pod = next(p for n, p in by_name(load).items() if n.startswith("gateway-"))
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 1
    directory = tmp_path / f"payments_{pod['metadata']['name']}_{pod['metadata']['uid']}" / "gateway"
    assert sorted(p.name for p in directory.iterdir()) == ["0.log", "1.log"]
    tail = (directory / "0.log").read_bytes().split(b"panic: ")
    assert len(tail) == 2
    assert tail[1].count(b"\n") == 10


def test_every_directory_is_a_listed_pod(tmp_path: Path) -> None:
    load, _ = run(tmp_path, 2)
    listed = {"{namespace}_{name}_{uid}".format(**p["metadata"]) for p in load.pods()}
    assert {d.name for d in tmp_path.iterdir()} == listed
    static = next(p for n, p in by_name(load).items() if n == "kube-proxy-demo-node")
    assert static["metadata"]["annotations"]["kubernetes.io/config.hash"] == static["metadata"]["uid"]
    assert "ownerReferences" not in static["metadata"]


def test_a_long_pause_is_not_made_up_for_by_a_flood(tmp_path: Path) -> None:
    load, clock = run(tmp_path, 1, rate=100)
    before = sum(c.lines for c in load.counts().values())
    clock.advance(3600)
    load.advance()
    assert sum(c.lines for c in load.counts().values()) - before < 250
