"""Our exporters of metrics as OpenTelemetry MetricExporters, for any program that uses the SDK.

    cluster = Cluster("acme", "prod", "europe-north1", "node-7")
    google = StackdriverMetricExporter("acme", cluster)
    datadog = DatadogMetricExporter(os.environ["DD_API_KEY"], cluster)
    MeterProvider([PeriodicExportingMetricReader(google), PeriodicExportingMetricReader(datadog)])

`OutriderMetricExporter` makes one of any destination. It prefers cumulative temporality, for Datadog too: points are
cumulative here, and each destination makes of them what its vendor wants.

A request that is not answered is tried again until the SDK's time is over, and before all others at the next export:
what a destination was given to encode must not be lost, or the increase that it held would be. It is kept until nobody
wants it any more, or there is too much of it.
"""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

from opentelemetry.sdk import metrics as instruments
from opentelemetry.sdk.metrics import export as sdk

from outrider.config.secrets import Secret
from outrider.exporters.answer import Answer, Verdict
from outrider.exporters.datadog.metrics import DatadogMetrics
from outrider.exporters.metric_destination import MetricDestination, Payload
from outrider.exporters.otel.from_data import Conversion
from outrider.exporters.stackdriver.auth import token_source
from outrider.exporters.stackdriver.metrics import StackdriverMetrics
from outrider.model.clock import Clock, SystemClock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters

log = logging.getLogger(__name__)

KEPT = 16 << 20
"""Bytes of requests, about, that are kept while they cannot be delivered."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0
"""Seconds between two attempts."""

_TEMPORALITY = dict.fromkeys(
    (
        instruments.Counter,
        instruments.UpDownCounter,
        instruments.Histogram,
        instruments.ObservableCounter,
        instruments.ObservableUpDownCounter,
        instruments.ObservableGauge,
    ),
    sdk.AggregationTemporality.CUMULATIVE,
)


class OutriderMetricExporter(sdk.MetricExporter):  # type: ignore[misc]  # what is not installed has no types
    """A MetricExporter that delivers to `destination`."""

    def __init__(self, destination: MetricDestination, clock: Clock | None = None) -> None:
        super().__init__(preferred_temporality=_TEMPORALITY)
        self._destination, self._clock = destination, clock or SystemClock()
        self._conversion = Conversion()
        self._pending: deque[Payload] = deque()
        self._lock = threading.Lock()  # an export by the interval, and a flush by somebody
        self._over = threading.Event()
        self._words = ""

    def export(self, metrics_data: Any, timeout_millis: float = 10_000, **_: Any) -> Any:
        """SUCCESS if all of it, and all that was left before, is stored."""
        if self._over.is_set():
            return sdk.MetricExportResult.FAILURE
        end = self._clock.monotonic() + timeout_millis / 1000
        with self._lock:
            self._pending.extend(self._destination.encode(self._conversion.reports(metrics_data)))
            done = self._deliver(end)
            self._shed()
        return sdk.MetricExportResult.SUCCESS if done else sdk.MetricExportResult.FAILURE

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Whether nothing is left."""
        end = self._clock.monotonic() + timeout_millis / 1000
        with self._lock:
            self._deliver(end)
            return not self._pending

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        """End. The SDK has exported a last time before; what could not be delivered then is given up."""
        del timeout_millis
        self._over.set()  # ends a pause between attempts
        with self._lock:
            if self._pending:
                log.warning("the end came before %d requests with metrics could be sent", len(self._pending))
            self._pending.clear()
            self._destination.close()

    def _deliver(self, end: float) -> bool:
        """Send what is pending, the oldest first, until `end` (monotonic seconds). Whether all is stored."""
        stored, pause, refreshed = True, FIRST_PAUSE, False
        while self._pending:
            payload = self._pending[0]
            if payload.expires <= self._clock.now():
                self._pending.popleft()
                stored = False
                continue
            answer = self._destination.send(payload)
            self._say(answer)
            if answer.verdict in (Verdict.ACCEPTED, Verdict.PARTIAL, Verdict.SPLIT):
                self._pending.popleft()
                stored = stored and answer.verdict is Verdict.ACCEPTED
                pause, refreshed = FIRST_PAUSE, False
                continue
            if answer.verdict is Verdict.REFRESH and not refreshed:
                self._destination.refresh()
                refreshed = True
                continue
            pause = max(pause, answer.retry_after or 0.0)
            if answer.verdict is Verdict.HOLD or self._clock.monotonic() + pause >= end:
                return False
            if self._clock.wait(self._over, pause):
                return False
            pause = min(pause * 2, LONGEST_PAUSE)
        return stored

    def _shed(self) -> None:
        while len(self._pending) > 1 and sum(payload.size for payload in self._pending) > KEPT:
            log.warning("a request with %d points is given up: too many wait already", self._pending.popleft().items)

    def _say(self, answer: Answer) -> None:
        """Say what is wrong, once for as long as it is the same."""
        words = "" if answer.verdict is Verdict.ACCEPTED else answer.words
        if words and words != self._words:
            log.warning("%s (%s)", words, answer.verdict.value)
        self._words = words


class StackdriverMetricExporter(OutriderMetricExporter):
    """Writes to Cloud Monitoring, into `project`. `cluster` is where the program runs, for the monitored resource: its
    pod is taken from the resource attributes (k8s.*). A cluster without a name stands for a machine outside Kubernetes.
    `credentials` as in the configuration: `adc`, `none`, or the path of a key file.
    """

    def __init__(
        self,
        project: str,
        cluster: Cluster,
        *,
        credentials: str = "adc",
        endpoint: str = "https://monitoring.googleapis.com",
    ) -> None:
        clock = SystemClock()
        tokens = token_source(credentials, clock=clock)
        super().__init__(
            StackdriverMetrics("stackdriver", project, cluster, endpoint, tokens, clock, Counters()), clock
        )


class DatadogMetricExporter(OutriderMetricExporter):
    """Writes to Datadog's API, of `site` or at `endpoint`, with `api_key`. `cluster` is where the program runs: its
    node is the host, its name a tag; the pod is taken from the resource attributes (k8s.*). `tags` (`env:prod`) are of
    everything.
    """

    def __init__(
        self,
        api_key: str,
        cluster: Cluster,
        *,
        site: str = "datadoghq.eu",
        endpoint: str | None = None,
        tags: Sequence[str] = (),
    ) -> None:
        clock = SystemClock()
        endpoint = endpoint or f"https://api.{site}"
        super().__init__(
            DatadogMetrics("datadog", cluster, endpoint, Secret(api_key), clock, Counters(), tags=tags), clock
        )
