"""`outrider explain`: what a collector will do with a pod, from its manifest alone. Nothing is asked, nothing sent."""

import json
import os
import sys
from typing import TYPE_CHECKING, TextIO

import click

from outrider.cli.options import config_option, output_option

if TYPE_CHECKING:
    from outrider.config import Config

EXIT_FINDINGS = 1
"""Something is wrong with the pod."""
EXIT_CONFIG = 78
"""The configuration cannot be used (EX_CONFIG of sysexits.h)."""


@click.command()
@click.argument("manifest", type=click.File("r", encoding="utf-8"), metavar="POD.yaml")
@config_option("The configuration of the node collector; without one, everything goes to Google.", required=False)
@output_option()
@click.pass_context
def explain(ctx: click.Context, manifest: TextIO, path: str | None, output: str) -> None:
    """Say what a node collector will do with the pods in a manifest (- for standard input).

    Prints for each container which of its lines are read, their route and why, who gets them and under which resource,
    labels and tags; which checks the pod's annotations ask for, and what is wrong with them. A Deployment or another
    workload stands for one of its pods. What only the cluster knows stands in capitals: POD_IP, PROJECT.

    Exit codes: 0 nothing is wrong, 1 something is, 2 wrong usage, or no pod in the manifest,
    78 the configuration is wrong.
    """
    from outrider.cli.explaining import Explanation
    from outrider.cli.manifest import ManifestError, pods_in

    try:
        pods, problems = pods_in(manifest.read())
    except (ManifestError, UnicodeDecodeError) as e:
        raise click.UsageError(f"{manifest.name}: {e}") from None
    explanation = Explanation(_config(path))
    shown = [explanation.of(pod, problems) for pod in pods]
    wrong = any(pod["findings"] for pod in shown)
    if output == "json":
        click.echo(json.dumps({"version": 1, "ok": not wrong, "pods": shown}, indent=2, ensure_ascii=False))
    else:
        from outrider.cli.explain_text import text

        click.echo(text(shown), nl=False)
    ctx.exit(EXIT_FINDINGS if wrong else 0)


def _config(path: str | None) -> "Config":
    from outrider.checks.found import INSTALLED
    from outrider.config import Config, ConfigError, load

    if path is None:
        return Config()
    try:
        return load(path, env={"NODE_NAME": "NODE", "NODE_IP": "NODE_IP", **os.environ}, checks=INSTALLED)
    except ConfigError as e:
        click.echo(str(e), err=True)
        sys.exit(EXIT_CONFIG)
