"""Counters begin anew with each run of a container, and neither vendor gets a growth that never was."""

from typing import Any

from outrider.exporters.console_metrics import BothNames
from outrider.exporters.datadog.conversion import Conversion
from outrider.exporters.totals import Total
from outrider.model.clock import ManualClock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.points import Point
from tests.checks.kubelet.asking import ask_once
from tests.support.kubelet_answers import NOW, seconds, written

FIRST, SECOND = "2026-11-29T08:10:00Z", "2026-11-29T08:20:05Z"
RUNS = [
    (NOW, written(1, cpu=5_000_000_000, started=FIRST)),
    (NOW + 15, written(2, cpu=100_000_000, started=SECOND)),
    (NOW + 30, written(2, cpu=1_600_000_000, started=SECOND)),
]
"""A container that is killed for want of memory between the first run and the second one."""


def cpu_of(now: float, pages: dict[str, Any]) -> Point:
    asked = ask_once(pages, now)
    key = "container.cpu.usageCoreNanoSeconds"
    [point] = [p for p in asked.report.points if p.metric.key == key]
    return point


def test_a_counter_starts_with_the_run() -> None:
    starts = [cpu_of(now, pages).start for now, pages in RUNS]
    assert starts == [int(seconds(moment)) * 10**9 for moment in (FIRST, SECOND, SECOND)]


def test_google_sees_the_reset() -> None:
    points = [cpu_of(now, pages) for now, pages in RUNS]
    total, first = Total.first(points[0].value, points[0].time, points[0].start)
    counted = [first, *(total.next(p.value, p.time, p.start) for p in points[1:])]
    assert [one and one.value for one in counted] == [5_000_000_000, 100_000_000, 1_600_000_000]
    starts = [one.start for one in counted if one is not None]
    assert starts[0] < points[0].time < starts[1] == starts[2] < points[1].time


def test_datadog_gets_no_rate_across_it() -> None:
    clock = ManualClock(NOW)
    conversion = Conversion("datadog", Cluster("acme", "c", "l", "node-1"), [], clock, Counters())
    rates = []
    for now, pages in RUNS:
        clock.advance(now - clock.now())
        series = conversion.series([ask_once(pages, now).report])
        rates.append([s.value for s in series if s.name == "kubernetes.cpu.usage.total"])
    assert rates == [[], [], [100_000_000.0]], "nanocores: 1.5 s within 15 s"


def test_restarts_are_a_number_for_datadog_and_a_total_for_google() -> None:
    shown = [
        one for one in BothNames().objects(ask_once(written(3)).report) if one.get("metric") == "container.restarts"
    ]
    [app] = [one for one in shown if one["value"] == 3]
    assert (app["datadog"]["type"], app["datadog"]["value"]) == ("gauge", 3)
    assert (app["google"]["kind"], app["google"]["value"]) == ("CUMULATIVE", 3)
