"""The metrics of one program: who gets them, when it says that they do not arrive, and what a successor takes over."""

from typing import Any

import pytest

from outrider.config import Config, Exporter, parse
from outrider.config.problems import UnusableError
from outrider.exporters.answer import Answer, Verdict
from outrider.model.clock import ManualClock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.pod import Pod
from outrider.model.stream import Stream
from outrider.pipeline import measuring
from outrider.pipeline.measuring import Measuring
from outrider.pipeline.pauses import UNREADY_AFTER
from tests.support.meter import ACCEPTED, FakeMetrics, report

CLUSTER = Cluster("acme", "on-prem-1", "europe-north1", "node-1")
NAMES = Stream("shop", "web-1", "uid-1", "web", 0)
RETRY = Answer(Verdict.RETRY, "HTTP 503: later")


class Rig:
    """No check runs; a test hands on what one would have found, and takes the turns of the meters."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock, self.counters = ManualClock(), Counters()
        self.made: list[tuple[str, FakeMetrics]] = []
        self.labels: dict[str, str] = {}
        monkeypatch.setattr(measuring, "metric_destination", self._destination)

    def _destination(self, name: str, _: Exporter, *__: Any) -> FakeMetrics:
        self.made.append((name, FakeMetrics()))
        return self.made[-1][1]

    def measuring(self, text: str) -> Measuring:
        config: Config = parse(text, env={"KEY": "k"}, checks={})
        return Measuring(config, CLUSTER, NAMES, "web", self._pod, self.clock, self.counters)

    def _pod(self) -> Pod:
        return Pod("uid-1", "web-1", "shop", labels=self.labels)

    def turn(self, measuring: Measuring) -> None:
        for _ in range(3):
            for meter in measuring._meters.values():
                meter.turn()
            self.clock.advance(1.0)

    def stored(self, name: str) -> list[int]:
        return [value for made, destination in self.made if made == name for value in destination.stored]


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    return Rig(monkeypatch)


EXPORTERS = "exporters: {a: {kind: console}, b: {kind: console}, c: {kind: opentelemetry}}\n"


def test_a_report_goes_where_the_pods_route_leads(rig: Rig) -> None:
    """Labels may change, `logs.select` has no say, and what no route can lead to gets everything."""
    made = rig.measuring(
        EXPORTERS + "routes: [{labels: {tier: gold}, to: [a]}, {namespaces: [shop], to: [b]}]\n"
        "logs: {select: {exclude: [{namespace: shop}]}}\n"
    )
    made._hand_on(NAMES, rig._pod(), report(1))
    rig.labels = {"tier": "gold"}
    made._hand_on(NAMES, rig._pod(), report(2))
    rig.turn(made)
    assert {name: rig.stored(name) for name in "abc"} == {"a": [2], "b": [1], "c": [1, 2]}


def test_what_does_not_arrive_for_a_while_is_not_ready(rig: Rig) -> None:
    made = rig.measuring("exporters: {a: {kind: console}, b: {kind: console}}")
    assert made.ready() is None
    dict(rig.made)["b"].answer = lambda _: RETRY
    made._hand_on(NAMES, rig._pod(), report(1))
    rig.turn(made)
    assert made.ready() is None
    rig.clock.advance(UNREADY_AFTER)
    assert made.ready() == "b: HTTP 503: later"
    dict(rig.made)["b"].answer = lambda _: ACCEPTED
    rig.turn(made)
    assert made.ready() is None


@pytest.mark.parametrize(
    ("now", "takes_over"),
    [
        ("exporters: {a: {kind: console}}\nmetrics: {every: 1s}", True),
        ("exporters: {a: {kind: console, batch: {in_flight: 1}}}", False),
        ("exporters: {z: {kind: console}}", False),
    ],
)
def test_a_successor_takes_over_where_the_exporter_is_the_same(rig: Rig, now: str, takes_over: bool) -> None:
    before = rig.measuring("exporters: {a: {kind: console}}")
    [(_, destination)] = rig.made
    destination.answer = lambda _: RETRY
    before._hand_on(NAMES, rig._pod(), report(1))
    rig.turn(before)
    after = rig.measuring(now)
    after.inherit(before)
    destination.answer = lambda _: ACCEPTED
    for _ in range(3):
        rig.turn(after)
    assert destination.stored == ([1] if takes_over else [])
    assert destination.closed is not takes_over
    lost = rig.counters.value("outrider_points_given_up_total", reason="ended")
    assert lost == (0 if takes_over else 2)


def test_an_exporter_that_cannot_be_made_is_a_configuration_that_cannot_be_used() -> None:
    config = parse("exporters: {a: {kind: opentelemetry, exporter: nobody}}", checks={})
    with pytest.raises(UnusableError, match=r'exporters.a: no OpenTelemetry exporter "nobody" is installed'):
        Measuring(config, CLUSTER, NAMES, "", lambda: None, ManualClock(), Counters())
