"""Any OpenTelemetry MetricExporter as a destination of ours.

    exporters:
      collector: {kind: opentelemetry, exporter: otlp_proto_http}

The name is that of an entry point of the group `opentelemetry_metrics_exporter`, by which the SDK finds exporters too,
and its settings are the environment variables that the exporter reads (OTEL_EXPORTER_OTLP_ENDPOINT, ...). It has
retries of its own. What it has not delivered then is given up, as the SDK's specification asks (metrics/sdk.md,
"Export": on failure the batch must be dropped): nothing is known of why, and a batch that cannot be delivered would be
in the way of all others.

An exporter that is asked by others, such as Prometheus's, is a MetricReader and cannot be one of these.
"""

from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Any

from opentelemetry.sdk import metrics as instruments
from opentelemetry.sdk.metrics import export as sdk

from outrider.exporters.answer import Answer, Verdict
from outrider.exporters.metric_destination import Payload
from outrider.exporters.otel.to_data import Conversion
from outrider.model.clock import Clock
from outrider.model.cluster import Cluster
from outrider.model.points import Kind, Report

GROUP = "opentelemetry_metrics_exporter"
TIMEOUT = 10_000
"""Milliseconds that an exporter is given, as much as the SDK gives it."""
WANTED = 3600.0
"""Seconds for which a payload waits behind others."""
POINT = 600
"""Bytes of memory that a point of MetricsData takes, about."""

_ASKED: dict[Kind, type] = {"counter": instruments.ObservableCounter, "histogram": instruments.Histogram}
"""The instruments whose temporality holds for ours."""


class NoExporterError(Exception):
    """There is no exporter of this name, or it cannot be one of ours; the text says which there are."""


def load(name: str) -> Any:
    """A new exporter by the name of its entry point. Raises NoExporterError, and what the exporter raises if the
    environment does not suit it.
    """
    found = {point.name: point for point in entry_points(group=GROUP)}
    if name not in found:
        there = ", ".join(sorted(found)) or "none"
        raise NoExporterError(f'no OpenTelemetry exporter "{name}" is installed; there are: {there}')
    try:
        made = found[name].load()
    except ImportError as e:
        raise NoExporterError(f'the OpenTelemetry exporter "{name}" cannot be loaded: {e}') from e
    if not (isinstance(made, type) and issubclass(made, sdk.MetricExporter)):
        raise NoExporterError(
            f'"{name}" is no exporter that metrics can be pushed to (MetricExporter) but one that asks for them '
            "(MetricReader), which works only within a program that uses the OpenTelemetry SDK"
        )
    return made()


class OpenTelemetryMetrics:
    """A `MetricDestination` that hands everything to `exporter`, a MetricExporter."""

    def __init__(self, exporter: Any, cluster: Cluster, clock: Clock) -> None:
        self._exporter, self._clock = exporter, clock
        preferred = getattr(exporter, "_preferred_temporality", None) or {}  # where MetricReaders look, too
        delta = sdk.AggregationTemporality.DELTA
        increases = frozenset(kind for kind, instrument in _ASKED.items() if preferred.get(instrument) is delta)
        self._conversion = Conversion(cluster, int(clock.now() * 1e9), increases)

    def encode(self, reports: Sequence[Report]) -> list[Payload]:
        data = self._conversion.data(reports)
        points = sum(
            len(metric.data.data_points)
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        )
        return [Payload("points", points, data, points * POINT, self._clock.now() + WANTED)] if points else []

    def send(self, payload: Payload) -> Answer:
        try:
            result = self._exporter.export(payload.body, timeout_millis=TIMEOUT)
        except Exception as e:  # exporters raise what they like
            return _given_up(payload, f"the OpenTelemetry exporter failed: {type(e).__name__}: {e}")
        if result is sdk.MetricExportResult.SUCCESS:
            return Answer(Verdict.ACCEPTED)
        return _given_up(payload, "the OpenTelemetry exporter has not delivered; why stands in its own log")

    def refresh(self) -> None:
        """Credentials are the exporter's own affair."""

    def close(self) -> None:
        self._exporter.shutdown()


def _given_up(payload: Payload, words: str) -> Answer:
    return Answer(Verdict.PARTIAL, words, rejected=dict.fromkeys(range(payload.items), words))
