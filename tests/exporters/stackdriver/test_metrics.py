"""The Cloud Monitoring exporter over real HTTP; what it sends is read by the API's own messages."""

import logging
import math
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from google.api.metric_pb2 import MetricDescriptor

from outrider.exporters.answer import Verdict
from outrider.exporters.metric_destination import MetricDestination, Payload
from outrider.exporters.stackdriver.auth import AuthError, NoToken
from outrider.exporters.stackdriver.metrics import StackdriverMetrics
from outrider.model.clock import ManualClock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.points import Attributes, DatadogName, GoogleName, Histogram, Metric, Point, Report, Subject, Value
from tests.support.monitoring_api import MonitoringApi, Request, monitoring_api
from tests.support.wait import until

CLUSTER = Cluster("acme", "prod", "europe-north1", "node-7")
CART = Subject("node-7", "shop", "cart-1", "u-1", "redis")
S = 10**9
NOW = 1_780_000_000

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
ONLY_DATADOG = Metric("other", datadog=DatadogName("redis.other"))
OLDER = (
    "Points must be written in order. One or more of the points specified had an older {} than the most recent point."
)
ORDER, START = OLDER.format("end time"), OLDER.format("start time")


def point(
    metric: Metric, value: Value, seconds: float = 0, attributes: Attributes = (), start: float | None = None
) -> Point:
    """`seconds` and `start` are relative to NOW."""
    since = None if start is None else (NOW * S) + round(start * S)
    return Point(metric, value, NOW * S + round(seconds * S), attributes, since)


def report(*points: Point, subject: Subject = CART, tags: tuple[str, ...] = ()) -> Report:
    return Report("redis", subject, points, tags=tags)


class Exporting:
    def __init__(self, api: MonitoringApi, tokens: NoToken | None = None, **options: Any) -> None:
        self.api, self.clock, self.counters = api, ManualClock(NOW), Counters()
        self.metrics = StackdriverMetrics(
            "google", "acme", CLUSTER, api.url, tokens or NoToken(), self.clock, self.counters, **options
        )
        self.destination: MetricDestination = self.metrics

    def encode(self, *reports: Report) -> list[Payload]:
        return self.destination.encode(reports)

    def deliver(self, *reports: Report) -> list[Verdict]:
        return [self.destination.send(payload).verdict for payload in self.encode(*reports)]

    def left_out(self) -> dict[str, int]:
        families = self.counters.families("outrider_points_left_out_total")
        return {dict(labels)["reason"]: int(n) for family in families for labels, n in family.samples if n}

    def refused(self) -> dict[str, int]:
        families = self.counters.families("outrider_monitoring_refusals_total")
        return {dict(labels)["reason"]: int(n) for family in families for labels, n in family.samples}


@pytest.fixture
def api() -> Iterator[MonitoringApi]:
    with monitoring_api() as api:
        yield api


@pytest.fixture
def out(api: MonitoringApi) -> Iterator[Exporting]:
    exporting = Exporting(api)
    yield exporting
    exporting.destination.close()


def written(api: MonitoringApi) -> list[tuple[str, int, float | None, float]]:
    """Every point that was sent: the name behind the last slash, its value, and since and until when it is about
    (seconds after NOW)."""
    found = []
    for request in api.series():
        for series in request.time_series:
            [p] = series.points
            start = round(p.interval.start_time.timestamp() - NOW, 3) if "start_time" in p.interval else None
            value = p.value.int64_value if "int64_value" in p.value else p.value.distribution_value.count
            end = p.interval.end_time.timestamp() - NOW
            found.append((series.metric.type.rpartition("/")[2], value, start, round(end, 3)))
    return found


def refuse(*errors: tuple[str, str], written: int = 0, status: int = 400, code: int = 3) -> tuple[int, Any]:
    """An error for series, each as (places, why)."""
    text = "; ".join(f"{why}: timeSeries[{places}]" for places, why in errors)
    details = {
        "@type": "type.googleapis.com/google.monitoring.v3.CreateTimeSeriesSummary",
        "totalPointCount": written + len(errors),
        "successPointCount": written,
        "errors": [{"status": {"code": code}, "pointCount": len(errors)}],
    }
    message = f"One or more TimeSeries could not be written: {text}"
    return status, {"error": {"code": status, "message": message, "details": [details]}}


def series_only(api: MonitoringApi, answers: Sequence[tuple[int, Any] | None]) -> None:
    """The answers to the requests with points, in order, and then 200."""
    left = list(answers)
    api.answer = lambda r: left.pop(0) if r.path.endswith("/timeSeries") and left else None


@pytest.mark.parametrize("compress", [True, False])
def test_points_arrive_as_the_api_reads_them(api: MonitoringApi, compress: bool) -> None:
    out = Exporting(api, compress=compress)
    points = (
        point(CLIENTS, 12, 0.25, (("db", "0"),)),
        point(COMMANDS, 1234, start=-100),
        point(LATENCY, Histogram((0.1, 1.0), (5, 3, 2), 10, 4.0), start=-100),
        point(ONLY_DATADOG, 1),
    )
    assert out.deliver(report(*points, tags=("env:prod",))) == [Verdict.ACCEPTED]
    [request] = api.series()
    clients, commands, latency = request.time_series
    assert clients.metric.type == "workload.googleapis.com/redis.clients"
    assert dict(clients.metric.labels) == {"db": "0", "env": "prod"}
    assert clients.resource.type == "k8s_container"
    assert dict(clients.resource.labels) == {
        "project_id": "acme",
        "location": "europe-north1",
        "cluster_name": "prod",
        "namespace_name": "shop",
        "pod_name": "cart-1",
        "container_name": "redis",
    }
    kinds, types = MetricDescriptor.MetricKind, MetricDescriptor.ValueType
    assert (clients.metric_kind, clients.value_type) == (kinds.GAUGE, types.INT64)
    assert (commands.metric_kind, commands.value_type) == (kinds.CUMULATIVE, types.INT64)
    assert (latency.metric_kind, latency.value_type) == (kinds.CUMULATIVE, types.DISTRIBUTION)
    assert list(latency.points[0].value.distribution_value.bucket_counts) == [5, 3, 2]
    assert latency.points[0].value.distribution_value.mean == 0.4
    assert written(api) == [
        ("redis.clients", 12, None, 0.25),
        ("redis.commands", 1234, -100, 0),
        ("redis.latency", 10, -100, 0),
    ]
    [sent] = [r for r in api.requests if r.path == "/v3/projects/acme/timeSeries"]
    assert sent.headers.get("Content-Encoding") == ("gzip" if compress else None)
    out.destination.close()


def test_every_metric_is_described(api: MonitoringApi, out: Exporting) -> None:
    out.deliver(report(point(CLIENTS, 1, 0, (("db.name", "0"),)), point(COMMANDS, 1)))
    until(lambda: len(api.descriptors()) == 2)
    by_type = {d.type: d for d in api.descriptors()}
    assert by_type["workload.googleapis.com/redis.clients"].description == "Clients."
    assert [label.key for label in by_type["workload.googleapis.com/redis.clients"].labels] == ["db_name"]
    assert by_type["workload.googleapis.com/redis.commands"].unit == "{command}"


def test_points_do_not_wait_for_descriptors_that_are_refused(api: MonitoringApi, out: Exporting) -> None:
    api.answer = lambda r: (400, {}) if r.path.endswith("/metricDescriptors") else None
    assert out.deliver(report(point(CLIENTS, 1))) == [Verdict.ACCEPTED]


@pytest.mark.parametrize(("n", "sizes"), [(1, [1]), (200, [200]), (201, [200, 1]), (450, [200, 200, 50])])
def test_no_more_than_200_series_in_a_request(api: MonitoringApi, out: Exporting, n: int, sizes: list[int]) -> None:
    out.deliver(report(*(point(CLIENTS, i, 0, (("db", str(i)),)) for i in range(n))))
    assert [len(r.time_series) for r in api.series()] == sizes


def test_one_point_of_a_series_in_a_request_and_in_order(api: MonitoringApi, out: Exporting) -> None:
    other = Subject("node-7", "shop", "cart-2", "u-2", "redis")
    reports = [
        report(point(CLIENTS, 1, -30), point(COMMANDS, 1, -30, start=-100)),
        report(point(CLIENTS, 2, -29), subject=other),
        report(point(CLIENTS, 3, -15), point(COMMANDS, 2, -15, start=-100)),
        report(point(CLIENTS, 4, 0)),
        report(point(CLIENTS, 5, 0), subject=other),
    ]
    assert out.deliver(*reports) == [Verdict.ACCEPTED] * 3
    assert [[s.points[0].value.int64_value for s in r.time_series] for r in api.series()] == [[1, 1, 2], [3, 2, 5], [4]]


# at which second after NOW, and what becomes of it
SPACING: list[list[tuple[float, str]]] = [
    [(0, ""), (5, ""), (10, "")],
    [(0, ""), (4.999, "too_frequent"), (5, "")],
    [(0, ""), (4, "too_frequent"), (8, ""), (12, "too_frequent"), (13, "")],
    [(0, ""), (0, "out_of_order"), (-15, "out_of_order"), (15, "")],
    [(-25 * 3600 + 61, ""), (-100, "")],
    [(-25 * 3600 + 59, "too_old"), (0, "")],
    [(0, ""), (300, ""), (301, "too_far_ahead"), (290, "out_of_order")],
]


@pytest.mark.parametrize("case", SPACING)
@pytest.mark.parametrize("metric", [CLIENTS, COMMANDS], ids=["gauge", "cumulative"])
@pytest.mark.parametrize("at_once", [True, False])
def test_order_and_spacing(
    api: MonitoringApi, out: Exporting, case: list[tuple[float, str]], metric: Metric, at_once: bool
) -> None:
    reports = [report(point(metric, i, seconds, start=-1e6)) for i, (seconds, _) in enumerate(case)]
    if at_once:
        out.deliver(*reports)
    else:
        for one in reports:
            out.deliver(one)
    assert [end for _, _, _, end in written(api)] == [seconds for seconds, reason in case if not reason]
    reasons = [reason for _, reason in case if reason]
    assert out.left_out() == {reason: reasons.count(reason) for reason in reasons}


def test_two_values_of_one_series_at_one_time_are_said(
    api: MonitoringApi, out: Exporting, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    for _ in range(3):
        out.deliver(report(point(CLIENTS, 1)), report(point(CLIENTS, 2)))
    [said] = [r.getMessage() for r in caplog.records]
    assert "redis.clients" in said
    assert "Give each a tag" in said
    assert out.left_out() == {"out_of_order": 5}
    assert out.deliver(report(point(CLIENTS, 1), tags=("instance:a",)), report(point(CLIENTS, 2), tags=("instance:b",)))
    assert [s.metric.labels["instance"] for s in api.series()[-1].time_series] == ["a", "b"]


def test_a_value_that_is_none_leaves_the_others_alone(api: MonitoringApi, out: Exporting) -> None:
    bad = [point(CLIENTS, math.nan), point(CLIENTS, Histogram((1.0,), (1, 1), 2, 3.0)), point(LATENCY, 7)]
    out.deliver(report(*bad, point(COMMANDS, 5, start=-100), point(CLIENTS, 6)))
    assert written(api) == [("redis.commands", 5, -100, 0), ("redis.clients", 6, None, 0)]
    assert out.left_out() == {"not_finite": 1, "value_type": 2}


def test_nothing_to_write_is_no_request(api: MonitoringApi, out: Exporting) -> None:
    assert out.encode() == []
    assert out.encode(report(), report(point(ONLY_DATADOG, 1))) == []
    assert api.requests == []


def test_a_total_without_a_start_counts_from_its_first_point(api: MonitoringApi, out: Exporting) -> None:
    for seconds, total in ((0, 1000), (15, 1010), (30, 1030), (45, 4), (60, 9)):
        out.deliver(report(point(COMMANDS, total, seconds)))
    assert written(api) == [
        ("redis.commands", 10, 0, 15),
        ("redis.commands", 30, 0, 30),
        ("redis.commands", 4, 30.001, 45),
        ("redis.commands", 9, 30.001, 60),
    ]
    assert out.left_out() == {"start_unknown": 1}


def test_a_total_goes_on_across_a_restart_of_ours_and_of_the_server(api: MonitoringApi, out: Exporting) -> None:
    out.deliver(report(point(COMMANDS, 1000, 0, start=-97.3)))
    out.deliver(report(point(COMMANDS, 1010, 15, start=-96.8)))
    again = Exporting(api)
    again.deliver(report(point(COMMANDS, 1020, 30, start=-96.4)))
    again.deliver(report(point(COMMANDS, 3, 45, start=41)))
    again.deliver(report(point(COMMANDS, 8, 60, start=41.5)))
    again.destination.close()
    assert [(value, start, end) for _, value, start, end in written(api)] == [
        (1000, -100, 0),
        (1010, -100, 15),
        (1020, -100, 30),
        (3, 40, 45),
        (8, 40, 60),
    ]


def test_a_start_that_is_refused_begins_anew_with_the_refused_point(api: MonitoringApi, out: Exporting) -> None:
    """Another process of ours has written the series since an earlier start."""
    series_only(api, [refuse(("1", START), written=1)])
    points = [point(CLIENTS, 1), point(COMMANDS, 1000, 0, start=-100)]
    assert out.deliver(report(*points)) == [Verdict.PARTIAL]
    assert out.deliver(report(point(COMMANDS, 1010, 15, start=-100))) == [Verdict.ACCEPTED]
    assert out.deliver(report(point(COMMANDS, 1030, 30, start=-100))) == [Verdict.ACCEPTED]
    assert written(api)[2:] == [("redis.commands", 10, 0, 15), ("redis.commands", 30, 0, 30)]
    assert out.refused() == {"start": 1}


def test_refusals_of_single_series_are_final_and_counted_by_reason(api: MonitoringApi, out: Exporting) -> None:
    series_only(api, [refuse(("0", ORDER), ("2", "Unrecognized region or location."), written=2)])
    [payload] = out.encode(report(*(point(CLIENTS, i, 0, (("db", str(i)),)) for i in range(4))))
    answer = out.destination.send(payload)
    assert answer.verdict is Verdict.PARTIAL
    assert answer.rejected == {0: ORDER, 2: "Unrecognized region or location."}
    assert len(api.series()) == 1
    assert out.refused() == {"order": 1, "resource": 1}


def unreadable(*places: int) -> tuple[int, Any]:
    text = "; ".join(f'Field timeSeries[{i}].points[0] had an invalid value of "x": no' for i in places)
    return 400, {"error": {"code": 400, "message": text, "status": "INVALID_ARGUMENT"}}


def values(request: Any) -> list[int]:
    return [series.points[0].value.int64_value for series in request.time_series]


def test_a_request_that_cannot_be_read_goes_without_the_series_that_are_named(
    api: MonitoringApi, out: Exporting
) -> None:
    series_only(api, [unreadable(1, 3), refuse(("2", ORDER), written=2)])
    [payload] = out.encode(report(*(point(CLIENTS, i, 0, (("db", str(i)),)) for i in range(5))))
    answer = out.destination.send(payload)
    assert [values(r) for r in api.series()] == [[0, 1, 2, 3, 4], [0, 2, 4]]
    assert answer.verdict is Verdict.PARTIAL
    assert sorted(answer.rejected) == [1, 3, 4]
    assert sum(out.refused().values()) == 3


def test_a_request_that_cannot_be_read_twice_is_given_up(api: MonitoringApi, out: Exporting) -> None:
    series_only(api, [unreadable(1), unreadable(0)])
    [payload] = out.encode(report(*(point(CLIENTS, i, 0, (("db", str(i)),)) for i in range(4))))
    assert sorted(out.destination.send(payload).rejected) == [0, 1, 2, 3]
    assert len(api.series()) == 2


def test_an_outage_while_the_rest_is_sent_leaves_the_whole_for_another_time(api: MonitoringApi, out: Exporting) -> None:
    series_only(api, [unreadable(1), (503, {}), unreadable(1)])
    [payload] = out.encode(report(*(point(CLIENTS, i, 0, (("db", str(i)),)) for i in range(3))))
    assert out.destination.send(payload).verdict is Verdict.RETRY
    assert sorted(out.destination.send(payload).rejected) == [1]
    assert values(api.series()[-1]) == [0, 2]
    assert out.refused() == {"other": 1}


def test_what_is_tried_again_is_the_same(api: MonitoringApi, out: Exporting) -> None:
    series_only(api, [(503, {}), (429, {})])
    [payload] = out.encode(report(point(CLIENTS, 1), point(COMMANDS, 7, start=-100)))
    verdicts = [out.destination.send(payload).verdict for _ in range(3)]
    assert verdicts == [Verdict.RETRY, Verdict.RETRY, Verdict.ACCEPTED]
    assert written(api) == [("redis.clients", 1, None, 0), ("redis.commands", 7, -100, 0)] * 3


def test_a_payload_says_what_it_is_and_until_when_it_is_of_use(out: Exporting) -> None:
    [payload] = out.encode(report(point(CLIENTS, 1, -100), point(COMMANDS, 7, 0, start=-100)))
    assert (payload.what, payload.items) == ("points", 2)
    assert payload.expires == NOW - 100 + 25 * 3600 - 60
    assert 400 < payload.size < 4000


def test_no_server_and_no_credentials(api: MonitoringApi) -> None:
    class Broken(NoToken):
        def headers(self) -> dict[str, str]:
            raise AuthError("the key was revoked", False)

    out = Exporting(api, Broken())
    [payload] = out.encode(report(point(CLIENTS, 1)))
    answer = out.destination.send(payload)
    assert (answer.verdict, answer.words) == (Verdict.HOLD, "the key was revoked")
    assert api.requests == []
    out.destination.close()
    with monitoring_api() as gone:
        silent = Exporting(gone)
    assert silent.deliver(report(point(CLIENTS, 1))) == [Verdict.RETRY]
    silent.destination.close()


def test_refused_credentials_are_renewed(api: MonitoringApi) -> None:
    class Tokens(NoToken):
        given = 0

        def headers(self) -> dict[str, str]:
            return {"Authorization": f"Bearer {self.given}"}

        def invalidate(self) -> None:
            self.given += 1

    def answer(request: Request) -> tuple[int, Any] | None:
        return (401, {}) if request.headers["Authorization"] == "Bearer 0" else None

    api.answer = answer
    out = Exporting(api, Tokens())
    [payload] = out.encode(report(point(CLIENTS, 1)))
    answered = out.destination.send(payload)
    if answered.verdict is Verdict.REFRESH:  # unless the descriptors were refused before, and the token is new already
        out.destination.refresh()
        answered = out.destination.send(payload)
    assert answered.verdict is Verdict.ACCEPTED
    out.destination.close()


def test_series_without_points_for_a_day_make_room(out: Exporting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outrider.exporters.stackdriver.metrics.REMEMBERED", 100)  # a day has 90 of them
    for i in range(300):
        assert len(out.encode(report(point(CLIENTS, 1, out.clock.now() - NOW, (("db", str(i)),))))) == 1
        out.clock.advance(1000)


def test_labels_that_are_made_up_all_the_time_keep_nobody_out(out: Exporting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outrider.exporters.stackdriver.metrics.REMEMBERED", 8)
    for i in range(20):
        points = (point(CLIENTS, i, out.clock.now() - NOW, (("db", db),)) for db in ("known", str(i)))
        assert [p.items for p in out.encode(report(*points))] == [2]
        out.clock.advance(15)


def test_metrics_that_change_all_the_time_have_an_end(out: Exporting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outrider.exporters.stackdriver.metrics.REMEMBERED", 3)
    payloads = out.encode(report(*(point(CLIENTS, i, 0, (("db", str(i)),)) for i in range(5))))
    assert [p.items for p in payloads] == [3]
    assert out.left_out() == {"too_many_series": 2}
    assert [p.items for p in out.encode(report(point(CLIENTS, 9, 15, (("db", "2"),))))] == [1]
