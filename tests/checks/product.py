"""A product as the shared tests see it, and how they ask its check."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from outrider.checks.check import Check, CheckError, CheckSettings, Reading, run
from outrider.checks.declared import Declared
from outrider.checks.found import load
from outrider.model.clock import Clock, SystemClock
from outrider.model.points import Report, ServiceCheck, Subject

Address = tuple[str, int]


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
        return load(self.name)

    def check(self, address: Address, timeout: float = 20.0) -> Check:
        return self.load()[0](self.at(address, timeout))


@dataclass(frozen=True)
class Asked:
    """What one run gave."""

    report: Report
    reading: Reading
    trouble: CheckError | None
    can_connect: ServiceCheck


def ask(product: Product, check: Check, clock: Clock | None = None) -> Asked:
    """One run; that there is exactly one service check `can_connect` in it is looked at here, in every case."""
    report, reading, trouble = run(check, product.load()[1], Subject(), clock or SystemClock())
    (can_connect,) = [c for c in report.service_checks if c.name == check.can_connect]
    return Asked(report, reading, trouble, can_connect)
