"""`outrider intake`: the local Cloud Logging, Cloud Monitoring and Datadog as a command, until Ctrl-C."""

import signal
import sys
import threading
from functools import cache

import click


@click.command()
@click.option(
    "--host", default="127.0.0.1", metavar="ADDRESS", show_default=True, envvar="OUTRIDER_INTAKE_HOST",
    help="Address to bind.",
)  # fmt: skip
@click.option(
    "--port",
    default=8085,
    metavar="PORT",
    show_default=True,
    envvar="OUTRIDER_INTAKE_PORT",
    help="All APIs over HTTP, and the console; 0: a free one.",
)
@click.option(
    "--grpc-port",
    metavar="PORT",
    type=int,
    envvar="OUTRIDER_INTAKE_GRPC_PORT",
    help="Google's APIs over gRPC; 0: a free one; not given: no gRPC.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME[:PROBABILITY]",
    envvar="OUTRIDER_INTAKE_FAULT",
    help="Fail write requests: an HTTP status (401 ... 504), hang, reset, lost-ack, partial. May be repeated.",
)
@click.option(
    "--seed", type=int, metavar="N", envvar="OUTRIDER_INTAKE_SEED", help="Draw the faults the same way every time."
)
@click.option(
    "--keep",
    default=200_000,
    show_default=True,
    type=click.IntRange(min=0),
    metavar="N",
    envvar="OUTRIDER_INTAKE_KEEP",
    help="Newest entries of each API to keep in full; counters and de-duplication are not bounded by it.",
)
@click.option(
    "--api-key", envvar="OUTRIDER_INTAKE_API_KEY", metavar="KEY", help="The DD-API-KEY to accept; not given: any."
)
@click.option(
    "--collector",
    "collectors",
    multiple=True,
    metavar="URL",
    default=["http://127.0.0.1:9464"],
    show_default=True,
    envvar="OUTRIDER_INTAKE_COLLECTOR",
    help="Where a collector's telemetry is, on this machine, whose ledger the console shows. May be repeated.",
)
def intake(
    host: str,
    port: int,
    grpc_port: int | None,
    faults: tuple[str, ...],
    seed: int | None,
    keep: int,
    api_key: str | None,
    collectors: tuple[str, ...],
) -> None:
    """Stand in for Cloud Logging, Cloud Monitoring and Datadog, with a live console at the printed address.

    Runs until SIGTERM or SIGINT, then says what has come.

    Exit codes: 0 ended by a signal, 1 cannot listen there, 2 wrong usage.
    """
    from outrider.checks.found import pairs
    from outrider.intake import Intake

    stopped = threading.Event()
    try:
        server = Intake(
            host, port, grpc_port, faults, seed, keep, api_key=api_key, collectors=collectors, names=cache(pairs)
        ).start()
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--fault or --collector") from None
    except ImportError as error:
        raise click.ClickException(f"gRPC needs the extra: pip install 'outrider[intake]' ({error})") from None
    except (OSError, OverflowError) as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error}") from None
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    grpc_text = f"gRPC on {server.grpc_target}" if grpc_port is not None else "gRPC off (--grpc-port)"
    click.echo(f"Cloud Logging and Datadog intake on {server.url}, {grpc_text}; Ctrl-C ends it", err=True)
    stopped.wait()
    server.stop()
    stats = server.stats()
    logs, series, points = stats["datadog"], stats["monitoring"], stats["datadog_metrics"]
    click.echo(f"Cloud Logging: {stats['received']} entries received, {stats['repeated']} of them repeats", err=True)
    click.echo(f"Datadog: {logs['accepted']} logs received, {logs['repeated']} of them repeats", err=True)
    click.echo(f"Cloud Monitoring: {series['written']} points of {series['series']} time series written", err=True)
    click.echo(f"Datadog: {points['accepted']} points of {points['series']} series received", err=True)
    sys.exit(0)
