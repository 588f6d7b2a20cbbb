"""The metrics of one program: its checks and what programs tell it, the route of that, and a meter for each exporter.

What was measured belongs to one pod (a sidecar's own, one that asks for it by annotation, or one that sent it by
itself) or to the node. So its route is that of the pod's logs, decided anew for every report since labels may change;
`logs.select` is about logs and has no say.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from outrider.config import Batch, Config, LogExporter
from outrider.config.problems import UnusableError
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

if TYPE_CHECKING:
    from outrider.pipeline.discovered import Discovered, Present, Tell
    from outrider.pipeline.origins import PodList
    from outrider.pipeline.parting import Parting
    from outrider.receivers.dogstatsd.server import DogStatsd

log = logging.getLogger(__name__)


class Measuring:
    """Runs `metrics.checks`, and listens at `dogstatsd.listen`. `names` are what routes go by; `container` is the one
    that is measured, "" if that is not known; `pod` is asked for what is known of the pod. With `pods` it also runs the
    checks that these ask for, and their owners are told by `tell` what is wrong with their annotations. `senders` are
    the pods that may say of what they send that it is theirs, and of which the kubelet tells; None: all of it is ours.
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
        pods: "Present | None" = None,
        tell: "Tell" = lambda *_: None,
        senders: "PodList | None" = None,
    ) -> None:
        """Raises UnusableError for a check, or an exporter of metrics, that cannot be made."""
        self._config, self._cluster, self._names, self._container, self._pod = config, cluster, names, container, pod
        self._clock = clock
        self._routing = Routing([], [], config.routes, counters)
        self._unrouted = unrouted(config)
        self._meters = {name: self._meter(name, counters) for name in [*used(config), *self._unrouted]}
        self._parting = None if senders is None else self._make_parting(senders)
        every, entries = config.metrics.every, config.metrics.checks
        self._checks = Checks(entries, every, self.subject, self._found, clock, counters)
        self._discovered = None if pods is None else self._discovery(pods, tell, counters)
        self._dogstatsd = self._make_dogstatsd(senders, counters) if config.dogstatsd.listen else None
        self._nowhere: set[str] = set()

    def start(self) -> None:
        """Begin."""
        for meter in self._meters.values():
            meter.start()
        self._checks.start()
        if self._dogstatsd is not None:
            self._dogstatsd.start()
        what = [f"the checks {self._checks}"] if self._config.metrics.checks else []
        if self._discovered is not None:
            self._discovered.start()
            what.append("the checks that pods ask for")
        meters = ", ".join(self._meters)
        if what:
            log.info("running %s every %g s for %s", " and ".join(what), self._config.metrics.every, meters)

    def wake(self) -> None:
        """A pod has changed."""
        if self._discovered is not None:
            self._discovered.wake()

    def end(self, last: bool) -> None:
        """Run no check any more, and send what is there, for GRACE seconds at most. Unless this is the `last` of its
        kind, what is left then is kept for the next one.
        """
        stops = [self._checks.stop, *([self._discovered.stop] if self._discovered is not None else [])]
        if self._dogstatsd is not None:
            stops.append(partial(self._dogstatsd.stop, last=True) if last else self._dogstatsd.hush)
        _all_at_once(stops)
        _all_at_once([partial(meter.stop, GRACE) for meter in self._meters.values()])
        if last:
            self.let_go()
        elif self._dogstatsd is not None:
            self._dogstatsd.stop(last=False)  # only now: it has listened until there is a successor

    def inherit(self, before: "Measuring") -> None:
        """Before `start`: take over what `before`, which has ended, has not sent, where the exporter is the same."""
        if self._discovered is not None and before._discovered is not None:
            self._discovered.inherit(before._discovered)
        for name, meter in before._meters.items():
            same = before._config.exporters[name] == self._config.exporters.get(name)
            if same and name in self._meters and before._cluster == self._cluster:
                self._meters[name].take_over(*meter.leave())
            else:
                meter.give_up()
        if before._dogstatsd is not None:
            if self._dogstatsd is not None:
                self._dogstatsd.inherit(before._dogstatsd)
            else:
                before._dogstatsd.let_go()

    def let_go(self) -> None:
        """It has ended and nobody takes over from it."""
        if self._dogstatsd is not None:
            self._dogstatsd.let_go()
        for meter in self._meters.values():
            meter.give_up()

    def health(self) -> str | None:
        """What a restart may cure. Not: a server that cannot be read, or a destination that refuses."""
        found = next(filter(None, (meter.health() for meter in self._meters.values())), None)
        return found or (None if self._dogstatsd is None else self._dogstatsd.health())

    def ready(self) -> str | None:
        """What keeps metrics from arriving, if it has for a while. Not: a server that cannot be read, for just that is
        what arrives.
        """
        now = self._clock.monotonic()
        for meter in self._meters.values():
            if meter.trouble is not None and now - meter.trouble_since > UNREADY_AFTER:
                return f"{meter.name}: {meter.trouble}"
        return None if self._dogstatsd is None else self._dogstatsd.trouble

    def _discovery(self, pods: "Present", tell: "Tell", counters: Counters) -> "Discovered":
        from outrider.pipeline.discovered import Discovered  # a sidecar does without

        every = self._config.metrics.every
        return Discovered(pods, self._cluster.node, every, self._hand_on, tell, self._clock, counters)

    def _make_parting(self, pods: "PodList") -> "Parting | None":
        if not any(entry.name == "kubelet" for entry in self._config.metrics.checks):
            return None
        from outrider.pipeline.parting import Parting  # a sidecar does without

        return Parting(pods, self._clock)

    def _meter(self, name: str, counters: Counters) -> Meter:
        exporter = self._config.exporters[name]
        destination = metric_destination(name, exporter, self._cluster, self._clock, counters)
        batch = exporter.batch if isinstance(exporter, LogExporter) else Batch()
        return Meter(name, destination, batch.bytes * batch.in_flight, batch.wait, self._clock, counters)

    def _make_dogstatsd(self, senders: "PodList | None", counters: Counters) -> "DogStatsd":
        from outrider.pipeline.origins import Origins
        from outrider.receivers.dogstatsd.server import DogStatsd

        origins = Origins(self.subject, senders)
        try:
            return DogStatsd(
                self._config.dogstatsd.listen, origins.subject, self.take, self._has_room, self._clock, counters
            )
        except OSError as e:
            raise UnusableError(f"dogstatsd.listen: {e.strerror or e}") from e

    def subject(self) -> Subject:
        """Who is measured, unless somebody else says who it is."""
        names = self._names
        return Subject(self._cluster.node, names.namespace, names.pod, names.uid, self._container, self._pod())

    def take(self, report: Report) -> None:
        """Bring what was measured to whom the route of its subject names. From any thread."""
        subject = report.subject
        if subject.uid in ("", self._names.uid):
            self._hand_on(self._names, self._pod(), report)
        else:
            names = Stream(subject.namespace, subject.pod, subject.uid, subject.container, 0)
            self._hand_on(names, subject.details, report)

    def _has_room(self) -> bool:
        return all(meter.has_room() for meter in self._meters.values())

    def _found(self, report: Report) -> None:
        """Take what a check has found, about us or, if it is about a node, about all that is on it."""
        for part in (report,) if self._parting is None else self._parting.parts(report):
            self.take(part)

    def _hand_on(self, names: Stream, pod: Pod | None, report: Report) -> None:
        exporters = self._routing.route(names, pod).exporters.union(self._unrouted)
        for name in exporters:
            self._meters[name].offer(report)
        if exporters:
            self._nowhere.discard(names.namespace)
        elif names.namespace not in self._nowhere:
            self._nowhere.add(names.namespace)
            log.warning("no route is for %s: what is measured goes nowhere", names.namespace or "the node")


def _all_at_once(jobs: Iterable[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
