"""`outrider sidecar`: the log files of one pod, in a volume that its containers share, to every exporter that a route
names.

A composition and nothing more, of the parts that the node collector is made of. What differs: files are found by globs
(`logs.files`) and hold plain lines; the pod is the one that the sidecar itself is part of, known by the downward API;
and the end is final. Kubernetes ends a sidecar after the containers that it serves, and removes the volume with the
pod. So at the end everything is read that is there, to the last byte, before answers are waited for.

A reload is no such end: what has not been read is left to the successor.
"""

import logging
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from outrider.config.model import Config
from outrider.config.problems import UnusableError
from outrider.kube.own import OwnPod
from outrider.kube.platform import resolve
from outrider.model.clock import Clock, SystemClock
from outrider.model.counters import Counters
from outrider.model.stream import Stream
from outrider.pipeline.destinations import key_file
from outrider.pipeline.process import prepare
from outrider.pipeline.pumps import GRACE, Pumps
from outrider.pipeline.routing import Routing
from outrider.pipeline.telemetry import Telemetry
from outrider.tail.cursors import Cursors
from outrider.tail.files import StreamFiles
from outrider.tail.globs import Globs
from outrider.tail.watch import Watcher

log = logging.getLogger(__name__)


class Sidecar:
    """The sidecar. `run` returns when `stop` is set; `last` says that none follows."""

    def __init__(
        self,
        config: Config,
        clock: Clock | None = None,
        counters: Counters | None = None,
        env: Mapping[str, str] = os.environ,
    ) -> None:
        """Raises UnusableError (no files, variables missing) and PlatformError (cluster names unknown); asks the
        network only for what `cluster` leaves out, for two seconds at most.
        """
        self.config = config
        self.clock = clock or SystemClock()
        self.counters = counters or Counters()
        self.stop, self.last = threading.Event(), False
        if not config.logs.files:
            raise UnusableError(
                "logs.files is missing: the sidecar has to know which files to follow, as in logs: {files: "
                '["/var/log/app/*.log"]}'
            )
        self._pod = OwnPod(self.clock, env)
        key_files = [f for f in map(key_file, config.exporters.values()) if f is not None]
        self.cluster = resolve(config.cluster, env, credentials=key_files[0] if key_files else "adc")
        select = config.logs.select
        self._routing = Routing(select.include, select.exclude, config.routes, self.counters)
        self._pumps = Pumps(config, self.cluster, self._pod, self._routing, self.clock, self.counters)
        self._older: frozenset[str] | None = None  # the logs that the sidecar before this one knew
        self._earlier: dict[str, Cursors] = {}  # and its cursors
        self._watcher = Watcher(
            Globs(config.logs.files, self._stream), self._routing.readers, self._found, self.clock, self.counters
        )
        self._telemetry = Telemetry(
            config.telemetry.listen, self.counters, self._health, self._ready, self._pumps.ledger
        )
        _warn(config, self._pod)

    def inherit(self, before: "Sidecar") -> None:
        """Take over from a sidecar that has ended: its cursors and its open files."""
        self._earlier = before._pumps.cursors
        streams = before._watcher.bequest()
        if before.config.logs.files == self.config.logs.files:
            self._older = before._watcher.known()
            self._watcher.adopt(streams)
        else:
            for files in streams:
                files.close()

    def run(self) -> None:
        """Follow the files until `stop` is set, then end in order."""
        prepare(Path(self.config.state))
        self._pumps.start(self._watcher, self._earlier)
        self._earlier = {}
        self._telemetry.start()
        self._watcher.start()
        log.info("following %s of pod %s for %s", ", ".join(self.config.logs.files), self._pod.name, self._pumps)
        self._pumps.attend(self.stop)
        self._end()

    def _end(self) -> None:
        self._watcher.stop()
        if self.last:
            log.info("ending: what is in the files is read to the end and sent, for at most %g s", GRACE)
            self._watcher.look_a_last_time()
        self._pumps.end(drain=self.last)
        self._telemetry.stop()

    def _stream(self, path: str) -> Stream:
        pod = self._pod
        return Stream(pod.namespace, pod.name, pod.uid, pod.container, 0, path)

    def _found(self, files: StreamFiles) -> None:
        self._pumps.follow(files, self._watcher.scanned.is_set(), self._older)

    def ledger(self) -> dict[str, Any]:
        """What `/ledger` shows: the books of every exporter and file (see `pipeline/ledger.py`)."""
        return self._pumps.ledger()

    def _health(self) -> str | None:
        return self._watcher.health() or self._pumps.health(self.clock.monotonic())

    def _ready(self) -> str | None:
        if not self._watcher.scanned.is_set():
            return "the files have not been looked for yet"
        return self._pumps.trouble(self.clock.monotonic())


def _warn(config: Config, pod: OwnPod) -> None:
    """Say what has no effect, instead of leaving it out in silence."""
    idle = {
        "metrics.checks is read but does nothing yet in this version": bool(config.metrics.checks),
        "workers has no effect: a sidecar is one process": config.workers > 1,
        "logs.hold has no effect: the sidecar keeps deleted files by open descriptors only": config.logs.hold.budget,
        "routes ask for labels or annotations, and OUTRIDER_POD_INFO is not set: these routes match nothing": pod.info
        is None
        and any(route.labels or route.annotations for route in config.routes),
    }
    for words in (words for words, so in idle.items() if so):
        log.warning("%s", words)
