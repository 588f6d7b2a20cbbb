"""The benchmark itself, small: whole collectors, a real sink, every line accounted for. Nothing here asserts a time."""

import json
import ssl
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.jobs import JOBS, Job
from bench.latency import measure
from bench.load import Load, generate
from bench.redis_sidecar import redis_sidecar, show
from bench.rivals import rival
from bench.run import Result, StalledError, run
from bench.sinking import sink

AGAINST = Path(__file__).parents[2] / "bench" / "against"


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    return generate(tmp_path_factory.mktemp("load") / "pods", 300_000, 2)


def ran(job: Job, load: Load, folder: Path, **more: object) -> Result:
    return run(job, load, folder, alone=False, **more)  # type: ignore[arg-type]


def test_lines_that_belong_together_arrive_as_one_entry(tmp_path: Path) -> None:
    load = generate(tmp_path / "pods", 300_000, 2, joined=True)
    result = ran(JOBS["google-joined"], load, tmp_path / "run")
    assert (result.missing, result.entries) == (0, load.items)


def test_what_is_only_read_is_counted_as_well(load: Load, tmp_path: Path) -> None:
    result = ran(JOBS["read"], load, tmp_path / "run")
    assert (result.lines, result.missing, result.wire) == (load.lines, 0, 0)


def test_a_line_that_is_lost_is_noticed(load: Load, tmp_path: Path) -> None:
    with pytest.raises(StalledError, match=r"numbered lines are missing after .* among them seq=") as e:
        ran(JOBS["google"], load, tmp_path / "run", lose=1, patience=1.2)
    assert "nothing has come for" in str(e.value)


def test_a_collector_that_ends_is_noticed(load: Load, tmp_path: Path) -> None:
    told = tmp_path / "ends.toml"
    told.write_text("name = 'ends'\ncommand = ['{python}', '-c', 'print(\"no such option\"); raise SystemExit(2)']\n")
    with pytest.raises(StalledError, match=r"(?s)the collector has ended.*no such option"):
        ran(JOBS["google"], load, tmp_path / "run", collector="ends", starter=rival(told).start)


def test_the_table_shows_another_collector_beside_ours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "results.json"
    words = ["--size", "2MB", "--files", "2", "--jobs", "google", "--no-floors", "--json", str(results)]
    assert main([*words, "--against", str(AGAINST / "forwarder.toml")]) == 0
    table = capsys.readouterr().out
    rows = [line.split()[:2] for line in table.splitlines() if line.startswith("google ")]
    assert rows == [["google", "outrider"], ["google", "forwarder"]]
    told = json.loads(results.read_text())
    assert told["machine"]["cores"] >= 1
    ours, other = told["results"]["jobs"]
    assert {(r["lines"], r["missing"], r["repeated"]) for r in (ours, other)} == {(ours["lines"], 0, 0)}
    assert (ours["entries"], other["entries"]) == (ours["lines"], 0)
    assert min(ours["startup_cpu"], ours["cpu"], ours["seconds"]) > 0
    assert ours["peak"] >= ours["steady"] > 0
    assert 0 < ours["wire"] < ours["size"]
    assert ours["requests"] > 0


@pytest.mark.parametrize("name", sorted(path.stem for path in AGAINST.glob("*.toml")))
def test_the_examples_describe_collectors(name: str) -> None:
    found = rival(AGAINST / f"{name}.toml")
    assert found.command
    assert set(found.jobs) <= JOBS.keys()


@pytest.mark.parametrize("text", ["command = ['a']", "name = 'a'\ncommand = ['a']\njobs = ['fast']", "nmae = 'a'"])
def test_a_wrong_description_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"a\.toml"):
        rival(path)


def test_lines_that_are_written_meanwhile_are_all_acknowledged_after_they_were_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.latency.WARM_UP", 0.2)
    found = measure(JOBS["google"], 500, 5, 0.5, tmp_path / "run")
    assert (found.missing, found.repeated) == (0, 0)
    assert found.lines > 0
    assert 0 < found.p50 <= found.p99 <= found.most


def test_the_sidecar_that_measures_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bench.redis_sidecar.EVERY", 0.3)
    found = redis_sidecar(tmp_path / "run", runs=2, starts=1)
    assert 0 < found.start < 60
    assert 0 < found.cpu_per_run < found.start_cpu
    assert 0 < found.share < 1
    assert found.peak >= found.resident > 10_000_000
    show(found)
    assert "of a core, every 0.3 s" in capsys.readouterr().out


def test_the_sink_takes_chunked_bodies_and_many_requests_on_one_connection(tmp_path: Path) -> None:
    with sink(tmp_path) as taken:
        client = HTTPSConnection(
            "127.0.0.1", taken.port, context=ssl.create_default_context(cafile=str(taken.certificate))
        )
        statuses = []
        for path, body in (("/api/v2/logs", b"seq=0-0"), ("/any", iter([b"a seq=0", b"-1"])), ("/discard", b"seq=0-2")):
            client.request("POST", path, body, encode_chunked=not isinstance(body, bytes), headers={})
            answer = client.getresponse()
            statuses.append((answer.status, answer.read()))
        assert statuses == [(202, b"{}"), (200, b"{}"), (200, b"{}")]
        assert taken.state().requests == 2
        assert taken.tally((3,)).some_missing == ["seq=0-2"]
        logs, never = taken.first("/v2/logs", "/discard")
        assert (logs, never) == (taken.state().first, 0.0)
