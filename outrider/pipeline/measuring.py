"""The metrics of one program: its checks, the route of what they find, and a meter for each exporter.

What was measured belongs to one pod (a sidecar's own) or to the node. So its route is that of the pod's logs, decided
anew for every report since labels may change; `logs.select` is about logs and has no say.
"""

import logging
import threading
from collections.abc import Callable

from outrider.config import Batch, Config, LogExporter
from outrider.model.clock import Clock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.pod import Pod
from outrider.model.points import Report, Subject
from outrider.model.stream import Stream
from outrider.pipeline.checks import Checks
from outrider.pipeline.destinations import metric_destination, unrouted, used
from outrider.pipeline.metering import Meter
from outrider.pipeline.pauses import GRACE, UNREADY_AFTER
from outrider.pipeline.routing import Routing

log = logging.getLogger(__name__)


class Measuring:
    """Runs `metrics.checks`. `names` are what routes go by; `container` is the one that is measured, "" if that is not
    known; `pod` is asked for what is known of the pod.
    """

    def __init__(
        self,
        config: Config,
        cluster: Cluster,
        names: Stream,
        container: str,
        pod: Callable[[], Pod | None],
        clock: Clock,
        counters: Counters,
    ) -> None:
        """Raises UnusableError for a check, or an exporter of metrics, that cannot be made."""
        self._config, self._cluster, self._names, self._container, self._pod = config, cluster, names, container, pod
        self._clock = clock
        self._routing = Routing([], [], config.routes, counters)
        self._unrouted = unrouted(config)
        self._meters = {name: self._meter(name, counters) for name in [*used(config), *self._unrouted]}
        self._checks = Checks(
            config.metrics.checks, config.metrics.every, self._subject, self._hand_on, clock, counters
        )
        self._nowhere = False

    def start(self) -> None:
        """Begin."""
        for meter in self._meters.values():
            meter.start()
        self._checks.start()
        meters = ", ".join(self._meters)
        log.info("running the checks %s every %g s for %s", self._checks, self._config.metrics.every, meters)

    def end(self, last: bool) -> None:
        """Run no check any more, and send what is there, for GRACE seconds at most. Unless this is the `last` of its
        kind, what is left then is kept for the next one.
        """
        self._checks.stop()
        ends = [threading.Thread(target=meter.stop, args=(GRACE,)) for meter in self._meters.values()]
        for end in ends:
            end.start()
        for end in ends:
            end.join()
        if last:
            self.let_go()

    def inherit(self, before: "Measuring") -> None:
        """Before `start`: take over what `before`, which has ended, has not sent, where the exporter is the same."""
        for name, meter in before._meters.items():
            same = before._config.exporters[name] == self._config.exporters.get(name)
            if same and name in self._meters and before._cluster == self._cluster:
                self._meters[name].take_over(*meter.leave())
            else:
                meter.give_up()

    def let_go(self) -> None:
        """It has ended and nobody takes over from it."""
        for meter in self._meters.values():
            meter.give_up()

    def health(self) -> str | None:
        """What a restart may cure. Not: a server that cannot be read, or a destination that refuses."""
        return next(filter(None, (meter.health() for meter in self._meters.values())), None)

    def ready(self) -> str | None:
        """What keeps metrics from arriving, if it has for a while. Not: a server that cannot be read, for just that is
        what arrives.
        """
        now = self._clock.monotonic()
        for meter in self._meters.values():
            if meter.trouble is not None and now - meter.trouble_since > UNREADY_AFTER:
                return f"{meter.name}: {meter.trouble}"
        return None

    def _meter(self, name: str, counters: Counters) -> Meter:
        exporter = self._config.exporters[name]
        destination = metric_destination(name, exporter, self._cluster, self._clock, counters)
        batch = exporter.batch if isinstance(exporter, LogExporter) else Batch()
        return Meter(name, destination, batch.bytes * batch.in_flight, batch.wait, self._clock, counters)

    def _subject(self) -> Subject:
        names = self._names
        return Subject(self._cluster.node, names.namespace, names.pod, names.uid, self._container, self._pod())

    def _hand_on(self, report: Report) -> None:
        exporters = self._routing.route(self._names, self._pod()).exporters.union(self._unrouted)
        for name in exporters:
            self._meters[name].offer(report)
        if not exporters and not self._nowhere:
            log.warning("no route is for %s: what checks find goes nowhere", self._names.namespace or "the node")
        self._nowhere = not exporters
