"""The demo's sum: does everything that was written have its entry at each vendor, and nothing twice?

A newline in a log file is one *line*. A collector makes fewer entries of them, in exactly two ways: a long line was
written in parts (`P … P F`), of which all but the last disappear in the record; and the lines of a stack trace
disappear in the entry of its first one. So, per namespace and vendor, and without rounding:

    lines written = entries received, each counted once + parts joined + trace lines joined

The sum of what was measured is in `points.py`; both together decide the verdict.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from outrider.demo import points as measured
from outrider.demo.kubelet import Counts
from outrider.demo.points import Points

VENDORS = {"google": "Cloud Logging", "datadog": "Datadog"}
"""Who gets everything: the name of the node's exporter, and the vendor's."""


@dataclass(frozen=True, slots=True)
class Row:
    """One namespace: what was written into its files and what each vendor has of it."""

    namespace: str
    lines: int
    parts: int
    traces: int
    received: dict[str, int]
    """By vendor."""

    @property
    def expected(self) -> int:
        """Entries that these lines make."""
        return self.lines - self.parts - self.traces

    @property
    def differences(self) -> dict[str, int]:
        """By vendor: entries too many (positive) or missing (negative); all 0 if the row balances."""
        return {vendor: n - self.expected for vendor, n in self.received.items()}

    @property
    def missing(self) -> int:
        """Entries that have not arrived, of all vendors."""
        return sum(-min(n, 0) for n in self.differences.values())


def rows(
    written: Mapping[str, Counts], traces: Mapping[str, int], received: Mapping[str, Mapping[str, int]]
) -> list[Row]:
    """One row per namespace that was written to or received from, by name. `received` is by vendor and namespace."""
    return [
        Row(name, counts.lines, counts.parts, traces.get(name, 0), {v: n.get(name, 0) for v, n in received.items()})
        for name in sorted({*written, *(name for counts in received.values() for name in counts)})
        for counts in [written.get(name, Counts())]
    ]


def total(parts: list[Row]) -> Row:
    """The sum of all rows, named `total`."""
    lines, joined, traces = (sum(getattr(r, name) for r in parts) for name in ("lines", "parts", "traces"))
    return Row("total", lines, joined, traces, {v: sum(r.received.get(v, 0) for r in parts) for v in VENDORS})


def verdict(parts: list[Row], points: Mapping[str, Points]) -> str:
    """`balanced`, or what differs and where."""
    off = [
        f"{r.namespace} at {VENDORS[vendor]}: {abs(n):,} {'too many' if n > 0 else 'missing'}"
        for r in parts
        for vendor, n in r.differences.items()
        if n
    ]
    kinds = [("entries of ", off), ("points at ", measured.trouble(points))]
    words = "; ".join(kind + "; ".join(what) for kind, what in kinds if what)
    return f"not balanced: {words}" if words else "balanced"


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
    """What the demo prints at its end. `repeats`, `rejected` and `points` are by vendor. Lags are of Cloud Logging's
    entries, in seconds; None where nothing arrived to measure them by. `ledger` is what the node's `/ledger` answered
    last.
    """

    rows: list[Row]
    events: Events
    seconds: float
    repeats: dict[str, int]
    rejected: dict[str, int]
    lag_p50: float | None
    lag_p99: float | None
    ledger: dict[str, Any]
    points: dict[str, Points]

    @property
    def balanced(self) -> bool:
        """Every vendor has exactly the entries that the lines of every namespace make, and all points."""
        return not any(any(r.differences.values()) for r in self.rows) and not measured.trouble(self.points)

    def as_dict(self) -> dict[str, Any]:
        """The summary as plain data, without the ledger."""
        return {
            "verdict": verdict(self.rows, self.points),
            "balanced": self.balanced,
            "total": _row_dict(total(self.rows)),
            "namespaces": {r.namespace: _row_dict(r) for r in self.rows},
            "seconds": round(self.seconds, 3),
            "repeats": self.repeats,
            "rejected": self.rejected,
            "points": {vendor: points.as_dict() for vendor, points in self.points.items()},
            **asdict(self.events),
            "lag_p50": self.lag_p50,
            "lag_p99": self.lag_p99,
        }

    def as_text(self) -> str:
        """The summary as a table and a few sentences, for people, without the ledger."""
        head = ["namespace", "lines", "parts", "trace lines"]
        head += [column for name in VENDORS.values() for column in (name, "off")]
        body = [
            [r.namespace, f"{r.lines:,}", f"{r.parts:,}", f"{r.traces:,}"]
            + [cell for vendor, n in r.differences.items() for cell in (f"{r.received[vendor]:,}", f"{n:+,}")]
            for r in [*self.rows, total(self.rows)]
        ]
        widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
        table = [
            "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))])
            for line in [head, *body]
        ]
        e = self.events
        return "\n".join(
            [
                *table,
                "",
                *(self._sum(vendor) for vendor in VENDORS),
                *(f"metrics at {measured.VENDORS[name]}:\n  {n.as_text()}" for name, n in self.points.items()),
                f"files rotated {e.rotations:,}, gzipped {e.gzips:,}, removed {e.removed:,}; pods born {e.born},"
                f" died {e.died}; containers restarted {e.restarts}",
                f"from the line's timestamp to Cloud Logging: {_lag(self.lag_p50)} median, {_lag(self.lag_p99)} p99;"
                f" {self.seconds:.1f} s of writing",
                verdict(self.rows, self.points),
            ]
        )

    def _sum(self, vendor: str) -> str:
        t = total(self.rows)
        return (
            f"{VENDORS[vendor]}:\n  {t.lines:,} lines written = {t.received[vendor]:,} entries received"
            f" + {t.parts:,} parts joined + {t.traces:,} trace lines joined{_off(t.differences[vendor])}\n"
            f"  entries repeated {self.repeats[vendor]:,}, rejected {self.rejected[vendor]:,}"
        )


def _row_dict(row: Row) -> dict[str, Any]:
    return {
        "lines_written": row.lines,
        "entries_received": row.received,
        "parts_joined": row.parts,
        "trace_lines_joined": row.traces,
        "difference": row.differences,
    }


def _off(difference: int) -> str:
    if not difference:
        return ""
    return f" - {difference:,} too many" if difference > 0 else f" + {-difference:,} missing"


def _lag(seconds: float | None) -> str:
    return "unknown" if seconds is None else f"{seconds:.2f} s"
