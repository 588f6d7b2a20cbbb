"""How long a line takes from its writing to the moment in which the destination has answered, and what that costs.

Pods write at a steady rate (`bench.writer`) while the collector follows them; the first seconds do not count. Both ends
note the machine's monotonic clock, line by line. Most of what a line takes is waiting that is meant: lines that follow
one another gather for `batch.wait`, a second, before they go.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.jobs import JOBS, Job
from bench.load import Load
from bench.processes import ROOT, Child, cores, on_core
from bench.report import machine, machine_in_words, progress, save, table
from bench.run import PATIENCE, StalledError, outrider, rest, set_up, start
from bench.sinking import Sink, Verdict

WARM_UP = 2.0
"""Seconds at the beginning that do not count."""
SWEEP = ((10_000, 20), (10_000, 500), (10_000, 1000), (1000, 20))


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from writing to acknowledgement; `cpu` is the share of a core, `cpu_per_line` seconds of it; bytes."""

    job: str
    rate: int
    files: int
    lines: int
    p50: float
    p99: float
    most: float
    cpu: float
    cpu_per_line: float
    peak: int
    steady: int
    requests: int
    missing: int
    repeated: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rate", type=int, default=10_000, help="lines a second, in all files (default 10000)")
    parser.add_argument("--files", type=int, default=20, help="files that are written to in turns (default 20)")
    parser.add_argument("--seconds", type=float, default=20.0, help="for how long is measured (default 20)")
    parser.add_argument("--job", choices=[j.name for j in JOBS.values() if j.vendor], default="google-joined")
    parser.add_argument("--sweep", action="store_true", help="several rates and numbers of files in one table")
    parser.add_argument("--json", type=Path, help="file of the results (default build/bench/<date>.json)")


@contextmanager
def writing(pods: Path, files: int, rate: int, seconds: float, stamps: Path) -> Iterator["subprocess.Popen[str]"]:
    """A writer that is ready."""
    words = [str(pods), str(files), str(rate), str(seconds), str(stamps)]
    with on_core(cores()[1]):
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.writer", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


def measure(job: Job, rate: int, files: int, seconds: float, folder: Path) -> Latency:
    """One row. Raises StalledError if lines do not arrive."""
    pods = folder / "pods"
    load = Load(pods, 0, 0, 0, (0,) * files, {})
    with ExitStack() as stack:
        taken, place = set_up(stack, job, load, folder)
        stamps = folder / "stamps"
        writer = stack.enter_context(writing(pods, files, rate, WARM_UP + seconds, stamps))
        child = start(stack, job, load, place, outrider, 1)
        rest(child)
        assert writer.stdin is not None and writer.stdout is not None
        writer.stdin.write("\n")
        writer.stdin.flush()
        time.sleep(WARM_UP)
        first = child.sample()
        while time.monotonic() - first.at < seconds:
            time.sleep(0.1)
            last = child.sample()
        numbers = tuple(json.loads(writer.stdout.readline()))
        verdict = _await(taken, child, numbers)
        written, acked = _times(stamps), _times(taken.acks())
        state = taken.state()
    kept = [(w, a) for w, a in zip(written, acked, strict=True) if first.at * 1e9 <= w <= last.at * 1e9]
    waits = sorted((a - w) / 1e9 for w, a in kept)
    cpu = last.cpu - first.cpu
    return Latency(
        job.name, rate, files, len(kept), _quantile(waits, 0.5), _quantile(waits, 0.99), waits[-1],
        cpu / (last.at - first.at), cpu / len(kept), max(s.peak for s in child.samples),
        round(child.steady(last.at)), state.requests, verdict.missing, verdict.repeated,
    )  # fmt: skip


def _await(taken: Sink, child: Child, numbers: tuple[int, ...]) -> Verdict:
    deadline = time.monotonic() + PATIENCE
    while (verdict := taken.tally(numbers, acks=True)).missing:
        if time.monotonic() > deadline or child.ended:
            raise StalledError(f"{verdict.missing:,} lines have not arrived:\n{child.last_words()}")
        time.sleep(0.2)
    return verdict


def _times(path: Path) -> "array[int]":
    times = array("q")
    times.frombytes(path.read_bytes())
    return times


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


HEADS = ("job", "lines/s", "files", "p50 s", "p99 s", "max s", "CPU", "CPU us/line", "steady MB", "missing", "repeated")


def row(found: Latency) -> list[str]:
    f = found
    return [
        f.job,
        f"{f.rate:,}",
        f"{f.files:,}",
        f"{f.p50:.3f}",
        f"{f.p99:.3f}",
        f"{f.most:.3f}",
        f"{f.cpu:.1%}",
        f"{f.cpu_per_line * 1e6:.2f}",
        f"{f.steady / 1e6:.0f}",
        f"{f.missing:,}",
        f"{f.repeated:,}",
    ]


def main(arguments: argparse.Namespace) -> int:
    cases = SWEEP if arguments.sweep else ((arguments.rate, arguments.files),)
    results, failed = [], False
    for rate, files in cases:
        progress(f"{rate:,} lines/s in {files:,} files for {arguments.seconds:g} s ...")
        with tempfile.TemporaryDirectory(prefix="outrider-bench-") as directory:
            try:
                found = measure(JOBS[arguments.job], rate, files, arguments.seconds, Path(directory) / "run")
            except StalledError as e:
                failed = True
                progress(f"  failed: {e}")
                continue
        results.append(found)
    print(machine_in_words(machine()))
    if results:
        table(
            "From the writing of a line to its acknowledgement, in the steady state", HEADS, [row(r) for r in results]
        )
    costs = {(r.rate, r.files): r.cpu_per_line for r in results}
    if arguments.sweep and costs.keys() >= {SWEEP[0], SWEEP[2]}:
        print(f"A line in 1,000 active files costs {costs[SWEEP[2]] / costs[SWEEP[0]]:.2f} times what it does in 20.")
    save(arguments.json, "latency", [asdict(r) for r in results])
    return 1 if failed else 0
