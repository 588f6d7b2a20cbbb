"""The runs of one target, as the scheduler of `discovered.py` sees them: due, busy, late, over.

    idle --begin--> busy --once returns--> idle
                     | not back at its deadline
                     v
                  written off: told as critical, and its report is not wanted any more, until it returns

The check itself is made in the pool's thread at the first run, since that may load a library. What all of them hold at
a time has to fit into the collector's memory, so their answers are to be `modest`.
"""

import logging
import threading
from collections.abc import Callable

from outrider.checks import found
from outrider.checks.http import modest
from outrider.discovery.wish import Fault, Target
from outrider.model.clock import Clock
from outrider.model.counters import Counters
from outrider.model.pod import Container, Pod
from outrider.model.points import Report, ServiceCheck, Status, Subject
from outrider.model.stream import Stream
from outrider.pipeline.checks import CheckRuns

log = logging.getLogger(__name__)

SLACK = 5.0
"""Seconds after its timeout when a run is written off: a check keeps its time by itself, if it is sound."""
SLOW = 1.0
"""Seconds beyond which a run is one of the slow ones."""


class TargetRuns:
    """`pod` is asked for the pod as it is now. Times are monotonic seconds."""

    def __init__(
        self,
        target: Target,
        node: str,
        pod: Callable[[], Pod],
        first: float,
        hand_on: Callable[[Stream, Pod, Report], None],
        say: Callable[[Fault], None],
        clock: Clock,
        counters: Counters,
    ) -> None:
        self.target, self.due, self.deadline = target, first, 0.0
        known = pod()
        self.uid, self.namespace = known.uid, known.namespace
        self.name = f"{target.check} of {known.namespace}/{known.name}/{target.container}"
        self.slow = self.busy = False
        self._node, self._pod, self._hand_on, self._say = node, pod, hand_on, say
        self._clock, self._counters = clock, counters
        self._runs: CheckRuns | None = None
        self._declared: tuple[str, str] = target.check, ""  # product, service check
        self._unusable = self._written_off = self._over = False
        self._lock = threading.Lock()

    @property
    def active(self) -> bool:
        """Whether a run is under way that is waited for."""
        return self.busy and not self._written_off

    @property
    def up(self) -> bool | None:
        """Whether the server could be read last time; None before the first."""
        if self._written_off or self._unusable:
            return False
        return None if self._runs is None else self._runs.up

    def begin(self, now: float) -> None:
        """A thread is about to call `once`."""
        self.busy, self.deadline = True, now + self.target.settings.timeout + SLACK

    def once(self, every: float) -> None:
        """Run it, in a thread of the pool."""
        began = self._clock.monotonic()
        try:
            if self._runs is None:
                self._runs = self._make()
            if self._runs is not None:
                with modest():
                    self._runs.once()
        finally:
            with self._lock:
                took = self._clock.monotonic() - began
                self.slow = took > SLOW or self._written_off
                self.due = began + every if self._runs is None else self._runs.next_due(self.due, every)
                if self._written_off:
                    log.info("%s: the run that was written off is back after %.0f s", self.name, took)
                self.busy = self._written_off = False
                over = self._over
            if over:
                self.close()

    def write_off_if_late(self, now: float) -> None:
        with self._lock:
            if not self.active or now < self.deadline:
                return
            self._written_off, unwanted = True, self._over
        seconds = self.target.settings.timeout + SLACK
        words = f"the check has not come back after {seconds:g} s"
        log.warning("%s: %s; it is not waited for", self.name, words)
        self._counters.counter(
            "outrider_checks_total", "Runs of checks by what came of them.", check=self.target.check, result="hung"
        ).add()
        product, can_connect = self._declared
        if can_connect and not unwanted:
            told = ServiceCheck(can_connect, Status.CRITICAL, int(self._clock.now() * 1e9), (), words)
            report = Report(product, self._subject(), (), (told,), (), tuple(self.target.settings.tags))
            self._hand_on(self._stream(), self._pod(), report)

    def end(self) -> bool:
        """Nothing of it is wanted any more. Whether `close` is to be called; else the run under way will."""
        with self._lock:
            self._over = True
            return not self.busy

    def close(self) -> None:
        """Give back connections."""
        if self._runs is not None:
            self._runs.close()

    def _make(self) -> CheckRuns | None:
        target = self.target
        try:
            check, declared = found.load(target.check)
            made = check(target.settings)
        except Exception as e:  # its own, or a library that is missing, or a defect
            log.debug("%s cannot be run", self.name, exc_info=True)
            self._unusable = True
            self._say(Fault(target.key, f"{target.check} cannot be run: {e}", target.container))
            return None
        self._declared, self._unusable = (declared.product, made.can_connect), False
        return CheckRuns(
            self.name,
            made,
            declared,
            tuple(target.settings.tags),
            self._subject,
            self._take,
            self._clock,
            self._counters,
            counted_as=target.check,
        )

    def _take(self, report: Report) -> None:
        with self._lock:
            if self._over or self._written_off:
                return
        self._hand_on(self._stream(), self._pod(), report)

    def _subject(self) -> Subject:
        pod = self._pod()
        return Subject(self._node, pod.namespace, pod.name, pod.uid, self.target.container, pod)

    def _stream(self) -> Stream:
        pod = self._pod()
        restart = pod.containers.get(self.target.container, Container()).restart
        return Stream(pod.namespace, pod.name, pod.uid, self.target.container, max(restart, 0))
