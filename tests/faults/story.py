"""A story: pods that write, the real program as a child process, vendors that misbehave, and a judgement at the end.

    outcomes = play(Story("kill -9", (Flow(), Kill(), Start(), Still())), tmp_path)
    assert all(o.lost == 0 for o in outcomes.values())

The steps (`tests.faults.steps`) are data: they act on a `Stage`, which holds the collector, one sink for each vendor
and the writers. When the steps are over, everything that misbehaves is set right, the collector is started if it is
down, and everything that was written is waited for; then the collector is ended with SIGTERM and the judge compares.
Every wait is bounded, and fails with what is missing and with the end of the collector's log.
"""

import contextlib
import os
import random
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import urllib3

from tests.faults.judging import Arrivals, Outcome, judge
from tests.faults.writing import JumpingClock, Writer
from tests.support.node import NodeProcess, exporter_to, node_process
from tests.support.sink import DATADOG, GOOGLE, Sink, Vendor
from tests.support.wait import until

VENDORS: tuple[Vendor, ...] = tuple(  # type: ignore[assignment]
    os.environ.get("OUTRIDER_FAULTS_VENDORS", f"{GOOGLE},{DATADOG}").split(",")
)
PATIENCE = float(os.environ.get("OUTRIDER_FAULTS_PATIENCE", "60"))
"""Seconds that everything may take to arrive once all is well again; the longest pause of a sender is a minute."""
ALARMS = re.compile(
    r"^(outrider_\w*(?:lost|given_up|rejected|dropped|errors|garbage)\w*"
    r'|\w+(?={[^}\n]*state="lost"))(?:\{(.*)\})? (\S+)$',
    re.MULTILINE,
)
"""Counters and gauges of the collector that tell of a loss or of something that should not happen."""
HARMLESS = ("outrider_state_write_errors_total", "outrider_kube_errors_total")
"""Counters that may be raised in a story in which nothing is lost: they tell of something else."""


class StoryError(AssertionError):
    """The story did not go on; the text says what was waited for."""


class NotBuiltError(Exception):
    """The collector says that it does not do yet what the story is about."""


class Step(Protocol):
    """Something that happens."""

    def play(self, stage: "Stage") -> None: ...


@dataclass(frozen=True)
class Pod:
    """A pod of a story. `max_files`: kubelet's, the live file included."""

    name: str
    namespace: str = "shop"
    width: int = 80
    max_size: int = 128 * 1024
    max_files: int = 5
    copytruncate: bool = False


PODS = (Pod("cart"), Pod("web", max_size=64 * 1024), Pod("api", "pay"))


@dataclass(frozen=True)
class Story:
    """What happens, in order, to whom. `scale` of `play` multiplies what the steps write.

    `repeats`: whether the vendor may get something twice. `out_of_order`: whether ids may sort otherwise than the
    lines were written. `alarms`: counters of the collector that this story must raise; it raises no others.
    """

    name: str
    steps: Sequence[Step]
    pods: Sequence[Pod] = PODS
    repeats: bool = True
    out_of_order: bool = False
    vendors: Sequence[Vendor] = (GOOGLE, DATADOG)
    alarms: Sequence[str] = ()
    logs: dict[str, Any] = field(default_factory=dict)
    batch: dict[str, Any] = field(default_factory=dict)
    note: str = ""


@dataclass
class Played:
    """A story that has been played: an outcome for each vendor, counters that it raised, and what it measured."""

    story: Story
    outcomes: dict[str, Outcome]
    alarms: dict[str, float]
    notes: list[str]


class Stage:
    """Where a story takes place."""

    def __init__(self, root: Path, story: Story, scale: float, seed: int, node: NodeProcess) -> None:
        self.root, self.story, self.scale, self.node = root, story, scale, node
        self.random = random.Random(seed)
        self.clock = JumpingClock()
        self.sinks: dict[str, Sink] = {}
        self.arrivals: dict[str, Arrivals] = {}
        self.writers: dict[str, Writer] = {}
        self.notes: list[str] = []
        self.alarms: dict[str, float] = {}
        self.background: list[Background] = []
        self.restore: list[Callable[[], None]] = []
        """What ends a condition that a step has created; called before everything is waited for."""
        self._arriving = threading.Lock()
        self.resources = contextlib.ExitStack()

    # -- putting it up ------------------------------------------------------------------------------------------------

    def add_sink(self, name: str, vendor: Vendor, **more: Any) -> Sink:
        """One more vendor whose exporter gets everything, from the next start (or reload) on."""
        sink = self.resources.enter_context(Sink(vendor))
        self.arrivals[name] = Arrivals(sink)
        self.sinks = {**self.sinks, name: sink}  # others may be going through the old one
        batch = {"wait": "50ms", "in_flight": 2, **self.story.batch}
        self.node.config["exporters"][name] = exporter_to(sink, **{"batch": batch, **more})
        return sink

    def add_pod(self, pod: Pod) -> Writer:
        w = self.writers[pod.name] = Writer(
            self.node.pods,
            self.clock,
            pod.namespace,
            pod.name,
            width=pod.width,
            max_size=pod.max_size,
            max_files=pod.max_files,
            copytruncate=pod.copytruncate,
        )
        return w

    def vendors(self) -> list[Sink]:
        """The sinks that a step means when it names none."""
        return [self.sinks[v] for v in self.story.vendors if v in self.sinks]

    def chosen(self, *pods: str) -> list[Writer]:
        """The writers of `pods`; of all, if none is named."""
        return [self.writers[p] for p in pods] if pods else list(self.writers.values())

    def amount(self, count: int) -> int:
        return max(1, round(count * self.scale))

    @property
    def patience(self) -> float:
        """Seconds that everything may take to arrive."""
        return PATIENCE * max(1, self.scale / 10)

    # -- waiting ------------------------------------------------------------------------------------------------------

    def wait(self, condition: Callable[[], Any], what: Callable[[], str] | str, timeout: float = 30.0) -> None:
        """Wait for `condition`; StoryError with `what` and the collector's last words after `timeout` seconds."""
        try:
            until(condition, timeout)
        except AssertionError:
            said = what if isinstance(what, str) else what()
            alive = "alive" if self.node.alive else f"not running (exit code {self._exit_code()})"
            tail = (
                "\n".join(self.node.log.read_text(errors="replace").splitlines()[-40:])
                if self.node.log.exists()
                else ""
            )
            raise StoryError(
                f"{self.story.name}: not within {timeout:g} s: {said}\n"
                f"the collector is {alive}; the end of its log:\n{tail}"
            ) from None

    def arrived(self, sinks: Iterable[str] | None = None, writers: Iterable[Writer] | None = None) -> bool:
        """Whether everything that was written so far has come to all sinks."""
        return not self.missing(sinks, writers)

    def missing(self, sinks: Iterable[str] | None = None, writers: Iterable[Writer] | None = None) -> list[str]:
        """One text for each container that is not all there."""
        return [
            f"{sink}: {w.name} {prefix} of {w.written}"
            for sink in list(sinks or self.sinks)
            for w in list(writers or self.writers.values())
            if (prefix := self.prefix(sink, w.name)) < w.written
        ]

    def prefix(self, sink: str, pod: str) -> int:
        """How many records of `pod` have come to `sink` without a gap."""
        with self._arriving:
            arrivals = self.arrivals[sink]
            arrivals.update()
            return arrivals.prefix(pod)

    def may_rotate(self, w: Writer) -> bool:
        """Whether the next rotation deletes nothing that some sink does not have yet."""
        needed = w.next_to_be_deleted()
        return not needed or all(self.prefix(s, w.name) >= needed for s in self.sinks)

    # -- the collector ------------------------------------------------------------------------------------------------

    def start(self, ready: bool = True) -> None:
        """Start it; raises NotBuiltError if it says that it does not know what the story needs."""
        self.node.start(ready=False)
        if ready:
            self.wait(lambda: not self.node.alive or self.node.is_ready(), "the collector to be ready")
            if not self.node.alive:
                raise StoryError(f"{self.story.name}: the collector did not start:\n{self.node.said[-4000:]}")
        for line in self.node.said.splitlines():
            if "does nothing yet" in line or "this version delivers logs to" in line:
                raise NotBuiltError(line)

    def terminate(self) -> None:
        """SIGTERM, and exit code 0."""
        self.gather_alarms()
        code = self.node.end()
        if code != 0:
            raise StoryError(f"{self.story.name}: exit code {code} after SIGTERM:\n{self.node.said[-4000:]}")

    def gather_alarms(self) -> None:
        """Add up the counters of this process that tell of something gone wrong."""
        try:
            _, text = self.node.get("/metrics")
        except (AssertionError, urllib3.exceptions.HTTPError):
            return  # it was killed, or has just begun
        for name, _, value in ALARMS.findall(text):
            if float(value) and name not in HARMLESS:
                self.alarms[name] = self.alarms.get(name, 0) + float(value)

    def _exit_code(self) -> int | None:
        return self.node.process.poll() if self.node.process else None

    # -- the end ------------------------------------------------------------------------------------------------------

    def make_well(self) -> None:
        """Every sink answers as it should."""
        for sink in self.sinks.values():
            sink.always = sink.refuse = sink.fail_entry = sink.most_bytes = sink.slow = None
            sink.release.set()  # what hangs is let go

    def _idle(self) -> bool:
        return not any(self.node.metric("outrider_batches_in_flight", exporter=name) for name in self.sinks)

    def finish(self) -> None:
        """Set everything right, wait for everything, and end the collector. What does not come in time is lost."""
        for thread in self.background:
            thread.stop()
        for undo in self.restore:
            undo()
        self.make_well()
        if not self.node.alive:
            self.start()
        try:
            self.wait(self.arrived, lambda: f"everything to arrive; missing: {self.missing()}", self.patience)
            self.wait(self._idle, "the last answers", 30)
        except StoryError as e:
            self.notes.append(str(e))  # the judge says what is lost
        self.terminate()


class Background:
    """A thread of a story; an exception in it is raised again by `stop`."""

    def __init__(self, turn: Callable[[], object], every: float = 0.01) -> None:
        self._over = threading.Event()
        self._turn, self._every = turn, every
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._over.is_set() and self._turn() is not False:
                self._over.wait(self._every)
        except BaseException as e:
            self._error = e

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(30)
        if self._error is not None:
            raise self._error


@contextlib.contextmanager
def staged(story: Story, root: Path, scale: float = 1.0, seed: int = 1) -> Iterator[Stage]:
    """A stage with the story's pods and sinks; nothing is started yet."""
    exporters: dict[str, Any] = {}
    with node_process(root, exporters) as node:
        stage = Stage(root, story, scale, seed, node)
        node.config["logs"] |= story.logs
        if "hold" in story.logs:
            node.config["logs"]["hold"] = {**story.logs["hold"], "path": str(root / "hold")}
        with stage.resources:
            for vendor in story.vendors:
                if vendor in VENDORS:
                    stage.add_sink(vendor, vendor)
            for pod in story.pods:
                stage.add_pod(pod)
            try:
                yield stage
            finally:
                for thread in stage.background:
                    with contextlib.suppress(Exception):
                        thread.stop()
                node.kill()


def play(story: Story, root: Path, scale: float = 1.0, seed: int = 1) -> Played:
    """Play `story` to its end and judge it. Raises StoryError if it does not get there, NotBuiltError if it cannot."""
    with staged(story, root, scale, seed) as stage:
        for step in story.steps:
            step.play(stage)
        stage.finish()
        outcomes = {name: judge(sink, stage.writers.values(), name) for name, sink in stage.sinks.items()}
        for name, sink in stage.sinks.items():
            if sink.complaints:
                raise StoryError(f"{story.name}: {name} was sent what it must not be sent: {sink.complaints[:5]}")
        return Played(story, outcomes, stage.alarms, stage.notes)
