"""A destination of metrics in memory: a payload for each report, and answers that a test wants."""

import threading
from collections.abc import Callable, Sequence

from outrider.exporters.answer import Answer, Verdict
from outrider.exporters.metric_destination import Payload
from outrider.model.points import GoogleName, Metric, Point, Report, ServiceCheck, Status, Subject

ACCEPTED = Answer(Verdict.ACCEPTED)
METRIC = Metric("hands", google=GoogleName("workload.googleapis.com/ticker.hands"))


def report(number: int, points: int = 2, source: str = "ticker") -> Report:
    """A report whose points have the value `number`."""
    found = tuple(Point(METRIC, number, 1_780_000_000_000_000_000 + number, (("n", str(i)),)) for i in range(points))
    return Report(source, Subject("node-1"), found, (ServiceCheck("ticker.can_connect", Status.OK, 0),))


class FakeMetrics:
    """A `MetricDestination`. `answer` judges every attempt; while `open` is not set, requests hang."""

    def __init__(self, size: int = 100, lives: float = 3600.0) -> None:
        self.answer: Callable[[Payload], Answer] = lambda _: ACCEPTED
        self.size, self.lives = size, lives
        self.what: Callable[[int], str] = lambda _: "points"
        """What the report with a value becomes."""
        self.now = 1_780_000_000.0
        """From when payloads live."""
        self.open = threading.Event()
        self.open.set()
        self.encoded: list[list[int]] = []
        """The values of the reports of every call of `encode`."""
        self.offered: list[int] = []
        """The value of every payload that was sent, with repeats."""
        self.stored: list[int] = []
        """The same of those that were accepted."""
        self.refreshed = 0
        self.closed = False
        self.choke = False
        self.threads: set[int] = set()

    def encode(self, reports: Sequence[Report]) -> list[Payload]:
        self.threads.add(threading.get_ident())
        if self.choke:
            raise ValueError("choked")
        values = [int(str(report.points[0].value)) for report in reports]
        self.encoded.append(values)
        return [
            Payload(self.what(value), len(r.points), value, self.size, self.now + self.lives)
            for r, value in zip(reports, values, strict=True)
        ]

    def send(self, payload: Payload) -> Answer:
        self.threads.add(threading.get_ident())
        self.offered.append(payload.body)
        self.open.wait(30)
        answer = self.answer(payload)
        if answer.verdict is Verdict.ACCEPTED:
            self.stored.append(payload.body)
        return answer

    def refresh(self) -> None:
        self.refreshed += 1

    def close(self) -> None:
        self.closed = True
