"""Cloud Monitoring's `timeSeries.create`: what is written, what is refused and in which words, and what is counted."""

import math
from typing import Any

import pytest

from outrider.intake import Intake
from outrider.model.clock import ManualClock
from tests.support.intake_http import K8S, call, refusal
from tests.support.metrics_http import TYPE, at, create, refused, series

NOW = 1_780_000_000
HOUR = 3600
ORDER = (
    "Points must be written in order. One or more of the points specified had an older {} time than the most recent"
    " point."
)
OFTEN = "One or more points were written more frequently than the maximum sampling period configured for the metric."
CUMULATIVE: dict[str, Any] = {"metricKind": "CUMULATIVE"}
PROMETHEUS = {
    "type": "prometheus_target",
    "labels": {"location": "global", "cluster": "c", "namespace": "n", "job": "j", "instance": "i"},
}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def intake(clock: ManualClock) -> Any:
    with Intake(clock=clock) as running:
        yield running


LINEAR = {"numFiniteBuckets": 3, "width": 1, "offset": 0}
NOWHERE = {"location": "global", "namespace": "", "node_id": ""}
SUMMARY = "prometheus.googleapis.com/x_count/summary"


def distribution(count: int, counts: list[int], bounds: list[float], **fields: Any) -> dict[str, Any]:
    options = {"explicitBuckets": {"bounds": bounds}}
    return {"distributionValue": {"count": count, "bucketCounts": counts, "bucketOptions": options, **fields}}


TAKEN: list[tuple[str, dict[str, Any]]] = [
    ("an integer", series(NOW, {"int64Value": 3})),
    ("zero", series(NOW, {"int64Value": "0"})),
    ("a double", series(NOW, {"doubleValue": 0.5})),
    ("a whole number as a double", series(NOW, {"doubleValue": 1})),
    ("a double that is none", series(NOW, {"doubleValue": "NaN"})),
    ("a boolean", series(NOW, {"boolValue": False})),
    ("a text", series(NOW, {"stringValue": ""})),
    ("a histogram", series(NOW, distribution(3, [1, 2], [1.0, 2.0], mean=0.5), start=NOW - 60, **CUMULATIVE)),
    ("an empty distribution", series(NOW, {"distributionValue": {}})),
    ("200 buckets", series(NOW, distribution(1, [1], [float(bound) for bound in range(199)]))),
    (
        "linear buckets",
        series(
            NOW, {"distributionValue": {"count": 1, "bucketCounts": ["1"], "bucketOptions": {"linearBuckets": LINEAR}}}
        ),
    ),
    ("a gauge whose start is its end", series(NOW, start=NOW)),
    ("a counter", series(NOW, start=NOW - 60, **CUMULATIVE)),
    ("25 hours ago", series(NOW - 25 * HOUR)),
    ("5 minutes ahead", series(NOW + 300)),
    ("30 labels", series(NOW, labels={f"k{n}": "v" for n in range(30)})),
    ("a key of 100 and a value of 1024", series(NOW, labels={"k" * 100: "v" * 1024})),
    ("a custom metric", series(NOW, type="custom.googleapis.com/a/b.c-d")),
    ("a Prometheus gauge", series(NOW, type="prometheus.googleapis.com/up/gauge", resource=PROMETHEUS)),
    ("a Prometheus summary's count", series(NOW, start=NOW - 1, type=SUMMARY, resource=PROMETHEUS, **CUMULATIVE)),
    ("the global resource", series(NOW, resource={"type": "global"})),
    ("empty labels of a resource", series(NOW, resource={"type": "generic_node", "labels": NOWHERE})),
]


@pytest.mark.parametrize("given", [row[1] for row in TAKEN], ids=[row[0] for row in TAKEN])
def test_a_good_series_is_written(intake: Intake, given: dict[str, Any]) -> None:
    assert create(intake, given) == (200, {})
    (found,) = intake.time_series(given["metric"]["type"])
    (point,) = found["points"]
    (field,) = given["points"][0]["value"]
    assert list(point["value"]) == [field]
    assert point["interval"]["endTime"] == given["points"][0]["interval"]["endTime"]
    assert found["resource"]["labels"]["project_id"] == "acme"
    assert intake.stats()["monitoring"]["written"] == 1
    assert intake.wait_for_time_series(1, timeout=1)


def test_values_come_back_as_they_were(intake: Intake) -> None:
    values: list[dict[str, Any]] = [
        {"int64Value": "9223372036854775807"},
        {"doubleValue": -0.25},
        {"doubleValue": "-Infinity"},
        distribution(2, [2, 0], [1.5], mean=1.0),
    ]
    given = [series(NOW, value, type=f"custom.googleapis.com/v{n}") for n, value in enumerate(values)]
    assert create(intake, *given) == (200, {})
    found = [one["points"][0]["value"] for one in intake.time_series()]
    values[3]["distributionValue"].update(count="2", bucketCounts=["2", "0"])
    assert found == values


OLD = at(NOW - 25 * HOUR - 11)
PAST = (
    '.points[0].interval.end_time had an invalid value of "{}": Data points cannot be written more than 25h10s in the'
    " past."
)
START = '.points[0].interval.start_time had an invalid value of "{}": The start time must be'
GAUGE_START = f"{START.format(at(NOW - 60))} equal to the end time ({at(NOW)}) for the gauge metric '{TYPE}'."
COUNTER_START = f"{START.format(at(NOW))} before the end time ({at(NOW)}) for the non-gauge metric '{TYPE}'."
FLAT = {"numFiniteBuckets": 3, "growthFactor": 1, "scale": 1}
DISTRIBUTION = ".points[0].value.distributionValue"
FIELDS: list[tuple[str, dict[str, Any], str]] = [
    ("no metric type", series(NOW, type=""), '.metric.type had an invalid value of "": The metric type must be a URL'),
    ("no path", series(NOW, type="custom.googleapis.com"), ".metric.type"),
    ("an odd sign", series(NOW, type="custom.googleapis.com/a:b"), ".metric.type"),
    ("a long type", series(NOW, type="custom.googleapis.com/" + "a" * 200), ".metric.type"),
    (
        "a Prometheus metric without suffix",
        series(NOW, type="prometheus.googleapis.com/up", resource=PROMETHEUS),
        ".metric.type",
    ),
    (
        "a Prometheus counter as a gauge",
        series(NOW, type="prometheus.googleapis.com/up/counter", resource=PROMETHEUS),
        ".metricKind",
    ),
    ("a Prometheus metric of a pod", series(NOW, type="prometheus.googleapis.com/up/gauge"), ".resource.type"),
    ("another metric of a Prometheus target", series(NOW, resource=PROMETHEUS), ".resource.type"),
    ("no resource", series(NOW, resource=None), '.resource.type had an invalid value of ""'),
    ("a resource that is for logs only", series(NOW, resource={"type": "cloud_run_revision"}), ".resource.type"),
    ("a key with a dot", series(NOW, labels={"a.b": "c"}), '.metric.labels[0].key had an invalid value of "a.b"'),
    ("a key of 101", series(NOW, labels={"a": "b", "k" * 101: "c"}), ".metric.labels[1].key"),
    ("a value of 1025", series(NOW, labels={"a": "v" * 1025}), ".metric.labels[0].value"),
    ("no point", series(NOW, points=[]), ".points had an invalid value: Only one point can be written per TimeSeries"),
    ("two points", series(NOW, points=series(NOW)["points"] * 2), ".points had an invalid value: Only one point"),
    ("no value", series(NOW, {"int64Value": None}), ".points[0].value"),
    ("another value type", series(NOW, valueType="DOUBLE"), '.valueType had an invalid value of "DOUBLE"'),
    ("no end", series(NOW, points=[{"value": {"int64Value": 1}}]), ".points[0].interval.end_time"),
    ("over 25 hours ago", series(NOW - 25 * HOUR - 11), PAST.format(OLD)),
    ("over 5 minutes ahead", series(NOW + 301), ".points[0].interval.end_time"),
    ("a gauge with a start", series(NOW, start=NOW - 60), GAUGE_START),
    ("a counter without start", series(NOW, **CUMULATIVE), ".points[0].interval.start_time"),
    ("a counter whose start is its end", series(NOW, start=NOW, **CUMULATIVE), COUNTER_START),
    ("a delta", series(NOW, start=NOW - 60, metricKind="DELTA"), '.metricKind had an invalid value of "DELTA"'),
    ("a kind that is none", series(NOW, metricKind=7), '.metricKind had an invalid value of "7"'),
    ("a text that counts", series(NOW, {"stringValue": "a"}, start=NOW - 60, **CUMULATIVE), ".metricKind"),
    ("201 buckets", series(NOW, distribution(1, [1], [float(bound) for bound in range(200)])), DISTRIBUTION),
    ("too many counts", series(NOW, distribution(3, [1, 1, 1], [1.0])), DISTRIBUTION),
    ("counts that are not the count", series(NOW, distribution(3, [1, 1], [1.0])), "2 is not 3"),
    ("counts without buckets", series(NOW, {"distributionValue": {"count": 1, "bucketCounts": [1]}}), DISTRIBUTION),
    ("a negative count", series(NOW, distribution(0, [1, -1], [1.0])), "must not be negative"),
    ("bounds out of order", series(NOW, distribution(1, [1], [2.0, 1.0])), "increasing order"),
    ("a mean of nothing", series(NOW, {"distributionValue": {"mean": 1}}), "must be zero"),
    (
        "a growth that is none",
        series(NOW, {"distributionValue": {"bucketOptions": {"exponentialBuckets": FLAT}}}),
        "Bucket options",
    ),
]


@pytest.mark.parametrize(("given", "words"), [row[1:] for row in FIELDS], ids=[row[0] for row in FIELDS])
def test_a_bad_field_is_named_with_its_index_and_the_others_are_written(
    intake: Intake, given: dict[str, Any], words: str
) -> None:
    good = series(NOW, type="custom.googleapis.com/good")
    message, summary = refused(create(intake, good, given))
    assert message.startswith("One or more TimeSeries could not be written: Field timeSeries[1]")
    assert words in message
    assert summary == {
        "totalPointCount": 2,
        "successPointCount": 1,
        "errors": [{"status": {"code": 3}, "pointCount": 1}],
    }
    assert [one["metric"]["type"] for one in intake.time_series()] == ["custom.googleapis.com/good"]
    assert list(intake.stats()["monitoring"]["refused"].values()) == [1]


def test_fields_alone_are_named_without_a_preface(intake: Intake) -> None:
    message, summary = refused(create(intake, series(NOW - 30 * HOUR)))
    assert message == "Field timeSeries[0]" + PAST.format(at(NOW - 30 * HOUR))
    assert summary == {"totalPointCount": 1, "errors": [{"status": {"code": 3}, "pointCount": 1}]}


def pod(**labels: str | None) -> dict[str, Any]:
    known = {name: value for name, value in {**K8S["labels"], **labels}.items() if value is not None}
    return {"type": "k8s_container", "labels": known}


RESOURCES: list[tuple[dict[str, Any], str]] = [
    (pod(instance_id="i"), "Unrecognized resource label: instance_id"),
    (
        pod(pod_name=None, container_name=None),
        "The set of resource labels is incomplete. Missing labels: (container_name pod_name).",
    ),
    (pod(location="my-basement"), "Unrecognized region or location."),
]


@pytest.mark.parametrize(("resource", "words"), RESOURCES)
def test_a_resource_has_the_labels_of_its_type(intake: Intake, resource: dict[str, Any], words: str) -> None:
    given = [series(NOW, type=f"custom.googleapis.com/m{n}", resource=resource) for n in range(4)]
    message, summary = refused(create(intake, given[0], series(NOW), *given[1:]))
    assert message == f"One or more TimeSeries could not be written: timeSeries[0,2-4]: {words}"
    assert summary["successPointCount"] == 1
    assert intake.stats()["monitoring"]["refused"] == {"resource": 4}


def test_a_metric_of_google_is_unknown(intake: Intake) -> None:
    message, _ = refused(create(intake, series(NOW, type="kubernetes.io/container/uptime")))
    assert message == (
        "One or more TimeSeries could not be written: timeSeries[0]: Unknown metric: kubernetes.io/container/uptime"
    )


def test_one_series_is_written_once_in_a_request(intake: Intake) -> None:
    twice = series(NOW, labels={"a": "1", "b": "2"})
    again = series(NOW + 10, labels={"b": "2", "a": "1"})
    message, summary = refused(create(intake, twice, series(NOW), again))
    assert message == (
        "One or more TimeSeries could not be written: Field timeSeries[2] had an invalid value: Duplicate TimeSeries"
        " encountered. Only one point can be written per TimeSeries per request."
    )
    assert (summary["totalPointCount"], summary["successPointCount"]) == (3, 2)


def test_another_label_resource_or_project_is_another_series(intake: Intake) -> None:
    others = [series(NOW, labels={"db": "1"}), series(NOW, resource=pod(pod_name="cart-1"))]
    assert create(intake, series(NOW), *others) == (200, {})
    assert create(intake, series(NOW), project="other") == (200, {})
    assert intake.stats()["monitoring"]["series"] == 4


# What follows a point at NOW (a counter's began a minute before): start and end of the next, and why it is refused.
GAUGES: list[tuple[float, str]] = [
    (NOW + 5, ""),
    (NOW + 300, ""),
    (NOW + 4.999, OFTEN),
    (NOW, OFTEN),
    (NOW - 0.001, ORDER.format("end")),
]
COUNTERS: list[tuple[float, float, str]] = [
    (NOW - 60, NOW + 5, ""),
    (NOW - 60, NOW + 4, OFTEN),
    (NOW - 60, NOW - 5, ORDER.format("end")),
    (NOW - 61, NOW + 5, ORDER.format("start")),
    (NOW - 59, NOW + 5, ORDER.format("start")),
    (NOW, NOW + 5, ORDER.format("start")),
    (NOW + 0.001, NOW + 5, ""),
    (NOW + 0.001, NOW + 1, OFTEN),
]


def check_following(intake: Intake, following: dict[str, Any], words: str) -> None:
    answer = create(intake, following)
    if not words:
        assert answer == (200, {})
        return
    message, _ = refused(answer)
    resource = (
        "k8s_container{location:europe-north1,cluster_name:on-prem-1,namespace_name:shop,pod_name:cart-0,"
        "container_name:server}"
    )
    assert message.startswith(
        f'One or more TimeSeries could not be written: timeSeries[0] (example metric.type="{TYPE}", metric.labels='
        f'{{"db": "0"}}): write for resource={resource} failed with: {words}'
    )
    assert len(intake.time_series()[0]["points"]) == 1


@pytest.mark.parametrize(("end", "words"), GAUGES)
def test_a_gauge_follows_in_order_and_not_too_soon(intake: Intake, end: float, words: str) -> None:
    create(intake, series(NOW))
    check_following(intake, series(end), words)


@pytest.mark.parametrize(("start", "end", "words"), COUNTERS)
def test_a_counter_goes_on_or_starts_anew(intake: Intake, start: float, end: float, words: str) -> None:
    create(intake, series(NOW, start=NOW - 60, **CUMULATIVE))
    check_following(intake, series(end, start=start, **CUMULATIVE), words)


def test_what_comes_too_often_is_told_with_both_times(intake: Intake) -> None:
    create(intake, series(NOW))
    message, _ = refused(create(intake, series(NOW + 1.5)))
    assert message.endswith(
        f"{OFTEN} {{Metric: {TYPE}, Timestamps: {{Youngest Existing: '2026/05/28-20:26:40.000',"
        " New: '2026/05/28-20:26:41.500'}}"
    )


def test_series_that_fail_alike_are_named_together(intake: Intake) -> None:
    given = [series(NOW, labels={"n": str(n)}) for n in range(12)]
    create(intake, *given[:3], *given[5:7], given[9])
    message, summary = refused(create(intake, *given))
    assert "timeSeries[0-2,5,6,9] (example metric.type=" in message
    assert message.count("failed with") == 1
    assert summary == {
        "totalPointCount": 12,
        "successPointCount": 6,
        "errors": [{"status": {"code": 3}, "pointCount": 6}],
    }


MISFITS: list[tuple[dict[str, Any], str]] = [
    (series(NOW + 60, start=NOW, **CUMULATIVE), f"Metric kind for metric {TYPE} must be GAUGE, but is CUMULATIVE."),
    (series(NOW + 60, {"doubleValue": 1}), f"Value type for metric {TYPE} must be INT64, but is DOUBLE."),
    (
        series(NOW + 60, labels={f"k{n}": "v" for n in range(30)}),
        f"The new labels would cause the metric {TYPE} to have over 30 labels.",
    ),
]


@pytest.mark.parametrize(("given", "words"), MISFITS)
def test_a_series_fits_the_descriptor_that_its_first_point_made(
    intake: Intake, given: dict[str, Any], words: str
) -> None:
    create(intake, series(NOW))
    message, _ = refused(create(intake, given))
    assert message == f"One or more TimeSeries could not be written: timeSeries[0]: {words}"
    (descriptor,) = intake.metric_descriptors("acme")
    assert (descriptor["metricKind"], descriptor["valueType"]) == ("GAUGE", "INT64")


def test_the_kind_comes_from_the_descriptor_if_the_series_has_none(intake: Intake) -> None:
    create(intake, series(NOW, start=NOW - 60, **CUMULATIVE))
    assert create(intake, series(NOW + 60, start=NOW - 60)) == (200, {})
    assert intake.time_series()[0]["metricKind"] == "CUMULATIVE"


def test_a_counter_that_goes_back_without_a_new_start_is_written_and_counted(intake: Intake) -> None:
    for after, value in ((0, 5), (10, 5), (20, 4), (30, 6)):
        assert create(intake, series(NOW + after, {"int64Value": value}, start=NOW - 60, **CUMULATIVE)) == (200, {})
    assert create(intake, series(NOW + 60, {"int64Value": 0}, start=NOW + 40, **CUMULATIVE)) == (200, {})
    assert intake.stats()["monitoring"]["decreased"] == 1


WHOLE: list[tuple[Any, str]] = [
    ({"timeSeries": []}, "Field timeSeries had an invalid value"),
    ({}, "Field timeSeries had an invalid value"),
    (
        {"timeSeries": [series(NOW, labels={"n": str(n)}) for n in range(201)]},
        "A maximum of 200 TimeSeries can be written in a single request.",
    ),
    ({"timeSeries": [series(NOW), {"metrik": {}}]}, "Unknown name \"metrik\" at 'time_series[1]'"),
    ({"timeSeries": [series(NOW, {"int64Value": "1.5"})]}, "'time_series[0].points[0].value.int64_value' (TYPE_INT64)"),
    ({"timeSeries": [series(NOW, {"doubleValue": "much"})]}, "(TYPE_DOUBLE)"),
    ({"timeSeries": [series(NOW, {"int64Value": 1, "doubleValue": 1})]}, "oneof field 'value' is already set"),
    ({"timeSeries": [series(NOW, labels={"a": 1})]}, "(TYPE_STRING)"),
    ({"timeSeries": [series(NOW, metricKind="METER")]}, "google.api.MetricDescriptor.MetricKind"),
    ({"timeSeries": {}}, "google.monitoring.v3.TimeSeries"),
]


@pytest.mark.parametrize(("body", "words"), WHOLE)
def test_what_is_no_request_writes_nothing(intake: Intake, body: Any, words: str) -> None:
    assert words in refusal(call(intake, "/v3/projects/acme/timeSeries", body))
    assert intake.time_series() == []
    assert intake.stats()["monitoring"]["requests"] == {"400": 1}


def test_a_request_of_200_is_written(intake: Intake) -> None:
    assert create(intake, *(series(NOW, labels={"n": str(n)}) for n in range(200))) == (200, {})
    assert intake.stats()["monitoring"]["series"] == 200


def test_a_body_may_be_gzip_and_is_counted(intake: Intake) -> None:
    body = {"timeSeries": [series(NOW)]}
    assert call(intake, "/v3/projects/acme/timeSeries", body, zipped=True) == (200, {})
    counted = intake.stats()["monitoring"]
    assert 0 < counted["bytes"]["compressed"] < counted["bytes"]["uncompressed"]
    assert (counted["requests"], counted["types"], counted["lag"]) == ({"200": 1}, {TYPE: 1}, 0)


def test_the_newest_points_are_kept_and_order_is_remembered_all_the_same(clock: ManualClock) -> None:
    with Intake(clock=clock, keep=3) as intake:
        for n in range(5):
            create(intake, series(NOW + 10 * n), series(NOW + 10 * n, labels={}))
        ends = [[point["interval"]["endTime"] for point in one["points"]] for one in intake.time_series()]
        assert ends == [[at(NOW + 40)], [at(NOW + 30), at(NOW + 40)]]
        _, arrived = call(intake, "/intake/time_series?since=8&limit=1")
        assert [(one["seq"], one["timeSeries"]["points"][0]["interval"]["endTime"]) for one in arrived] == [
            (9, at(NOW + 40))
        ]
        refused(create(intake, series(NOW)))


def test_without_kept_points_the_order_is_remembered(clock: ManualClock) -> None:
    with Intake(clock=clock, keep=0) as intake:
        for n in range(2):
            assert create(intake, series(NOW + 10 * n)) == (200, {})
        refused(create(intake, series(NOW)))
        assert (intake.stats()["monitoring"]["written"], intake.stats()["monitoring"]["kept"]) == (2, 0)


def test_a_value_that_is_no_number_is_shown_as_such(intake: Intake) -> None:
    create(intake, series(NOW, {"doubleValue": "NaN"}))
    (one,) = call(intake, "/intake/time_series")[1]
    assert math.isnan(float(one["timeSeries"]["points"][0]["value"]["doubleValue"]))
