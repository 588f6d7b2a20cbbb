"""The demo's own conduct, with stubs for the programs it starts: it balances, it notices, it leaves nothing behind."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.wait import until

SEVEN = {"sent": 7, "arrived": 7, "refused": 0, "given_up": 0, "difference": 0}
STUB = Path(__file__).with_name("stub_outrider.py")
START = f"""
import sys
from outrider.demo import run
real = run.run
run._IDLE = float(sys.argv.pop(1))
run.run = lambda options: real(options, (sys.executable, {str(STUB)!r}))
from outrider.cli.demo import demo
demo()
"""


@contextmanager
def demo(tmp_path: Path, *arguments: str, stub: str = "", idle: float = 10) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "STUB": stub}
    command = [sys.executable, "-c", START, str(idle), *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def run(tmp_path: Path, *arguments: str, stub: str = "", idle: float = 10) -> tuple[int, str, str]:
    with demo(tmp_path, *arguments, stub=stub, idle=idle) as process:
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err


def programs(directory: Path) -> list[str]:
    """Processes that have to do with `directory`: it is in their environment, or, of Redis, which writes its title over
    that, where they are.
    """
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            about = (process / "environ").read_bytes() + os.readlink(process / "cwd").encode()
        except OSError:
            continue
        if str(directory).encode() in about and process.name != str(os.getpid()):
            found.append(process.name)
    return found


def test_a_good_run_balances_and_leaves_nothing_behind(tmp_path: Path) -> None:
    code, out, err = run(tmp_path, "--seconds", "2.8", "--rate", "300", "-o", "json", "--svg", str(tmp_path / "x.svg"))
    assert code == 0, err
    summary = json.loads(out)
    assert summary["verdict"] == "balanced"
    t = summary["total"]
    for vendor in ("google", "datadog"):
        assert t["lines_written"] == t["entries_received"][vendor] + t["parts_joined"] + t["trace_lines_joined"]
    assert summary["ledger"]["balanced"]
    assert summary["ledger"]["exporters"]["datadog"]["bytes"]["balance"] == 0
    assert t["lines_written"] == pytest.approx(summary["seconds"] * 300, rel=0.2)
    assert summary["seconds"] >= 2.8
    assert t["trace_lines_joined"] >= 9
    assert set(summary["namespaces"]) == {"shop", "payments", "kube-system", "batch"}
    assert (summary["born"], summary["restarts"]) == (1, 1)
    assert 0 <= summary["lag_p50"] <= summary["lag_p99"] < 60
    assert summary["points"] == dict.fromkeys(("google", "datadog"), SEVEN)
    console, redis, *said = err.splitlines()
    assert re.fullmatch(
        r"Cloud Logging, Cloud Monitoring and Datadog intake, with a console: http://127\.0\.0\.1:\d+", console
    )
    assert re.fullmatch(r"Redis: .*, at 127\.0\.0\.1:\d+", redis)
    assert 3 <= len(said) <= 12
    assert all("lines written" in line for line in said)
    assert "<svg" in (tmp_path / "x.svg").read_text()
    assert [p.name for p in tmp_path.iterdir()] == ["x.svg"]
    assert programs(tmp_path) == []


@pytest.mark.parametrize(
    ("stub", "words"),
    [
        ("twice", r"not balanced: entries of shop at Cloud Logging: 1 too many; shop at Datadog: 1 too many"),
        ("lose", r"not balanced: entries of ([a-z-]+) at Cloud Logging: 1 missing; \1 at Datadog: 1 missing"),
        ("lose-datadog", r"not balanced: entries of shop at Datadog: 1 missing"),
        ("lose-point", r"not balanced: points at Datadog: 1 missing"),
        ("no-points", r"not balanced: points at Cloud Monitoring: none has arrived; Datadog: none has arrived"),
        ("cook", r"balanced"),
    ],
)
def test_sums_that_are_off_are_said_and_are_the_exit_code(tmp_path: Path, stub: str, words: str) -> None:
    code, out, err = run(tmp_path, "--seconds", "0.6", stub=stub, idle=1)
    assert code == 1, err
    verdict, _, *books = out.splitlines()[-9:]
    assert re.fullmatch(words, verdict)
    for at, vendor in ((0, "google"), (3, "datadog")):
        assert books[at] == f"the collector's ledger of the 1 streams still on the node, {vendor}:"
        assert books[at + 1].endswith(
            "bytes on disk = 0 skipped + 4,000 acknowledged + 0 in flight + 0 lost + 1,000 behind"
        )
        assert books[at + 2] == "  40 records read = 39 accepted + 0 rejected + 1 left out + 0 in flight"
    assert books[6] == f"the ledger {'does not balance' if stub == 'cook' else 'balances'}"
    assert list(tmp_path.iterdir()) == []
    assert programs(tmp_path) == []


def test_a_ledger_that_is_not_to_be_had_is_a_failure(tmp_path: Path) -> None:
    code, out, err = run(tmp_path, "--seconds", "0.6", stub="hide")
    assert (code, out) == (70, "")
    assert "the node's ledger is not to be had: it answered 404" in err


@pytest.mark.parametrize(("program", "stub"), [("node", "die"), ("sidecar", "fall")])
def test_a_part_that_fails_ends_it_with_that_parts_last_words(tmp_path: Path, program: str, stub: str) -> None:
    code, out, err = run(tmp_path, stub=stub)
    assert code == 70
    assert out == ""
    assert re.search(rf"(?s)outrider {program} ended with code 1.*the stub was told to {stub}", err)
    assert list(tmp_path.iterdir()) == []
    assert programs(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly_with_the_summary(tmp_path: Path, number: int) -> None:
    with demo(tmp_path) as process:
        assert process.stderr
        until(lambda: "lines written" in process.stderr.readline())
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "balanced" in out.splitlines()
    assert list(tmp_path.iterdir()) == []
    assert programs(tmp_path) == []


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with demo(tmp_path, stub="lose") as process:  # what was lost would be waited for
        assert process.stderr
        until(lambda: "lines written" in process.stderr.readline())
        process.send_signal(signal.SIGINT)
        until(lambda: "the pods are still" in process.stderr.readline())
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=5)
    assert process.returncode == 130, err
    assert out == ""
    assert list(tmp_path.iterdir()) == []
    assert programs(tmp_path) == []


def test_killing_it_leaves_no_process(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        assert process.stderr
        until(lambda: "lines written" in process.stderr.readline())
        assert len(programs(tmp_path)) == 5
        process.kill()
    until(lambda: not programs(tmp_path))
