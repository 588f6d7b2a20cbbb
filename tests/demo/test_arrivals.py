"""What the demo knows of both vendors, asked of a real intake."""

import json
import time
from collections.abc import Iterator

import pytest
import urllib3

from outrider.demo import arrivals
from outrider.demo.arrivals import Arrivals
from outrider.demo.children import DemoError
from outrider.demo.pages import Pages
from outrider.intake import Intake

SERVICES = {"web": "shop", "cart": "shop", "report": "batch"}


@pytest.fixture
def intake() -> Iterator[Intake]:
    with Intake(port=0) as started:
        yield started


def asked(intake: Intake) -> Arrivals:
    return Arrivals(Pages("the intake", intake.url), SERVICES)


def stamp(ago: float) -> str:
    moment = time.time() - ago
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f".{int(moment % 1 * 1e9):09d}Z"


def send(intake: Intake, namespace: str, *entries: dict[str, object]) -> int:
    labels = {"project_id": "demo", "location": "local", "cluster_name": "laptop"}
    labels |= {"namespace_name": namespace, "pod_name": "web-1", "container_name": "c"}
    body = {
        "logName": "projects/demo/logs/stdout",
        "resource": {"type": "k8s_container", "labels": labels},
        "entries": list(entries),
    }
    answer = urllib3.request("POST", intake.url + "/v2/entries:write", body=json.dumps(body).encode())
    return answer.status


def test_entries_are_counted_once_per_namespace_and_shown_in_their_own_order(intake: Intake) -> None:
    seen = asked(intake)
    seen.poll(0)
    assert (seen.total, seen.last, seen.lag(0.5)) == (0, [], None)
    first = {"insertId": "a", "timestamp": stamp(3), "textPayload": "late"}
    assert (
        send(intake, "shop", {"insertId": "b", "timestamp": stamp(1), "textPayload": "early", "severity": "ERROR"})
        == 200
    )
    assert send(intake, "shop", first) == 200
    assert (
        send(intake, "batch", {"insertId": "c", "timestamp": stamp(0), "jsonPayload": {"message": "m", "n": 1}}) == 200
    )
    assert send(intake, "shop", first) == 200
    assert send(intake, "shop", {"insertId": "d", "timestamp": "2990-01-01T00:00:00Z", "textPayload": "x"}) == 400
    seen.poll(0.5)
    assert (seen.received["google"], seen.total) == ({"shop": 2, "batch": 1}, 3)
    assert (seen.repeats["google"], seen.rejected["google"]) == (1, 1)
    assert [e.text for e in seen.last] == ["late", "late", "early", "m"]
    assert [e.severity for e in seen.last] == ["DEFAULT", "DEFAULT", "ERROR", "DEFAULT"]
    assert {(e.namespace, e.pod) for e in seen.last} == {("shop", "web-1"), ("batch", "web-1")}


def test_datadogs_logs_are_counted_once_by_the_namespaces_of_their_services(intake: Intake) -> None:
    seen = asked(intake)
    now = int(time.time() * 1000)
    logs: list[dict[str, object]] = [
        {"message": "m", "service": service, "timestamp": now, "outrider.id": str(n)}
        for n, service in enumerate(("web", "web", "cart", "report", "stray"))
    ]
    too_old = {"message": "m", "service": "web", "timestamp": now - 86_400_000, "outrider.id": "old"}
    for body in (logs, logs[:2], [too_old]):
        headers = {"DD-API-KEY": "any", "Content-Type": "application/json"}
        answer = urllib3.request("POST", intake.url + "/api/v2/logs", body=json.dumps(body).encode(), headers=headers)
        assert answer.status == 202
    assert send(intake, "shop", {"insertId": "a", "timestamp": stamp(0), "textPayload": "x"}) == 200
    seen.poll(0)
    assert seen.received == {"google": {"shop": 1}, "datadog": {"shop": 3, "batch": 1, "service stray": 1}}
    assert seen.total == 6
    assert (seen.repeats, seen.rejected) == ({"google": 0, "datadog": 2}, {"google": 0, "datadog": 1})


def test_lag_is_from_the_entrys_time_to_its_receipt_and_repeats_do_not_count(intake: Intake) -> None:
    seen = asked(intake)
    entries = [{"insertId": str(n), "timestamp": stamp(n), "textPayload": "x"} for n in range(11)]
    for _ in range(2):
        assert send(intake, "shop", *entries) == 200
    seen.poll(0)
    assert seen.lags() == {"shop": pytest.approx(5, abs=0.8)}
    assert seen.lag(0.5) == pytest.approx(5, abs=0.8)
    assert seen.lag(0.99) == pytest.approx(10, abs=0.8)


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ({"textPayload": "plain"}, "plain"),
        ({"jsonPayload": {"message": "said", "msg": "no", "n": 1}}, "said"),
        ({"jsonPayload": {"msg": "zap"}}, "zap"),
        ({"jsonPayload": {"n": 1}}, '{"n":1}'),
        ({"jsonPayload": {"message": {"deep": 1}}}, "{'deep': 1}"),
    ],
)
def test_the_text_of_an_entry(intake: Intake, payload: dict[str, object], text: str) -> None:
    seen = asked(intake)
    assert send(intake, "shop", {"insertId": "a", "timestamp": stamp(0), **payload}) == 200
    seen.poll(0)
    assert [e.text for e in seen.last] == [text]


def test_rates_are_of_whole_seconds(intake: Intake) -> None:
    seen = asked(intake)
    for now, count in ((0.0, 0), (0.5, 4), (1.0, 2), (1.5, 1), (3.0, 3)):
        for n in range(count):
            assert send(intake, "shop", {"insertId": f"{now}-{n}", "timestamp": stamp(0), "textPayload": "x"}) == 200
        seen.poll(now)
    assert list(seen.rates) == [6.0, 2.0]


def test_more_than_one_answer_holds_are_counted_and_the_newest_are_shown(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "PAGE", 3)
    seen = asked(intake)
    entries = [{"insertId": str(n), "timestamp": stamp(20 - n), "textPayload": str(n)} for n in range(10)]
    assert send(intake, "shop", *entries) == 200
    seen.poll(0)
    assert seen.total == 10
    assert [e.text for e in seen.last] == ["7", "8", "9"]


def test_an_intake_that_is_not_there_or_speaks_otherwise_is_a_clear_error(intake: Intake) -> None:
    with pytest.raises(DemoError, match="answered 404"):
        Arrivals(Pages("the intake", intake.url + "/elsewhere"), {}).poll(0)
    with pytest.raises(DemoError, match="the intake gave an answer that is not understood: KeyError"):
        Arrivals(Pages("the intake", intake.url + "/intake/faults?"), {}).poll(0)
    seen = asked(intake)
    intake.stop()
    with pytest.raises(DemoError, match="the intake cannot be reached"):
        seen.poll(0)
