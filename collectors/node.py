"""`outrider node`: every pod's logs of this node, to every exporter that a route names; and what checks find here, at
the kubelet, and in pods that ask for one by annotation.

A composition and nothing more. The watcher finds streams; routing names their readers; each exporter is a pump with
its own cursors, so that none waits for another; pods come from `kube`. The main thread saves the cursors once a
second and waits for the end.

Order matters twice. At the start the pod snapshot and the cursors are read before the first stream is found, and
nothing waits for the network. At the end the watcher stops first, then the pumps send what they have read, then the
cursors are saved a last time.
"""

import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from msgspec.structs import replace

from collectors.dealing import deal
from outrider.config import Config, Datadog, LogExporter
from outrider.kube.platform import resolve
from outrider.kube.pods import Pods, from_config
from outrider.model.clock import Clock, SystemClock
from outrider.model.counters import Counters, Readings
from outrider.model.pod import Pod
from outrider.model.shard import ALONE, Shard
from outrider.model.stream import Stream
from outrider.pipeline.ceilings import Buckets, own_buckets
from outrider.pipeline.destinations import key_file, used
from outrider.pipeline.notes import Note
from outrider.pipeline.pauses import GRACE
from outrider.pipeline.process import prepare, sole_user
from outrider.pipeline.pumps import Pumps
from outrider.pipeline.routing import Routing
from outrider.pipeline.taps import Tapped, Taps
from outrider.pipeline.telemetry import TapFor, Telemetry
from outrider.tail.cursors import Cursors
from outrider.tail.files import StreamFiles
from outrider.tail.hold import Hold
from outrider.tail.tree import Tree
from outrider.tail.watch import Watcher

if TYPE_CHECKING:
    from outrider.pipeline.measuring import Measuring

log = logging.getLogger(__name__)


KUBELET_EVERY, DISCOVER_EVERY = 30.0, 3.0
"""Seconds between two looks at the kubelet's pods: labels may be half a minute old; a check has to begin within five
seconds of a pod's readiness, and to end before its address is another pod's.
"""


class Serves(Protocol):
    """Where the node can be asked for its state."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


Trouble = Callable[[], str | None]
Serve = Callable[[str, Readings, Trouble, Trouble, Callable[[], object], Tapped, TapFor], Serves]


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
        self.stop, self.last = threading.Event(), False
        self._place, shard = place, place.shard
        key_files = [f for f in map(key_file, config.exporters.values()) if f is not None]
        self.cluster = resolve(config.cluster, credentials=key_files[0] if key_files else "adc")
        self._state = Path(config.state) / shard.directory
        select = config.logs.select
        self._routing = Routing(select.include, select.exclude, config.routes, self.counters)
        first = shard.index == 0  # of several processes, one asks
        discovers = first and config.metrics.discover and config.kube.source != "none"
        self._pods: Pods = from_config(
            config.kube,
            self.cluster.node,
            self._state,
            self.clock,
            self.counters,
            on_change=self._pod_changed,
            details=discovers
            or bool(config.dogstatsd.listen)  # which tells containers by their ids
            or any(isinstance(config.exporters[name], Datadog) for name in used(config)),
            every=DISCOVER_EVERY if discovers else KUBELET_EVERY,
        )
        self._taps = Taps(used(config), self.counters)
        self._pumps = Pumps(
            _share_of(config, shard, self._state),
            self.cluster,
            self._pods,
            self._routing,
            self.clock,
            self.counters,
            self._taps,
            place.buckets,
        )
        asks = config.metrics.checks or config.metrics.kubelet.enabled
        measures = discovers or (first and (asks or config.dogstatsd.listen))
        self._measuring = self._make_measuring(discovers) if measures else None
        if config.otlp.listen is not None:
            log.warning("otlp.listen has no effect: a node does not listen for OTLP, a sidecar does")
        self._older: frozenset[str] | None = None  # the logs that the node before this one knew
        self._earlier: dict[str, Cursors] = {}  # and its cursors
        hold = config.logs.hold
        self._hold = Hold(hold.path, hold.budget, config.logs.pods, self.clock, self.counters, shard)
        tree = Tree(config.logs.pods, shard)
        self._watcher = Watcher(tree, self._routing.readers, self._found, self.clock, self.counters, hold=self._hold)
        telemetry = config.telemetry
        self._telemetry = place.serve(
            telemetry.listen, self.counters, self._health, self._ready, self.ledger, self._taps, telemetry.tap
        )

    def inherit(self, before: object) -> None:
        """Take over from a node that has ended: its cursors, which it may not have been able to save, and its open
        files, for of what is deleted there is no other copy. From processes that have ended nothing can be had.
        """
        if not isinstance(before, Node):
            return
        if before._measuring is not None:
            if self._measuring is not None:
                self._measuring.inherit(before._measuring)
            else:
                before._measuring.let_go()
        self._earlier = before._pumps.cursors
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
        if self._measuring is not None:
            self._measuring.let_go()

    def run(self) -> None:
        """Collect until `stop` is set, then end in order."""
        with sole_user(self._state, self.stop, self.clock) as mine:
            if mine:
                self._collect()

    def _collect(self) -> None:
        if self._place.shard.of == 1:
            deal(self._state, 1, self.counters)
        prepare(self._state)
        if not Path(self.config.logs.pods).is_dir():
            log.warning("%s is not there (yet): logs.pods must be kubelet's tree of pod logs", self.config.logs.pods)
        self._pods.start()
        self._pumps.start(self._watcher, self._earlier)
        self._earlier = {}
        self._telemetry.start()
        self._watcher.start()
        if self._measuring is not None:
            self._measuring.start()
        log.info("following %s on node %s for %s", self.config.logs.pods, self.cluster.node, self._pumps)
        self._pumps.attend(self.stop)
        self._end()

    def _end(self) -> None:
        log.info("ending: what has been read is sent, for at most %g s", GRACE)
        measured = threading.Thread(target=self._end_measuring)
        measured.start()
        self._watcher.stop()
        self._pumps.end()
        measured.join()
        self._pods.stop()
        self._telemetry.stop()

    # -- parts --------------------------------------------------------------------------------------------------------

    def _make_measuring(self, discovers: bool) -> "Measuring":
        from outrider.pipeline.measuring import Measuring

        nobody, pods, config = Stream("", "", "", "", 0), self._pods if discovers else None, self.config
        if config.metrics.kubelet.enabled:
            from outrider.pipeline.node_checks import node_checks

            config = replace(config, metrics=replace(config.metrics, checks=node_checks(config)))
        return Measuring(
            config, self.cluster, nobody, "", lambda: None, self.clock, self.counters, pods, self._tell, self._pods
        )

    def _pod_changed(self, _uid: str) -> None:
        if self._measuring is not None:
            self._measuring.wake()

    def _tell(self, stream: Stream, pod: Pod, annotation: str, words: str) -> None:
        """Have it read in the log of the pod, by whoever gets the pod's lines."""
        more = (("annotation", annotation), ("reported_by", "outrider"))
        self._pumps.note(Note(stream, pod, self.clock.now(), words, more), self._routing.decide(stream, pod).exporters)

    def _end_measuring(self) -> None:
        if self._measuring is not None:
            self._measuring.end(self.last)

    def _found(self, files: StreamFiles) -> None:
        self._pumps.follow(files, self._watcher.scanned.is_set(), self._older)

    # -- health -------------------------------------------------------------------------------------------------------

    def ledger(self) -> dict[str, Any]:
        """What `/ledger` shows: the books of every exporter and stream (see `pipeline/ledger.py`)."""
        return self._pumps.ledger()

    def _health(self) -> str | None:
        """What a restart may cure. Not: a destination that refuses or does not answer."""
        now = self.clock.monotonic()
        found = self._watcher.health() or self._pumps.health(now) or self._pods.health(now)
        return found or (None if self._measuring is None else self._measuring.health())

    def _ready(self) -> str | None:
        """What keeps lines or metrics from arriving. A rollout stops at it before all nodes have the same wrong key."""
        if not self._watcher.scanned.is_set():
            return "the pod logs have not been looked through yet"
        trouble = self._pumps.trouble(self.clock.monotonic())
        return trouble or (None if self._measuring is None else self._measuring.ready())


def _share_of(config: Config, shard: Shard, state: Path) -> Config:
    """`config` with what a process that has this share of the streams may use of it."""
    exporters = {
        name: replace(e, batch=replace(e.batch, in_flight=shard.part(e.batch.in_flight)))
        if isinstance(e, LogExporter)
        else e
        for name, e in config.exporters.items()
    }
    return replace(config, state=str(state), exporters=exporters)
