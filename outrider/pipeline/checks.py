"""Checks at work: each is asked again and again, on a thread of its own, and what it found is handed on.

A server that hangs thus holds up its own check and nobody else. The runs keep a beat: one is due every so many seconds
after the first, and one that takes longer than that has its next turns left out (and counted) instead of being started
twice. First runs are spread, so that several checks do not all want the processor and the network in the same moment;
the first is at once, since a pod that has just been started is looked at. From the second run on the beat is late by up
to a second, so that neither do many sidecars that were started together.

What is wrong with a server is said once when it begins and once when it is over; a report with the service check goes
out either way.
"""

import logging
import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence

from outrider import config
from outrider.checks import found
from outrider.checks.check import (
    MAX_MISSING,
    AnswerError,
    Check,
    CheckError,
    CheckSettings,
    DeniedError,
    RefusedError,
    SilentError,
    run,
)
from outrider.checks.declared import Declared
from outrider.config.problems import UnusableError
from outrider.config.secrets import redacted
from outrider.model.clock import Clock
from outrider.model.counters import Counters
from outrider.model.points import Report, Subject

log = logging.getLogger(__name__)

RESULTS = {RefusedError: "refused", SilentError: "silent", DeniedError: "denied", AnswerError: "answer"}
"""What `outrider_checks_total` calls each kind of trouble; `ok` is none, `failed` any other."""
ADDRESSES = (
    ("unix_socket_path",), ("url",), ("prometheus_url",), ("hosts",), ("bootstrap_servers",),
    ("host", "port", "dbname"),
    ("namenode_url",), ("datanode_url",), ("resourcemanager_url",), ("history_url",),
)  # fmt: skip
"""Settings that say which server is read; in a group those that do together."""
SPREAD = 15.0
"""Seconds within which every check has had its first turn, however rare they are."""
JITTER = 1.0
"""Seconds, at most, by which all runs but the first are late."""
LISTED = 100
"""Things that are named in a line of the log which says that they could not be read."""
LAST_RUN = 1.0
"""Seconds that a run that is under way gets when the program ends."""


class Checks:
    """The checks of a configuration: each of `entries` every `every` seconds. Made, started and ended once."""

    def __init__(
        self,
        entries: Sequence[config.Check],
        every: float,
        subject: Callable[[], Subject],
        hand_on: Callable[[Report], None],
        clock: Clock,
        counters: Counters,
    ) -> None:
        """Raises UnusableError for a check that cannot be made."""
        self._clock, self._stop = clock, threading.Event()
        self._runs: list[CheckRuns] = []
        tags = told_apart(entries)
        for i, entry in enumerate(entries):
            same = [other.name for other in entries[: i + 1]].count(entry.name)
            name = entry.name if same == 1 else f"{entry.name}-{same}"
            check, declared = found.load(entry.name)
            try:
                made = check(entry.settings)
            except (CheckError, OSError, ValueError) as e:
                raise UnusableError(f"metrics.checks[{i}].{entry.name}: {e}") from e
            self._runs.append(CheckRuns(name, made, declared, tags[i], subject, hand_on, clock, counters))
            self._runs[-1].show_gauges()
        self._threads = [
            threading.Thread(
                target=one.keep, args=(every, *beat(i, len(entries), every), self._stop),
                name=f"outrider-check-{one.name}", daemon=True,
            )
            for i, one in enumerate(self._runs)
        ]  # fmt: skip

    def __str__(self) -> str:
        return ", ".join(one.name for one in self._runs)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Begin no run any more, and wait a moment for those that are under way."""
        self._stop.set()
        deadline = self._clock.monotonic() + LAST_RUN
        for thread in self._threads:
            thread.join(max(deadline - self._clock.monotonic(), 0.0))


class CheckRuns:
    """All runs of one check, one after the other. `name` is what messages call it, `counted_as` what counters do (""
    the same).
    """

    def __init__(
        self,
        name: str,
        check: Check,
        declared: Declared,
        tags: tuple[str, ...],
        subject: Callable[[], Subject],
        hand_on: Callable[[Report], None],
        clock: Clock,
        counters: Counters,
        counted_as: str = "",
    ) -> None:
        self.name, self._counted_as = name, counted_as or name
        self._check, self._declared, self._tags = check, declared, tags
        self._subject, self._hand_on, self._clock, self._counters = subject, hand_on, clock, counters
        self._began: float | None = None
        self._took, self._points = 0.0, 0
        self._trouble: type[CheckError] | None = None
        self._up: bool | None = None
        self._missing: dict[str, str] = {}
        self._skipped = counters.counter(
            "outrider_checks_skipped_total",
            "Runs left out since the one before was still under way.",
            check=self._counted_as,
        )

    def show_gauges(self) -> None:
        """From now on, at `/metrics`: of a check that is there as long as the program."""
        gauges: dict[str, tuple[str, Callable[[], float]]] = {
            "outrider_check_duration_seconds": ("How long the last run of a check took.", lambda: self._took),
            "outrider_check_points": ("Points that the last run of a check found.", lambda: self._points),
            "outrider_check_running_seconds": ("How long the run that is under way has taken.", self._running),
        }
        for gauge, (text, read) in gauges.items():
            self._counters.gauge(gauge, text, read, check=self.name)

    @property
    def up(self) -> bool | None:
        """Whether the server could be read when it was asked last; None before the first time."""
        return self._up

    def keep(self, every: float, first: float, late: float, stop: threading.Event) -> None:
        """Run every `every` seconds until `stop` is set; for the first time in `first` seconds, and all later ones
        `late` seconds late.
        """
        due = self._clock.monotonic() + first
        while not self._clock.wait(stop, max(due - self._clock.monotonic(), 0.0)):
            self.once()
            due, late = self.next_due(due + late, every), 0.0
        self.close()

    def next_due(self, due: float, every: float) -> float:
        """When it is run again that was due at `due`; what it has missed meanwhile is counted."""
        missed = int(max(self._clock.monotonic() - due - every, 0.0) // every)
        self._skipped.add(missed)
        return due + every + missed * every

    def close(self) -> None:
        """It is not run any more."""
        self._check.close()

    def once(self) -> None:
        """Run it, and hand on the report."""
        self._began = self._clock.monotonic()
        report, reading, trouble = run(self._check, self._declared, self._subject(), self._clock, self._tags)
        self._took, self._began = self._clock.monotonic() - self._began, None
        self._points, self._up = len(report.points), trouble is None
        result = "ok" if trouble is None else RESULTS.get(type(trouble), "failed")
        self._counters.counter(
            "outrider_checks_total", "Runs of checks by what came of them.", check=self._counted_as, result=result
        ).add()
        self._say(trouble)
        self._say_missing(reading.missing)
        self._hand_on(report)

    def _running(self) -> float:
        began = self._began
        return 0.0 if began is None else self._clock.monotonic() - began

    def _say(self, trouble: CheckError | None) -> None:
        kind = None if trouble is None else type(trouble)
        if kind is not self._trouble:
            if trouble is None:
                log.info("check %s: it can be read again", self.name)
            else:
                # what was raised unawares is a defect of the check: whoever mends it needs to know where
                log.warning("check %s: %s", self.name, trouble, exc_info=trouble.__cause__)
        self._trouble = kind

    def _say_missing(self, missing: dict[str, str]) -> None:
        """Say once what is declared and cannot be read here; those that lack the same thing together."""
        news = {key: why for key, why in missing.items() if self._missing.get(key) != why}
        for why in dict.fromkeys(news.values()):
            keys = [key for key in news if news[key] == why]
            more = f" and {len(keys) - LISTED} more" if len(keys) > LISTED else ""
            log.info("check %s: not read: %s%s (%s)", self.name, ", ".join(keys[:LISTED]), more, why)
        if len(self._missing) > MAX_MISSING:  # a server that goes on making up names
            self._missing = {}
        self._missing |= missing


def told_apart(entries: Sequence[config.Check]) -> list[tuple[str, ...]]:
    """The tags of what each of `entries` finds. Two of one product with the same tags would write into the same series
    where a vendor does not want to know the server's address. So they get it, as the tag `instance`.
    """
    alike = Counter((entry.name, *sorted(entry.settings.tags)) for entry in entries)
    tags = []
    for entry in entries:
        own = tuple(entry.settings.tags)
        several = alike[entry.name, *sorted(own)] > 1
        tags.append((*own, f"instance:{address(entry.settings)}") if several else own)
    return tags


def address(settings: CheckSettings) -> str:
    """Where a check reads, by the first of ADDRESSES that its settings have."""
    for keys in ADDRESSES:
        parts = [redacted(getattr(settings, key, None)) for key in keys]
        if parts[0]:
            return ":".join(",".join(part) if isinstance(part, list) else str(part) for part in parts if part)
    return ""


def beat(index: int, of: int, every: float) -> tuple[float, float]:
    """Seconds until the first run of one of several checks, and by which all later ones are late."""
    share = min(every, SPREAD) / of
    return index * share, random.uniform(0.0, min(share, JITTER))
