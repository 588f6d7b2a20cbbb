"""Datadog's own clients, `datadog` and `datadog-api-client`, find the intake indistinguishable."""

import time
from collections.abc import Iterator
from typing import Any

import datadog
import pytest
from datadog.api.exceptions import ApiError
from datadog_api_client import ApiClient, Configuration
from datadog_api_client.exceptions import ApiException, ForbiddenException, NotFoundException
from datadog_api_client.v1.api.authentication_api import AuthenticationApi
from datadog_api_client.v1.api.events_api import EventsApi
from datadog_api_client.v1.api.metrics_api import MetricsApi as MetricsApiV1
from datadog_api_client.v1.api.service_checks_api import ServiceChecksApi
from datadog_api_client.v1.model.distribution_point import DistributionPoint
from datadog_api_client.v1.model.distribution_points_content_encoding import DistributionPointsContentEncoding
from datadog_api_client.v1.model.distribution_points_payload import DistributionPointsPayload
from datadog_api_client.v1.model.distribution_points_series import DistributionPointsSeries
from datadog_api_client.v1.model.event_alert_type import EventAlertType
from datadog_api_client.v1.model.event_create_request import EventCreateRequest
from datadog_api_client.v1.model.metrics_payload import MetricsPayload
from datadog_api_client.v1.model.point import Point
from datadog_api_client.v1.model.series import Series
from datadog_api_client.v1.model.service_check import ServiceCheck
from datadog_api_client.v1.model.service_check_status import ServiceCheckStatus
from datadog_api_client.v1.model.service_checks import ServiceChecks
from datadog_api_client.v2.api.metrics_api import MetricsApi as MetricsApiV2
from datadog_api_client.v2.model.metric_content_encoding import MetricContentEncoding
from datadog_api_client.v2.model.metric_intake_type import MetricIntakeType
from datadog_api_client.v2.model.metric_payload import MetricPayload
from datadog_api_client.v2.model.metric_point import MetricPoint
from datadog_api_client.v2.model.metric_resource import MetricResource
from datadog_api_client.v2.model.metric_series import MetricSeries

from outrider.intake import Intake

NOW = int(time.time())
KEY = "0123456789abcdef0123456789abcdef"
KEPT = ("_api_key", "_application_key", "_api_host", "_mute", "_host_name", "_timeout", "_cacert")


@pytest.fixture
def intake() -> Iterator[Intake]:
    with Intake(api_key=KEY) as running:
        yield running


@pytest.fixture
def old(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`datadog.api`, initialized as its users do; its settings are global and put back afterwards."""
    for name in KEPT:
        monkeypatch.setattr(datadog.api, name, getattr(datadog.api, name))
    datadog.initialize(api_key=KEY, app_key="any", api_host=intake.url, host_name="n1", mute=False, statsd_disable=True)
    return datadog.api


@pytest.fixture
def new(intake: Intake) -> Iterator[ApiClient]:
    endpoint = {"protocol": "http", "name": f"{intake.host}:{intake.port}"}
    configuration = Configuration(host=intake.url, server_index=1, server_variables=endpoint)
    configuration.api_key = {"apiKeyAuth": KEY, "appKeyAuth": "any"}
    with ApiClient(configuration) as client:
        yield client


def test_datadogpy_writes_and_reads_metrics(intake: Intake, old: Any) -> None:
    sent = old.Metric.send(
        metric="redis.net.clients", points=[(NOW - 10, 1), (NOW, 2.5)], type="rate", interval=15, tags=["db:0"]
    )
    assert sent == {"status": "ok"}
    assert old.Metric.send([{"metric": "a", "points": (NOW, 1)}, {"metric": "b", "points": 5}]) == {"status": "ok"}
    first, second, *rest = intake.points()
    assert (first["value"], second["value"], second["timestamp"]) == (1, 2.5, NOW)
    assert (second["type"], second["interval"], second["host"], second["tags"]) == ("rate", 15, "n1", ["db:0"])
    assert [one["metric"] for one in rest] == ["a", "b"]
    answer = old.Metric.query(start=NOW - 60, end=NOW + 60, query="avg:redis.net.clients{db:0} by {host}")
    (series,) = answer["series"]
    assert [(at / 1000, value) for at, value in series["pointlist"]] == [(NOW - 10, 1), (NOW, 2.5)]
    assert series["scope"] == "host:n1,db:0"


def test_datadogpy_writes_distributions_checks_and_events(intake: Intake, old: Any) -> None:
    distribution = {"metric": "latency", "points": [(NOW, [1, 2, 3])]}
    assert old.Distribution.send(distributions=[distribution]) == {"status": "ok"}
    assert [(one["type"], one["value"]) for one in intake.points("latency")] == [("distribution", [1, 2, 3])]
    assert old.ServiceCheck.check(check="redis.can_connect", host_name="n1", status=2, message="no", tags=["a:b"]) == {
        "status": "ok"
    }
    (check,) = intake.service_checks()
    assert (check["check"], check["status"], check["message"], check["tags"]) == ("redis.can_connect", 2, "no", ["a:b"])
    made = old.Event.create(title="restart", text="of redis", tags=["a:b"], alert_type="warning")
    assert made["status"] == "ok"
    assert old.Event.get(made["event"]["id"])["event"]["text"] == "of redis"
    assert [(event["title"], event["alert_type"]) for event in intake.events()] == [("restart", "warning")]


def test_datadogpy_is_told_of_a_wrong_key_and_a_bad_body(intake: Intake, old: Any) -> None:
    with pytest.raises(ApiError) as caught:
        old.Event.create(title="", text="")
    assert caught.value.args[0]["errors"][0].startswith("Payload is not in the expected format")
    intake.set_api_key("another")
    with pytest.raises(ApiError) as caught:
        old.Metric.send(metric="a", points=1)
    assert caught.value.args[0] == {"errors": ["Forbidden"]}


def v2_payload(**fields: Any) -> MetricPayload:
    points = [MetricPoint(timestamp=NOW, value=1.5)]
    plain = {"metric": "redis.net.clients", "type": MetricIntakeType.GAUGE, "points": points}
    return MetricPayload(series=[MetricSeries(**{**plain, **fields})])


@pytest.mark.parametrize("encoding", ["", "GZIP", "DEFLATE"])
def test_the_api_client_writes_v2(intake: Intake, new: ApiClient, encoding: str) -> None:
    payload = v2_payload(tags=["db:0"], unit="connection", resources=[MetricResource(type="host", name="n1")])
    options = {"content_encoding": getattr(MetricContentEncoding, encoding)} if encoding else {}
    answer = MetricsApiV2(new).submit_metrics(body=payload, **options)
    assert answer.errors == []
    (kept,) = intake.points("redis.net.clients")
    assert (kept["type"], kept["value"], kept["host"], kept["tags"]) == ("gauge", 1.5, "n1", ["db:0"])
    assert (kept["unit"], kept["timestamp"]) == ("connection", NOW)


def test_the_api_client_writes_and_reads_v1(intake: Intake, new: ApiClient) -> None:
    series = Series(metric="redis.net.clients", type="count", interval=15, host="n1", points=[Point([NOW, 1.5])])
    assert MetricsApiV1(new).submit_metrics(body=MetricsPayload(series=[series])).status == "ok"
    points = DistributionPointsSeries(metric="latency", points=[DistributionPoint([NOW, [1.0, 2.0]])])
    accepted = MetricsApiV1(new).submit_distribution_points(
        content_encoding=DistributionPointsContentEncoding.DEFLATE, body=DistributionPointsPayload(series=[points])
    )
    assert accepted.status == "ok"
    assert [(one["metric"], one["type"]) for one in intake.points()] == [
        ("redis.net.clients", "count"),
        ("latency", "distribution"),
    ]
    answer = MetricsApiV1(new).query_metrics(NOW - 60, NOW + 60, "sum:redis.net.clients{host:n1}")
    assert answer.status == "ok"
    (found,) = answer.series
    assert [tuple(point.value) for point in found.pointlist] == [(NOW * 1000.0, 1.5)]
    assert (found.metric, found.scope, found.aggr) == ("redis.net.clients", "host:n1", "sum")


def test_the_api_client_writes_checks_and_events(intake: Intake, new: ApiClient) -> None:
    check = ServiceCheck(
        check="redis.can_connect", host_name="n1", status=ServiceCheckStatus.CRITICAL, tags=["a:b"], message="no"
    )
    assert ServiceChecksApi(new).submit_service_check(body=ServiceChecks([check])).status == "ok"
    assert [(one["check"], one["status"]) for one in intake.service_checks()] == [("redis.can_connect", 2)]
    request = EventCreateRequest(title="restart", text="of redis", tags=["a:b"], alert_type=EventAlertType.ERROR)
    made = EventsApi(new).create_event(body=request)
    assert (made.status, made.event.title) == ("ok", "restart")
    read = EventsApi(new).get_event(made.event.id).event
    assert (read.text, read.tags, str(read.alert_type)) == ("of redis", ["a:b"], "error")
    with pytest.raises(NotFoundException):
        EventsApi(new).get_event(77)


def test_the_api_client_validates_its_key(intake: Intake, new: ApiClient) -> None:
    assert AuthenticationApi(new).validate().valid
    intake.set_api_key("another")
    with pytest.raises(ForbiddenException) as caught:
        AuthenticationApi(new).validate()
    assert caught.value.body["errors"] == ["Forbidden"]


ERRORS = [("403", ForbiddenException), ("408", ApiException), ("413", ApiException), ("429", ApiException)]


@pytest.mark.parametrize(("fault", "kind"), ERRORS)
def test_the_api_client_raises_what_it_should(
    intake: Intake, new: ApiClient, fault: str, kind: type[ApiException]
) -> None:
    intake.set_faults([fault])
    for call in (
        lambda: MetricsApiV2(new).submit_metrics(body=v2_payload()),
        lambda: ServiceChecksApi(new).submit_service_check(
            body=ServiceChecks([ServiceCheck(check="a", host_name="n", status=ServiceCheckStatus.OK, tags=[])])
        ),
    ):
        with pytest.raises(kind) as caught:
            call()
        assert caught.value.status == int(fault)
        assert len(caught.value.body["errors"]) == 1
    assert intake.points() == []


def test_a_point_of_yesterday_is_accepted_and_gone(intake: Intake, new: ApiClient) -> None:
    yesterday = NOW - 86_400
    payload = v2_payload(points=[MetricPoint(timestamp=yesterday, value=1.0)])
    assert MetricsApiV2(new).submit_metrics(body=payload).errors == []
    assert intake.points() == []
    assert intake.stats()["datadog_metrics"]["dropped"] == {"too_old": 1}
