"""Datadog's log search, in the part the intake knows: terms, times, pages, statuses, refusals."""

from collections.abc import Iterator
from typing import Any

import pytest

from outrider.intake import Intake
from outrider.model.clock import ManualClock
from tests.support.intake_http import DATADOG, call, found, submit

NOW = 1_780_000_000
MS = NOW * 1000
LOGS: list[dict[str, Any]] = [
    {
        "message": "GET /cart 200",
        "service": "cart",
        "ddsource": "nginx",
        "hostname": "n1",
        "status": "info",
        "ddtags": "env:prod,kube_namespace:shop",
        "timestamp": MS - 3000,
        "http": {"status_code": 200, "hosts": ["a", "b"]},
        "outrider.id": "s:1:0",
    },
    {"message": "Disk is full", "service": "bank", "status": "Error", "ddtags": "env:prod", "timestamp": MS - 2000},
    {"message": "disk (sda) ok", "service": "cart-db", "ddsource": "postgres", "timestamp": MS - 1000},
]


@pytest.fixture
def filled() -> Iterator[Intake]:
    with Intake(clock=ManualClock(NOW)) as intake:
        assert submit(intake, LOGS) == (202, {})
        yield intake


QUERIES: list[tuple[str, list[int]]] = [
    ("", [0, 1, 2]),
    ("*", [0, 1, 2]),
    ("service:cart", [0]),
    ("service:cart*", [0, 2]),
    ("-service:cart*", [1]),
    ("NOT service:cart*", [1]),
    ("service:*", [0, 1, 2]),
    ("status:error", [1]),
    ("status:info", [0, 2]),
    ("source:nginx", [0]),
    ("host:n1", [0]),
    ("env:prod", [0, 1]),
    ("env:prod -service:bank", [0]),
    ("env:prod AND service:bank", [1]),
    ("kube_namespace:shop", [0]),
    ("disk", [1, 2]),
    ('"disk is"', [1]),
    ('"disk (sda)"', [2]),
    ("full disk", [1]),
    ("@http.status_code:200", [0]),
    ("@http.hosts:b", [0]),
    ("@outrider.id:s\\:1\\:0", []),
    ('@outrider.id:"s:1:0"', [0]),
    ("@outrider.id:s:1:0", [0]),
    ("@http.none:1", []),
    ("nothing:here", []),
]


@pytest.mark.parametrize(("query", "wanted"), QUERIES)
def test_terms_find_logs(filled: Intake, query: str, wanted: list[int]) -> None:
    assert [event["message"] for event in found(filled, query)] == [LOGS[index]["message"] for index in wanted]


def test_a_log_comes_back_in_the_form_of_the_api(filled: Intake) -> None:
    status, answer = call(filled, "/api/v2/logs/events/search", {"filter": {"query": "service:cart"}}, headers=DATADOG)
    assert status == 200
    assert answer["meta"] == {"status": "done", "elapsed": 0}
    (event,) = answer["data"]
    assert (event["type"], bool(event["id"])) == ("log", True)
    assert event["attributes"] == {
        "timestamp": "2026-05-28T20:26:37Z",
        "status": "info",
        "service": "cart",
        "host": "n1",
        "message": "GET /cart 200",
        "tags": ["env:prod", "kube_namespace:shop", "source:nginx"],
        "attributes": {"http": {"status_code": 200, "hosts": ["a", "b"]}, "outrider.id": "s:1:0"},
    }


TIMES: list[tuple[dict[str, Any], list[int]]] = [
    ({"from": "now-2s"}, [1, 2]),
    ({"from": str(MS - 1000)}, [2]),
    ({"from": MS - 1000}, [2]),
    ({"to": "2026-05-28T20:26:38Z"}, [0, 1]),
    ({"from": "now-1d", "to": "now-1m"}, []),
]


@pytest.mark.parametrize(("bounds", "wanted"), TIMES)
def test_times_bound_the_search(filled: Intake, bounds: dict[str, Any], wanted: list[int]) -> None:
    events = found(filled, filter={"query": "*", **bounds})
    assert [event["message"] for event in events] == [LOGS[index]["message"] for index in wanted]


def test_without_bounds_it_is_the_last_15_minutes(filled: Intake) -> None:
    submit(filled, [{"message": "earlier", "timestamp": MS - 15 * 60_000 - 1}])
    assert "earlier" not in [event["message"] for event in found(filled)]


def test_dropped_logs_are_not_found(filled: Intake) -> None:
    submit(filled, [{"message": "old", "timestamp": MS - 19 * 3_600_000}])
    assert len(found(filled, filter={"query": "*", "from": "now-2d"})) == 3


@pytest.mark.parametrize("sort", ["timestamp", "-timestamp"])
def test_pages_follow_each_other(filled: Intake, sort: str) -> None:
    submit(filled, [{"message": str(number), "timestamp": MS - 500} for number in range(5)])
    seen: list[str] = []
    page: dict[str, Any] = {"limit": 3}
    while True:
        answer = call(filled, "/api/v2/logs/events/search", {"page": page, "sort": sort}, headers=DATADOG)[1]
        seen += [event["attributes"]["message"] for event in answer["data"]]
        if "page" not in answer["meta"]:
            break
        page["cursor"] = answer["meta"]["page"]["after"]
    ascending = [one["message"] for one in LOGS] + [str(number) for number in range(5)]
    assert seen == (ascending if sort == "timestamp" else ascending[::-1])
    assert filled.stats()["datadog"]["searches"] == 3


STATUSES = [
    (None, "info"), ("", "info"), ("unknown", "info"), (True, "info"), ("INFO", "info"), ("weird", "warn"),
    ("Warning", "warn"), ("err", "error"),
    ("fatal", "emergency"), ("emerg", "emergency"), ("alert", "alert"), ("CRITICAL", "critical"), ("notice", "notice"),
    ("debug", "debug"), ("trace", "debug"), ("verbose", "debug"), ("ok", "ok"), ("Success", "ok"), (0, "emergency"),
    (3, "error"), ("7", "debug"), (8, "info"), (30, "info"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "shown"), STATUSES)
def test_statuses_are_remapped(intake: Intake, given: Any, shown: str) -> None:
    submit(intake, [{"message": "a", "status": given}])
    assert [event["status"] for event in found(intake)] == [shown]


BAD: list[tuple[Any, str]] = [
    ([], "filter must be an object"),
    ({"filter": "service:x"}, "filter must be an object"),
    ({"page": 5}, "page must be an object"),
    ({"filter": {"query": 5}}, "filter.query must be a string"),
    ({"filter": {"query": "service:a OR service:b"}}, "query not understood at position 10"),
    ({"filter": {"query": "(service:a)"}}, "query not understood at position 0"),
    ({"filter": {"query": "@n:>5"}}, "query not understood"),
    ({"filter": {"query": "@n:[1 TO 5]"}}, "query not understood"),
    ({"filter": {"query": 'a "b'}}, "query not understood at position 2"),
    ({"filter": {"from": "yesterday"}}, "not a time: yesterday"),
    ({"filter": {"to": {}}}, "not a time"),
    ({"sort": "status"}, "sort must be timestamp or -timestamp"),
    ({"page": {"limit": 0}}, "page.limit must be 1 to 1000"),
    ({"page": {"limit": 1001}}, "page.limit must be 1 to 1000"),
    ({"page": {"cursor": "zzz"}}, "page.cursor is not one of this service"),
    ({"page": {"cursor": 5}}, "page.cursor is not one of this service"),
    (b"{", "Bad Request"),
]


@pytest.mark.parametrize(("body", "text"), BAD)
def test_searches_that_make_no_sense_are_refused(intake: Intake, body: Any, text: str) -> None:
    status, answer = call(intake, "/api/v2/logs/events/search", body, headers=DATADOG)
    assert status == 400
    assert text in answer["errors"][0]


def test_a_search_needs_a_key_and_meets_no_fault() -> None:
    with Intake(faults=["503"], api_key="right") as intake:
        path = "/api/v2/logs/events/search"
        assert call(intake, path, {}, headers={}) == (401, {"errors": ["API key is missing"]})
        assert call(intake, path, {}, headers={"DD-API-KEY": "wrong"})[0] == 403
        assert call(intake, path, {}, headers={"DD-API-KEY": "right"})[0] == 200
