"""The official google-cloud-monitoring client (gRPC), and Google's own messages and error types over REST, find the
intake indistinguishable from Cloud Monitoring.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.api import metric_pb2
from google.api_core import exceptions
from google.cloud import monitoring_v3 as m
from google.cloud.monitoring_v3.services.metric_service.transports import MetricServiceGrpcTransport
from google.protobuf import json_format
from google.rpc import status_pb2

from outrider.intake import Intake
from tests.support.intake_http import K8S, call

NAME = "projects/acme"
TYPE = "workload.googleapis.com/redis.uptime"
NOW = int(time.time())


class Rest:
    """The same calls as the client's over REST: official messages as proto3 JSON, official errors from the answers."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    def create_time_series(self, name: str, time_series: list[Any]) -> None:
        request = m.CreateTimeSeriesRequest(name=name, time_series=time_series)
        body = json_format.MessageToDict(m.CreateTimeSeriesRequest.pb(request))
        assert self._call(f"/v3/{body.pop('name')}/timeSeries", body) == {}

    def create_metric_descriptor(self, name: str, metric_descriptor: Any) -> Any:
        answer = self._call(f"/v3/{name}/metricDescriptors", json_format.MessageToDict(metric_descriptor))
        return json_format.ParseDict(answer, metric_pb2.MetricDescriptor())

    def get_metric_descriptor(self, name: str) -> Any:
        return json_format.ParseDict(self._call(f"/v3/{name}"), metric_pb2.MetricDescriptor())

    def list_time_series(self, name: str, filter: str, interval: Any, view: Any) -> Any:  # noqa: A002  (the client's)
        times = json_format.MessageToDict(m.TimeInterval.pb(interval))
        quoted = filter.replace('"', "%22").replace(" ", "%20")
        query = f"filter={quoted}&view={view.name}&" + "&".join(f"interval.{name}={times[name]}" for name in times)
        answer = self._call(f"/v3/{name}/timeSeries?{query}")
        return m.ListTimeSeriesResponse(json_format.ParseDict(answer, m.ListTimeSeriesResponse.pb()())).time_series

    def _call(self, path: str, body: Any = None) -> Any:
        status, answer = call(self._intake, path, body)
        if status != 200:
            told = answer["error"]
            details = [_packed(one) for one in told.get("details", [])]
            error = exceptions.from_grpc_status(grpc.StatusCode[told["status"]], told["message"], details=details)
            assert error.code == told["code"] == status
            raise error
        return answer


def _packed(detail: dict[str, Any]) -> Any:
    status = status_pb2.Status()
    json_format.ParseDict(detail, status.details.add())
    return status.details[0]


def over_grpc(intake: Intake) -> Any:
    channel = grpc.insecure_channel(intake.grpc_target)
    return m.MetricServiceClient(transport=MetricServiceGrpcTransport(channel=channel))


@pytest.fixture(params=[Rest, over_grpc], ids=["rest", "grpc"])
def client(request: pytest.FixtureRequest, both: Intake) -> Iterator[Any]:
    make: Callable[[Intake], Any] = request.param
    yield make(both)


def series(value: Any, end: int = NOW, start: int | None = None, kind: str = "", metric_type: str = TYPE) -> Any:
    interval = {"end_time": {"seconds": end}, **({"start_time": {"seconds": start}} if start else {})}
    made = m.TimeSeries(
        metric={"type": metric_type, "labels": {"role": "master"}},
        resource=K8S,
        points=[m.Point(interval=m.TimeInterval(interval), value=value)],
    )
    if kind:
        made.metric_kind = metric_pb2.MetricDescriptor.MetricKind.Value(kind)
    return made


def listed(client: Any, metric_type: str = TYPE, view: str = "FULL") -> list[Any]:
    return list(
        client.list_time_series(
            name=NAME,
            filter=f'metric.type = "{metric_type}"',
            interval=m.TimeInterval(start_time={"seconds": NOW - 3600}, end_time={"seconds": NOW + 60}),
            view=m.ListTimeSeriesRequest.TimeSeriesView[view],
        )
    )


HISTOGRAM = {
    "count": 3,
    "mean": 0.5,
    "bucket_counts": [1, 2],
    "bucket_options": {"explicit_buckets": {"bounds": [0.25]}},
}
VALUES: list[dict[str, Any]] = [
    {"int64_value": 0},
    {"int64_value": -(1 << 63)},
    {"double_value": 0.0},
    {"double_value": 1e300},
    {"bool_value": False},
    {"string_value": ""},
    {"distribution_value": HISTOGRAM},
]


@pytest.mark.parametrize("value", VALUES)
def test_a_point_comes_back_as_written(client: Any, value: dict[str, Any]) -> None:
    client.create_time_series(name=NAME, time_series=[series(m.TypedValue(value))])
    (found,) = listed(client)
    assert (found.metric.type, dict(found.metric.labels)) == (TYPE, {"role": "master"})
    assert (found.resource.type, dict(found.resource.labels)) == (K8S["type"], K8S["labels"])
    assert found.points[0].value == m.TypedValue(value)
    assert found.points[0].interval.end_time.timestamp() == NOW
    assert [one.points for one in listed(client, view="HEADERS")] == [[]]


def test_a_descriptor_comes_back_as_written(client: Any) -> None:
    given = metric_pb2.MetricDescriptor(
        type=TYPE,
        metric_kind=metric_pb2.MetricDescriptor.CUMULATIVE,
        value_type=metric_pb2.MetricDescriptor.INT64,
        unit="s",
        description="Since the start.",
        labels=[{"key": "role", "description": "master or replica"}],
    )
    made = client.create_metric_descriptor(name=NAME, metric_descriptor=given)
    assert made.name == f"{NAME}/metricDescriptors/{TYPE}"
    read = client.get_metric_descriptor(name=made.name)
    assert read == made
    assert (read.metric_kind, read.unit, read.labels) == (given.metric_kind, "s", given.labels)
    client.create_time_series(name=NAME, time_series=[series({"int64_value": 5}, start=NOW - 9)])
    assert listed(client)[0].metric_kind == metric_pb2.MetricDescriptor.CUMULATIVE


BAD: list[tuple[str, list[Any], str]] = [
    ("twice", [series({"int64_value": 1}), series({"int64_value": 1})], "Duplicate TimeSeries encountered"),
    ("too soon", [series({"int64_value": 1}, NOW + 3)], "written more frequently than the maximum sampling period"),
    ("too early", [series({"int64_value": 1}, NOW - 3)], "Points must be written in order"),
    ("too old", [series({"int64_value": 1}, NOW - 100_000)], "25h10s in the past"),
    ("another type", [series({"double_value": 1}, NOW + 9)], "must be INT64, but is DOUBLE"),
    ("a start", [series({"int64_value": 1}, NOW + 9, NOW)], "The start time must be equal to the end time"),
    ("no type", [series({"int64_value": 1}, metric_type="x")], "The metric type must be a URL-formatted string"),
]


@pytest.mark.parametrize(("given", "words"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_refusal_is_the_right_exception_with_a_summary(client: Any, given: list[Any], words: str) -> None:
    other = series({"int64_value": 1}, metric_type="custom.googleapis.com/good")
    client.create_time_series(name=NAME, time_series=[series({"int64_value": 1})])
    with pytest.raises(exceptions.InvalidArgument) as caught:
        client.create_time_series(name=NAME, time_series=[*given, other])
    assert words in caught.value.message
    assert "One or more TimeSeries could not be written: " in caught.value.message
    (detail,) = caught.value.details
    summary = m.CreateTimeSeriesSummary.pb()()
    assert detail.Unpack(summary)
    assert (summary.total_point_count, summary.success_point_count) == (len(given) + 1, 1)
    assert [(error.status.code, error.point_count) for error in summary.errors] == [(3, len(given))]
    assert len(listed(client, "custom.googleapis.com/good")) == 1


def test_other_refusals_are_the_right_exceptions(client: Any) -> None:
    with pytest.raises(exceptions.NotFound, match="Cannot find metric"):
        client.get_metric_descriptor(name=f"{NAME}/metricDescriptors/{TYPE}")
    with pytest.raises(exceptions.NotFound, match="Cannot find metric"):
        listed(client)
    with pytest.raises(exceptions.InvalidArgument, match="A maximum of 200 TimeSeries"):
        client.create_time_series(name=NAME, time_series=[series({"int64_value": 1})] * 201)
    delta = metric_pb2.MetricDescriptor(type=TYPE, metric_kind=metric_pb2.MetricDescriptor.DELTA, value_type=2)
    with pytest.raises(exceptions.InvalidArgument, match="metricKind"):
        client.create_metric_descriptor(name=NAME, metric_descriptor=delta)
    client.create_time_series(name=NAME, time_series=[series({"int64_value": 1})])
    delta.metric_kind = metric_pb2.MetricDescriptor.CUMULATIVE
    with pytest.raises(exceptions.AlreadyExists):
        client.create_metric_descriptor(name=NAME, metric_descriptor=delta)


def test_the_client_lists_pages_of_everything(both: Intake) -> None:
    client = over_grpc(both)
    given = [series({"int64_value": n}, metric_type=f"custom.googleapis.com/m{n}") for n in range(5)]
    client.create_time_series(name=NAME, time_series=given)
    descriptors = client.list_metric_descriptors(request={"name": NAME, "page_size": 2})
    assert [one.type for one in descriptors] == [one.metric.type for one in given]
    for after in (10, 20, 30):
        client.create_time_series(
            name=NAME, time_series=[series({"int64_value": after}, NOW + after, metric_type="custom.googleapis.com/m0")]
        )
    interval = m.TimeInterval(start_time={"seconds": NOW - 60}, end_time={"seconds": NOW + 60})
    pages = client.list_time_series(
        request={"name": NAME, "filter": 'metric.type="custom.googleapis.com/m0"', "interval": interval, "page_size": 3}
    ).pages
    assert [len(page.time_series[0].points) for page in pages] == [3, 1]
    resources = {one.type for one in client.list_monitored_resource_descriptors(name=NAME)}
    assert {"k8s_container", "k8s_pod", "k8s_node", "k8s_cluster", "global", "generic_task"} <= resources
    assert client.get_monitored_resource_descriptor(name=f"{NAME}/monitoredResourceDescriptors/k8s_pod").labels
    client.delete_metric_descriptor(name=f"{NAME}/metricDescriptors/custom.googleapis.com/m0")
    assert len(list(client.list_metric_descriptors(name=NAME))) == 4


def test_both_transports_write_the_same_series(both: Intake) -> None:
    Rest(both).create_time_series(name=NAME, time_series=[series({"int64_value": 1})])
    over_grpc(both).create_time_series(name=NAME, time_series=[series({"int64_value": 2}, NOW + 5)])
    (found,) = both.time_series(TYPE)
    assert [point["value"] for point in found["points"]] == [{"int64Value": "1"}, {"int64Value": "2"}]
    assert both.stats()["monitoring"]["requests"] == {"200": 2}


@pytest.mark.parametrize("seconds", [1 << 50, -(1 << 50)])
def test_a_time_that_is_none_is_refused(both: Intake, seconds: int) -> None:
    message = m.CreateTimeSeriesRequest.pb(
        m.CreateTimeSeriesRequest(name=NAME, time_series=[series({"int64_value": 1})])
    )
    message.time_series[0].points[0].interval.end_time.seconds = seconds
    with grpc.insecure_channel(both.grpc_target) as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/google.monitoring.v3.MetricService/CreateTimeSeries")(message.SerializeToString())
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
