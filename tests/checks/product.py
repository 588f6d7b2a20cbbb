"""A product as the shared tests see it, and how they ask its check."""

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from outrider.checks.check import Check, CheckError, CheckSettings, Reading, run
from outrider.checks.declared import Declared
from outrider.checks.found import load
from outrider.model.clock import Clock, SystemClock
from outrider.model.points import Report, ServiceCheck, Status, Subject

Address = tuple[str, int]
_loaded = cache(load)  # to parse its metrics.yaml takes longer than most tests


@dataclass(frozen=True)
class Product:
    """`at` makes the settings that reach a server at an address, which may take a number of seconds; `server` starts a
    real one; `endless` is how an answer begins that never ends; `observe` asks real servers in every role that can be
    had here, under load, and gives what was read; `told` are the tags of the service check that only the server knows,
    and that are not there before it was reached.
    """

    name: str
    at: Callable[[Address, float], CheckSettings]
    server: Callable[[Path], AbstractContextManager[Address]]
    endless: bytes
    observe: Callable[[Path], Sequence[Reading]]
    told: frozenset[str] = frozenset()

    def load(self) -> tuple[type[Check], Declared]:
        return _loaded(self.name)

    def check(self, address: Address, timeout: float = 20.0) -> Check:
        return self.load()[0](self.at(address, timeout))


@cache
def _loaded(name: str) -> tuple[type[Check], Declared]:
    """Once for all tests: to read a `metrics.yaml` takes fifty milliseconds."""
    return load(name)


@dataclass(frozen=True)
class Asked:
    """What one run gave."""

    report: Report
    reading: Reading
    trouble: CheckError | None
    can_connect: ServiceCheck


def critical(asked: Asked, kind: type[CheckError], words: str) -> None:
    """It failed with an error of this kind that has these words, a pattern, and the service check says the same."""
    assert type(asked.trouble) is kind, asked.trouble
    assert re.search(words, str(asked.trouble)), str(asked.trouble)
    assert (asked.can_connect.status, asked.can_connect.message) == (Status.CRITICAL, str(asked.trouble))


def ask(product: Product, check: Check, clock: Clock | None = None) -> Asked:
    """One run; that there is exactly one service check `can_connect` in it is looked at here, in every case."""
    report, reading, trouble = run(check, product.load()[1], Subject(), clock or SystemClock())
    (can_connect,) = [c for c in report.service_checks if c.name == check.can_connect]
    return Asked(report, reading, trouble, can_connect)


def once(product: Product, check: Check) -> Asked:
    """One run of `check`, after which it is closed."""
    try:
        return ask(product, check)
    finally:
        check.close()


def reading_of(product: Product, check: Check) -> Reading:
    """What one run of `check` finds, which has to work, and after which it is closed."""
    asked = once(product, check)
    assert asked.trouble is None, asked.trouble
    return asked.reading
