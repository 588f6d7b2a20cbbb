"""Findings, and how they are collected: every probe on a thread of its own, all under one deadline.

A probe yields findings as it goes. Whatever it waits for may never come, and some waits nobody can break off (a name
that is being resolved), so its thread is left behind when time is up: what it has found until then counts, and that it
was not done is a finding, too.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from outrider.model.clock import SystemClock

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: how `subject` is, in words, and the way out where it is not as it should be. No secrets."""

    status: Status
    subject: str
    words: str
    cure: str = ""


def ok(subject: str, words: str) -> Finding:
    """It is as it should be."""
    return Finding("ok", subject, words)


def warn(subject: str, words: str, cure: str) -> Finding:
    """It works, and may cease to, or does less than it could."""
    return Finding("warn", subject, words, cure)


def fail(subject: str, words: str, cure: str) -> Finding:
    """Something does not arrive because of it."""
    return Finding("fail", subject, words, cure)


class Probe(NamedTuple):
    """A question about `subject`; `cure` is for when there is no answer in time."""

    subject: str
    ask: Callable[[], Iterable[Finding]]
    cure: str = "see what it waits for: name resolution, a firewall that drops packets, a disk that hangs"


class _Run:
    def __init__(self, probe: Probe) -> None:
        self.probe, self._lock, self._found = probe, threading.Lock(), list[Finding]()
        self.done = threading.Event()
        threading.Thread(target=self._work, name=f"outrider-probe-{probe.subject}", daemon=True).start()

    def _work(self) -> None:
        try:
            for finding in self.probe.ask():
                self._add(finding)
        except Exception as e:  # one probe that trips must not take the findings of all others along
            words = f"could not be examined: {type(e).__name__}"  # whatever its text may hold
            self._add(fail(self.probe.subject, words, "a fault of outrider doctor itself: please report it"))
        self.done.set()

    def _add(self, finding: Finding) -> None:
        with self._lock:
            self._found.append(finding)

    def found(self, within: float) -> list[Finding]:
        """What it has found; call when time is up."""
        with self._lock:
            late = not self.done.is_set()
            words = f"no answer within {within:g} s"
            return [*self._found, *([fail(self.probe.subject, words, self.probe.cure)] if late else [])]


def examine(probes: Sequence[Probe], within: float) -> list[Finding]:
    """The findings of all probes, in their order, after `within` seconds at most."""
    clock = SystemClock()
    runs, deadline = [_Run(probe) for probe in probes], clock.monotonic() + within
    for run in runs:
        clock.wait(run.done, max(deadline - clock.monotonic(), 0.0))
    return [finding for run in runs for finding in run.found(within)]
