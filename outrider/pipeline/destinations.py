"""From an entry of the configuration's `exporters` to the exporter that it describes."""

from outrider.config import Console, Datadog, Stackdriver
from outrider.exporters.destination import LogDestination
from outrider.model.clock import Clock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters


def key_file(exporter: Stackdriver | Datadog | Console) -> str | None:
    """The path of the exporter's Google credentials, if it has its own."""
    if isinstance(exporter, Stackdriver) and not isinstance(exporter.credentials, str):
        return exporter.credentials.file
    return None


def log_destination(
    name: str, exporter: Stackdriver | Datadog | Console, cluster: Cluster, clock: Clock, counters: Counters
) -> LogDestination:
    """The destination of logs that `exporters.<name>` describes."""
    if isinstance(exporter, Console):
        from outrider.exporters.console import ConsoleLogs

        return ConsoleLogs(name, cluster, clock, counters)
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


def _stackdriver(
    name: str, exporter: Stackdriver, cluster: Cluster, clock: Clock, counters: Counters
) -> LogDestination:
    from outrider.exporters.stackdriver.auth import token_source
    from outrider.exporters.stackdriver.exporter import StackdriverLogs

    credentials = exporter.credentials if isinstance(exporter.credentials, str) else key_file(exporter)
    assert credentials is not None, "the configuration takes no other secret here"
    return StackdriverLogs(
        name,
        exporter.project or cluster.project,
        cluster,
        exporter.logs_endpoint,
        token_source(credentials, clock=clock),
        clock,
        counters,
        connections=exporter.batch.in_flight,
        compress=exporter.compress == "gzip",
        ca=exporter.tls.ca,
        strict=exporter.strict,
    )
