"""What a collector costs that has nothing to do, and how long it takes from its start to the first line delivered.

**Idle**: `outrider node` on a tree of N files of one line each, with the job `google`. When every line has been
delivered and the program has come to rest, its share of a processor is measured for so many seconds, and its memory.

**First line**: one file of one line; from the start of the process to the moment in which the sink has answered for the
line. The median of several starts, each with no state and with the modules' byte code cached.

**Sidecar**: memory of `outrider sidecar` beside one file, at rest; and what one costs that measures
(`redis_sidecar.py`).
"""

import argparse
import json
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from bench.jobs import JOBS, Job, Place, configuration
from bench.load import Load, log_path, stamp
from bench.processes import Child
from bench.redis_sidecar import EVERY, redis_sidecar, show
from bench.report import machine, machine_in_words, progress, save, table
from bench.run import PATIENCE, StalledError, Start, Starter, outrider, rest, set_up, start
from bench.sinking import Sink

GOOGLE = JOBS["google"]


@dataclass(frozen=True, slots=True)
class Idle:
    """`delivered` is seconds from the start to the last of the first lines; `cpu` a share of a core; bytes."""

    files: int
    delivered: float
    cpu: float
    resident: int


@dataclass(frozen=True, slots=True)
class FirstLine:
    """Seconds from the start of the process to the answer for its first line, and processor seconds until then."""

    seconds: float
    cpu: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--files", default="500,2000", help="numbers of quiet files (default 500,2000)")
    parser.add_argument("--seconds", type=float, default=20.0, help="for how long is measured (default 20)")
    parser.add_argument("--starts", type=int, default=5, help="of which the median counts (default 5)")
    parser.add_argument("--runs", type=int, default=4, help=f"of the check redis, one in {EVERY} s (default 4)")
    parser.add_argument("--json", type=Path, help="file of the results (default build/bench/<date>.json)")


def quiet_tree(pods: Path, files: int) -> Load:
    """A tree of `files` files of one line."""
    size = 0
    for file in range(files):
        path = log_path(pods, file)
        path.parent.mkdir(parents=True)
        size += path.write_bytes(b"%b stdout F quiet seq=%d-0\n" % (stamp(time.time_ns()), file))
    return Load(pods, size, files, files, (1,) * files, {"text": files})


def await_all(child: Child, taken: Sink, load: Load) -> None:
    """Wait until every line has arrived. Raises StalledError."""
    deadline = time.monotonic() + 2 * PATIENCE
    while taken.tally(load.numbers).missing:
        child.sample()
        if child.ended or time.monotonic() > deadline:
            raise StalledError(f"not every line arrives:\n{child.last_words()}")
        time.sleep(0.05)


def started(stack: ExitStack, load: Load, folder: Path, starter: Starter = outrider) -> tuple[Child, Sink]:
    """A collector that has delivered what is there."""
    taken, place = set_up(stack, GOOGLE, load, folder)
    child = start(stack, GOOGLE, load, place, starter, 1)
    await_all(child, taken, load)
    return child, taken


def idle(files: int, seconds: float, root: Path) -> Idle:
    """At rest with `files` quiet files, for `seconds`."""
    load = quiet_tree(root / "pods", files)
    with ExitStack() as stack:
        child, taken = started(stack, load, root / "run")
        delivered = taken.state().last - child.began
        time.sleep(2.0)  # files that were read a moment ago are not left to the watcher yet
        rest(child)
        first = child.sample()
        time.sleep(seconds)
        last = child.sample()
        return Idle(files, delivered, (last.cpu - first.cpu) / (last.at - first.at), last.resident)


def first_line(root: Path) -> FirstLine:
    """One start beside one line that waits."""
    load = quiet_tree(root / "pods", 1)
    with ExitStack() as stack:
        child, taken = started(stack, load, root / "run")
        end = taken.state().first
        return FirstLine(end - child.began, child.sample().cpu)


POD = {"POD_NAMESPACE": "team-0", "POD_NAME": "shop-0", "POD_UID": "00000000-5b1c-4c66-9f0e-2d3a7c1e8b42"}


def sidecar(root: Path) -> int:
    """Bytes that `outrider sidecar` takes at rest beside one file. Raises StalledError."""
    root.mkdir()
    file = root / "app.log"
    file.write_bytes(b"quiet seq=0-0\n")
    load = Load(root, file.stat().st_size, 1, 1, (1,), {"text": 1})

    def command(job: Job, place: Place, load: Load, workers: int) -> Start:
        config = configuration(job, place, workers)
        config["logs"] = {"files": [str(load.pods / "*.log")]}
        place.config.write_text(json.dumps(config))
        return Start([sys.executable, "-m", "outrider.cli.main", "sidecar", "--config", str(place.config)], POD)

    with ExitStack() as stack:
        child, _ = started(stack, load, root / "run", command)
        rest(child)
        return child.sample().resident


def main(arguments: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="outrider-bench-") as directory:
        root = Path(directory)
        found = []
        for n in map(int, arguments.files.split(",")):
            progress(f"{n:,} quiet files for {arguments.seconds:g} s ...")
            found.append(idle(n, arguments.seconds, root / f"idle-{n}"))
        progress(f"{arguments.starts} starts ...")
        starts = [first_line(root / f"start-{n}") for n in range(arguments.starts)]
        beside = sidecar(root / "sidecar")
        progress(f"the check redis, {arguments.starts} starts and {arguments.runs} runs ...")
        measuring = redis_sidecar(root / "redis", arguments.runs, arguments.starts)
    print(machine_in_words(machine()))
    heads = ("quiet files", "all delivered after s", "CPU", "resident MB")
    rows = [[f"{i.files:,}", f"{i.delivered:.2f}", f"{i.cpu:.2%}", f"{i.resident / 1e6:.1f}"] for i in found]
    table(f"Idle, over {arguments.seconds:g} s", heads, rows)
    seconds, cpu = median([s.seconds for s in starts]), median([s.cpu for s in starts])
    print(f"From the start to the first line delivered: {seconds:.2f} s, {cpu:.2f} s of a core ({len(starts)} starts).")
    print(f"Sidecar at rest: {beside / 1e6:.1f} MB.")
    print()
    show(measuring)
    plain = {
        "idle": [asdict(i) for i in found],
        "starts": [asdict(s) for s in starts],
        "sidecar_resident": beside,
        "redis_sidecar": asdict(measuring),
    }
    save(arguments.json, "idle", plain)
    return 0
