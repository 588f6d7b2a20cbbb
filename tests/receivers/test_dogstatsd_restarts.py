"""Restarts of the server at any moment of its ten seconds, with both vendors' rules at the other end."""

import random

import pytest

from outrider.config.secrets import Secret
from outrider.exporters.answer import Verdict
from outrider.exporters.datadog.metrics import DatadogMetrics
from outrider.exporters.stackdriver.auth import NoToken
from outrider.exporters.stackdriver.metrics import StackdriverMetrics
from outrider.intake import Intake
from outrider.model.clock import ManualClock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.points import Subject
from outrider.receivers.dogstatsd.aggregation import Aggregation

CLUSTER = Cluster("acme", "prod", "europe-north1", "node-7")


class Program:
    """One run of a collector."""

    def __init__(self, intake: Intake, clock: ManualClock, counters: Counters) -> None:
        self._clock = clock
        key = Secret(value="0123456789abcdef0123456789abcdef")
        self._exporters = (
            StackdriverMetrics("google", "acme", CLUSTER, intake.url, NoToken(), clock, counters),
            DatadogMetrics("datadog", CLUSTER, intake.url, key, clock, counters),
        )
        subject = Subject("node-7", "shop", "cart-1", "u-1", "app")
        self.aggregation = Aggregation(lambda _: subject, clock, counters)

    def tell(self) -> list[Verdict]:
        """What came in the interval, or until now."""
        reports = list(self.aggregation.close())
        return [one.send(payload).verdict for one in self._exporters for payload in one.encode(reports)]

    def live(self, seconds: float, *lines: bytes) -> list[Verdict]:
        """Take `lines` every second, and end."""
        found = []
        for _ in range(int(seconds)):
            self.aggregation.take(b"\n".join(lines))
            self._clock.advance(1)
            if self.aggregation.due() <= 0:
                found += self.tell()
        self._clock.advance(seconds % 1)
        return found + self.tell()

    def close(self) -> None:
        for exporter in self._exporters:
            exporter.close()


def test_nothing_is_lost_when_the_program_ends_and_comes_again() -> None:
    """Not at the end, however close to the interval before; and not at the beginning, in the same ten seconds."""
    dice, clock, counters, counted = random.Random(3), ManualClock(1_780_000_000), Counters(), 0
    intake = Intake(clock=clock).start()
    verdicts: list[Verdict] = []
    for _ in range(40):
        program, seconds = Program(intake, clock, counters), dice.uniform(6, 40)
        verdicts += program.live(seconds, b"views:2|c", b"rpc:3|d")
        counted += int(seconds)
        program.close()
        clock.advance(dice.uniform(0.3, 20))
    ends: dict[str, dict[str, float]] = {"views": {}, "rpc": {}}
    for name, found in ends.items():
        [series] = intake.time_series(f"workload.googleapis.com/{name}")
        for point in series["points"]:
            value = point["value"]
            count = value["doubleValue"] if name == "views" else int(value["distributionValue"]["count"])
            found[point["interval"]["startTime"]] = count
    rates = [point["value"] * point["interval"] for point in intake.points("views")]
    sketches = [point["value"]["count"] for point in intake.points("rpc")]
    intake.stop()
    assert (sum(rates), sum(sketches)) == (pytest.approx(2 * counted), counted)
    assert (sum(ends["views"].values()), sum(ends["rpc"].values())) == (2 * counted, counted)
    assert counters.value("outrider_monitoring_refusals_total", reason="start") == 0
    assert counters.value("outrider_points_left_out_total") == 0
