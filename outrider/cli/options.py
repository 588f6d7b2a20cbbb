"""The options that `outrider node`, `sidecar` and `cluster` share."""

from collections.abc import Callable
from typing import Any

import click

from outrider.cli.following import LEVELS


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--config` and `--log-level`."""
    config = click.option(
        "--config",
        "-c",
        "path",
        required=True,
        metavar="FILE",
        type=click.Path(dir_okay=False),
        help="The configuration file.",
    )
    log_level = click.option(
        "--log-level",
        default="info",
        show_default=True,
        type=click.Choice(LEVELS),
        help="How much this program says on standard error.",
    )
    return config(log_level(command))
