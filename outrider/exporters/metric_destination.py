"""What the pipeline asks of an exporter of metrics. Anything that has these is one.

Reports become payloads, a payload is what one request carries. The pipeline (pipeline/metering.py) keeps payloads in a
bounded queue and sends them one after the other, oldest first, so that the points of a series arrive in order; what it
cannot deliver it tries again until the payload `expires`. Counters that the vendor wants as increases are subtracted by
`encode`, which sees every report once and in order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from outrider.exporters.answer import Answer
from outrider.model.points import Report


@dataclass(frozen=True, slots=True)
class Payload:
    """What one request carries: `items` points, service checks or events (`what`), in `body` as the exporter needs it,
    taking about `size` bytes of memory. Nobody wants it any more after `expires` (seconds since 1970).
    """

    what: str
    items: int
    body: Any
    size: int
    expires: float


class MetricDestination(Protocol):
    """Encodes reports and sends what it encoded. All calls come from one thread."""

    def encode(self, reports: Sequence[Report]) -> list[Payload]:
        """The requests that bring `reports`, in order."""
        ...

    def send(self, payload: Payload) -> Answer:
        """One attempt. PARTIAL: the rest was refused for good, and `rejected` has a reason for each index or for 0.
        Never raises for what the network or the server does.
        """
        ...

    def refresh(self) -> None:
        """The credentials were refused: get new ones for the next attempt."""
        ...

    def close(self) -> None:
        """Give back connections."""
        ...
