"""One collector does one job with one load, and what that takes is measured.

The collector is started on a tree that is full already, with no state, and is done when the sink has every line. Only
bodies tell that, and to unpack them would take the machine from the collector; so they are looked into when the sink
has heard nothing for a moment. What counts as the end is when the last of the answers was written, so that neither
that moment nor the counting is part of the time. If lines are still missing the collector goes on, until nothing more
has come for `PATIENCE` seconds.
"""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench.jobs import Job, Place, kubelet, outrider_command
from bench.load import Load
from bench.processes import Child, cores, loop
from bench.sinking import Sink, State, Verdict, sink

EVERY = 0.1
"""Seconds between two looks at the collector and the sink."""
CALM = 0.4
"""Seconds without a request after which it is looked what has come."""
PATIENCE = 30.0
_SLOWEST = 1e6
"""Bytes per second below which a run is given up in any case."""


class StalledError(Exception):
    """The collector has ended, or does not get on; the text says what is missing and what it said last."""


@dataclass(frozen=True, slots=True)
class Start:
    """A command in the environment `env`."""

    command: Sequence[str]
    env: Mapping[str, str]


Starter = Callable[[Job, Place, Load, int], Start]
"""How a collector is started for a job at a place, with so many workers."""


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured: seconds from the start of the process to the last answer, processor seconds, bytes. The
    `startup` figures are those of the same program on an empty tree, and are part of the others. `loop` is what a turn
    of a loop cost on the same core just before: a yardstick of how busy the machine was.
    """

    job: str
    collector: str
    lines: int
    size: int
    seconds: float
    cpu: float
    startup_seconds: float
    startup_cpu: float
    peak: int
    steady: int
    wire: int
    requests: int
    entries: int
    missing: int
    repeated: int
    loop: float

    @property
    def cpu_per_million(self) -> float:
        """Processor seconds for a million lines."""
        return self.cpu / self.lines * 1e6

    def plain(self) -> dict[str, Any]:
        """As plain data, with the rates."""
        rates = {
            "lines_per_second": self.lines / self.seconds,
            "bytes_per_second": self.size / self.seconds,
            "cpu_per_million_lines": self.cpu_per_million,
            "cpu_per_million_lines_without_startup": (self.cpu - self.startup_cpu) / self.lines * 1e6,
        }
        return asdict(self) | rates


def outrider(job: Job, place: Place, load: Load, workers: int) -> Start:
    """This project's collector."""
    return Start(outrider_command(job, place, load, workers), {})


def run(
    job: Job, load: Load, folder: Path, collector: str = "outrider", starter: Starter = outrider, *, workers: int = 1,
    lose: int = 0, patience: float = PATIENCE, alone: bool = True,
) -> Result:  # fmt: skip
    """Have the collector do the job. `lose`: the sink forgets the request of this number. `alone`: the program's
    start is measured by itself as well. Raises StalledError.
    """
    with ExitStack() as stack:
        taken, place = set_up(stack, job, load, folder, lose)
        begun = startup(job, load, place, starter, workers) if alone else (0.0, 0.0)
        yardstick = loop(cores()[0])
        child = start(stack, job, load, place, starter, workers)
        if not job.vendor:
            end, verdict, state = _await_exit(child, load)
        else:
            end, verdict, state = _await_lines(child, load, taken, patience)
    return Result(
        job.name, collector, load.lines, load.size, end - child.began, child.at(end).cpu, *begun,
        max(s.peak for s in child.samples), round(child.steady(end)), state.wire, state.requests,
        verdict.entries, verdict.missing, verdict.repeated, yardstick,
    )  # fmt: skip


def set_up(stack: ExitStack, job: Job, load: Load, folder: Path, lose: int = 0) -> tuple[Sink, Place]:
    """A sink, and a place to work at that is new."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    taken = stack.enter_context(sink(folder, cores()[1], lose))
    api = stack.enter_context(kubelet(len(load.numbers))) if job.labels else ""
    return taken, Place(load.pods, taken.endpoint, taken.certificate, api, folder)


def start(stack: ExitStack, job: Job, load: Load, place: Place, starter: Starter, workers: int) -> Child:
    """The collector, running."""
    told = starter(job, place, load, workers)
    child = Child(told.command, place.folder / "log", cores()[0] if workers == 1 else None, told.env).start()
    stack.callback(child.end)
    return child


def startup(job: Job, load: Load, place: Place, starter: Starter, workers: int = 1) -> tuple[float, float]:
    """(seconds, processor seconds) until the collector comes to rest on an empty tree, or has ended."""
    folder = place.folder / "empty"
    pods = folder / "pods"
    pods.mkdir(parents=True)
    nothing = Load(pods, 0, 0, 0, tuple(0 for _ in load.numbers), {})
    with ExitStack() as stack:
        return rest(start(stack, job, nothing, replace(place, pods=pods, folder=folder), starter, workers))


def rest(child: Child) -> tuple[float, float]:
    """Wait until the program has come to rest, or has ended: (seconds, processor seconds) that it took."""
    last = child.sample()
    while not child.ended and time.monotonic() - child.began < PATIENCE:
        time.sleep(EVERY / 2)
        now = child.sample()
        if now.cpu - last.cpu > 0.01:
            last = now
        elif now.at - last.at > CALM:
            break
    return last.at - child.began, child.samples[-1].cpu


def _await_exit(child: Child, load: Load) -> tuple[float, Verdict, State]:
    """For a program that sends nothing, says how many lines there were, and ends."""
    while not child.ended:
        child.sample()
        time.sleep(EVERY / 5)
    end = child.sample().at
    words = child.last_words(1)
    arrived = int(words) if words.isdigit() else 0
    if arrived < load.lines:
        raise StalledError(f"{load.lines - arrived:,} of {load.lines:,} lines were not read: {child.last_words()}")
    return end, Verdict(arrived, 0, 0, 0, 0, []), State(0, 0, 0.0, 0.0)


def _await_lines(child: Child, load: Load, taken: Sink, patience: float) -> tuple[float, Verdict, State]:
    limit = child.began + 2 * patience + load.size / _SLOWEST
    state, verdict, looked = taken.state(), None, 0
    moved = child.began
    while True:
        time.sleep(EVERY)
        now, before = child.sample().at, state.requests
        state = taken.state()
        if state.requests > before:
            moved = now
        ended, stuck = child.ended, now - moved > patience or now > limit
        if ended or stuck or (state.requests > looked and now - moved > CALM):
            looked = state.requests
            verdict = taken.tally(load.numbers)
            if verdict.missing == 0:
                return state.last, verdict, state
            if ended or stuck:
                raise StalledError(_explained(child, verdict, state, ended, now - moved))


def _explained(child: Child, verdict: Verdict, state: State, ended: bool, silent: float) -> str:
    what = "the collector has ended" if ended else f"nothing has come for {silent:.0f} s"
    return (
        f"{what}: {verdict.missing:,} of {verdict.missing + verdict.arrived:,} numbered lines are missing after "
        f"{state.requests:,} requests, among them {', '.join(verdict.some_missing)}. The collector's last words:\n"
        f"{child.last_words()}"
    )
