"""How fast a backlog is delivered, and what that costs: one row for each job, beside the floors of the machine.

The load is written once and read by every job from the page cache; each job starts with no state. Other programs on the
machine disturb the figures, so a job can be repeated: with `--rounds` all jobs are done in turns, and the table shows
the median of each figure. `loop ns`, the price of a turn of an empty loop just before the job, tells rows of a busy
machine from others.
"""

import argparse
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from statistics import median
from typing import Any

from bench.floors import floors, least
from bench.jobs import JOBS, Job
from bench.lines import MIXES
from bench.load import Load, generate
from bench.report import machine, machine_in_words, progress, save, table
from bench.rivals import Rival, rival
from bench.run import Result, StalledError, outrider, run

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}


def size(text: str) -> int:
    """`1GB`, `200MB`, `5000`: bytes."""
    m = re.fullmatch(r"([\d.]+)\s*([KMG]?)B?", text.strip().upper())
    if m is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; 200MB is one")
    return int(float(m[1]) * _UNITS[m[2]])


def jobs(text: str) -> list[Job]:
    """The jobs of a list of names."""
    unknown = [name for name in text.split(",") if name not in JOBS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no such job: {', '.join(unknown)}; there are {', '.join(JOBS)}")
    return [JOBS[name] for name in text.split(",")]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", type=size, default=10**9, help="bytes of log lines, such as 200MB (default 1GB)")
    parser.add_argument("--files", type=int, default=20, help="log files that they lie in (default 20)")
    parser.add_argument("--mix", choices=MIXES, default="mixed", help="kinds of lines (default: half text, half JSON)")
    parser.add_argument("--seed", type=int, default=1, help="of all chance (default 1)")
    parser.add_argument("--jobs", type=jobs, default=list(JOBS.values()), help=f"some of {','.join(JOBS)}")
    parser.add_argument("--rounds", type=int, default=1, help="times that every job is done (default 1)")
    parser.add_argument("--workers", type=int, default=1, help="`workers` of the collector, which is not pinned then")
    parser.add_argument("--against", type=Path, action="append", default=[], metavar="TOML", help="another collector")
    parser.add_argument("--no-floors", action="store_true", help="leave the floors out")
    parser.add_argument("--directory", type=Path, help="where the load and the states are kept meanwhile")
    parser.add_argument("--json", type=Path, help="file of the results (default build/bench/<date>.json)")


class Loads:
    """The loads of one run, written when they are needed first."""

    def __init__(self, root: Path, arguments: argparse.Namespace) -> None:
        self._root, self._arguments = root, arguments
        self._made: dict[bool, Load] = {}

    def get(self, joined: bool) -> Load:
        if joined not in self._made:
            a = self._arguments
            progress(f"writing {a.size / 1e6:,.0f} MB of lines{' to be joined' if joined else ''} ...")
            pods = self._root / ("joined" if joined else "single") / "pods"
            self._made[joined] = generate(pods, a.size, a.files, mix=a.mix, joined=joined, seed=a.seed)
        return self._made[joined]


def run_all(arguments: argparse.Namespace, loads: Loads, folder: Path) -> tuple[list[Result], list[str]]:
    """The results of every job in every round, and what went wrong."""
    rivals = [rival(path) for path in arguments.against]
    results, failures = [], []
    for n in range(arguments.rounds):
        for job in arguments.jobs:
            for name, starter in _collectors(job, rivals):
                load = loads.get(job.joined)
                progress(f"{job.name}, {name}" + (f", round {n + 1}" if arguments.rounds > 1 else "") + " ...")
                try:
                    result = run(job, load, folder, name, starter, workers=arguments.workers)
                except StalledError as e:
                    failures.append(f"{job.name}, {name}: {e}")
                    progress(f"  failed: {e}")
                    continue
                results.append(result)
                progress(f"  {result.lines / result.seconds:,.0f} lines/s, {result.cpu_per_million:.2f} CPU s/M lines")
    return results, failures


def _collectors(job: Job, rivals: Sequence[Rival]) -> Iterator[tuple[str, Any]]:
    yield "outrider", outrider
    yield from ((r.name, r.start) for r in rivals if job.name in r.jobs)


def middle(results: Sequence[Result]) -> list[Result]:
    """One result for each job and collector, of medians."""
    together: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        together.setdefault((result.job, result.collector), []).append(result)
    figures = [f.name for f in fields(Result) if f.name not in ("job", "collector")]
    return [
        replace(same[0], **{name: median([getattr(r, name) for r in same]) for name in figures})
        for same in together.values()
    ]


HEADS = (
    "job", "collector", "lines/s", "MB/s", "CPU s/M lines", "of it startup", "x floor", "peak MB", "steady MB",
    "wire MB", "requests", "missing", "repeated", "loop ns",
)  # fmt: skip


def row(result: Result, floor: float | None) -> list[str]:
    r = result
    return [
        r.job,
        r.collector,
        f"{r.lines / r.seconds:,.0f}",
        f"{r.size / r.seconds / 1e6:.1f}",
        f"{r.cpu_per_million:.2f}",
        f"{r.startup_cpu / r.lines * 1e6:.2f}",
        f"{r.cpu_per_million / floor:.1f}" if floor else "",
        f"{r.peak / 1e6:.0f}",
        f"{r.steady / 1e6:.0f}",
        f"{r.wire / 1e6:.0f}",
        f"{r.requests:,.0f}",
        f"{r.missing:,.0f}",
        f"{r.repeated:,.0f}",
        f"{r.loop * 1e9:.0f}",
    ]


def main(arguments: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(dir=arguments.directory, prefix="outrider-bench-") as directory:
        root = Path(directory)
        loads = Loads(root, arguments)
        measured = {} if arguments.no_floors else floors(loads.get(joined=False), root / "floors")
        results, failures = run_all(arguments, loads, root / "run")
        load = loads.get(arguments.jobs[0].joined)
    found = machine()
    print(machine_in_words(found))
    amount = f"{load.size / 1e6:,.0f} MB, {load.lines:,} lines of {load.size / load.lines:.0f} bytes"
    table(
        f"{amount} in {arguments.files} files; processor time with the program's start",
        HEADS,
        [row(r, least(measured, JOBS[r.job].vendor != "") if measured else None) for r in middle(results)],
    )
    if measured:
        rows = [[name, f"{seconds:.3f}"] for name, seconds in measured.items()]
        rows += [["cat + newlines", f"{least(measured, False):.3f}"]]
        rows += [["cat + newlines + gzip + tls-gzip", f"{least(measured, True):.3f}"]]
        table("Floors: the same bytes through C alone", ("floor", "CPU s/M lines"), rows)
    plain = {
        "jobs": [r.plain() for r in results],
        "medians": [r.plain() for r in middle(results)],
        "floors_cpu_per_million_lines": measured,
        "failures": failures,
    }
    save(arguments.json, "throughput", plain)
    for failure in failures:
        progress(f"failed: {failure.splitlines()[0]}")
    return 1 if failures else 0
