"""Counters of everything that happens, good and bad, in the Prometheus sense: they only grow.

A counter is taken once (`requests = counters.counter("outrider_requests_total", "…", exporter="google")`) and then
added to, per batch or per chunk, never per line. Gauges are functions that are asked when somebody reads `/metrics`.
"""

import threading
from collections.abc import Callable, Iterable

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


class Counters:
    """The registry behind `/metrics`: every counter and gauge of one program."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._help: dict[str, tuple[str, str]] = {}
        self._counters: dict[str, dict[_LabelSet, Counter]] = {}
        self._gauges: dict[str, dict[_LabelSet, Callable[[], float]]] = {}

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

    def value(self, name: str, **labels: str) -> int:
        """The sum over all counters of `name` whose labels include `labels` (0 if there are none)."""
        wanted = set(labels.items())
        with self._lock:
            found = [c for ls, c in self._counters.get(name, {}).items() if wanted <= set(ls)]
        return sum(c.value for c in found)

    def exposition(self) -> str:
        """The Prometheus text format, version 0.0.4."""
        with self._lock:
            names = sorted(self._help)
            counters = {n: list(self._counters.get(n, {}).items()) for n in names}
            gauges = {n: list(self._gauges.get(n, {}).items()) for n in names}
        lines: list[str] = []
        for name in names:
            kind, text = self._help[name]
            lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
            lines += [f"{name}{_labels(ls)} {c.value}" for ls, c in counters[name]]
            lines += [f"{name}{_labels(ls)} {read():.15g}" for ls, read in gauges[name]]
        return "\n".join(lines) + "\n"


def _labels(labels: Iterable[tuple[str, str]]) -> str:
    inner = ",".join(f'{k}="{_escape(v)}"' for k, v in labels)
    return "{" + inner + "}" if inner else ""


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
