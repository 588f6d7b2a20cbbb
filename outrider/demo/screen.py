"""What the demo shows while it runs: one view, drawn with rich on a terminal, or said in one line without one.

A `View` is everything that is known at one moment and nothing else; drawing it touches no file, clock or network, so a
recorded one can be drawn anywhere: in a test, or as an SVG picture.
"""

import io
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from outrider.demo import points
from outrider.demo.balance import VENDORS, Events, Row, total
from outrider.demo.points import Shown

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

COLOURS = {
    "DEBUG": "dim",
    "INFO": "green",
    "NOTICE": "cyan",
    "WARNING": "yellow",
    "ERROR": "red",
    "CRITICAL": "bold red",
    "ALERT": "bold magenta",
    "EMERGENCY": "bold white on red",
}
"""Cloud Logging's severities; DEFAULT has no colour of its own."""
_BARS = " ▁▂▃▄▅▆▇█"
_HISTORY = 12
"""Columns of a metric's sparkline."""
_WIDE, _AROUND, _AROUND_NARROW = 108, 11, 13
"""Columns from which nothing is wrapped; lines around namespaces, metrics and entries, then and before."""
_HEADS, _ENTRIES = 2, 2
"""Lines of the metrics beside their own; entries that metrics leave room for."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An entry as the screen shows it; `time` is its RFC 3339 timestamp."""

    time: str
    severity: str
    namespace: str
    pod: str
    text: str


@dataclass(frozen=True, slots=True)
class View:
    """One moment of the demo. Rates are per second, lags in seconds, memory in bytes, CPU in percent of one core."""

    seconds: float
    rows: list[Row]
    events: Events = field(default_factory=Events)
    repeats: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    rates: list[float] = field(default_factory=list)
    """Entries that arrived in each of the last seconds, at all vendors, oldest first."""
    lags: dict[str, float] = field(default_factory=dict)
    """Per namespace, the median of the last entries."""
    last: list[Seen] = field(default_factory=list)
    metrics: list[Shown] = field(default_factory=list)
    points: dict[str, int] = field(default_factory=dict)
    """Points that have arrived, by vendor."""
    node_memory: int = 0
    node_cpu: float = 0.0
    sidecar_memory: int = 0
    sidecar_cpu: float = 0.0
    note: str = ""
    """What is going on, when it is not simply running."""


def sparkline(values: list[float], width: int) -> str:
    """The last `width` values as bars, scaled to the highest of them; anything above zero shows."""
    shown = values[-width:]
    top = max(shown, default=0.0)
    if top <= 0:
        return _BARS[0] * len(shown)
    return "".join(_BARS[max(1, round(v / top * 8)) if v > 0 else 0] for v in shown)


def status_line(view: View) -> str:
    """The view in one line, for logs and pipes."""
    t, e = total(view.rows), view.events
    rate = view.rates[-1] if view.rates else 0.0
    lag = f", lag {max(view.lags.values()):.1f} s" if view.lags else ""
    received = ", ".join(f"{VENDORS[vendor]} {n:,}" for vendor, n in t.received.items())
    return (
        f"{view.seconds:5.1f} s  {t.lines:,} lines written, entries received: {received} ({rate:,.0f}/s),"
        f" {t.missing:,} on the way{lag}; joined {t.parts:,} parts, {t.traces:,} trace lines;"
        f" rotations {e.rotations}, gzips {e.gzips}; pods born {e.born}, died {e.died};"
        f" node {view.node_memory / 1e6:.0f} MB, {view.node_cpu:.0f} % CPU;{_measured(view)}"
        f" sidecar {view.sidecar_memory / 1e6:.0f} MB, {view.sidecar_cpu:.0f} % CPU"
        + (f"; {view.note}" if view.note else "")
    )


def _measured(view: View) -> str:
    """Points that have arrived, and the first of the metrics."""
    found = [f"{points.VENDORS[vendor]} {n:,}" for vendor, n in view.points.items()]
    named = [f"{m.names['datadog']} {_number(m.values['datadog'])}" for m in view.metrics[:1]]
    return f" points received: {', '.join(found)} ({', '.join(named)})," if found and named else ""


def draw(view: View, width: int = 110, height: int = 32) -> "RenderableType":
    """The view as a screen of at most `height` lines."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    rate = view.rates[-1] if view.rates else 0.0
    head = Text.assemble(
        ("outrider demo", "bold"),
        f"   {int(view.seconds) // 60:02d}:{int(view.seconds) % 60:02d}",
        f"   pods' logs → outrider node → {', '.join(VENDORS.values())}   ",
        (f"node {view.node_memory / 1e6:.0f} MB {view.node_cpu:.0f} % CPU", "bold"),
        (f"   {view.note}" if view.note else "", "bold yellow"),
    )
    arriving = Text.assemble(
        (f"{rate:>8,.0f}", "bold cyan"), " entries/s  ", (sparkline(view.rates, max(10, width - 30)), "cyan")
    )
    room = max(_ENTRIES, height - len(view.rows) - (_AROUND if width >= _WIDE else _AROUND_NARROW))
    metrics = view.metrics[: max(0, room - _ENTRIES - _HEADS)]
    room -= len(metrics) + _HEADS if metrics else 0
    return Group(
        head,
        Panel(arriving, title="arriving", title_align="left"),
        _namespaces(view),
        _events(view),
        *([_metrics(view, metrics)] if metrics else []),
        Panel(_entries(view.last[-room:]), title="last entries", title_align="left"),
    )


def _namespaces(view: View) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(expand=True, box=None, pad_edge=False, header_style="dim")
    table.add_column("namespace")
    for name in ("lines", "parts", "trace lines", *VENDORS.values(), "on the way", "lag"):
        table.add_column(name, justify="right")
    for row in [*view.rows, total(view.rows)]:
        lag = view.lags.get(row.namespace)
        table.add_row(
            row.namespace,
            f"{row.lines:,}",
            f"{row.parts:,}",
            f"{row.traces:,}",
            *(f"{n:,}" for n in row.received.values()),
            Text(f"{row.missing:,}", style="yellow" if row.missing else "green"),
            "" if lag is None else f"{lag:.2f} s",
            style="bold" if row.namespace == "total" else "",
        )
    return table


def _events(view: View) -> "RenderableType":
    from rich.text import Text

    parts = (
        ("rotations", view.events.rotations),
        ("gzipped", view.events.gzips),
        ("removed", view.events.removed),
        ("pods born", view.events.born),
        ("died", view.events.died),
        ("restarts", view.events.restarts),
        ("repeats", sum(view.repeats.values())),
        ("rejected", sum(view.rejected.values())),
    )
    text = Text("\n")
    for name, value in parts:
        text.append(f"{name} ", "dim").append(f"{value}   ", "red bold" if value and name == "rejected" else "bold")
    return text


def _metrics(view: View, metrics: list[Shown]) -> "RenderableType":
    """Each under both of its names, as if there were two tables side by side."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    title = Text.assemble(
        f"redis → outrider sidecar → {points.VENDORS['datadog']}, {points.VENDORS['google']}   ",
        (f"sidecar {view.sidecar_memory / 1e6:.0f} MB {view.sidecar_cpu:.0f} % CPU", "bold"),
    )
    table = Table(expand=True, box=None, pad_edge=False, header_style="dim")
    table.add_column(points.VENDORS["datadog"], no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column("", width=_HISTORY)
    table.add_column("", justify="right", no_wrap=True, min_width=9)
    table.add_column(points.VENDORS["google"], no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column("", justify="right", no_wrap=True, min_width=9)
    for m in metrics:
        bars = Text(sparkline(m.history, _HISTORY).rjust(_HISTORY), style="cyan")
        datadog, google = (Text(_number(m.values[vendor]), style="bold") for vendor in ("datadog", "google"))
        table.add_row(m.names["datadog"], bars, datadog, m.names["google"], google)
    return Group(title, table)


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 1000 or value == int(value) else f"{value:,.1f}"


def _entries(entries: list[Seen]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(expand=True, box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, width=12)
    table.add_column(no_wrap=True, width=9)
    table.add_column(no_wrap=True, max_width=30, overflow="ellipsis")
    table.add_column(no_wrap=True, ratio=1, overflow="ellipsis")
    for e in entries:
        colour = COLOURS.get(e.severity, "")
        where = Text.assemble((f"{e.namespace}/", "dim"), e.pod)
        text = Text("".join(c if c.isprintable() else "⏎" if c == "\n" else " " for c in e.text[:300]))
        table.add_row(e.time[11:23], Text(e.severity, style=colour), where, text)
    return table


def svg(view: View, width: int = 110) -> str:
    """The view as an SVG picture that loads nothing from elsewhere."""
    from rich.console import Console

    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(draw(view, width))
    return re.sub(r"\s*@font-face \{.*?\}", "", console.export_svg(title="outrider demo"), flags=re.DOTALL)
