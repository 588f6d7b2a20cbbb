"""Faults on demand: how the intake misbehaves when told to.

A fault is written `NAME[:PROBABILITY]`: an HTTP status one of the APIs is known to answer, or `hang` (never answers),
`reset` (the connection breaks before anything is stored) and `lost-ack` (everything is stored, the answer is lost). For
every write request the faults are drawn in their order, and the first that hits happens; one that the API of the
request does not know is passed over. With a seed the draws repeat. `partial` is Cloud Monitoring's alone: some of what
a request carries is written and the rest is not, for a reason of the server's own.
"""

import random
import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from outrider.intake import errors
from outrider.intake.datadog.errors import FAULTS as DATADOG
from outrider.intake.errors import ApiError

GOOGLE: dict[str, tuple[int, str]] = {
    "401": (
        errors.UNAUTHENTICATED,
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid"
        " authentication credential.",
    ),
    "403": (
        errors.PERMISSION_DENIED,
        "Permission 'logging.logEntries.create' denied on resource (or it may not exist).",
    ),
    "429": (
        errors.RESOURCE_EXHAUSTED,
        "Quota exceeded for quota metric 'Write requests' and limit 'Write requests per minute' of service"
        " 'logging.googleapis.com'.",
    ),
    "500": (errors.INTERNAL, "Internal error encountered."),
    "503": (errors.UNAVAILABLE, "The service is currently unavailable."),
}
"""The faults of Cloud Logging that are answers: name -> code, message."""

MONITORING: dict[str, tuple[int, str]] = {
    **{name: GOOGLE[name] for name in ("401", "500", "503")},
    "403": (
        errors.PERMISSION_DENIED,
        "Permission monitoring.timeSeries.create denied (or the resource may not exist).",
    ),
    "429": (
        errors.RESOURCE_EXHAUSTED,
        "Quota exceeded for quota metric 'Time series ingestion requests' and limit 'Time series ingestion requests per"
        " minute' of service 'monitoring.googleapis.com'.",
    ),
    "504": (errors.DEADLINE_EXCEEDED, "Deadline expired before operation could complete."),
}
"""The faults of Cloud Monitoring that are answers."""

PARTIAL = "partial"
_LOST = "lost-ack"
_ANSWERS = [*sorted({*GOOGLE, *MONITORING, *DATADOG}), PARTIAL]
_CONNECTION = ("hang", "reset", _LOST)
KNOWN = (*_ANSWERS, *_CONNECTION)
"""The names of all faults."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to fail and how likely it is for a request (0 to 1)."""

    name: str
    probability: float = 1.0

    @classmethod
    def parse(cls, spec: str) -> "Fault":
        """`503`, `503:0.2`, `lost-ack:0.01`; ValueError that names the known faults and the form."""
        name, colon, chance = spec.strip().partition(":")
        if name not in KNOWN:
            known = ", ".join(KNOWN)
            raise ValueError(f"unknown fault {name!r} in {spec!r}: use one of {known}, with :PROBABILITY if not always")
        try:
            probability = float(chance) if colon else 1.0
        except ValueError:
            probability = -1.0
        if not 0 <= probability <= 1:
            raise ValueError(f"the probability in {spec!r} must be a number from 0 to 1")
        return cls(name, probability)

    def __str__(self) -> str:
        return self.name if self.probability == 1 else f"{self.name}:{self.probability:g}"

    @property
    def taken(self) -> bool:
        """Whether the request is taken all the same, at least in part."""
        return self.name in (_LOST, PARTIAL)

    @property
    def loses_answer(self) -> bool:
        """Whether the request is taken and nobody hears of it."""
        return self.name == _LOST

    def error(self, answers: Mapping[str, tuple[int, str]]) -> ApiError | None:
        """The answer of an API of Google, for a fault that is one of its `answers`."""
        answer = answers.get(self.name)
        return ApiError(*answer) if answer else None


class Faults:
    """The faults in force; they may be replaced at any time."""

    def __init__(self, specs: Iterable[str] = (), seed: int | None = None) -> None:
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self.set(specs)

    def set(self, specs: Iterable[str]) -> None:
        """Replace all faults; ValueError, and nothing changes, if one of them is unknown."""
        faults = [Fault.parse(spec) for spec in specs]
        with self._lock:
            self._faults = faults

    def specs(self) -> list[str]:
        """The faults in force, as written."""
        with self._lock:
            return [str(fault) for fault in self._faults]

    def draw(self, answers: Collection[str]) -> Fault | None:
        """What happens to the next request, to an API which knows these `answers`."""
        with self._lock:
            known = [fault for fault in self._faults if fault.name in answers or fault.name in _CONNECTION]
            return next((fault for fault in known if self._random.random() < fault.probability), None)
