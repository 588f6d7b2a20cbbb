"""`outrider send log|metric`: one line or point through configured exporters, what was sent, and what the vendor said.

It goes by the exporters that the collectors use (`outrider.pipeline.trial`), so what is shown is what they send.
"""

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import click

from outrider.cli.options import config_option, output_option

if TYPE_CHECKING:
    from outrider.config import Config
    from outrider.model.cluster import Cluster
    from outrider.pipeline.trial import Trial, Trials

EXIT_FINDINGS = 1
"""A vendor has refused it, or does not show it."""
EXIT_UNREACHABLE = 69
"""Nobody answers (EX_UNAVAILABLE of sysexits.h)."""
EXIT_CONFIG = 78
"""The configuration cannot be used (EX_CONFIG of sysexits.h)."""


class Asked(NamedTuple):
    """What the options say."""

    path: str
    exporters: tuple[str, ...]
    read_back: bool
    within: float
    app_key: str | None
    grpc: str | None
    output: str


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed((
        config_option("The configuration that has the exporters."),
        click.option(
            "-e", "--exporter", "exporters", multiple=True, metavar="NAME",
            help="Through this one; may be repeated.  [default: all that routes lead to]",
        ),
        click.option(
            "--read-back", is_flag=True,
            help="Wait until the vendor shows it. Needs the right to read.",
        ),
        click.option(
            "--within", default=120.0, show_default=True, metavar="SECONDS", type=click.FloatRange(min=0),
            help="How long --read-back waits.",
        ),
        click.option(
            "--app-key", metavar="KEY", envvar="DD_APP_KEY",
            help="Datadog's application key, for --read-back.",
        ),
        click.option(
            "--grpc", metavar="HOST:PORT",
            help="Where a stand-in of Cloud Monitoring speaks gRPC, for --read-back.",
        ),
        output_option(),
    )):  # fmt: skip
        command = option(command)
    return command


@click.group()
def send() -> None:
    """Send a test line or metric through configured exporters, and show what the vendors say.

    Prints each request, with all secrets blotted out and the body unpacked, and the answer to it.

    Exit codes: 0 accepted (and read back), 1 not, 2 wrong usage, 69 nobody answers, 78 the configuration is wrong,
    130 interrupted.
    """


@send.command()
@click.argument("message", default="a test by outrider send")
@_options
def log(message: str, **asked: Any) -> None:
    """Send MESSAGE as a line of this pod's standard output.

    A line of JSON becomes what it would become in a container's log: severity and other fields are taken from it.
    Outside of a pod (POD_NAMESPACE, POD_NAME, POD_UID) the line is of a pod `send` in a namespace `outrider`.
    """
    _run(Asked(**asked), False, lambda trials, name: trials.log(name, message))


@send.command()
@click.argument("name", default="outrider.test")
@click.argument("value", default=1.0)
@_options
def metric(name: str, value: float, **asked: Any) -> None:
    """Send a gauge called NAME with the value VALUE; at Google, workload.googleapis.com/NAME.

    Cloud Monitoring takes one point of it in five seconds.
    """
    _run(Asked(**asked), True, lambda trials, exporter: trials.metric(exporter, name, value))


def _run(asked: Asked, metrics: bool, send_one: Callable[["Trials", str], "Trial"]) -> NoReturn:
    from outrider.cli.sent import shown, text
    from outrider.config.problems import UnusableError
    from outrider.kube.platform import PlatformError, resolve
    from outrider.model.clock import SystemClock
    from outrider.pipeline.destinations import key_file
    from outrider.pipeline.trial import Trials

    config = _config(asked.path)
    names = _chosen(config, asked.exporters, metrics)
    results: list[dict[str, Any]] = []
    try:
        key_files = [f for f in map(key_file, config.exporters.values()) if f is not None]
        cluster = resolve(config.cluster, credentials=key_files[0] if key_files else "adc")
        trials = Trials(config, cluster, SystemClock())
        for name in names:
            trial = send_one(trials, name)
            result = shown(trial)
            results.append(result)
            if asked.output == "text":
                click.echo(text(result))
            if asked.read_back and trial.accepted:
                result["read_back"] = _read_back(asked, config, cluster, trial)
    except (UnusableError, PlatformError, OSError) as e:
        _fail(str(e))
    if asked.output == "json":
        done = all(map(_done, results))
        click.echo(json.dumps({"version": 1, "ok": done, "exporters": results}, indent=2, ensure_ascii=False))
    sys.exit(_exit_code(results))


def _done(result: dict[str, Any]) -> bool:
    return bool(result["accepted"]) and result.get("read_back", {}).get("found", True) is not None


def _exit_code(results: list[dict[str, Any]]) -> int:
    failed = [result for result in results if not _done(result)]
    if not failed:
        return 0
    return EXIT_UNREACHABLE if all(result["unreachable"] for result in failed) else EXIT_FINDINGS


def _read_back(asked: Asked, config: "Config", cluster: "Cluster", trial: "Trial") -> dict[str, Any]:
    """What the vendor shows (`found`, None if it does not), after how many `seconds`, or `why` not. Said as well."""
    from outrider.cli.sent import found_text
    from outrider.exporters.reading import ReadError
    from outrider.model.clock import SystemClock
    from outrider.pipeline.read_back import read_back, reader

    assert trial.sent is not None, "it was accepted"
    name = trial.exporter
    click.echo(f"{name}: asking for it, for up to {asked.within:g} s", err=True)
    try:
        ask = reader(config, cluster.project, name, trial.sent, asked.app_key, asked.grpc)
        found = read_back(ask, asked.within, SystemClock())
    except ReadError as e:
        click.echo(f"{name}: not read back: {e}", err=True)
        return {"found": None, "why": str(e)}
    if asked.output == "text":
        click.echo(found_text(name, found.what, found.seconds))
    return {"found": found.what, "seconds": round(found.seconds, 3)}


def _config(path: str) -> "Config":
    from outrider.checks.found import INSTALLED
    from outrider.config import ConfigError, load

    try:
        return load(path, checks=INSTALLED)
    except ConfigError as e:
        _fail(str(e))


def _chosen(config: "Config", asked: tuple[str, ...], metrics: bool) -> list[str]:
    """The exporters to send through. Raises UsageError for one that is not there or leads to no vendor."""
    from outrider.config import Console, LogExporter
    from outrider.config.problems import nearest
    from outrider.pipeline.destinations import unrouted, used

    for name in asked:
        if name not in config.exporters:
            hint = nearest(name, config.exporters)
            raise click.UsageError(f"there is no exporter {name!r}, there are {', '.join(config.exporters)}; {hint}")
        exporter = config.exporters[name]
        if isinstance(exporter, Console):
            raise click.UsageError(f"the exporter {name!r} prints on standard output: nobody would answer")
        if not metrics and not isinstance(exporter, LogExporter):
            raise click.UsageError(f"the exporter {name!r} takes metrics alone")
    names = asked or [*used(config), *(unrouted(config) if metrics else ())]
    chosen = [name for name in dict.fromkeys(names) if not isinstance(config.exporters[name], Console)]
    if not chosen:
        raise click.UsageError("no route leads to an exporter that sends to a vendor; choose one by --exporter")
    return chosen


def _fail(words: str) -> NoReturn:
    click.echo(words, err=True)
    sys.exit(EXIT_CONFIG)
