"""`outrider demo`: the whole way of a log line and of a metric, on this machine, to be watched.

What is shown goes to standard error; the summary goes to standard output, with the totals of the collector's own ledger
(`outrider audit` shows all of it). Whether both balance is the exit code.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from outrider.cli.options import output_option

if TYPE_CHECKING:
    from outrider.cli.audit import Ledger

EXIT_OFF = 1
"""The sums do not balance."""
EXIT_FAILED = 70
"""A part of the demo failed (EX_SOFTWARE of sysexits.h)."""


@click.command()
@click.option(
    "--seconds", type=click.FloatRange(min=0, min_open=True), metavar="N",
    help="End by itself after this time; otherwise at Ctrl-C.",
)  # fmt: skip
@click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True), default=400, metavar="N",
    show_default=True, help="Lines that the pods print per second.",
)  # fmt: skip
@click.option(
    "--seed", type=int, default=1, metavar="N", show_default=True,
    help="What the pods print is drawn from this.",
)  # fmt: skip
@click.option(
    "--plain", is_flag=True,
    help="One line a second instead of the screen (as with NO_COLOR, or without a terminal).",
)  # fmt: skip
@click.option(
    "--svg", type=click.Path(dir_okay=False, writable=True, path_type=Path), metavar="FILE",
    help="Save the screen, as it is when the pods stop, as a picture.",
)  # fmt: skip
@output_option("Form of the summary.")
@click.pass_context
def demo(
    ctx: click.Context, seconds: float | None, rate: float, seed: int, plain: bool, svg: Path | None, output: str
) -> None:
    """Watch logs and metrics travel: pods that print and the node collector, a Redis and the sidecar beside it, and a
    stand-in of Cloud Logging, Cloud Monitoring and Datadog.

    Needs no cluster and no account; everything runs on this machine and leaves nothing behind. Ends with a summary:
    every line written is an entry received by both vendors, or was joined to one; every point that was sent has arrived
    at both; and with the ledger of the collector.

    Exit codes: 0 the sums balance, 1 they do not, 2 wrong usage, 70 a part failed, 130 interrupted twice.
    """
    import msgspec

    from outrider.cli.audit import Ledger, document
    from outrider.cli.interrupts import EXIT_INTERRUPTED
    from outrider.demo.children import DemoError
    from outrider.demo.run import Options, run

    try:
        summary = run(Options(seconds, rate, seed, plain, svg))
    except DemoError as e:
        click.echo(f"outrider demo: {e}", err=True)
        ctx.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        click.echo("outrider demo: interrupted", err=True)
        ctx.exit(EXIT_INTERRUPTED)
    ledger = msgspec.convert(summary.ledger, Ledger)
    if output == "json":
        click.echo(json.dumps({**summary.as_dict(), "ledger": document(ledger, everything=False)}, indent=2))
    else:
        click.echo(f"{summary.as_text()}\n\n{_books(ledger)}")
    ctx.exit(0 if summary.balanced and ledger.balanced else EXIT_OFF)


def _books(ledger: "Ledger") -> str:
    """The totals of every exporter, of the streams that are still on the node."""
    lines = []
    for name, exporter in ledger.exporters.items():
        held, records = exporter.total()
        lines += [
            f"the collector's ledger of the {len(exporter.streams)} streams still on the node, {name}:",
            f"  {held.disk:,} bytes on disk = {held.skipped:,} skipped + {held.acknowledged:,} acknowledged"
            f" + {held.in_flight:,} in flight + {sum(held.lost.values()):,} lost + {held.behind:,} behind",
            f"  {records.read:,} records read = {records.accepted:,} accepted + {records.rejected:,} rejected"
            f" + {records.left_out:,} left out + {records.in_flight:,} in flight",
        ]
    return "\n".join([*lines, "the ledger balances" if ledger.balanced else "the ledger does not balance"])
