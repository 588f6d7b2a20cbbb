"""What is passed along on the way from an annotation to a check: a wish, in the words of who wrote it, and faults."""

from dataclasses import dataclass, field
from typing import Any, Literal

from outrider.checks.check import CheckSettings

Dialect = Literal["outrider", "datadog", "prometheus"]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with an annotation, its `key`. `container` is "" if it is about the pod. Without `stops` the check
    is run all the same.
    """

    key: str
    words: str
    container: str = ""
    stops: bool = True

    def __str__(self) -> str:
        return f"{self.key}: {self.words}" if self.stops else f"{self.key}: {self.words} (the check is run without)"


class FaultError(Exception):
    """A wish that cannot be granted; the text says why, and the way out."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One check that the annotation `key` asks for: its name and settings in the words of `dialect`. `where` is its
    place in the annotation, for messages; `container` is "" where the annotation is the pod's.
    """

    key: str
    where: str
    dialect: Dialect
    container: str
    check: str
    settings: dict[str, Any]
    init: dict[str, Any] = field(default_factory=dict)

    def fault(self, words: str, stops: bool = True) -> Fault:
        return Fault(self.key, f"{self.where}: {words}" if self.where else words, self.container, stops)


@dataclass(frozen=True, slots=True)
class Target:
    """A check to be run against a container of a pod, as the annotation `key` asks for it. `port` is 0 if the settings
    name none.
    """

    check: str
    settings: CheckSettings
    container: str
    key: str
    port: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """All that one pod asks for."""

    targets: tuple[Target, ...] = ()
    faults: tuple[Fault, ...] = ()
