"""The demo's sum: does everything that was written have its entry, and nothing twice?

A newline in a log file is one *line*. A collector makes fewer entries of them, in exactly two ways: a long line was
written in parts (`P … P F`), of which all but the last disappear in the record; and the lines of a stack trace
disappear in the entry of its first one. So, per namespace and without rounding:

    lines written = entries received, each counted once + parts joined + trace lines joined
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from outrider.demo.kubelet import Counts


@dataclass(frozen=True, slots=True)
class Row:
    """One namespace: what was written into its files and what the intake has of it."""

    namespace: str
    lines: int
    parts: int
    traces: int
    received: int

    @property
    def expected(self) -> int:
        """Entries that these lines make."""
        return self.lines - self.parts - self.traces

    @property
    def difference(self) -> int:
        """Entries too many (positive) or missing (negative); 0 if the row balances."""
        return self.received - self.expected


def rows(written: Mapping[str, Counts], traces: Mapping[str, int], received: Mapping[str, int]) -> list[Row]:
    """One row per namespace that was written to or received from, by name."""
    return [
        Row(name, counts.lines, counts.parts, traces.get(name, 0), received.get(name, 0))
        for name in sorted({*written, *received})
        for counts in [written.get(name, Counts())]
    ]


def total(parts: list[Row]) -> Row:
    """The sum of all rows, named `total`."""
    sums = [sum(getattr(r, name) for r in parts) for name in ("lines", "parts", "traces", "received")]
    return Row("total", *sums)


def verdict(parts: list[Row]) -> str:
    """`balanced`, or what differs and where."""
    off = [r for r in parts if r.difference]
    if not off:
        return "balanced"
    words = [f"{r.namespace}: {abs(r.difference):,} {'too many' if r.difference > 0 else 'missing'}" for r in off]
    return "not balanced: entries of " + "; ".join(words)


@dataclass(frozen=True, slots=True)
class Events:
    """What happened on the node besides lines: to files (`removed`: by rotation, the oldest) and to pods."""

    rotations: int = 0
    gzips: int = 0
    removed: int = 0
    born: int = 0
    died: int = 0
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Summary:
    """What the demo prints at its end. Lags are in seconds; None where nothing arrived to measure them by."""

    rows: list[Row]
    events: Events
    seconds: float
    repeats: int
    rejected: int
    lag_p50: float | None
    lag_p99: float | None

    @property
    def balanced(self) -> bool:
        """Every namespace has exactly the entries its lines make."""
        return not any(r.difference for r in self.rows)

    def as_dict(self) -> dict[str, Any]:
        """The summary as `-o json` prints it."""
        return {
            "verdict": verdict(self.rows),
            "balanced": self.balanced,
            "total": _row_dict(total(self.rows)),
            "namespaces": {r.namespace: _row_dict(r) for r in self.rows},
            "seconds": round(self.seconds, 3),
            "repeats": self.repeats,
            "rejected": self.rejected,
            **asdict(self.events),
            "lag_p50": self.lag_p50,
            "lag_p99": self.lag_p99,
        }

    def as_text(self) -> str:
        """The summary as a table and a few sentences, for people."""
        head = ("namespace", "lines written", "entries received", "parts joined", "trace lines joined", "difference")
        body = [
            (r.namespace, f"{r.lines:,}", f"{r.received:,}", f"{r.parts:,}", f"{r.traces:,}", f"{r.difference:+,}")
            for r in [*self.rows, total(self.rows)]
        ]
        widths = [max(len(line[n]) for line in [head, *body]) for n in range(len(head))]
        table = [
            "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))])
            for line in [head, *body]
        ]
        t, e = total(self.rows), self.events
        return "\n".join(
            [
                *table,
                "",
                f"{t.lines:,} lines written = {t.received:,} entries received + {t.parts:,} parts joined"
                f" + {t.traces:,} trace lines joined{_off(t.difference)}",
                f"entries repeated {self.repeats:,}, rejected {self.rejected:,}; files rotated {e.rotations:,},"
                f" gzipped {e.gzips:,}, removed {e.removed:,}; pods born {e.born}, died {e.died};"
                f" containers restarted {e.restarts}",
                f"from the line's timestamp to the intake: {_lag(self.lag_p50)} median, {_lag(self.lag_p99)} p99;"
                f" {self.seconds:.1f} s of writing",
                verdict(self.rows),
            ]
        )


def _row_dict(row: Row) -> dict[str, int]:
    return {
        "lines_written": row.lines,
        "entries_received": row.received,
        "parts_joined": row.parts,
        "trace_lines_joined": row.traces,
        "difference": row.difference,
    }


def _off(difference: int) -> str:
    if not difference:
        return ""
    return f" - {difference:,} too many" if difference > 0 else f" + {-difference:,} missing"


def _lag(seconds: float | None) -> str:
    return "unknown" if seconds is None else f"{seconds:.2f} s"
