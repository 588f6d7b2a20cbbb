"""Cloud Monitoring read back: time series by filter and interval, in pages; descriptors; resources."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from outrider.intake import Intake
from outrider.model.clock import ManualClock
from tests.support.intake_http import K8S, call, refusal
from tests.support.metrics_http import TYPE, at, create, series

NOW = 1_780_000_000
PROJECT = "/v3/projects/acme"
BY_TYPE = f'metric.type="{TYPE}"'


@pytest.fixture
def intake() -> Iterator[Intake]:
    """Two series of one metric with three points each, and another metric."""
    with Intake(clock=ManualClock(NOW)) as running:
        for n in range(3):
            for db in ("0", "1"):
                assert create(running, series(NOW + 10 * n, {"int64Value": n}, labels={"db": db}))[0] == 200
        other = series(NOW, type="custom.googleapis.com/x", labels={"q": 'a "b"'}, resource={"type": "global"})
        assert create(running, other)[0] == 200
        yield running


def listed(intake: Intake, query: str, start: float | None = NOW - 60, end: float = NOW + 60, **more: Any) -> Any:
    asked = {"filter": query, "interval.endTime": at(end), **more}
    if start is not None:
        asked["interval.startTime"] = at(start)
    return call(intake, f"{PROJECT}/timeSeries?{urlencode(asked)}")


def found(answer: tuple[int, Any]) -> list[tuple[str, list[str]]]:
    """The label `db` of each series, and its values."""
    status, body = answer
    assert status == 200, body
    return [
        (one["metric"]["labels"].get("db", "-"), [point["value"]["int64Value"] for point in one["points"]])
        for one in body.get("timeSeries", [])
    ]


BOTH = [("0", ["2", "1", "0"]), ("1", ["2", "1", "0"])]
FILTERS: list[tuple[str, list[tuple[str, list[str]]]]] = [
    (BY_TYPE, BOTH),
    (f'metric.type = "{TYPE}" AND resource.type = "k8s_container"', BOTH),
    (f'{BY_TYPE} resource.label.pod_name="cart-0"', BOTH),
    (f'{BY_TYPE} AND metric.labels.db="1"', BOTH[1:]),
    (f'{BY_TYPE} AND metric.label.db!="1"', BOTH[:1]),
    (f'{BY_TYPE} AND NOT metric.labels.db="1"', BOTH[:1]),
    (f'{BY_TYPE} AND -metric.labels.db="1"', BOTH[:1]),
    (f'{BY_TYPE} AND (metric.labels.db="1" OR metric.labels.db="0")', BOTH),
    (f'{BY_TYPE} AND metric.labels.db=one_of("1", "7")', BOTH[1:]),
    (f'{BY_TYPE} AND resource.labels.cluster_name=starts_with("on-")', BOTH),
    (f'{BY_TYPE} AND resource.labels.cluster_name=ends_with("-2")', []),
    (f'{BY_TYPE} AND resource.labels.pod_name=has_substring("rt")', BOTH),
    (f'{BY_TYPE} AND resource.labels.pod_name:"rt-"', BOTH),
    (f'{BY_TYPE} AND metric.labels.db=monitoring.regex.full_match("[1-9]")', BOTH[1:]),
    ('metric.type=starts_with("workload.googleapis.com/") project="acme"', BOTH),
    (f'{BY_TYPE} AND metric.labels.none="x"', []),
    (r"metric.type='custom.googleapis.com/x' AND metric.labels.q='a \"b\"'", [("-", ["1"])]),
]


@pytest.mark.parametrize(("query", "expected"), FILTERS)
def test_a_filter_finds_series_with_the_newest_point_first(intake: Intake, query: str, expected: Any) -> None:
    assert found(listed(intake, query)) == expected


INTERVALS: list[tuple[float | None, float, list[str]]] = [
    (NOW - 1, NOW + 20, ["2", "1", "0"]),
    (NOW, NOW + 20, ["2", "1"]),
    (NOW - 1, NOW + 19, ["1", "0"]),
    (None, NOW + 10, ["1"]),
    (NOW + 10, NOW + 10, ["1"]),
    (None, NOW + 11, []),
]


@pytest.mark.parametrize(("start", "end", "values"), INTERVALS)
def test_an_interval_begins_after_its_start_and_has_its_end(
    intake: Intake, start: float | None, end: float, values: list[str]
) -> None:
    answer = found(listed(intake, f'{BY_TYPE} AND metric.labels.db="0"', start, end))
    assert answer == ([("0", values)] if values else [])


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6])
def test_pages_hold_so_many_points_and_miss_none(intake: Intake, size: int) -> None:
    token, points, pages = "", [], 0
    while pages == 0 or token:
        status, body = listed(intake, BY_TYPE, end=NOW + 60, pageSize=size, pageToken=token)
        assert status == 200, body
        page = [(one["metric"]["labels"]["db"], point) for one in body["timeSeries"] for point in one["points"]]
        assert 0 < len(page) <= size
        points += [(db, point["value"]["int64Value"]) for db, point in page]
        token, pages = body.get("nextPageToken", ""), pages + 1
        create(intake, series(NOW + 20 + 10 * pages, {"int64Value": 9}, labels={"db": "0"}))  # shifts no later page
    assert [point for point in points if point[1] != "9"] == [(db, value) for db, values in BOTH for value in values]
    assert len(points) == 6


def test_headers_come_without_points(intake: Intake) -> None:
    status, body = listed(intake, BY_TYPE, view="HEADERS", pageSize=1)
    assert status == 200
    assert [one["points"] for one in body["timeSeries"]] == [[]]
    _, rest = listed(intake, BY_TYPE, view="HEADERS", pageSize=1, pageToken=body["nextPageToken"])
    assert [one["metric"]["labels"] for one in rest["timeSeries"]] == [{"db": "1"}]
    assert "nextPageToken" not in rest


BAD_QUERIES: list[tuple[dict[str, Any], str]] = [
    ({"query": ""}, "Field filter is required."),
    ({"query": 'resource.type=one_of("global", "k8s_container")'}, "matches more than one metric"),
    ({"query": "metric.type"}, "expected =, != or :"),
    ({"query": 'metric.kind="GAUGE"'}, "no such field: metric.kind"),
    ({"query": f'{BY_TYPE} AND metric.labels.db=nearly("1")'}, "no such function"),
    ({"query": f"{BY_TYPE} AND metric.labels.db="}, "expected a value"),
    ({"query": f"({BY_TYPE}"}, "a closing parenthesis is missing"),
    ({"query": f"{BY_TYPE})"}, "unexpected text"),
    ({"query": f'{BY_TYPE} AND metric.labels.db="1" OR metric.labels.db="0"'}, "in parentheses"),
    ({"query": f'{BY_TYPE} OR metric.labels.db="1" AND metric.labels.db="0"'}, "in parentheses"),
    ({"query": BY_TYPE, "start": NOW + 61}, "interval.startTime"),
    ({"query": BY_TYPE, "interval.endTime": ""}, "interval.endTime is required"),
    ({"query": BY_TYPE, "interval.endTime": "soon"}, "interval.endTime"),
    ({"query": BY_TYPE, "pageSize": "-1"}, "pageSize"),
    ({"query": BY_TYPE, "pageToken": "tomorrow"}, "pageToken"),
]


@pytest.mark.parametrize(("asked", "words"), BAD_QUERIES)
def test_a_query_that_makes_no_sense_is_refused(intake: Intake, asked: dict[str, Any], words: str) -> None:
    assert words in refusal(listed(intake, **asked))


def test_a_token_belongs_to_its_query(intake: Intake) -> None:
    token = listed(intake, BY_TYPE, pageSize=1)[1]["nextPageToken"]
    assert "belongs to another request" in refusal(
        listed(intake, f'{BY_TYPE} AND metric.labels.db="0"', pageToken=token)
    )


def test_a_metric_that_nobody_wrote_is_not_found(intake: Intake) -> None:
    status, body = listed(intake, 'metric.type="custom.googleapis.com/none"')
    assert (status, body["error"]["status"]) == (404, "NOT_FOUND")
    assert 'Cannot find metric(s) that match type = "custom.googleapis.com/none".' in body["error"]["message"]


def test_aligning_is_not_offered(intake: Intake) -> None:
    status, body = listed(intake, BY_TYPE, **{"aggregation.perSeriesAligner": "ALIGN_RATE"})
    assert (status, body["error"]["status"]) == (501, "UNIMPLEMENTED")


DESCRIPTOR: dict[str, Any] = {
    "type": "workload.googleapis.com/redis.commands",
    "metricKind": "CUMULATIVE",
    "valueType": "INT64",
    "unit": "{command}",
    "description": "Commands processed.",
    "displayName": "Commands",
    "labels": [{"key": "cmd", "description": "which"}],
}


def test_a_descriptor_is_made_read_and_deleted(intake: Intake) -> None:
    status, made = call(intake, f"{PROJECT}/metricDescriptors", DESCRIPTOR)
    assert status == 200
    assert {name: made[name] for name in DESCRIPTOR} == DESCRIPTOR
    assert made["name"] == "projects/acme/metricDescriptors/workload.googleapis.com/redis.commands"
    assert call(intake, f"/v3/{made['name']}") == (200, made)
    escaped = made["name"].replace("/redis", "%2Fredis")
    assert call(intake, f"/v3/{escaped}") == (200, made)
    point = series(NOW, start=NOW - 60, type=DESCRIPTOR["type"], labels={"cmd": "get", "db": "0"})
    assert create(intake, point) == (200, {})
    assert [label["key"] for label in call(intake, f"/v3/{made['name']}")[1]["labels"]] == ["cmd", "db"]
    query = f'metric.type="{DESCRIPTOR["type"]}"'
    assert listed(intake, query)[1]["timeSeries"][0]["unit"] == "{command}"
    assert call(intake, f"/v3/{made['name']}", method="DELETE") == (200, {})
    assert call(intake, f"/v3/{made['name']}")[0] == 404
    assert call(intake, f"/v3/{made['name']}", method="DELETE")[0] == 404
    assert listed(intake, query)[0] == 404


def test_the_first_point_makes_a_descriptor(intake: Intake) -> None:
    _, made = call(intake, f"{PROJECT}/metricDescriptors/{TYPE}")
    assert made["description"] == "Auto-created custom metric."
    assert (made["metricKind"], made["valueType"], made["labels"]) == ("GAUGE", "INT64", [{"key": "db"}])
    assert "k8s_container" in made["monitoredResourceTypes"]


def test_a_descriptor_may_be_described_anew_but_not_change(intake: Intake) -> None:
    call(intake, f"{PROJECT}/metricDescriptors", DESCRIPTOR)
    anew = {**DESCRIPTOR, "description": "Better.", "labels": [{"key": "db"}]}
    status, made = call(intake, f"{PROJECT}/metricDescriptors", anew)
    assert (status, made["description"]) == (200, "Better.")
    assert [label["key"] for label in made["labels"]] == ["cmd", "db"]
    status, body = call(intake, f"{PROJECT}/metricDescriptors", {**DESCRIPTOR, "metricKind": "GAUGE"})
    assert (status, body["error"]["status"]) == (409, "ALREADY_EXISTS")
    assert "The metric already exists." in body["error"]["message"]


BAD_DESCRIPTORS: list[tuple[dict[str, Any], str]] = [
    ({"type": "redis"}, "Field metricDescriptor.type"),
    ({"type": None}, "Field metricDescriptor.type"),
    ({"type": "compute.googleapis.com/x"}, "Field metricDescriptor.type"),
    ({"metricKind": "DELTA"}, 'Field metricDescriptor.metricKind had an invalid value of "DELTA"'),
    ({"metricKind": None}, "Field metricDescriptor.metricKind"),
    ({"valueType": None}, "Field metricDescriptor.valueType"),
    ({"valueType": "MONEY"}, "Field metricDescriptor.valueType"),
    ({"valueType": "STRING"}, "must be a GAUGE"),
    ({"labels": [{"key": f"k{n}"} for n in range(31)]}, "over 30 labels"),
    ({"labels": [{"key": "a-b"}]}, 'Field labels[0].key had an invalid value of "a-b"'),
    (
        {"labels": [{"key": "a"}, {"key": "b", "valueType": "INT64"}]},
        'Field labels[1].valueType had an invalid value of "INT64"',
    ),
    ({"colour": "red"}, "Unknown name \"colour\" at 'metric_descriptor'"),
]


@pytest.mark.parametrize(("change", "words"), BAD_DESCRIPTORS)
def test_a_bad_descriptor_is_refused(intake: Intake, change: dict[str, Any], words: str) -> None:
    before = len(intake.metric_descriptors("acme"))
    assert words in refusal(call(intake, f"{PROJECT}/metricDescriptors", {**DESCRIPTOR, **change}))
    assert len(intake.metric_descriptors("acme")) == before


def test_descriptors_are_listed_by_filter_and_page(intake: Intake) -> None:
    call(intake, f"{PROJECT}/metricDescriptors", DESCRIPTOR)
    everything = call(intake, f"{PROJECT}/metricDescriptors")[1]["metricDescriptors"]
    assert [one["type"] for one in everything] == ["custom.googleapis.com/x", TYPE, DESCRIPTOR["type"]]
    query = urlencode({"filter": 'metric.type = starts_with("workload.googleapis.com/redis.")', "pageSize": 1})
    page = call(intake, f"{PROJECT}/metricDescriptors?{query}")[1]
    assert [one["type"] for one in page["metricDescriptors"]] == [TYPE]
    _, rest = call(intake, f"{PROJECT}/metricDescriptors?{query}&pageToken={page['nextPageToken']}")
    assert [one["type"] for one in rest["metricDescriptors"]] == [DESCRIPTOR["type"]]
    assert "nextPageToken" not in rest
    assert call(intake, "/v3/projects/other/metricDescriptors") == (200, {})


def test_resources_are_described(intake: Intake) -> None:
    found = call(intake, f"{PROJECT}/monitoredResourceDescriptors")[1]["resourceDescriptors"]
    labels = {one["type"]: {label["key"] for label in one["labels"]} for one in found}
    assert labels["k8s_container"] == set(K8S["labels"])
    assert call(intake, f"{PROJECT}/monitoredResourceDescriptors/global")[1] in found
    assert call(intake, f"{PROJECT}/monitoredResourceDescriptors/teapot")[0] == 404


def test_other_paths_and_methods_are_unknown(intake: Intake) -> None:
    for method, path in (("PUT", f"{PROJECT}/timeSeries"), ("DELETE", f"{PROJECT}/timeSeries"), ("GET", "/v3/x")):
        assert call(intake, path, method=method)[0] == 404
    assert "projects/[PROJECT_ID]" in refusal(create(intake, series(NOW), project=""))
