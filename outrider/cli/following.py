"""Running `outrider node` and `outrider sidecar`: logging, signals and exit codes, and nothing of the command line.

These two run for months in places where each megabyte counts, and what reads command lines takes 1.4 of them. So their
plain forms, which manifests have, are understood here (`plainly`); for `--help`, for anything unusual and for all
mistakes there is click.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module

CONFIG_ERROR = 78
"""EX_CONFIG of sysexits.h."""
LEVELS = ("debug", "info", "warning", "error")
PROGRAMS = {"node": ("collectors.node", "Node", False), "sidecar": ("sidecars.sidecar", "Sidecar", True)}
"""Module and class of each (a `collectors.reload.Make`), and `drains` of `collectors.reload.Nodes`."""
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
    import logging
    import signal

    logging.basicConfig(
        stream=sys.stderr, level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("urllib3").setLevel(logging.ERROR)

    from collectors.reload import Nodes, RefusedError
    from outrider.pipeline import otel

    module, name, drains = PROGRAMS[command]
    nodes = Nodes(path, None, getattr(import_module(module), name), drains)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: nodes.end())
    signal.signal(signal.SIGHUP, lambda *_: nodes.reload())
    exported = otel.start(lambda: nodes.counters)
    try:
        nodes.run()
    except RefusedError as e:
        print(e, file=sys.stderr)
        sys.exit(CONFIG_ERROR)
    finally:
        if exported is not None:
            exported.stop()
