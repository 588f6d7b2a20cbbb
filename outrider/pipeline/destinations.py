"""From an entry of the configuration's `exporters` to the exporter that it describes."""

from typing import TYPE_CHECKING

from outrider.config import Config, Console, Datadog, Exporter, LogExporter, OpenTelemetry, Stackdriver
from outrider.config.problems import UnusableError
from outrider.exporters.destination import LogDestination
from outrider.model.clock import Clock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters

if TYPE_CHECKING:
    from outrider.exporters.event_destination import EventDestination
    from outrider.exporters.metric_destination import MetricDestination
    from outrider.exporters.stackdriver.auth import TokenSource


def used(config: Config) -> list[str]:
    """The exporters that a route leads to, in the order of the file."""
    named = {name for route in config.routes for name in route.to}
    return [name for name in config.exporters if name in named]


def unrouted(config: Config) -> list[str]:
    """The exporters that get all metrics, since no route can lead to them."""
    return [name for name, exporter in config.exporters.items() if isinstance(exporter, OpenTelemetry)]


def key_file(exporter: Exporter) -> str | None:
    """The path of the exporter's Google credentials, if it has its own."""
    if isinstance(exporter, Stackdriver) and not isinstance(exporter.credentials, str):
        return exporter.credentials.file
    return None


def log_destination(
    name: str, exporter: LogExporter, cluster: Cluster, clock: Clock, counters: Counters
) -> LogDestination:
    """The destination of logs that `exporters.<name>` describes."""
    if isinstance(exporter, Console):
        from outrider.exporters.console import ConsoleLogs

        return ConsoleLogs(name, cluster, clock, counters, relay=exporter.logs == "lines")
    if isinstance(exporter, Datadog):
        from outrider.exporters.datadog.exporter import DatadogLogs

        return DatadogLogs(
            name,
            cluster,
            exporter.logs_endpoint,
            exporter.api_key,
            clock,
            counters,
            tags=exporter.tags,
            rules=exporter.processing_rules,
            connections=exporter.batch.in_flight,
            compress=exporter.compress,
            ca=exporter.tls.ca,
        )
    return _stackdriver(name, exporter, cluster, clock, counters)


def event_destination(
    name: str, exporter: LogExporter, cluster: Cluster, clock: Clock, counters: Counters
) -> "EventDestination":
    """The destination of Kubernetes' events that `exporters.<name>` describes."""
    from outrider.exporters.event_destination import EventDestination

    if isinstance(exporter, Datadog):
        from outrider.exporters.datadog.conversion import Conversion
        from outrider.exporters.datadog.events import DatadogEvents

        events = DatadogEvents(
            Conversion(name, cluster, exporter.tags, clock, counters),
            exporter.metrics_endpoint,
            exporter.api_key,
            clock,
            connections=exporter.batch.in_flight,
            ca=exporter.tls.ca,
        )
        return EventDestination(events, events.entry)
    from outrider.exporters.stackdriver.events import EventEntries

    project = (exporter.project if isinstance(exporter, Stackdriver) else None) or cluster.project
    logs = log_destination(name, exporter, cluster, clock, counters)
    return EventDestination(logs, EventEntries(project, cluster, clock).entry)


def metric_destination(
    name: str, exporter: Exporter, cluster: Cluster, clock: Clock, counters: Counters
) -> "MetricDestination":
    """The destination of metrics that `exporters.<name>` describes. Raises UnusableError if it cannot be made."""
    try:
        return _metric_destination(name, exporter, cluster, clock, counters)
    except ImportError as e:
        raise UnusableError(f"exporters.{name}: metrics need a library that is not installed: {e}") from e


def _metric_destination(
    name: str, exporter: Exporter, cluster: Cluster, clock: Clock, counters: Counters
) -> "MetricDestination":
    if isinstance(exporter, OpenTelemetry):
        return _opentelemetry(name, exporter, cluster, clock)
    if isinstance(exporter, Console):
        from outrider.exporters.console_metrics import ConsoleMetrics

        return ConsoleMetrics()
    if isinstance(exporter, Datadog):
        from outrider.exporters.datadog.metrics import DatadogMetrics

        return DatadogMetrics(
            name,
            cluster,
            exporter.metrics_endpoint,
            exporter.api_key,
            clock,
            counters,
            tags=exporter.tags,
            statsd=exporter.statsd,
            compress=exporter.compress,
            ca=exporter.tls.ca,
        )
    from outrider.exporters.stackdriver.metrics import StackdriverMetrics

    return StackdriverMetrics(
        name,
        exporter.project or cluster.project,
        cluster,
        exporter.metrics_endpoint,
        _tokens(exporter, clock),
        clock,
        counters,
        compress=exporter.compress == "gzip",
        ca=exporter.tls.ca,
    )


def _opentelemetry(name: str, exporter: OpenTelemetry, cluster: Cluster, clock: Clock) -> "MetricDestination":
    from outrider.exporters.otel.destination import OpenTelemetryMetrics, load

    try:
        return OpenTelemetryMetrics(load(exporter.exporter), cluster, clock)
    except Exception as e:  # exporters raise what they like
        raise UnusableError(f"exporters.{name}: {e}") from e


def _stackdriver(
    name: str, exporter: Stackdriver, cluster: Cluster, clock: Clock, counters: Counters
) -> LogDestination:
    from outrider.exporters.stackdriver.exporter import StackdriverLogs

    return StackdriverLogs(
        name,
        exporter.project or cluster.project,
        cluster,
        exporter.logs_endpoint,
        _tokens(exporter, clock),
        clock,
        counters,
        connections=exporter.batch.in_flight,
        compress=exporter.compress == "gzip",
        ca=exporter.tls.ca,
        strict=exporter.strict,
    )


def _tokens(exporter: Stackdriver, clock: Clock) -> "TokenSource":
    from outrider.exporters.stackdriver.auth import token_source

    credentials = exporter.credentials if isinstance(exporter.credentials, str) else key_file(exporter)
    assert credentials is not None, "the configuration takes no other secret here"
    return token_source(credentials, clock=clock)
