"""Every exporter that a route leads to, as one thing: a pump each, with its own cursors; none waits for another.

What the programs that follow files have in common, whatever they follow: pumps are made from the configuration, their
cursors are saved once a second and at the end, and their books make the ledger and the answers of the probes.
"""

import logging
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outrider.config.destinations import LogExporter, Stackdriver
from outrider.config.model import Config
from outrider.model.clock import Clock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.pipeline.batch import BatchLimits
from outrider.pipeline.ceilings import Buckets, own_buckets
from outrider.pipeline.deadletters import DeadLetters
from outrider.pipeline.destinations import log_destination, used
from outrider.pipeline.followed import PodBook
from outrider.pipeline.ledger import Account, families
from outrider.pipeline.pauses import GRACE, UNREADY_AFTER
from outrider.pipeline.pump import Pump
from outrider.pipeline.redact import Redactor
from outrider.pipeline.routing import Routing
from outrider.pipeline.taps import Taps
from outrider.tail.cursors import Cursors
from outrider.tail.files import StreamFiles
from outrider.tail.records import Joining
from outrider.tail.watch import Watcher

if TYPE_CHECKING:
    from outrider.pipeline.notes import Note

log = logging.getLogger(__name__)

SAVE_EVERY = 1.0
STRANGERS_KEPT = 3600.0
"""Seconds after which cursors of streams that were not found again are dropped."""


class Pumps:
    """The pumps of one program. Made, started and ended once."""

    def __init__(
        self,
        config: Config,
        cluster: Cluster,
        pods: PodBook,
        routing: Routing,
        clock: Clock,
        counters: Counters,
        taps: Taps,
        buckets: Buckets = own_buckets,
    ) -> None:
        self._config, self._cluster, self._taps, self._buckets = config, cluster, taps, buckets
        self._pods, self._routing = pods, routing
        self._clock, self._counters = clock, counters
        self._pumps = {name: self._pump(name) for name in used(config)}
        self._started = clock.now()
        counters.collect(lambda: families(self._accounts()))

    def __str__(self) -> str:
        return ", ".join(self._pumps) or "nobody"

    @property
    def cursors(self) -> dict[str, Cursors]:
        """By exporter."""
        return {name: pump.cursors for name, pump in self._pumps.items()}

    def start(self, watcher: Watcher, earlier: dict[str, Cursors] | None = None) -> None:
        """Read the cursors, or go on at those of `earlier` pumps that have ended, and begin to move."""
        for name, pump in self._pumps.items():
            if earlier is not None and name in earlier:
                pump.cursors.take_over(earlier[name])
            else:
                pump.cursors.load()
            pump.start(watcher)

    def follow(self, files: StreamFiles, scanned: bool, older: frozenset[str] | None) -> None:
        """Take up a stream for all who read it, where `logs.start` says unless it is new: it began after everything had
        been `scanned`, or was not among those that the program knew before a reload (`older`). From any thread.
        """
        from_end = self._config.logs.start == "end" and not scanned and (older is None or files.path in older)
        for name in files.readers:
            self._pumps[name].follow(files, from_end)

    def note(self, note: "Note", exporters: Iterable[str]) -> None:
        """Have it sent by those of `exporters` that take logs. From any thread."""
        for name in exporters:
            self._pumps[name].note(note)

    def attend(self, stop: threading.Event) -> None:
        """Save the cursors once a second until `stop` is set."""
        strangers_at: float | None = self._clock.monotonic() + STRANGERS_KEPT
        while not self._clock.wait(stop, SAVE_EVERY):
            if strangers_at is not None and self._clock.monotonic() >= strangers_at:
                strangers_at = None
                for cursors in self.cursors.values():
                    cursors.drop_untouched()
            self._save()

    def end(self, drain: bool = False) -> None:
        """End all of them, each within GRACE, and save the cursors a last time. `drain`: see `Pump.stop`."""
        ends = [threading.Thread(target=pump.stop, args=(GRACE, drain)) for pump in self._pumps.values()]
        for end in ends:
            end.start()
        for end in ends:
            end.join()
        self._save()
        if drain:
            self._say_what_is_left()

    def _say_what_is_left(self) -> None:
        for name, accounts in self._accounts().items():
            left = [b.behind + b.in_flight for b in (account.bytes for account in accounts)]
            if sum(left):
                log.warning(
                    "%s: the time is up, and %d bytes of %d files are not delivered. They are sent after a restart, "
                    "unless the volume goes with the pod",
                    *(name, sum(left), len(left) - left.count(0)),
                )

    def _save(self) -> None:
        for cursors in self.cursors.values():
            cursors.save()

    def _pump(self, name: str) -> Pump:
        exporter, state = self._config.exporters[name], Path(self._config.state)
        assert isinstance(exporter, LogExporter), "the configuration lets no route lead elsewhere"
        join = self._config.logs.join
        strict = isinstance(exporter, Stackdriver) and exporter.strict
        joining = (
            Joining(partials=False, exceptions=False, wait=join.wait)
            if strict
            else Joining(join.partials, join.exceptions, join.pattern, join.wait)
        )
        return Pump(
            name,
            log_destination(name, exporter, self._cluster, self._clock, self._counters),
            DeadLetters(state / "dead-letters", name, self._clock, self._counters),
            Cursors(state / f"cursors-{name}.json", self._counters, name),
            self._pods,
            self._routing,
            BatchLimits(exporter.batch.bytes, exporter.batch.wait, exporter.batch.in_flight),
            joining,
            Redactor(self._config.logs.redact, self._counters, exporter=name),
            self._clock,
            self._counters,
            self._buckets,
            self._taps,
        )

    # -- health -------------------------------------------------------------------------------------------------------

    def ledger(self) -> dict[str, Any]:
        """What `/ledger` shows: the books of every exporter and stream (see `pipeline/ledger.py`)."""
        exporters = {
            name: {"trouble": self._pumps[name].delivery.trouble, "streams": [account.plain() for account in accounts]}
            for name, accounts in self._accounts().items()
        }
        return {"time": self._clock.now(), "started": self._started, "exporters": exporters}

    def _accounts(self) -> dict[str, list[Account]]:
        return {name: pump.accounts() for name, pump in self._pumps.items()}

    def health(self, now: float) -> str | None:
        """What a restart may cure. Not: a destination that refuses or does not answer."""
        return next(filter(None, (pump.health(now) for pump in self._pumps.values())), None)

    def trouble(self, now: float) -> str | None:
        """What keeps lines from arriving, if it has for a while. A rollout stops at it before every node has the same
        wrong key.
        """
        for pump in self._pumps.values():
            trouble = pump.delivery.trouble
            if trouble is not None and now - pump.delivery.trouble_since > UNREADY_AFTER:
                return f"{pump.name}: {trouble}"
        return None
