"""The Cloud Monitoring exporter against the intake, which has the API's rules of order, spacing, starts and kinds."""

import logging
import random
from collections.abc import Iterator

import pytest

from outrider.exporters.answer import Verdict
from outrider.exporters.stackdriver.auth import NoToken
from outrider.exporters.stackdriver.metrics import StackdriverMetrics
from outrider.intake import Intake
from outrider.model.clock import ManualClock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.points import Attributes, GoogleName, Histogram, Metric, Point, Report, Subject, Value
from tests.support.wait import until

CLUSTER = Cluster("acme", "prod", "europe-north1", "node-7")
S = 10**9
CLIENTS = Metric(
    "clients", "gauge", "Clients.", google=GoogleName("workload.googleapis.com/redis.clients", value_type="INT64")
)
COMMANDS = Metric(
    "commands",
    "counter",
    "Commands.",
    google=GoogleName("workload.googleapis.com/redis.commands", "CUMULATIVE", "INT64", "{command}"),
)
LATENCY = Metric(
    "latency",
    "histogram",
    google=GoogleName("workload.googleapis.com/redis.latency", "CUMULATIVE", "DISTRIBUTION", "s"),
)


class World:
    """An intake and whatever writes to it, under one clock."""

    def __init__(self) -> None:
        self.clock, self.counters = ManualClock(), Counters()
        self.began = self.clock.now()
        self.intake = Intake(clock=self.clock).start()

    def exporter(self) -> StackdriverMetrics:
        return StackdriverMetrics("google", "acme", CLUSTER, self.intake.url, NoToken(), self.clock, self.counters)

    def report(self, *points: tuple[Metric, Value, Attributes, float | None], container: str = "redis") -> Report:
        """Points of now; their starts in seconds since the world began."""
        now = int(self.clock.now() * S)
        made = tuple(
            Point(metric, value, now, attributes, None if start is None else int((self.began + start) * S))
            for metric, value, attributes, start in points
        )
        return Report("redis", Subject("node-7", "shop", "cart-1", "u-1", container), made)

    def refused(self) -> int:
        return self.counters.value("outrider_monitoring_refusals_total")


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.intake.stop()


def deliver(exporter: StackdriverMetrics, *reports: Report) -> list[Verdict]:
    return [exporter.send(payload).verdict for payload in exporter.encode(reports)]


def test_everything_of_a_run_is_stored(world: World) -> None:
    exporter = world.exporter()
    world.clock.advance(100)
    many = [(CLIENTS, i, (("db", str(i)),), None) for i in range(450)]
    rest = [(COMMANDS, 7, (), 0.0), (LATENCY, Histogram((0.1, 1.0), (5, 3, 2), 10, 4.0), (), 0.0)]
    assert deliver(exporter, world.report(*many, *rest)) == [Verdict.ACCEPTED] * 3  # type: ignore[arg-type]
    assert len(world.intake.time_series()) == 452
    until(lambda: world.counters.value("outrider_metric_descriptors_total", result="created") >= 3)
    described = {d["type"]: d for d in world.intake.metric_descriptors("acme")}
    assert described[COMMANDS.google.type]["unit"] == "{command}"  # type: ignore[union-attr]
    assert described[CLIENTS.google.type]["description"] == "Clients."  # type: ignore[union-attr]
    exporter.close()


def test_a_day_with_restarts_of_both_sides(world: World) -> None:
    """A server counts; its uptime is in whole seconds. It restarts, its statistics are reset, and we restart, at any
    time. Nothing is refused but a first point of ours now and then, and what is stored adds up to what was counted,
    but for what was counted around those.
    """
    dice = random.Random(7)
    exporter, total, began, counted, ours = world.exporter(), 0, 0.0, 0, 0
    world.clock.advance(60)
    for _ in range(400):
        what = dice.random()
        if what < 0.02:  # our restart
            exporter.close()
            exporter, ours = world.exporter(), ours + 1
        elif what < 0.05:  # the server's
            world.clock.advance(dice.uniform(1, 4))
            total, began = 0, world.clock.now() - world.began
        elif what < 0.06:  # CONFIG RESETSTAT
            total = 0
        world.clock.advance(dice.uniform(10, 20))
        step = dice.randrange(50)
        total, counted = total + step, counted + step
        uptime = int(world.clock.now() - world.began - began)
        deliver(exporter, world.report((COMMANDS, total, (), world.clock.now() - world.began - uptime)))
    exporter.close()
    [series] = world.intake.time_series(COMMANDS.google.type)  # type: ignore[union-attr]
    runs: dict[str, int] = {}
    for point in series["points"]:
        runs[point["interval"]["startTime"]] = int(point["value"]["int64Value"])
    assert ours > 3
    assert len(runs) > 8
    assert world.refused() <= ours
    assert 0.9 * counted < sum(runs.values()) <= counted


def test_a_start_on_the_other_side_of_ten_seconds_costs_one_point(world: World) -> None:
    world.clock.advance(100)
    before = world.exporter()
    assert deliver(before, world.report((COMMANDS, 1000, (), 10.2))) == [Verdict.ACCEPTED]
    before.close()
    after = world.exporter()
    verdicts = []
    for total in (1010, 1030, 1060):
        world.clock.advance(15)
        verdicts += deliver(after, world.report((COMMANDS, total, (), 9.8)))
    assert verdicts == [Verdict.PARTIAL, Verdict.ACCEPTED, Verdict.ACCEPTED]
    [series] = world.intake.time_series()
    assert [int(p["value"]["int64Value"]) for p in series["points"]] == [1000, 20, 50]
    assert world.counters.value("outrider_monitoring_refusals_total", reason="start") == 1
    after.close()


def test_two_processes_of_ours_that_report_the_same_are_refused_in_part(world: World) -> None:
    world.clock.advance(100)
    one, other = world.exporter(), world.exporter()
    assert deliver(one, world.report((CLIENTS, 1, (), None), (CLIENTS, 2, (("db", "0"),), None))) == [Verdict.ACCEPTED]
    world.clock.advance(2)
    [payload] = other.encode([world.report((CLIENTS, 3, (), None), (CLIENTS, 4, (("db", "1"),), None))])
    answer = other.send(payload)
    assert answer.verdict is Verdict.PARTIAL
    assert list(answer.rejected) == [0]
    assert world.counters.value("outrider_monitoring_refusals_total", reason="frequency") == 1
    assert len(world.intake.time_series()) == 3
    one.close()
    other.close()


def test_a_metric_that_is_there_in_another_form(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    world.clock.advance(100)
    old = world.exporter()
    gauge = Metric("commands", google=GoogleName(COMMANDS.google.type, "GAUGE", "DOUBLE"))  # type: ignore[union-attr]
    assert deliver(old, world.report((gauge, 0.5, (), None))) == [Verdict.ACCEPTED]
    until(lambda: world.counters.value("outrider_metric_descriptors_total", result="created"))
    old.close()
    new = world.exporter()
    world.clock.advance(15)
    points = [(COMMANDS, 7, (), 0.0), (CLIENTS, 1, (), None)]
    assert deliver(new, world.report(*points)) == [Verdict.PARTIAL]  # type: ignore[arg-type]
    until(lambda: world.counters.value("outrider_metric_descriptors_total", result="refused"))
    assert "already exists" in caplog.text
    assert world.counters.value("outrider_monitoring_refusals_total", reason="type") == 1
    assert len(world.intake.time_series(CLIENTS.google.type)) == 1  # type: ignore[union-attr]
    new.close()


def test_an_outage_delays_points_and_loses_none(world: World) -> None:
    world.clock.advance(100)
    exporter = world.exporter()
    waiting = []
    for total in (1, 2, 3):
        waiting += exporter.encode([world.report((COMMANDS, total, (), 0.0))])
        world.clock.advance(3600)
    until(lambda: world.counters.value("outrider_metric_descriptors_total", result="created"))
    world.intake.set_faults(["503"])
    assert exporter.send(waiting[0]).verdict is Verdict.RETRY
    world.intake.set_faults([])
    assert [exporter.send(payload).verdict for payload in waiting] == [Verdict.ACCEPTED] * 3
    [series] = world.intake.time_series()
    assert [int(p["value"]["int64Value"]) for p in series["points"]] == [1, 2, 3]
    exporter.close()
