"""What one look at a stream costs that has got a few lines since the last one: microseconds of processor time.

Where many pods write a little each, it is the looks that cost and not the lines. So this has the engine alone at work,
the pump with its readers and the watcher: every file gets its lines, the pump reads and encodes them, and a destination
that compresses and sends nothing but says at once that it has them makes it move the cursors. What counts is the time
of this process without that of the thread that writes, in the best round.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import stage_parts as parts
from bench.report import machine, machine_in_words, progress, save, table
from bench.writer import Files
from outrider.config.model import Route
from outrider.exporters.answer import Answer, Verdict
from outrider.exporters.stackdriver.auth import NoToken
from outrider.exporters.stackdriver.exporter import StackdriverLogs
from outrider.model.clock import SystemClock
from outrider.model.counters import Counters
from outrider.model.pod import Pod
from outrider.pipeline.batch import BatchLimits
from outrider.pipeline.deadletters import DeadLetters
from outrider.pipeline.process import prepare
from outrider.pipeline.pump import Pump
from outrider.pipeline.redact import Redactor
from outrider.pipeline.routing import Routing
from outrider.tail.cursors import Cursors
from outrider.tail.records import Joining
from outrider.tail.watch import Watcher

CASES = ((500, 20), (500, 2), (100, 100), (20, 500))
"""Files, and the lines that each gets between two looks."""
PATIENCE = 30.0
NAME = "google"


class Taken(StackdriverLogs):
    """Has everything at once."""

    def send(self, pieces: list[bytes], common: bytes = b"") -> Answer:  # noqa: ARG002
        return Answer(Verdict.ACCEPTED)


class OnePod:
    """Knows one pod, which is everybody's."""

    def __init__(self) -> None:
        self._pod = parts.known_pod()

    def get(self, uid: str) -> Pod | None:  # noqa: ARG002
        return self._pod

    def want(self, uid: str) -> None:
        pass

    def settled(self, uid: str, since: float, bound: float = 0.0) -> bool:  # noqa: ARG002
        return True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=10, help="of which the best counts (default 10)")
    parser.add_argument("--json", type=Path, help="file of the results (default build/bench/<date>.json)")


@contextmanager
def engine(root: Path, clock: SystemClock, counters: Counters) -> Iterator[None]:
    """Follows the logs under `root / "pods"`."""
    pump = Pump(
        NAME,
        Taken(NAME, "acme", parts.CLUSTER, parts.NOWHERE, NoToken(), clock, counters),
        DeadLetters(root, NAME, clock, counters),
        Cursors(root / "cursors.json", counters, NAME),
        OnePod(),
        Routing([], [], [Route(to=[NAME])], counters),
        BatchLimits(wait=0.2),
        Joining(),
        Redactor([], counters),
        clock,
        counters,
    )
    watcher = Watcher(
        str(root / "pods"), lambda _: frozenset({NAME}), lambda files: pump.follow(files, False), clock, counters
    )
    pump.start(watcher)
    watcher.start()
    try:
        yield
    finally:
        watcher.stop()
        pump.stop(1.0)


def round_of(files: Files, lines: int, counters: Counters) -> float:
    """Seconds of processor time until every file has got so many lines and all are acknowledged."""

    def missing() -> int:
        return sum(map(len, files.stamps)) - counters.value("outrider_entries_accepted_total")

    began, own = time.process_time(), time.thread_time()
    for file in range(len(files.stamps)):
        files.write(file, lines)
    until = time.monotonic() + PATIENCE
    while missing():
        time.sleep(0.02)
        if time.monotonic() > until:
            raise TimeoutError(f"{missing()} lines were not taken within {PATIENCE:.0f} s")
    return time.process_time() - began - (time.thread_time() - own)


def look(number: int, lines: int, rounds: int) -> float:
    """Seconds of processor time for one look at one of `number` files that has got `lines` lines."""
    with tempfile.TemporaryDirectory() as directory:
        counters = Counters()
        files = Files(Path(directory) / "pods", number)
        with engine(Path(directory), SystemClock(), counters):
            round_of(files, lines, counters)  # the first look at a file makes what is constant of its entries
            return min(round_of(files, lines, counters) for _ in range(rounds)) / number


def main(arguments: argparse.Namespace) -> int:
    prepare(None)
    found = {}
    for number, lines in CASES:
        progress(f"{number} files, {lines} lines each ...")
        found[number, lines] = look(number, lines, arguments.rounds)
    print(machine_in_words(machine()))
    rows = [[str(n), str(k), f"{took * 1e6:.1f}", f"{took / k * 1e6:.2f}"] for (n, k), took in found.items()]
    table("A look at a stream, the best round", ("files", "lines", "us a look", "us a line"), rows)
    save(arguments.json, "looks", [{"files": n, "lines": k, "seconds": took} for (n, k), took in found.items()])
    return 0
