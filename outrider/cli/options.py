"""The options that several commands share, said once."""

from collections.abc import Callable
from typing import Any

import click

from outrider.cli.following import LEVELS

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def config_option(words: str = "The configuration file.", required: bool = True, **more: Any) -> Decorator:
    """`--config`, which is handed over as `path`."""
    return click.option("-c", "--config", "path", metavar="FILE", required=required, help=words, **more)


def output_option(words: str = "Form of the result.") -> Decorator:
    """`--output`."""
    forms = click.Choice(["text", "json"])
    return click.option("-o", "--output", type=forms, default="text", show_default=True, help=words)


def json_option() -> Decorator:
    """`--json`, beside `output_option`."""
    return click.option("--json", "output", flag_value="json", help="The same as -o json.")


def url_option() -> Decorator:
    """`--url`, of a collector that runs."""
    where = "Where the collector's telemetry is (`telemetry.listen`)."
    return click.option("--url", default="http://127.0.0.1:9464", metavar="URL", show_default=True, help=where)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--config` and `--log-level`, of a program that goes on."""
    log_level = click.option(
        "--log-level",
        default="info",
        show_default=True,
        type=click.Choice(LEVELS),
        help="How much this program says on standard error.",
    )
    return config_option(type=click.Path(dir_okay=False))(log_level(command))
