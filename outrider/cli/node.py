"""`outrider node`: run the collector; SIGHUP reloads its configuration, SIGTERM and SIGINT end it.

With more than one of `workers` this process is their supervisor and starts itself again for each of them, with an
option that is not for people.
"""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from collectors.reload import Nodes

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
@click.option("--worker", hidden=True, allow_from_autoenv=False, help="Be one worker of several: share, line, buckets.")
@click.option(
    "--judge",
    hidden=True,
    allow_from_autoenv=False,
    type=click.Choice(["first", "next"]),
    help="Judge the configuration on standard input.",
)
def node(path: str, log_level: str, worker: str | None, judge: str | None) -> None:
    """Collect the logs of all pods on this node and deliver them.

    Runs until SIGTERM or SIGINT, then sends what it has read, saves its cursors and exits 0. SIGHUP, or a change of the
    configuration file, loads the configuration anew; one that cannot be used changes nothing.

    Metrics are also sent to the OpenTelemetry collector that OTEL_EXPORTER_OTLP_ENDPOINT or
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT names.
    """
    import logging

    if judge is not None:
        _judge(path, first=judge == "first")
    who = f"worker-{worker.partition('/')[0]} " if worker else ""
    logging.basicConfig(
        stream=sys.stderr, level=log_level.upper(), format=f"%(asctime)s %(levelname)s {who}%(name)s: %(message)s"
    )
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    if worker:
        _work(path, worker)
    else:
        _supervise(path, log_level)


def _supervise(path: str, log_level: str) -> None:
    from collectors.fleet import supervise
    from outrider.model.shard import Shard
    from outrider.pipeline import otel

    command = [sys.executable, "-m", "outrider.cli.main", "node", "--config", path, "--log-level", log_level]

    def worker(shard: Shard, line: int, buckets: int) -> list[str]:
        return [*command, "--worker", f"{shard}:{line}:{buckets}"]

    nodes = supervise(path, worker, lambda first: [*command, "--judge", "first" if first else "next"])
    _listen_to_signals(nodes)
    exported = otel.start(lambda: nodes.readings)
    try:
        _run(nodes.run)
    finally:
        if exported is not None:
            exported.stop()


def _work(path: str, spec: str) -> None:
    from collectors.line import LineError
    from collectors.worker import ORPHANED, Worker
    from outrider.model.shard import Shard

    share, line, buckets = spec.split(":")
    try:
        worker = Worker(path, Shard.parse(share), int(line), int(buckets))
    except LineError:  # the supervisor is gone already
        sys.exit(ORPHANED)
    _listen_to_signals(worker.nodes)
    _run(worker.run)


def _judge(path: str, first: bool) -> NoReturn:
    import json

    from collectors.judging import judge

    click.echo(json.dumps(judge(sys.stdin.buffer.read(), path, first)))
    sys.exit(0)


def _listen_to_signals(nodes: "Nodes") -> None:
    import signal

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: nodes.end())
    signal.signal(signal.SIGHUP, lambda *_: nodes.reload())


def _run(run: Callable[[], None]) -> None:
    from collectors.reload import RefusedError

    try:
        run()
    except RefusedError as e:
        click.echo(str(e), err=True)
        sys.exit(CONFIG_ERROR)
