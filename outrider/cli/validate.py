"""`outrider validate`: every problem of a configuration file, with its line and the way out.

Problems go to standard error (with `-o json` to standard output, as one document), the verdict is the exit code.
"""

import json
from typing import TYPE_CHECKING, Any

import click

from outrider.cli.options import config_option, output_option

if TYPE_CHECKING:
    from outrider.config import Report

EXIT_FINDINGS = 1
"""There are warnings, and `--deny-warnings` was given."""
EXIT_CONFIG = 78
"""The configuration cannot be used (EX_CONFIG of sysexits.h)."""


@click.command()
@config_option()
@click.option(
    "--deny-warnings", is_flag=True,
    help="Exit with 1 if there are warnings.",
)  # fmt: skip
@output_option()
@click.pass_context
def validate(ctx: click.Context, path: str, deny_warnings: bool, output: str) -> None:
    """Check a configuration file.

    Prints every problem with its line, path and the nearest allowed key, and a summary if the file can be used.

    Exit codes: 0 the file is good, 1 it has warnings and --deny-warnings was given, 2 wrong usage, 78 it has errors.
    """
    from outrider.checks.found import INSTALLED
    from outrider.config import examine

    report = examine(path, checks=INSTALLED)
    code = _exit_code(report, deny_warnings)
    if output == "json":
        click.echo(json.dumps(_document(report, path, ok=code == 0), indent=2))
    else:
        _print(report, ok=code == 0)
    ctx.exit(code)


def _exit_code(report: "Report", deny_warnings: bool) -> int:
    if report.config is None:
        return EXIT_CONFIG
    return EXIT_FINDINGS if deny_warnings and report.problems else 0


def _print(report: "Report", ok: bool) -> None:
    for problem in report.problems:
        click.echo(str(problem), err=True)
    if ok:
        summary = _summary(report)
        del summary["errors"]
        click.echo(
            "ok: " + ", ".join(f"{n} {noun.removesuffix('s') if n == 1 else noun}" for noun, n in summary.items())
        )


def _document(report: "Report", path: str, ok: bool) -> dict[str, Any]:
    import msgspec

    problems = msgspec.to_builtins(report.problems)
    return {"version": 1, "ok": ok, "file": path, "problems": problems, "summary": _summary(report)}


def _summary(report: "Report") -> dict[str, int]:
    severities = [p.severity for p in report.problems]
    counts = {"errors": severities.count("error"), "warnings": severities.count("warning")}
    if report.config is None:
        return counts
    exporters, routes, checks = report.config.exporters, report.config.routes, report.config.metrics.checks
    return {"exporters": len(exporters), "routes": len(routes), "checks": len(checks)} | counts
