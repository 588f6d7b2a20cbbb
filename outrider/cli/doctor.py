"""`outrider doctor`: what is in the way of a collector here, line by line, each with its cure."""

import json
import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from outrider.cli.options import config_option, json_option, output_option

if TYPE_CHECKING:
    from outrider.doctor.examination import Program
    from outrider.doctor.finding import Finding

EXIT_FINDINGS = 1
"""Something fails."""
EXIT_CONFIG = 78
"""The configuration cannot be used (EX_CONFIG of sysexits.h)."""
COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@config_option()
@click.option(
    "--for", "program", type=click.Choice(["node", "sidecar", "cluster"]),
    help="The program that it is for.  [default: sidecar, if it names files or runs in a pod of its own; else node]",
)  # fmt: skip
@output_option()
@json_option()
def doctor(path: str, program: "Program | None", output: str) -> None:
    """Examine everything that a collector needs, and say what is in the way, with the cure.

    Looks at the configuration, the state directory and its disk, the log files and their rights, credentials and what
    they allow, the way to every endpoint and its certificate, the clock, kubelet and API server, and a running
    collector. Stores nothing anywhere. Rights are tried, not reckoned: run it where the collector runs, as its user.

    Exit codes: 0 nothing fails, 1 something does, 2 wrong usage, 78 the configuration is wrong, 130 interrupted.
    """
    from collectors import rights
    from outrider.doctor.examination import findings

    rights.use()
    usable, found = findings(path, program)
    failed = any(finding.status == "fail" for finding in found)
    if output == "json":
        document = {"version": 1, "ok": not failed, "findings": [asdict(finding) for finding in found]}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        click.echo(_text(found), color=False if os.environ.get("NO_COLOR") else None)
    sys.exit(EXIT_CONFIG if not usable else EXIT_FINDINGS if failed else 0)


def _text(found: "list[Finding]") -> str:
    width = max(len(finding.subject) for finding in found)
    lines: list[str] = []
    for finding in found:
        status = click.style(f"{finding.status:4}", fg=COLOURS[finding.status], bold=finding.status == "fail" or None)
        lines.append(f"{status}  {finding.subject:{width}}  {finding.words}")
        if finding.cure:
            lines.append(f"{'':4}  {'':{width}}  -> {finding.cure}")
    counts = [f"{sum(finding.status == status for finding in found)} {status}" for status in COLOURS]
    return "\n".join([*lines, ", ".join(counts)])
