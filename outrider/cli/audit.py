"""`outrider audit`: what became of every byte and every record, in a table whose balances must be zero.

The ledger of a running collector (`/ledger` of its telemetry) tells, for each exporter and stream, what is on disk and
where it went. Two sums have to come out:

    disk = skipped + acknowledged + in flight + lost + behind        (bytes)
    read = in flight + accepted + rejected + left out                (records)

`skipped` is what stood before the place where the stream was taken up. A balance that is not zero is bytes or records
of which nobody knows what became of them.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import click
import msgspec

from outrider.cli.interrupts import farewell
from outrider.cli.options import output_option, url_option

if TYPE_CHECKING:
    from rich.console import RenderableType

EXIT_OFF = 1
"""The ledger does not balance."""
EXIT_UNREACHABLE = 69
"""No ledger is to be had (EX_UNAVAILABLE of sysexits.h)."""
TOP = 20
EVERY = 2.0
"""Seconds between two looks of --watch."""
TIMEOUT = 10.0


class Bytes(msgspec.Struct):
    """Bytes of one stream, uncompressed. `lost` is by cause."""

    disk: int = 0
    read: int = 0
    skipped: int = 0
    acknowledged: int = 0
    in_flight: int = 0
    lost: dict[str, int] = {}
    behind: int = 0

    @property
    def balance(self) -> int:
        """0: every byte on the disk is somewhere, and what was read was answered for or is on its way."""
        away = self.disk - self.skipped - self.acknowledged - self.in_flight - sum(self.lost.values()) - self.behind
        return away or self.read - self.acknowledged - self.in_flight


class Records(msgspec.Struct):
    """Records of one stream since the collector was started."""

    read: int = 0
    in_flight: int = 0
    accepted: int = 0
    rejected: int = 0
    left_out: int = 0

    @property
    def balance(self) -> int:
        return self.read - self.in_flight - self.accepted - self.rejected - self.left_out


class Stream(msgspec.Struct):
    """One run of a container."""

    namespace: str
    pod: str
    uid: str
    container: str
    restart: int | str
    bytes: Bytes
    records: Records
    behind_seconds: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.namespace}/{self.pod}/{self.container}/{self.restart}"

    @property
    def balanced(self) -> bool:
        return self.bytes.balance == 0 == self.records.balance


class Exporter(msgspec.Struct):
    """The streams of one exporter, and what is wrong with it."""

    streams: list[Stream]
    trouble: str | None = None

    def total(self) -> tuple[Bytes, Records]:
        """The sums over all streams."""
        total, records = Bytes(lost={}), Records()
        for stream in self.streams:
            for key in ("disk", "read", "skipped", "acknowledged", "in_flight", "behind"):
                setattr(total, key, getattr(total, key) + getattr(stream.bytes, key))
            for cause, n in stream.bytes.lost.items():
                total.lost[cause] = total.lost.get(cause, 0) + n
            for key in ("read", "in_flight", "accepted", "rejected", "left_out"):
                setattr(records, key, getattr(records, key) + getattr(stream.records, key))
        return total, records


class Ledger(msgspec.Struct):
    """What `/ledger` answers; times are seconds since the epoch."""

    time: float
    started: float
    exporters: dict[str, Exporter]

    @property
    def balanced(self) -> bool:
        # Each stream by itself: what is too much of one must not make up for what another lacks.
        return all(stream.balanced for exporter in self.exporters.values() for stream in exporter.streams)


class NoLedgerError(Exception):
    """The collector cannot be asked; the text says why."""


@click.command()
@url_option()
@click.option(
    "--all", "everything", is_flag=True,
    help=f"Every stream, not just those that do not balance and the {TOP} that are furthest behind.",
)  # fmt: skip
@click.option(
    "--watch", is_flag=True,
    help=f"Look again every {EVERY:g} seconds, until Ctrl-C.",
)  # fmt: skip
@output_option("Form of the result; with --watch, one JSON document a line.")
def audit(url: str, everything: bool, watch: bool, output: str) -> None:
    """Account for every byte and record of a running collector.

    Prints, for each exporter, the streams that are furthest behind first, and the totals. Both balances must be zero:

    \b
        bytes:   disk = skipped + acked + flying + lost + behind
        records: records = accepted + rejected + left out + flying

    Exit codes: 0 everything balances, 1 something does not, 2 wrong usage, 69 the collector is out of reach,
    130 interrupted.
    """
    try:
        if watch:
            _watch(url, everything, output)
        ledger = fetch(url)
    except NoLedgerError as e:
        click.echo(f"outrider audit: {e}", err=True)
        sys.exit(EXIT_UNREACHABLE)
    _print(ledger, everything, output)
    sys.exit(0 if ledger.balanced else EXIT_OFF)


def fetch(url: str) -> Ledger:
    """The ledger of the collector whose telemetry is at `url`. Raises NoLedgerError."""
    import urllib3

    page = ("" if "://" in url else "http://") + url.rstrip("/") + "/ledger"
    try:
        answer = urllib3.request("GET", page, timeout=TIMEOUT, retries=False, redirect=False)
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as e:
        reason = getattr(e, "reason", None) or e
        raise NoLedgerError(f"{page} is out of reach: {reason}; is --url where `telemetry.listen` is?") from e
    if answer.status != 200:
        raise NoLedgerError(f"{page} answers {answer.status}; is --url where `telemetry.listen` is?")
    try:
        return msgspec.json.decode(answer.data, type=Ledger)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise NoLedgerError(f"what {page} answers is no ledger: {e}") from e


def _watch(url: str, everything: bool, output: str) -> NoReturn:
    with _screen(everything, output) as show:
        while True:
            try:
                show(fetch(url))
            except NoLedgerError as e:  # a collector that reloads or restarts is back soon
                show(e)
            time.sleep(EVERY)


@contextlib.contextmanager
def _screen(everything: bool, output: str) -> Iterator[Callable[[Ledger | NoLedgerError], None]]:
    """Where --watch shows what it found: a live screen on a terminal, one result after the other elsewhere."""
    if output == "json" or not _fancy():

        def show(found: Ledger | NoLedgerError) -> None:
            if isinstance(found, NoLedgerError):
                click.echo(f"outrider audit: {found}", err=True)
            else:
                _print(found, everything, output, indent=None)

        yield show
        return
    from rich.live import Live

    with Live(auto_refresh=False, screen=True) as live, farewell(live.stop):
        yield lambda found: live.update(
            str(found) if isinstance(found, NoLedgerError) else _group(found, everything), refresh=True
        )


# -- what is printed --------------------------------------------------------------------------------------------------


def _print(ledger: Ledger, everything: bool, output: str, indent: int | None = 2) -> None:
    if output == "json":
        click.echo(json.dumps(document(ledger, everything), indent=indent))
    elif _fancy():
        from rich.console import Console

        Console().print(_group(ledger, everything))
    else:
        click.echo("\n\n".join(_plain(name, e, everything) for name, e in ledger.exporters.items()))
        click.echo(f"\n{_verdict(ledger)}")


def _fancy() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def document(ledger: Ledger, everything: bool) -> dict[str, Any]:
    """The result as plain data."""

    def sums(held: Bytes, records: Records) -> dict[str, Any]:
        return {
            "bytes": {**msgspec.to_builtins(held), "balance": held.balance},
            "records": {**msgspec.to_builtins(records), "balance": records.balance},
        }

    exporters = {
        name: {
            "trouble": exporter.trouble,
            **sums(*exporter.total()),
            "balanced": all(s.balanced for s in exporter.streams),
            "streams": [
                {**msgspec.to_builtins(s), **sums(s.bytes, s.records)} for s in _shown(exporter.streams, everything)
            ],
        }
        for name, exporter in ledger.exporters.items()
    }
    return {
        "version": 1,
        "balanced": ledger.balanced,
        "time": ledger.time,
        "started": ledger.started,
        "exporters": exporters,
    }


def _shown(streams: list[Stream], everything: bool) -> list[Stream]:
    """The worst first: what does not balance, then by how far it is behind."""
    ranked = sorted(streams, key=lambda s: (s.balanced, -s.behind_seconds, -s.bytes.behind, s.name))
    return [s for i, s in enumerate(ranked) if everything or i < TOP or not s.balanced]


HEAD = (
    "lag", "stream", "disk", "skipped", "acked", "flying", "lost", "behind", "balance",
    "records", "accepted", "rejected", "left out", "flying", "balance",
)  # fmt: skip


def _row(lag: float, name: str, held: Bytes, records: Records) -> list[str]:
    sizes = (
        held.disk, held.skipped, held.acknowledged, held.in_flight, sum(held.lost.values()), held.behind,
    )  # fmt: skip
    counts = (records.read, records.accepted, records.rejected, records.left_out, records.in_flight)
    return [
        f"{lag:.0f}s",
        name,
        *map(size, sizes),
        f"{held.balance:+d}" if held.balance else "0",
        *map(str, counts),
        f"{records.balance:+d}" if records.balance else "0",
    ]


def _rows(exporter: Exporter, everything: bool) -> list[list[str]]:
    shown = _shown(exporter.streams, everything)
    rows = [_row(s.behind_seconds, s.name, s.bytes, s.records) for s in shown]
    lag = max((s.behind_seconds for s in exporter.streams), default=0.0)
    return [*rows, _row(lag, f"total of {len(exporter.streams)} streams", *exporter.total())]


def _notes(name: str, exporter: Exporter, everything: bool) -> list[str]:
    hidden = len(exporter.streams) - len(_shown(exporter.streams, everything))
    lost = exporter.total()[0].lost
    return [
        *([f"{name}: {exporter.trouble}"] if exporter.trouble else []),
        *(f"lost to {cause}: {n} bytes" for cause, n in sorted(lost.items()) if n),
        *([f"{hidden} more streams: --all"] if hidden else []),
    ]


def _verdict(ledger: Ledger) -> str:
    streams = [s for exporter in ledger.exporters.values() for s in exporter.streams]
    off = sum(not s.balanced for s in streams)
    return f"{off} of {len(streams)} streams do not balance" if off else f"all {len(streams)} streams balance"


def _plain(name: str, exporter: Exporter, everything: bool) -> str:
    rows = [list(HEAD), *_rows(exporter, everything)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(w) if i == 1 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join([name, *lines, *_notes(name, exporter, everything)])


def _group(ledger: Ledger, everything: bool) -> "RenderableType":
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    parts: list[RenderableType] = []
    for name, exporter in ledger.exporters.items():
        table = Table(title=name, title_justify="left", title_style="bold red" if exporter.trouble else "bold")
        for i, head in enumerate(HEAD):
            table.add_column(head, justify="left" if i == 1 else "right", overflow="fold", ratio=3 if i == 1 else None)
        *rows, total = _rows(exporter, everything)
        for row in rows:
            table.add_row(*map(Text, row), style=None if row[8] == row[-1] == "0" else "bold red")
        table.add_section()
        table.add_row(*map(Text, total), style="bold" if total[8] == total[-1] == "0" else "bold red")
        parts += [table, *map(Text, _notes(name, exporter, everything))]
    return Group(*parts, Text(_verdict(ledger), style="green" if ledger.balanced else "bold red"))


def size(n: int) -> str:
    """`n` bytes for people; what is below 10 KiB to the byte."""
    if abs(n) < 10240:
        return str(n)
    power = 3 if abs(n) >= 1000 * 1024**2 else 2 if abs(n) >= 1000 * 1024 else 1
    value = n / 1024**power
    return f"{value:.0f} {_UNITS[power]}" if abs(value) >= 100 else f"{value:.3g} {_UNITS[power]}"


_UNITS = ("B", "KiB", "MiB", "GiB")
