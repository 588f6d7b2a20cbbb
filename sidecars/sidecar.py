"""`outrider sidecar`: what one pod has to tell, from inside of it. Its log files (`files.py`), the metrics of the
software that runs in it (`outrider.pipeline.measuring`), what its programs send by themselves, over DogStatsD (a part
of that) and OTLP (`outrider.pipeline.otlp`), or any of these.

A composition and nothing more. The pod is the one that the sidecar itself is part of, known by the downward API. Only
the parts that the configuration asks for are loaded: a sidecar for metrics goes without everything that reads files.

At the end all parts end at the same time, each within its grace, since kubelet does not wait for long.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outrider.config.model import Config
from outrider.config.problems import UnusableError
from outrider.kube.own import OwnPod
from outrider.kube.platform import resolve
from outrider.model.clock import Clock, SystemClock
from outrider.model.counters import Counters
from outrider.model.pod import Pod
from outrider.model.stream import Stream
from outrider.pipeline.destinations import key_file, used
from outrider.pipeline.process import prepare, sole_user
from outrider.pipeline.taps import Taps
from outrider.pipeline.telemetry import Telemetry

if TYPE_CHECKING:
    from outrider.pipeline.measuring import Measuring
    from outrider.pipeline.otlp import Otlp
    from sidecars.files import Files

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
        """Raises UnusableError (nothing to do, variables missing, a check that cannot be made) and PlatformError
        (cluster names unknown); asks the network only for what `cluster` leaves out, for two seconds at most.
        """
        self.config = config
        self.clock = clock or SystemClock()
        self.counters = counters or Counters()
        self.stop, self.last = threading.Event(), False
        measures = bool(config.metrics.checks or config.dogstatsd.listen or config.otlp.listen)
        if not config.logs.files and not measures:
            raise UnusableError(
                "logs.files and metrics.checks are missing: the sidecar has to know which files to follow, as in logs: "
                '{files: ["/var/log/app/*.log"]}, or what to measure, as in metrics: {checks: [{redis: {}}]}, or where '
                "to listen (dogstatsd.listen, otlp.listen)"
            )
        self._pod = OwnPod(self.clock, env)
        key_files = [f for f in map(key_file, config.exporters.values()) if f is not None]
        self.cluster = resolve(config.cluster, env, credentials=key_files[0] if key_files else "adc")
        self._started = self.clock.now()
        self._taps = Taps(used(config), self.counters)
        self._files = self._make_files() if config.logs.files else None
        self._measuring = self._make_measuring() if measures else None
        self._otlp = self._make_otlp(self._measuring) if self._measuring and config.otlp.listen else None
        telemetry = config.telemetry
        self._telemetry = Telemetry(
            telemetry.listen, self.counters, self._health, self._ready, self.ledger, self._taps, telemetry.tap
        )
        _warn(config, self._pod)

    def inherit(self, before: "Sidecar") -> None:
        """Take over from a sidecar that has ended: its cursors and open files, and the metrics it has not sent."""
        if before._files is not None:
            self._files.inherit(before._files) if self._files is not None else before._files.let_go()
        if before._measuring is not None:
            if self._measuring is not None:
                self._measuring.inherit(before._measuring)
            else:
                before._measuring.let_go()
        if before._otlp is not None:
            self._otlp.inherit(before._otlp) if self._otlp is not None else before._otlp.let_go()

    def run(self) -> None:
        """Work until `stop` is set, then end in order."""
        state = Path(self.config.state) if self._files is not None else None
        with sole_user(state, self.stop, self.clock) as mine:
            if mine:
                self._work(state)

    def _work(self, state: Path | None) -> None:
        prepare(state)
        for part in self._parts():
            part.start()
        self._telemetry.start()
        if self._files is not None:
            self._files.attend(self.stop)
        else:
            self.stop.wait()
        self._end()

    def _end(self) -> None:
        if self._otlp is not None:
            self._otlp.close()  # first, for what is taken from now on would come too late for the others
        ends = [threading.Thread(target=part.end, args=(self.last,)) for part in self._parts()]
        for end in ends:
            end.start()
        for end in ends:
            end.join()
        self._telemetry.stop()

    def _parts(self) -> "Iterator[Files | Measuring | Otlp]":
        if self._files is not None:
            yield self._files
        if self._measuring is not None:
            yield self._measuring
        if self._otlp is not None:
            yield self._otlp

    def _make_files(self) -> "Files":
        from sidecars.files import Files

        return Files(self.config, self.cluster, self._pod, self.clock, self.counters, self._taps)

    def _make_measuring(self) -> "Measuring":
        from outrider.pipeline.measuring import Measuring

        return Measuring(
            self.config, self.cluster, self._names(), self._pod.measured, self._known, self.clock, self.counters
        )

    def _make_otlp(self, measuring: "Measuring") -> "Otlp":
        try:
            from outrider.pipeline.otlp import Otlp
        except ImportError as e:
            raise UnusableError(f"otlp.listen: {e}; install the extra: pip install 'outrider[otlp]'") from None
        whose = self.cluster, self._names(), self._known
        return Otlp(self.config, *whose, measuring, self.clock, self.counters, self._taps)

    def _names(self) -> Stream:
        pod = self._pod
        return Stream(pod.namespace, pod.name, pod.uid, pod.container, 0)

    def _known(self) -> Pod | None:
        return self._pod.get(self._pod.uid)

    def ledger(self) -> dict[str, Any]:
        """What `/ledger` shows: the books of every exporter and file (see `pipeline/ledger.py`)."""
        if self._files is not None:
            return self._files.ledger()
        return {"time": self.clock.now(), "started": self._started, "exporters": {}}

    def _health(self) -> str | None:
        return _first(part.health for part in self._parts())

    def _ready(self) -> str | None:
        return _first(part.ready for part in self._parts())


def _first(answers: Iterator[Callable[[], str | None]]) -> str | None:
    return next(filter(None, (answer() for answer in answers)), None)


def _warn(config: Config, pod: OwnPod) -> None:
    """Say what has no effect, instead of leaving it out in silence."""
    idle = {
        "workers has no effect: a sidecar is one process": config.workers > 1,
        "metrics.kubelet has no effect: a node reads the kubelet, a sidecar does not": config.metrics.kubelet.enabled,
        "logs.hold has no effect: the sidecar keeps deleted files by open descriptors only": config.logs.hold.budget,
        "routes ask for labels or annotations, and OUTRIDER_POD_INFO is not set: these routes match nothing": pod.info
        is None
        and any(route.labels or route.annotations for route in config.routes),
    }
    for words in (words for words, so in idle.items() if so):
        log.warning("%s", words)
