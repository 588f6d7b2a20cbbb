"""Running `outrider node`, `sidecar` and `cluster`: logging, signals and exit codes, and nothing of the command line.

These run for months in places where each megabyte counts, and what reads command lines takes 1.4 of them. So their
plain forms, which manifests have, are understood here (`plainly`); for `--help`, for anything unusual and for all
mistakes there is click.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collectors.reload import Nodes

CONFIG_ERROR = 78
"""EX_CONFIG of sysexits.h."""
LEVELS = ("debug", "info", "warning", "error")
PROGRAMS = ("node", "sidecar", "cluster")
SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_OPTIONS = {"--config": "path", "-c": "path", "--log-level": "level"}


def plainly(arguments: Sequence[str]) -> tuple[str, str, str] | None:
    """Command, path of the configuration and log level, if `arguments` say no more than that; else None."""
    if not arguments or arguments[0] not in PROGRAMS:
        return None
    given = {"path": os.environ.get("OUTRIDER_CONFIG", ""), "level": os.environ.get("OUTRIDER_LOG_LEVEL") or "info"}
    rest = [part for word in arguments[1:] for part in (word.split("=", 1) if word.startswith("--") else [word])]
    if len(rest) % 2:
        return None
    for option, value in zip(rest[::2], rest[1::2], strict=True):
        if option not in _OPTIONS or value.startswith("-"):
            return None
        given[_OPTIONS[option]] = value
    if not given["path"] or os.path.isdir(given["path"]) or given["level"] not in LEVELS:
        return None
    return arguments[0], given["path"], given["level"]


def follow(command: str, path: str, log_level: str) -> None:
    """Run `command`, one of PROGRAMS, until a signal ends it. Exits with CONFIG_ERROR if the configuration cannot be
    used.
    """
    # The kernel drops SIGTERM for a container's first process while there is no handler: a sidecar whose Job is done at
    # once would be killed after its grace, with the lines unread. Held back, it is heard as soon as there is one.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    log_to_stderr(log_level)

    nodes = _node(path, log_level) if command == "node" else _sidecar(path) if command == "sidecar" else _cluster(path)
    listen_to_signals(nodes)
    with exporting(nodes):
        run(nodes.run)


@contextmanager
def exporting(nodes: "Nodes") -> Iterator[None]:
    """Their own metrics go by OpenTelemetry, if the environment asks for it."""
    if not any(name.startswith("OTEL_EXPORTER_OTLP_") for name in os.environ):
        yield  # and what would look closer need not be loaded
        return
    from outrider.pipeline import otel

    exported = otel.start(lambda: nodes.readings)
    try:
        yield
    finally:
        if exported is not None:
            exported.stop()


def _node(path: str, log_level: str) -> "Nodes":
    from collectors import rights
    from collectors.fleet import supervise
    from outrider.model.shard import Shard

    rights.use()
    command = [sys.executable, "-m", "outrider.cli.parts"]

    def worker(shard: Shard, line: int, buckets: int) -> list[str]:
        return [*command, "worker", path, log_level, f"{shard}:{line}:{buckets}"]

    return supervise(path, worker, lambda first: [*command, "judge", path, "first" if first else "next"])


def _sidecar(path: str) -> "Nodes":
    from collectors.reload import Nodes
    from sidecars.sidecar import Sidecar

    return Nodes(path, None, Sidecar, drains=True)


def _cluster(path: str) -> "Nodes":
    from collectors.cluster import ClusterCollector
    from collectors.reload import Nodes

    return Nodes(path, None, ClusterCollector)


# -- also for the parts of a node that has several ---------------------------------------------------------------------


def log_to_stderr(log_level: str, who: str = "") -> None:
    """`who` stands before the name of the module that speaks."""
    import logging

    logging.basicConfig(
        stream=sys.stderr, level=log_level.upper(), format=f"%(asctime)s %(levelname)s {who}%(name)s: %(message)s"
    )
    logging.getLogger("urllib3").setLevel(logging.ERROR)


def listen_to_signals(nodes: "Nodes") -> None:
    """SIGTERM and SIGINT end them, SIGHUP has them look at their configuration."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: nodes.end())
    signal.signal(signal.SIGHUP, lambda *_: nodes.reload())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def run(work: Callable[[], None]) -> None:
    """Do it. Exits with CONFIG_ERROR if the configuration cannot be used."""
    from collectors.reload import RefusedError

    try:
        work()
    except RefusedError as e:
        print(e, file=sys.stderr)
        sys.exit(CONFIG_ERROR)
