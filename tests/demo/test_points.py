"""What the demo knows of points: asked of a real intake, and of a sidecar's counters."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import urllib3

from outrider.checks import found
from outrider.demo import points
from outrider.demo.children import DemoError
from outrider.demo.pages import Pages
from outrider.demo.points import Measured, Points, Shown, balance, sent, trouble
from outrider.intake import Intake
from outrider.model.counters import Counters, exposition

COMMANDS = found.load("redis")[1].metrics["info.total_commands_processed"][0]
NOW = int(time.time())
DATADOG, GOOGLE = "redis.net.commands", "redis.commands.processed"


@pytest.fixture
def intake() -> Iterator[Intake]:
    with Intake() as intake:
        yield intake


def measured(intake: Intake) -> Measured:
    return Measured(Pages("the intake", intake.url), [COMMANDS])


def to_google(intake: Intake, value: int, ago: float, labels: dict[str, str] | None = None) -> int:
    end = datetime.now(UTC) - timedelta(seconds=ago)
    series = {
        "metric": {"type": f"workload.googleapis.com/{GOOGLE}", "labels": labels or {}},
        "resource": {
            "type": "generic_node",
            "labels": {"location": "europe-north1", "namespace": "", "node_id": "n"},
        },
        "points": [{"interval": {"endTime": end.isoformat()}, "value": {"int64Value": str(value)}}],
    }
    body = json.dumps({"timeSeries": [series]}).encode()
    return urllib3.request("POST", intake.url + "/v3/projects/demo/timeSeries", body=body).status


def to_datadog(intake: Intake, value: float, ago: int, *tags: str) -> None:
    point = {"timestamp": NOW - ago, "value": value}
    body = {"series": [{"metric": DATADOG, "type": 3, "points": [point], "tags": list(tags)}]}
    headers = {"DD-API-KEY": "any", "Content-Type": "application/json"}
    answer = urllib3.request("POST", intake.url + "/api/v2/series", body=json.dumps(body).encode(), headers=headers)
    assert answer.status == 202


def test_points_are_counted_once_and_their_last_values_shown_under_both_names(intake: Intake) -> None:
    seen = measured(intake)
    names = {"google": GOOGLE, "datadog": DATADOG}
    seen.poll()
    assert seen.arrived == {"google": 0, "datadog": 0}
    assert seen.shown == [Shown(names, {"google": None, "datadog": None}, [])]
    for ago, value in ((60, 10.5), (30, 20.5)):
        to_datadog(intake, value, ago)
        assert to_google(intake, int(value * 100), ago) == 200
    seen.poll()
    assert seen.arrived == {"google": 2, "datadog": 2}
    assert seen.shown == [Shown(names, {"google": 2050, "datadog": 20.5}, [10.5, 20.5])]
    to_datadog(intake, 20.5, 30)  # again
    to_datadog(intake, 10.5, 7200)  # dropped
    to_datadog(intake, 1, 30, "redis_db:db0")  # another series
    assert to_google(intake, 2050, 30) == 400
    assert to_google(intake, 1, 30, {"db": "0"}) == 200
    seen.poll()
    assert seen.arrived == {"google": 3, "datadog": 3}


def test_more_than_one_answer_holds_are_all_counted(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points, "PAGE", 2)
    for n in range(5):
        to_datadog(intake, n, 60 - n * 10)
    seen = measured(intake)
    seen.poll()
    assert seen.arrived["datadog"] == 5
    assert seen.shown[0].history == [0, 1, 2, 3, 4]


def test_an_intake_that_speaks_otherwise_is_a_clear_error(intake: Intake) -> None:
    assert to_google(intake, 1, 0) == 200
    with pytest.raises(DemoError, match="the intake answered 404"):
        Measured(Pages("the intake", intake.url + "/elsewhere")).poll()
    with pytest.raises(DemoError, match="not understood"):
        Measured(Pages("the intake", intake.url + "/intake/stats?")).poll()


def test_what_was_sent_stands_in_the_metrics_of_a_program() -> None:
    """The names are those that the pipeline counts under."""
    counters = Counters()
    for name, what, n in (
        ("outrider_points_sent_total", "points", 40),
        ("outrider_points_sent_total", "service_checks", 5),
        ("outrider_points_refused_total", "points", 3),
        ("outrider_points_given_up_total", "points", 2),
    ):
        counters.counter(name, "", exporter="datadog", what=what).add(n)
    counters.counter("outrider_points_given_up_total", "", exporter="datadog", what="points", reason="queue").add(1)
    counters.counter("outrider_points_left_out_total", "", exporter="google", reason="too_old").add(9)
    counters.counter("outrider_points_sent_total", "", exporter="screen", what="points").add(9)
    none = {"sent": 0, "refused": 0, "given_up": 0}
    found = sent(exposition(counters.families()))
    assert found == {"google": none, "datadog": {"sent": 40, "refused": 3, "given_up": 3}}
    assert balance(found, {"google": 0, "datadog": 46})["datadog"] == Points(43, 3, 3, 46)


@pytest.mark.parametrize(
    ("one", "text", "wrong"),
    [
        (Points(48, 0, 0, 48), "48 points sent = 48 arrived; refused 0", []),
        (Points(1048, 24, 0, 1048), "1,048 points sent = 1,048 arrived; refused 24", []),
        (Points(48, 2, 0, 46), "48 points sent = 46 arrived + 2 missing; refused 2", ["Datadog: 2 missing"]),
        (
            Points(40, 0, 8, 40),
            "40 points sent + 8 given up = 40 arrived + 8 missing; refused 0",
            ["Datadog: 8 missing"],
        ),
        (Points(48, 0, 0, 49), "48 points sent = 49 arrived - 1 too many; refused 0", ["Datadog: 1 too many"]),
        (Points(), "0 points sent = 0 arrived; refused 0", ["Datadog: none has arrived"]),
    ],
)
def test_the_sum_and_what_is_wrong_with_it(one: Points, text: str, wrong: list[str]) -> None:
    assert one.as_text() == text
    assert trouble({"datadog": one}) == wrong
