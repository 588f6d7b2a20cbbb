"""`outrider check NAME`: read one product now, and print every point under both names.

Datadog gets the growth of most counters, and growth takes two looks. So where there are counters the check is run a
second time a second later, and it is the second run that is shown. With `--watch` every run is.
"""

import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.core import ParameterSource

from outrider.cli.options import config_option, json_option, output_option

if TYPE_CHECKING:
    from outrider.checks.check import Check, Reading
    from outrider.checks.declared import Declared
    from outrider.model.points import Report

EXIT_UNKNOWN = 3
EXIT_CONFIG = 78
"""The configuration cannot be used (EX_CONFIG of sysexits.h)."""
APART = 1.0
"""Seconds between the two runs."""
NOT_REPORTED = "the server has not reported it"


@click.command()
@click.argument("name")
@config_option("Take the settings from the first entry of metrics.checks that has this name.", required=False)
@click.option(
    "--set", "given", metavar="KEY=VALUE", multiple=True,
    help="A setting, such as port=6380 or 'password={env: REDIS_PASSWORD}'; without --config.",
)  # fmt: skip
@output_option("Form of the result; json: one object a line.")
@json_option()
@click.option("--watch", is_flag=True, help="Run it again every metrics.every (15 s), until Ctrl-C.")
@click.pass_context
def check(ctx: click.Context, name: str, path: str | None, given: tuple[str, ...], output: str, watch: bool) -> None:
    """Run the check NAME and print every point under both names.

    Prints what Datadog and Google would get of each point, the service checks, and which of the declared metrics the
    server does not have, and why. Settings that are not given have the product's defaults.

    \b
    Exit codes, as monitoring plugins have them:
      0 ok, 1 warning, 2 critical, 3 unknown (also: its library is missing)
    and 2 wrong usage, 78 the configuration is wrong, 130 interrupted.
    """
    from outrider.checks import found
    from outrider.checks.check import CheckError
    from outrider.config.problems import nearest

    installed = found.names()
    if name not in installed:
        hint = f"; {nearest(name, installed)}".rstrip("; ")
        raise click.UsageError(f"there is no check {name!r}, there are {', '.join(installed) or 'none'}{hint}")
    if given and ctx.get_parameter_source("path") is ParameterSource.COMMANDLINE:
        raise click.UsageError("--config and --set do not go together: one of them has the settings")
    try:
        made, declared = found.load(name)
    except ImportError as e:
        _fail(f"the check {name} cannot be loaded: {e}; install the library that it needs", EXIT_UNKNOWN)
    settings, every = _from_file(name, path) if path is not None and not given else _from_options(made, given)
    try:
        asked = made(settings)
    except (CheckError, OSError, ValueError) as e:
        _fail(f"{name}: {e}", EXIT_CONFIG)
    look = _Look(asked, declared, tuple(settings.tags), output == "json")
    ctx.exit(look.watch(every) if watch else look.once())


def _from_file(name: str, path: str) -> tuple[Any, float]:
    from outrider.checks.found import INSTALLED
    from outrider.config import ConfigError, load
    from outrider.pipeline.node_checks import node_checks

    try:
        config = load(path, checks=INSTALLED)
    except ConfigError as e:
        _fail(str(e), EXIT_CONFIG)
    checks = node_checks(config)
    entry = next((entry for entry in checks if entry.name == name), None)
    if entry is None:
        there = ", ".join(entry.name for entry in checks) or "none"
        _fail(f"{path}: metrics.checks: there is no {name} here, there are: {there}", EXIT_CONFIG)
    return entry.settings, config.metrics.every


def _from_options(made: "type[Check]", given: tuple[str, ...]) -> tuple[Any, float]:
    from outrider.config import ConfigError, Metrics
    from outrider.config.given import given as read

    wrong = next((pair for pair in given if "=" not in pair), None)
    if wrong is not None:
        raise click.UsageError(f"--set {wrong}: it takes KEY=VALUE")
    try:
        settings = read(
            made.Settings, [(key, text) for key, _, text in (pair.partition("=") for pair in given)], "--set"
        )
    except ConfigError as e:
        _fail(str(e), EXIT_CONFIG)
    return settings, Metrics().every


def _fail(words: str, code: int) -> NoReturn:
    click.echo(words, err=True)
    sys.exit(code)


class _Look:
    """Runs a check and prints what it finds."""

    def __init__(self, check: "Check", declared: "Declared", tags: tuple[str, ...], as_json: bool) -> None:
        from outrider.exporters.console_metrics import BothNames
        from outrider.model.clock import SystemClock

        self._check, self._declared, self._tags, self._json = check, declared, tags, as_json
        self._clock, self._never = SystemClock(), threading.Event()
        self._both = BothNames()

    def once(self) -> int:
        """The exit code."""
        report, reading, _ = self._run()
        if any(p.metric.kind != "gauge" and p.metric.datadog is not None for p in report.points):
            for _ in self._both.objects(report):  # remembered, not shown
                pass
            self._clock.wait(self._never, APART)
            report, reading, _ = self._run()
        self._print(report, reading)
        self._check.close()
        return _exit_code(report)

    def watch(self, every: float) -> NoReturn:
        """Until somebody interrupts."""
        while True:
            began = self._clock.monotonic()
            report, reading, _ = self._run()
            self._print(report, reading)
            self._clock.wait(self._never, max(began + every - self._clock.monotonic(), 0.0))

    def _run(self) -> Any:
        from outrider.checks.check import run
        from outrider.model.points import Subject

        return run(self._check, self._declared, Subject(), self._clock, self._tags)

    def _print(self, report: "Report", reading: "Reading") -> None:
        shown = [*self._both.objects(report), *self._unseen(report, reading)]
        if self._json:
            import orjson

            click.echo(b"".join(orjson.dumps(one) + b"\n" for one in shown), nl=False)
        else:
            from outrider.cli.check_text import text

            click.echo(text(shown), nl=False)

    def _unseen(self, report: "Report", reading: "Reading") -> Iterator[dict[str, Any]]:
        """What is declared and was not read, and why. Where nothing was, the service check says all there is to say."""
        if not report.points:
            return
        seen = {point.metric.key for point in report.points}
        for key, metrics in self._declared.metrics.items():
            if key in seen:
                continue
            why = reading.missing.get(key) or self._needs(key)
            for metric in metrics:
                names = {
                    "datadog": metric.datadog.name if metric.datadog is not None else None,
                    "google": metric.google.type if metric.google is not None else None,
                }
                yield {"check": report.source, "missing": key, "why": why, **names}

    def _needs(self, key: str) -> str:
        needs = self._declared.needs.get(key)
        return f"needs {needs}" if needs else NOT_REPORTED


def _exit_code(report: "Report") -> int:
    """That of the worst service check: critical, then warning, then unknown."""
    from outrider.model.points import Status

    found = {check.status for check in report.service_checks}
    worst = (Status.CRITICAL, Status.WARNING, Status.UNKNOWN, Status.OK)
    return int(next(status for status in worst if status in found))
