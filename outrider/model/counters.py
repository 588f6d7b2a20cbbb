"""Counters of everything that happens, good and bad, in the Prometheus sense: they only grow.

A counter is taken once (`requests = counters.counter("outrider_requests_total", "…", exporter="google")`) and then
added to, per batch or per chunk, never per line. Gauges are functions that are asked when somebody reads `/metrics`.

A program may change its configuration while it runs: a successor of its parts is made while they still work. Counters
go on, as the sum of what all of them did; a gauge tells of something that is there, and ends with it. So the successor
registers with an `heir` of the registry, which has the same counters and no gauges yet.
"""

import threading
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple, Protocol

_LabelSet = tuple[tuple[str, str], ...]


class Counter:
    """One growing number; safe to add to from any thread."""

    __slots__ = ("_lock", "_value")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._value = 0

    def add(self, n: int = 1) -> None:
        with self._lock:
            self._value += n

    @property
    def value(self) -> int:
        return self._value


Sample = tuple[_LabelSet, float]


class Family(NamedTuple):
    """The samples that share a name, as they are now."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    samples: list[Sample]


class Readings(Protocol):
    """Whoever can be asked for families: the registry of one program, or the sums of several."""

    def families(self, only: str | None = None) -> list[Family]:
        """Every name that has samples, or the one named."""


class Counters:
    """The registry behind `/metrics`: every counter and gauge of one program."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._help: dict[str, tuple[Literal["counter", "gauge"], str]] = {}
        self._counters: dict[str, dict[_LabelSet, Counter]] = {}
        self._gauges: dict[str, dict[_LabelSet, Callable[[], float]]] = {}
        self._collected: list[Callable[[], list[Family]]] = []

    def heir(self) -> "Counters":
        """A registry with the counters of this one, the same and not copies, and with gauges of its own."""
        heir = Counters()
        heir._lock, heir._help, heir._counters = self._lock, self._help, self._counters
        return heir

    def counter(self, name: str, help_text: str, **labels: str) -> Counter:
        """The counter of this name and label set, made at zero when it is first asked for."""
        with self._lock:
            self._help.setdefault(name, ("counter", help_text))
            return self._counters.setdefault(name, {}).setdefault(tuple(sorted(labels.items())), Counter())

    def gauge(self, name: str, help_text: str, read: Callable[[], float], **labels: str) -> None:
        """Register `read` as the value of this gauge; a second registration replaces the first."""
        with self._lock:
            self._help.setdefault(name, ("gauge", help_text))
            self._gauges.setdefault(name, {})[tuple(sorted(labels.items()))] = read

    def collect(self, read: Callable[[], list[Family]]) -> None:
        """Ask `read` too, whenever somebody looks: for samples whose labels come and go."""
        self._collected.append(read)

    def value(self, name: str, **labels: str) -> int:
        """The sum over all counters of `name` whose labels include `labels` (0 if there are none)."""
        wanted = set(labels.items())
        with self._lock:
            found = [c for ls, c in self._counters.get(name, {}).items() if wanted <= set(ls)]
        return sum(c.value for c in found)

    def families(self, only: str | None = None) -> list[Family]:
        """Every name that has samples (or the one named), each with its counters as they stand and its gauges asked
        now.
        """
        with self._lock:
            names = sorted((n, about) for n, about in self._help.items() if only in (None, n))
            counters = {n: list(self._counters.get(n, {}).items()) for n, _ in names}
            gauges = {n: list(self._gauges.get(n, {}).items()) for n, _ in names}
        families = []
        for name, (kind, text) in names:
            samples: list[Sample] = [(ls, c.value) for ls, c in counters[name]]
            samples += [(ls, float(read())) for ls, read in gauges[name]]
            if samples:
                families.append(Family(name, kind, text, samples))
        if only in self._help:  # asking for what comes and goes may be dear, and it has names of its own
            return families
        found = [family for read in self._collected for family in read() if only in (None, family.name)]
        return families + [family for family in found if family.samples]

    def exposition(self) -> str:
        """What `/metrics` says of them."""
        return exposition(self.families())


def exposition(families: Iterable[Family]) -> str:
    """The Prometheus text format, version 0.0.4."""
    lines: list[str] = []
    for name, kind, text, samples in families:
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
        # A counter is whole, however large it has grown.
        lines += [f"{name}{_labels(ls)} {v if isinstance(v, int) else format(v, '.15g')}" for ls, v in samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Iterable[tuple[str, str]]) -> str:
    inner = ",".join(f'{k}="{_escape(v)}"' for k, v in labels)
    return "{" + inner + "}" if inner else ""


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
