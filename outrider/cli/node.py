"""`outrider node`: load the configuration, run the collector, end on SIGTERM or SIGINT."""

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

    Runs until SIGTERM or SIGINT, then sends what it has read, saves its cursors and exits 0.
    """
    import logging
    import signal

    from collectors.node import Node
    from outrider.config import examine
    from outrider.kube.platform import PlatformError
    from outrider.kube.pods import KubeConfigError
    from outrider.pipeline.destinations import NotBuiltError

    logging.basicConfig(
        stream=sys.stderr, level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    report = examine(path)
    for problem in report.problems:
        click.echo(str(problem), err=True)
    if report.config is None:
        sys.exit(CONFIG_ERROR)
    try:
        collector = Node(report.config)
    except (NotBuiltError, PlatformError, KubeConfigError) as e:
        click.echo(f"{path}: {e}", err=True)
        sys.exit(CONFIG_ERROR)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: collector.stop.set())
    collector.run()
