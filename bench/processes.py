"""Child processes on a core of their own, and what they take of the machine, read from /proc.

Processor time is that of the whole tree: of every living process by its own clock, in nanoseconds, and of those that
have ended by what their parents have booked, in hundredths of a second. Memory is summed over the tree as well.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parent.parent
"""Where this project lies; children start there."""
_TICKS = os.sysconf("SC_CLK_TCK")
_CPUCLOCK_SCHED = 2
_TURNS = 100_000


def cores() -> tuple[int | None, int | None]:
    """(for the collector, for the sink and everything else): two cores, or None twice if there is one only."""
    mine = sorted(os.sched_getaffinity(0))
    return (mine[-1], mine[0]) if len(mine) > 1 else (None, None)


@contextlib.contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Children that are started meanwhile run on `core` (None: anywhere), with all their threads."""
    before = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def loop(core: int | None = None) -> float:
    """Seconds of processor time for one turn of an empty loop in this interpreter on `core`, the best of some. Builds
    of one version of Python differ twofold, and so does a busy machine from a quiet one.
    """
    best = float("inf")
    with on_core(core):
        for _ in range(7):
            began = time.process_time()
            sum(i * i for i in range(_TURNS))
            best = min(best, time.process_time() - began)
    return best / _TURNS


@dataclass(frozen=True, slots=True)
class Sample:
    """`at` is monotonic seconds; seconds of processor time so far; bytes of memory now and at the most."""

    at: float
    cpu: float
    resident: int
    peak: int


@dataclass
class Child:
    """A program that is measured. What it says goes to the file `log`."""

    command: Sequence[str]
    log: Path
    core: int | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    began: float = 0.0
    _process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> "Child":
        with open(self.log, "ab") as log, on_core(self.core):
            self.began = time.monotonic()
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env={**os.environ, **self.env},
            )
        return self

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, "started"
        return self._process

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself; it can still be sampled until `end` is called."""
        return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def sample(self) -> Sample:
        """What the tree of processes takes, which is remembered."""
        pids = list(tree(self.process.pid))
        memory = [_memory(pid) for pid in pids]
        new = Sample(
            time.monotonic(), cpu_seconds(self.process.pid), sum(m[0] for m in memory), sum(m[1] for m in memory)
        )
        self.samples.append(new)
        return new

    def at(self, moment: float) -> Sample:
        """The first sample that was taken at `moment` or later."""
        return next((s for s in self.samples if s.at >= moment), self.samples[-1])

    def steady(self, until: float) -> float:
        """Median of the memory in the second half of the time up to `until`."""
        half = self.began + (until - self.began) / 2
        return median([s.resident for s in self.samples if half <= s.at <= until] or [self.samples[-1].resident])

    def last_words(self, lines: int = 8) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def end(self, grace: float = 10.0) -> int:
        """Ask it to end, and make it after `grace` seconds; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self.process.wait(grace)
            self.process.kill()
        return self.process.wait()


def tree(pid: int) -> Iterator[int]:
    """The process `pid` and its living descendants."""
    yield pid
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                yield from tree(int(child))


def cpu_seconds(pid: int) -> float:
    """Processor time of the tree of processes so far, user and system."""
    total = 0.0
    for one in tree(pid):
        with contextlib.suppress(OSError):
            stat = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            total += (int(stat[13]) + int(stat[14])) / _TICKS  # of its children that have ended
            total += _own_seconds(one, (int(stat[11]) + int(stat[12])) / _TICKS)
    return total


def _own_seconds(pid: int, rough: float) -> float:
    """By the process's clock (clock_getcpuclockid(3)), which a process that has ended has no longer: then `rough`."""
    try:
        return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)
    except OSError:
        return rough


def _memory(pid: int) -> tuple[int, int]:
    """(resident now, at the most), in bytes."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0, 0
    found = {name: value for name, _, value in (line.partition(":") for line in text.splitlines())}
    return tuple(int(found[name].split()[0]) * 1024 if name in found else 0 for name in ("VmRSS", "VmHWM"))  # type: ignore[return-value]
