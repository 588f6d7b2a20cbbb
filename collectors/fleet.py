"""Several processes for one node: a supervisor starts `workers` of them and follows no log itself.

Each worker is this program again, as a child, and runs a whole node (`node.py`) for its share of the containers
(`shard.py`): its own watcher, pumps, cursors and connections. What is promised for the node is divided or shared:
requests under way and the hold are divided, limits are shared (`ceilings.py`), cursors are dealt out before the first
worker starts (`dealing.py`).

The supervisor alone watches and judges the configuration. What it accepts it hands to the workers, and each changes
over as a node alone does (`reload.py`), so a worker that is started later gets what the others have, whatever the file
says by then. Only another number of workers ends all of them and starts others.

It alone is asked from outside: `/metrics`, `/ledger` and the probes ask all workers and put the answers together. A
worker that dies is started again after a pause that grows; its cursors make that safe. If the supervisor dies, however,
the workers hear the end of their line and are gone within milliseconds: nobody would see to them, and a new supervisor
starts others for the same logs.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from collectors.child import GIVEN_UP, Child
from collectors.dealing import deal
from collectors.judging import judged_by_child, problems
from collectors.line import LineError
from collectors.reload import Nodes, Runs, make_node
from collectors.tapping import TappedFleet
from outrider.config import Config
from outrider.model.clock import Clock
from outrider.model.counters import Counters, Family
from outrider.model.shard import Shard
from outrider.pipeline.ceilings import SharedBuckets
from outrider.pipeline.destinations import used
from outrider.pipeline.merging import merged
from outrider.pipeline.process import sole_user
from outrider.pipeline.telemetry import NoLedgerError, Telemetry

log = logging.getLogger(__name__)

LOOK = 0.25
"""Seconds between two looks at the workers."""
ENDING_TAKES = 20.0
"""Seconds after which a worker that was asked to end is killed: twice what a node needs at most."""
ANSWERS = 5.0
"""Seconds that a worker has for an answer."""
FRESH = 1.0
"""Seconds for which what was asked for by name is good for the next name: some ask for one after the other."""

Command = Callable[[Shard, int, int], Sequence[str]]
"""(share, line, buckets) -> the command line of a worker; the two are descriptors that it inherits."""


def supervise(path: str, worker: Command, judge: Callable[[bool], Sequence[str]]) -> Nodes:
    """What runs the configuration at `path`: in this process, or in those that `worker` makes. `judge(first)` is the
    command line of a child that judges a configuration.
    """

    def make(config: Config, clock: Clock, counters: Counters) -> Runs:
        if config.workers == 1:
            return make_node(config, clock, counters)
        return Fleet(config, nodes.text, worker, clock, counters)

    def check(config: Config, first: bool) -> list[str]:
        return problems(config, first) if config.workers == 1 else judged_by_child(judge(first), nodes.text)

    nodes = Nodes(path, None, make, check)
    return nodes


class Fleet:
    """The workers of one configuration. `run` returns when `stop` is set and all of them have ended."""

    def __init__(self, config: Config, text: bytes, command: Command, clock: Clock, counters: Counters) -> None:
        self.config, self.text = config, text
        self.stop, self.last = threading.Event(), False
        self.readings = _Readings(self, clock)
        self.counters = counters
        self._command, self._clock = command, clock
        self._started = clock.now()
        self._children: list[Child] = []
        self._lock = threading.RLock()
        """Of the children, whoever asks them or tells them something."""
        self._telemetry = self._make_telemetry()

    def inherit(self, before: Any) -> None:
        """Nothing can be taken over from another process; what this one had open as a node is closed."""
        if (let_go := getattr(before, "let_go", None)) is not None:
            let_go()

    def adapt(self, new: "Fleet | Runs") -> bool:
        """Hand the new configuration to the workers, if there are as many as it wants."""
        if not isinstance(new, Fleet) or new.config.workers != self.config.workers:
            return False
        log.info("the configuration has changed and can be used: the workers change over to it")
        with self._lock:
            telemetry = self.config.telemetry
            self.config, self.text = new.config, new.text
            for child in self._children:
                child.hand_over()
        if self.config.telemetry != telemetry:
            self._telemetry.stop()
            self._telemetry = self._make_telemetry()
            self._telemetry.start()
        return True

    def run(self) -> None:
        """Keep the workers running until `stop` is set, then end them in order."""
        with sole_user(Path(self.config.state), self.stop, self._clock) as mine:
            if mine:
                self._keep_running()

    def _keep_running(self) -> None:
        number = self.config.workers
        deal(Path(self.config.state), number, self.counters)
        buckets = SharedBuckets.create()
        with self._lock:
            self._children = [
                Child(Shard(i, number), self._command, buckets, lambda: self.text, self._clock, self.counters)
                for i in range(number)
            ]
            for child in self._children:
                child.start()
        self.counters.gauge(
            "outrider_workers", "Worker processes that run.", lambda: sum(c.running for c in self._children)
        )
        log.info("%d workers share the logs of %s", number, self.config.logs.pods)
        self._telemetry.start()
        try:
            while not self._clock.wait(self.stop, LOOK):
                with self._lock:
                    for child in self._children:
                        child.attend()
        finally:
            self._end()
            os.close(buckets)

    def _end(self) -> None:
        log.info("ending: the workers end in order, for at most %g s", ENDING_TAKES)
        with self._lock:
            for child in self._children:
                child.end()
        deadline = self._clock.monotonic() + ENDING_TAKES
        left, patience, killed = self._children, threading.Event(), False
        while left:
            if not killed and self._clock.monotonic() >= deadline:
                killed = True
                for child in left:
                    child.kill()
            with self._lock:
                for child in left:
                    child.notice()
                left = [child for child in left if child.running]
            self._clock.wait(patience, 0.02)
        self._telemetry.stop()

    # -- questions ----------------------------------------------------------------------------------------------------

    def _make_telemetry(self) -> Telemetry:
        health, ready = partial(self._first_trouble, "health"), partial(self._first_trouble, "ready")
        telemetry, taps = self.config.telemetry, TappedFleet(lambda: used(self.config), self._asked)
        return Telemetry(telemetry.listen, self.readings, health, ready, self._ledger, taps, telemetry.tap)

    @contextmanager
    def _asked(self, what: str, about: object = None) -> Iterator[list[tuple[Child, Any, str | None]]]:
        """All workers, what each answers, and why it does not if it does not. They are asked at the same time."""
        with self._lock:
            deadline = self._clock.monotonic() + ANSWERS
            answers: list[tuple[Child, Any, str | None]] = []
            for child, number in [(child, child.ask(what, about)) for child in self._children]:
                try:
                    answers.append((child, child.hear(number, deadline - self._clock.monotonic()), None))
                except LineError as e:
                    child.notice()
                    silence = f"{child.name} does not answer: {e}" if child.running else child.absent
                    answers.append((child, None, silence))
            yield answers

    def families(self) -> list[Family]:
        """The counters and gauges of all processes together."""
        with self._asked("families") as answers:
            for child, answer, silence in answers:
                try:
                    if silence is None:
                        child.learn(answer)
                    else:
                        child.forget_gauges()
                except LineError as e:
                    log.error("%s answers what cannot be read: %s", child.name, e)
            return merged([self.counters.families(), *(child.known for child, _, _ in answers)])

    def _first_trouble(self, what: str) -> str | None:
        with self._asked(what) as answers:
            if not answers:
                return "the workers have not been started yet" if what == "ready" else None
            for child, trouble, silence in answers:
                if silence is not None and what == "health" and not child.running and child.deaths < GIVEN_UP:
                    continue  # it is seen to
                if silence is not None:
                    return silence
                if trouble:
                    return f"{child.name}: {trouble}"
        return None

    def _ledger(self) -> dict[str, Any]:
        """The books of all workers as one; without one of them they would not be the books of the node."""
        exporters: dict[str, dict[str, Any]] = {}
        with self._asked("ledger") as answers:
            for child, ledger, silence in answers:
                if silence is not None or ledger is None:
                    raise NoLedgerError(silence or f"{child.name} has not begun yet")
                for name, books in ledger["exporters"].items():
                    all_ = exporters.setdefault(name, {"trouble": None, "streams": []})
                    all_["trouble"] = all_["trouble"] or books["trouble"]
                    all_["streams"] += books["streams"]
        return {"time": self._clock.now(), "started": self._started, "exporters": exporters}


class _Readings:
    """What a fleet has counted, for those who ask name by name too."""

    def __init__(self, fleet: Fleet, clock: Clock) -> None:
        self._fleet, self._clock = fleet, clock
        self._last: list[Family] = []
        self._asked_at: float | None = None

    def families(self, only: str | None = None) -> list[Family]:
        now = self._clock.monotonic()
        if only is None or self._asked_at is None or now - self._asked_at > FRESH:
            self._last, self._asked_at = self._fleet.families(), now
        return [family for family in self._last if only in (None, family.name)]
