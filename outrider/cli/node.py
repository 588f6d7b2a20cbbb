"""`outrider node`: run the collector; SIGHUP reloads its configuration, SIGTERM and SIGINT end it."""

import sys

import click

CONFIG_ERROR = 78
"""EX_CONFIG of sysexits.h."""


@click.command()
@click.option(
    "--config",
    "-c",
    "path",
    required=True,
    envvar="OUTRIDER_CONFIG",
    type=click.Path(dir_okay=False),
    help="The configuration file.",
)
@click.option(
    "--log-level",
    envvar="OUTRIDER_LOG_LEVEL",
    default="info",
    show_default=True,
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="How much this program says on standard error.",
)
def node(path: str, log_level: str) -> None:
    """Collect the logs of all pods on this node and deliver them.

    Runs until SIGTERM or SIGINT, then sends what it has read, saves its cursors and exits 0. SIGHUP, or a change of the
    configuration file, loads the configuration anew; one that cannot be used changes nothing.

    Metrics are also sent to the OpenTelemetry collector that OTEL_EXPORTER_OTLP_ENDPOINT or
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT names.
    """
    import logging
    import signal

    logging.basicConfig(
        stream=sys.stderr, level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("urllib3").setLevel(logging.ERROR)

    from collectors.reload import Nodes, RefusedError
    from outrider.pipeline import otel

    nodes = Nodes(path)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: nodes.end())
    signal.signal(signal.SIGHUP, lambda *_: nodes.reload())
    exported = otel.start(lambda: nodes.counters)
    try:
        nodes.run()
    except RefusedError as e:
        click.echo(str(e), err=True)
        sys.exit(CONFIG_ERROR)
    finally:
        if exported is not None:
            exported.stop()
