"""From an entry of the configuration's `exporters` to the exporter that it describes."""

from outrider.config import Console, Datadog, Stackdriver
from outrider.exporters.destination import LogDestination
from outrider.model.clock import Clock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters


class NotBuiltError(Exception):
    """The configuration asks for something that this version does not have; the text names the key."""


def key_file(exporter: Stackdriver | Datadog | Console) -> str | None:
    """The path of the exporter's credentials, if it has its own."""
    if isinstance(exporter, Stackdriver) and not isinstance(exporter.credentials, str):
        return exporter.credentials.file
    return None


def log_destination(
    name: str, exporter: Stackdriver | Datadog | Console, cluster: Cluster, clock: Clock, counters: Counters
) -> LogDestination:
    """The destination of logs that `exporters.<name>` describes. Raises NotBuiltError."""
    if isinstance(exporter, Console):
        from outrider.exporters.console import ConsoleLogs

        return ConsoleLogs(name, cluster, clock, counters)
    if isinstance(exporter, Datadog):
        raise NotBuiltError(
            f"exporters.{name}: this version delivers logs to kind stackdriver and console; take {name} out of `routes`"
        )
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
