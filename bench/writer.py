"""Pods that write at a steady rate: a process of its own, so that nobody's pauses are the writer's.

    python -m bench.writer PODS FILES RATE SECONDS STAMPS

Makes the empty logs, says `ready`, and begins when it reads a line. Every ten milliseconds it appends the lines that
are due, to the files in turns, with one write(2) for what one file gets. The time in a line is that of its writing. In
the end STAMPS holds when each line was written (int64, monotonic nanoseconds, file by file), and how many lines each
file has is printed as JSON.
"""

import argparse
import json
import os
import random
import sys
import time
from array import array
from itertools import cycle
from pathlib import Path

from bench.lines import item
from bench.load import log_path, stamp

BURST = 0.01
TEMPLATES = 20
"""Different lines of one file."""


class Files:
    """The logs under `pods`, and when each of their lines was written."""

    def __init__(self, pods: Path, files: int) -> None:
        self.stamps = [array("q") for _ in range(files)]
        self._fds: list[int] = []
        self._forms = []
        for file in range(files):
            path = log_path(pods, file)
            path.parent.mkdir(parents=True)
            self._fds.append(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644))
            chance = random.Random(file)
            self._forms.append(cycle([item(file, chance, "mixed", joined=False).lines[0] for _ in range(TEMPLATES)]))

    def write(self, file: int, count: int) -> None:
        """Append `count` lines to a file."""
        stamps, forms = self.stamps[file], self._forms[file]
        now = time.time_ns()
        own = stamp(now)
        lines = [next(forms) % (stamp(now + i), own, len(stamps) + i) for i in range(count)]
        written = time.monotonic_ns()
        os.write(self._fds[file], b"".join(lines))
        stamps.extend([written] * count)


def write(files: Files, rate: int, seconds: float) -> None:
    """`rate` lines a second, in turns, for so long. What is late is made up for."""
    n, turn, written = len(files.stamps), 0, 0
    began = time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        due = int(min(now + BURST, seconds) * rate) - written
        written += due
        each, more = divmod(due, n)
        for k in range(n if each else more):
            files.write((turn + k) % n, each + (k < more))
        turn = (turn + more) % n
        time.sleep(max(0.0, BURST - (time.monotonic() - began - now)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pods", type=Path)
    parser.add_argument("files", type=int)
    parser.add_argument("rate", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("stamps", type=Path)
    arguments = parser.parse_args()
    files = Files(arguments.pods, arguments.files)
    print("ready", flush=True)
    sys.stdin.readline()
    write(files, arguments.rate, arguments.seconds)
    with open(arguments.stamps, "wb") as f:
        for stamps in files.stamps:
            stamps.tofile(f)
    print(json.dumps([len(stamps) for stamps in files.stamps]), flush=True)


if __name__ == "__main__":
    main()
