"""The log files of one pod, in a volume that its containers share, to every exporter that a route names.

Made of the parts that the node collector is made of. What differs: files are found by globs (`logs.files`) and hold
plain lines; the pod is the one that the sidecar itself is part of; and the end is final. Kubernetes ends a sidecar
after the containers that it serves, and removes the volume with the pod. So at the end everything is read that is
there, to the last byte, and it takes as long as the destination goes on taking it and kubelet lets it.

A reload is no such end: what has not been read is left to the successor.
"""

import logging
import threading
from typing import Any

from outrider.config import Config
from outrider.kube.own import OwnPod
from outrider.model.clock import Clock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.stream import Stream
from outrider.pipeline.pauses import DRAIN, GRACE
from outrider.pipeline.pumps import Pumps
from outrider.pipeline.routing import Routing
from outrider.pipeline.taps import Taps
from outrider.tail.cursors import Cursors
from outrider.tail.files import StreamFiles
from outrider.tail.globs import Globs
from outrider.tail.watch import Watcher

log = logging.getLogger(__name__)


class Files:
    """Follows `logs.files`. Made, started and ended once."""

    def __init__(
        self, config: Config, cluster: Cluster, pod: OwnPod, clock: Clock, counters: Counters, taps: Taps
    ) -> None:
        self._config, self._pod, self._clock = config, pod, clock
        select = config.logs.select
        self._routing = Routing(select.include, select.exclude, config.routes, counters)
        self._pumps = Pumps(config, cluster, pod, self._routing, clock, counters, taps)
        self._older: frozenset[str] | None = None  # the logs that the sidecar before this one knew
        self._earlier: dict[str, Cursors] = {}  # and its cursors
        self._watcher = Watcher(
            Globs(config.logs.files, self._stream), self._routing.readers, self._found, clock, counters
        )

    def inherit(self, before: "Files") -> None:
        """Take over from others that have ended: their cursors and their open files."""
        self._earlier = before._pumps.cursors
        if before._config.logs.files == self._config.logs.files:
            self._older = before._watcher.known()
            self._watcher.adopt(before._watcher.bequest())
        else:
            before.let_go()

    def let_go(self) -> None:
        """They have ended and nobody takes over from them: close what they have open."""
        for files in self._watcher.bequest():
            files.close()

    def start(self) -> None:
        """Begin."""
        self._pumps.start(self._watcher, self._earlier)
        self._earlier = {}
        self._watcher.start()
        log.info("following %s of pod %s for %s", ", ".join(self._config.logs.files), self._pod.name, self._pumps)

    def attend(self, stop: threading.Event) -> None:
        """Save the cursors once a second until `stop` is set."""
        self._pumps.attend(stop)

    def end(self, last: bool) -> None:
        """End in order. The `last` of its kind reads everything to the end before."""
        self._watcher.stop()
        if last:
            log.info(
                "ending: what is in the files is read to the end and sent, for at most %g s, or %g without an answer",
                DRAIN,
                GRACE,
            )
            self._watcher.look_a_last_time()
        self._pumps.end(drain=last)

    def ledger(self) -> dict[str, Any]:
        """The books of every exporter and file (see `pipeline/ledger.py`)."""
        return self._pumps.ledger()

    def health(self) -> str | None:
        """What a restart may cure."""
        return self._watcher.health() or self._pumps.health(self._clock.monotonic())

    def ready(self) -> str | None:
        """What keeps lines from arriving."""
        if not self._watcher.scanned.is_set():
            return "the files have not been looked for yet"
        return self._pumps.trouble(self._clock.monotonic())

    def _stream(self, path: str) -> Stream:
        pod = self._pod
        return Stream(pod.namespace, pod.name, pod.uid, pod.container, 0, path)

    def _found(self, files: StreamFiles) -> None:
        self._pumps.follow(files, self._watcher.scanned.is_set(), self._older)
