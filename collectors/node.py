"""`outrider node`: every pod's logs of this node, to every exporter that a route names.

A composition and nothing more. The watcher finds streams; routing names their readers; each exporter is a pump with
its own cursors, so that none waits for another; pods come from `kube`. The main thread saves the cursors once a
second and waits for the end.

Order matters twice. At the start the pod snapshot and the cursors are read before the first stream is found, and
nothing waits for the network. At the end the watcher stops first, then the pumps send what they have read, then the
cursors are saved a last time.

Where several processes share the streams (`fleet.py`), each of them runs one of these for its share, and its `Place`
says which.
"""

import contextlib
import ctypes
import logging
import resource
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec

from collectors.dealing import deal
from outrider.config import Config, Datadog, Stackdriver
from outrider.kube.platform import resolve
from outrider.kube.pods import Pods, from_config
from outrider.model.clock import Clock, SystemClock
from outrider.model.counters import Counters, Readings
from outrider.model.shard import ALONE, Shard
from outrider.pipeline.batch import BatchLimits
from outrider.pipeline.ceilings import Buckets, own_buckets
from outrider.pipeline.deadletters import DeadLetters
from outrider.pipeline.destinations import key_file, log_destination
from outrider.pipeline.ledger import Account, families
from outrider.pipeline.pump import Pump
from outrider.pipeline.redact import Redactor
from outrider.pipeline.routing import Routing
from outrider.pipeline.telemetry import Telemetry
from outrider.tail.cursors import Cursors
from outrider.tail.files import StreamFiles
from outrider.tail.hold import Hold
from outrider.tail.records import Joining
from outrider.tail.watch import Watcher

log = logging.getLogger(__name__)

M_MMAP_THRESHOLD = -3
"""Of glibc's malloc.h."""
SAVE_EVERY = 1.0
GRACE = 5.0
"""Seconds that the end of the program leaves for answers that are on their way."""
UNREADY_AFTER = 60.0
"""Seconds for which a destination may fail before `/readyz` says so."""
STRANGERS_KEPT = 3600.0
"""Seconds after which cursors of streams that were not found again are dropped."""


class Serves(Protocol):
    """Where the node can be asked for its state."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


Trouble = Callable[[], str | None]
Serve = Callable[[str, Readings, Trouble, Trouble, Callable[[], object]], Serves]


@dataclass(frozen=True, slots=True)
class Place:
    """What a process is to the node: all of it, or one of several. `serve` makes what `Telemetry` is otherwise."""

    shard: Shard = ALONE
    buckets: Buckets = own_buckets
    serve: Serve = Telemetry


class Node:
    """The node collector. `run` returns when `stop` is set."""

    def __init__(
        self,
        config: Config,
        clock: Clock | None = None,
        counters: Counters | None = None,
        place: Place = Place(),
    ) -> None:
        """Raises PlatformError (cluster names unknown) and KubeConfigError; asks the network only for
        what the configuration leaves out, for two seconds at most.
        """
        self.config = config
        self.clock = clock or SystemClock()
        self.counters = counters or Counters()
        self.stop = threading.Event()
        self._place = place
        if place.shard.index == 0:
            _warn_of_unbuilt(config)
        key_files = [f for f in map(key_file, config.exporters.values()) if f is not None]
        self.cluster = resolve(config.cluster, credentials=key_files[0] if key_files else "adc")
        self._state = Path(config.state) / place.shard.directory
        select = config.logs.select
        self._routing = Routing(select.include, select.exclude, config.routes, self.counters)
        used = {name for route in config.routes for name in route.to}
        self._pods: Pods = from_config(
            config.kube,
            self.cluster.node,
            self._state,
            self.clock,
            self.counters,
            on_change=lambda _: None,
            details=any(isinstance(config.exporters[name], Datadog) for name in used),
        )
        self._pumps = {name: self._pump(name) for name in config.exporters if name in used}
        self._older: frozenset[str] | None = None  # the logs that the node before this one knew
        self._earlier: dict[str, Cursors] = {}  # and its cursors
        hold = config.logs.hold
        self._hold = Hold(hold.path, hold.budget, config.logs.pods, self.clock, self.counters, place.shard)
        self._watcher = Watcher(
            config.logs.pods,
            self._routing.readers,
            self._found,
            self.clock,
            self.counters,
            hold=self._hold,
            shard=place.shard,
        )
        self._telemetry = place.serve(config.telemetry.listen, self.counters, self._health, self._ready, self.ledger)
        self._started = self.clock.now()
        self.counters.collect(lambda: families(self._accounts()))

    def inherit(self, before: object) -> None:
        """Take over from a node that has ended: its cursors, which it may not have been able to save, and its open
        files, for of what is deleted there is no other copy. From processes that have ended nothing can be had.
        """
        if not isinstance(before, Node):
            return
        self._earlier = {name: pump.cursors for name, pump in before._pumps.items()}
        streams = before._watcher.bequest()
        if before.config.logs.pods == self.config.logs.pods:
            self._older = before._watcher.known()
            if before.config.logs.hold.path != self.config.logs.hold.path:
                for files in streams:
                    with contextlib.suppress(OSError):  # descriptors keep what cannot be moved
                        before._hold.links.move(files.stream, self._hold.links)
            self._watcher.adopt(streams)
        else:
            for files in streams:
                files.close()

    def let_go(self) -> None:
        """It has ended and no other node takes over from it: close what it has open."""
        for files in self._watcher.bequest():
            files.close()

    def run(self) -> None:
        """Collect until `stop` is set, then end in order."""
        _raise_descriptor_limit()
        _give_memory_back()
        if self._place.shard.of == 1:
            deal(self._state, 1, self.counters)
        _check_state(self._state)
        if not Path(self.config.logs.pods).is_dir():
            log.warning("%s is not there (yet): logs.pods must be kubelet's tree of pod logs", self.config.logs.pods)
        self._pods.start()
        for pump in self._pumps.values():
            earlier = self._earlier.pop(pump.name, None)
            if earlier is None:
                pump.cursors.load()
            else:
                pump.cursors.take_over(earlier)
            pump.start(self._watcher)
        self._telemetry.start()
        self._watcher.start()
        log.info(
            "following %s on node %s for %s",
            self.config.logs.pods,
            self.cluster.node,
            ", ".join(self._pumps) or "nobody",
        )
        self._attend()
        self._end()

    def _attend(self) -> None:
        strangers_at: float | None = self.clock.monotonic() + STRANGERS_KEPT
        while not self.clock.wait(self.stop, SAVE_EVERY):
            if strangers_at is not None and self.clock.monotonic() >= strangers_at:
                strangers_at = None
                for pump in self._pumps.values():
                    pump.cursors.drop_untouched()
            self._save()

    def _end(self) -> None:
        log.info("ending: what has been read is sent, for at most %g s", GRACE)
        self._watcher.stop()
        ends = [threading.Thread(target=pump.stop, args=(GRACE,)) for pump in self._pumps.values()]
        for end in ends:
            end.start()
        for end in ends:
            end.join()
        self._save()
        self._pods.stop()
        self._telemetry.stop()

    def _save(self) -> None:
        for pump in self._pumps.values():
            pump.cursors.save()

    # -- parts --------------------------------------------------------------------------------------------------------

    def _found(self, files: StreamFiles) -> None:
        from_end = self.config.logs.start == "end" and not self._watcher.scanned.is_set()
        from_end &= self._older is None or files.path in self._older  # what began during a reload is new
        for name in files.readers:
            self._pumps[name].follow(files, from_end)

    def _pump(self, name: str) -> Pump:
        state, exporter = self._state, self.config.exporters[name]
        in_flight = self._place.shard.part(exporter.batch.in_flight)
        exporter = msgspec.structs.replace(exporter, batch=msgspec.structs.replace(exporter.batch, in_flight=in_flight))
        join = self.config.logs.join
        strict = isinstance(exporter, Stackdriver) and exporter.strict
        joining = (
            Joining(partials=False, exceptions=False, wait=join.wait)
            if strict
            else Joining(join.partials, join.exceptions, join.pattern, join.wait)
        )
        return Pump(
            name,
            log_destination(name, exporter, self.cluster, self.clock, self.counters),
            DeadLetters(state / "dead-letters", name, self.clock, self.counters),
            Cursors(state / f"cursors-{name}.json", self.counters, name),
            self._pods,
            self._routing,
            BatchLimits(exporter.batch.bytes, exporter.batch.wait, in_flight),
            joining,
            Redactor(self.config.logs.redact, self.counters, exporter=name),
            self.clock,
            self.counters,
            self._place.buckets,
        )

    # -- health -------------------------------------------------------------------------------------------------------

    def ledger(self) -> dict[str, Any]:
        """What `/ledger` shows: the books of every exporter and stream (see `pipeline/ledger.py`)."""
        exporters = {
            name: {"trouble": self._pumps[name].delivery.trouble, "streams": [account.plain() for account in accounts]}
            for name, accounts in self._accounts().items()
        }
        return {"time": self.clock.now(), "started": self._started, "exporters": exporters}

    def _accounts(self) -> dict[str, list[Account]]:
        return {name: pump.accounts() for name, pump in self._pumps.items()}

    def _health(self) -> str | None:
        """What a restart may cure. Not: a destination that refuses or does not answer."""
        now = self.clock.monotonic()
        stuck = (self._watcher.health(), *(pump.health(now) for pump in self._pumps.values()))
        return next(filter(None, stuck), None) or self._pods.health(now)

    def _ready(self) -> str | None:
        """What keeps lines from arriving. A rollout stops at it before every node has the same wrong key."""
        if not self._watcher.scanned.is_set():
            return "the pod logs have not been looked through yet"
        now = self.clock.monotonic()
        for pump in self._pumps.values():
            trouble = pump.delivery.trouble
            if trouble is not None and now - pump.delivery.trouble_since > UNREADY_AFTER:
                return f"{pump.name}: {trouble}"
        return None


def _warn_of_unbuilt(config: Config) -> None:
    """Say what this version does not do yet instead of leaving it out in silence."""
    if config.metrics.checks:
        log.warning("metrics.checks is read but does nothing yet in this version")


def _raise_descriptor_limit() -> None:
    """Every unread log holds a descriptor; shells and some runtimes start programs with 1024."""
    with contextlib.suppress(ValueError, OSError):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _give_memory_back() -> None:
    """Batches and long records come and go in all sizes. What is mapped by itself leaves no holes behind: with lines of
    5 MB that is half of what would stay (glibc's mallopt(3); other C libraries have no such knob, or need none).
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 1 << 20)


def _check_state(state: Path) -> None:
    try:
        state.mkdir(parents=True, exist_ok=True)
        probe = state / ".writable"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as e:
        log.error("state %s cannot be written (%s): delivery works, but a restart will repeat lines", state, e.strerror)
