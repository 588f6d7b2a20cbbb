"""What `outrider node` and `outrider sidecar` share: their options, their signals and their exit codes."""

import sys
from collections.abc import Callable
from typing import Any

import click

CONFIG_ERROR = 78
"""EX_CONFIG of sysexits.h."""


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--config` and `--log-level`."""
    config = click.option(
        "--config",
        "-c",
        "path",
        required=True,
        envvar="OUTRIDER_CONFIG",
        type=click.Path(dir_okay=False),
        help="The configuration file.",
    )
    log_level = click.option(
        "--log-level",
        envvar="OUTRIDER_LOG_LEVEL",
        default="info",
        show_default=True,
        type=click.Choice(["debug", "info", "warning", "error"]),
        help="How much this program says on standard error.",
    )
    return config(log_level(command))


def follow(path: str, log_level: str, program: Callable[[], Any], drains: bool = False) -> None:
    """Run what `program` returns (a `collectors.reload.Make`; importing it is part of the call) until a signal ends it.
    Exits with CONFIG_ERROR if the configuration cannot be used. `drains`: see `collectors.reload.Nodes`.
    """
    import logging
    import signal

    logging.basicConfig(
        stream=sys.stderr, level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("urllib3").setLevel(logging.ERROR)

    from collectors.reload import Nodes, RefusedError
    from outrider.pipeline import otel

    nodes = Nodes(path, None, program(), drains)
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
