"""`outrider node`: run the collector; SIGHUP reloads its configuration, SIGTERM and SIGINT end it.

With more than one of `workers` this process is their supervisor, and starts `outrider.cli.parts` for each of them.
"""

import click

from outrider.cli.following import follow
from outrider.cli.options import options


@click.command()
@options
def node(path: str, log_level: str) -> None:
    """Collect the logs of all pods on this node and deliver them, and what the checks of `metrics.checks` find.

    Runs until SIGTERM or SIGINT, then sends what it has read, saves its cursors and exits 0. SIGHUP, or a change of the
    configuration file, loads the configuration anew; one that cannot be used changes nothing.

    Metrics are also sent to the OpenTelemetry collector that OTEL_EXPORTER_OTLP_ENDPOINT or
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT names.

    Exit codes: 0 ended by a signal, 2 wrong usage, 78 the configuration is wrong.
    """
    follow("node", path, log_level)
