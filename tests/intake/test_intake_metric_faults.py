"""Faults on demand for metrics: what the client sees, what is stored, what is counted."""

import json
import socket
from time import time as now
from typing import Any

import grpc
import pytest
from google.cloud.monitoring_v3 import types as pb
from google.protobuf import json_format
from google.rpc import status_pb2

from outrider.intake import Intake
from tests.support.intake_http import call
from tests.support.metrics_http import TYPE, create, post, series
from tests.support.wait import until

GOOGLE = [
    ("401", 401, "UNAUTHENTICATED"),
    ("403", 403, "PERMISSION_DENIED"),
    ("429", 429, "RESOURCE_EXHAUSTED"),
    ("500", 500, "INTERNAL"),
    ("503", 503, "UNAVAILABLE"),
    ("504", 504, "DEADLINE_EXCEEDED"),
]
DATADOG = ["403", "408", "413", "429", "500", "503"]
PATHS: list[tuple[str, Any]] = [
    ("/api/v2/series", {"series": []}),
    ("/api/v1/series", {"series": []}),
    ("/api/v1/distribution_points", {"series": []}),
    ("/api/v1/check_run", {"check": "a", "status": 0}),
    ("/api/v1/events", {"title": "a", "text": "b"}),
]


def grpc_create(intake: Intake, *given: dict[str, Any], timeout: float = 10) -> Any:
    """`CreateTimeSeries` over a bare channel (no retries of a client library)."""
    message = json_format.ParseDict(
        {"name": "projects/acme", "timeSeries": list(given)}, pb.CreateTimeSeriesRequest.pb()()
    )
    with grpc.insecure_channel(intake.grpc_target) as channel:
        method = channel.unary_unary("/google.monitoring.v3.MetricService/CreateTimeSeries")
        return method(message.SerializeToString(), timeout=timeout)


def requests(intake: Intake, name: str) -> Any:
    return intake.stats()[name]["requests"]


@pytest.mark.parametrize(("fault", "code", "status"), GOOGLE)
def test_an_error_of_cloud_monitoring_stores_nothing(both: Intake, fault: str, code: int, status: str) -> None:
    both.set_faults([fault])
    answered, body = create(both, series(now()))
    assert (answered, body["error"]["code"], body["error"]["status"]) == (code, code, status)
    assert call(both, "/v3/projects/acme/metricDescriptors", {"type": "custom.googleapis.com/x"})[0] == code
    with pytest.raises(grpc.RpcError) as caught:
        grpc_create(both, series(now()))
    assert caught.value.code().name == status
    assert requests(both, "monitoring") == {fault: 3}
    both.set_faults([])
    assert create(both, series(now())) == (200, {})


@pytest.mark.parametrize("fault", DATADOG)
@pytest.mark.parametrize(("path", "body"), PATHS)
def test_an_error_of_datadog_stores_nothing(intake: Intake, path: str, body: Any, fault: str) -> None:
    intake.set_faults([fault])
    status, answer = post(intake, path, body)
    assert (status, len(answer["errors"])) == (int(fault), 1)
    assert (intake.points(), intake.service_checks(), intake.events()) == ([], [], [])
    assert requests(intake, "datadog_metrics") == {fault: 1}
    assert intake.stats()["datadog_metrics"]["refused"] == {}
    intake.set_faults([])
    assert post(intake, path, body)[0] == 202


def test_partial_writes_the_first_half(both: Intake) -> None:
    both.set_faults(["partial"])
    given = [series(now(), type=f"custom.googleapis.com/m{n}") for n in range(5)]
    status, body = create(both, *given)
    assert (status, body["error"]["status"]) == (500, "INTERNAL")
    words = "One or more TimeSeries could not be written: timeSeries[2-4]: An internal error occurred."
    assert body["error"]["message"] == words
    (summary,) = body["error"]["details"]
    assert (summary["totalPointCount"], summary["successPointCount"]) == (5, 2)
    assert summary["errors"] == [{"status": {"code": 13}, "pointCount": 3}]
    assert [one["metric"]["type"][-2:] for one in both.time_series()] == ["m0", "m1"]
    with pytest.raises(grpc.RpcError) as caught:
        grpc_create(both, given[3], given[4])
    assert caught.value.code() == grpc.StatusCode.INTERNAL
    told = status_pb2.Status.FromString(dict(caught.value.trailing_metadata())["grpc-status-details-bin"])
    unpacked = pb.CreateTimeSeriesSummary.pb()()
    assert told.details[0].Unpack(unpacked)
    assert (unpacked.total_point_count, unpacked.success_point_count) == (2, 1)
    assert requests(both, "monitoring") == {"partial": 2}
    assert both.stats()["monitoring"]["refused"] == {"internal": 4}
    assert create(both, given[4])[0] == 500  # half of one is none
    assert len(both.time_series()) == 3


def test_the_other_apis_pass_over_partial(intake: Intake) -> None:
    intake.set_faults(["partial"])
    assert post(intake, "/api/v2/series", {"series": []})[0] == 202
    assert post(intake, "/api/v2/logs", [])[0] == 202
    descriptor = {"type": TYPE, "metricKind": "GAUGE", "valueType": "INT64"}
    assert call(intake, "/v3/projects/acme/metricDescriptors", descriptor)[0] == 200
    assert requests(intake, "monitoring") == {"200": 1}


def test_hang_answers_nothing_until_the_client_gives_up(both: Intake) -> None:
    both.set_faults(["hang"])
    with pytest.raises(TimeoutError):
        call(both, "/v3/projects/acme/timeSeries", {"timeSeries": [series(now())]}, timeout=0.2)
    with pytest.raises(TimeoutError):
        call(both, "/api/v2/series", {"series": []}, timeout=0.2)
    with pytest.raises(grpc.RpcError) as caught:
        grpc_create(both, series(now()), timeout=0.2)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    until(lambda: requests(both, "monitoring") == {"hang": 2} and requests(both, "datadog_metrics") == {"hang": 1})
    assert both.time_series() == []


def test_reset_breaks_the_connection_and_stores_nothing(both: Intake) -> None:
    both.set_faults(["reset"])
    with pytest.raises(ConnectionResetError):
        create(both, series(now()))
    with pytest.raises(ConnectionResetError):
        post(both, "/api/v1/check_run", {"check": "a", "status": 0})
    with pytest.raises(grpc.RpcError) as caught:
        grpc_create(both, series(now()))
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert (both.time_series(), both.service_checks()) == ([], [])


def send_raw(intake: Intake, path: str, body: Any) -> bytes:
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nDD-API-KEY: k\r\nContent-Length: {len(data)}\r\n\r\n".encode()
    with socket.create_connection((intake.host, intake.port), 5) as connection:
        connection.sendall(head + data)
        return connection.recv(100)


def test_lost_ack_stores_and_closes_without_an_answer(both: Intake) -> None:
    both.set_faults(["lost-ack"])
    end = now()
    assert send_raw(both, "/v3/projects/acme/timeSeries", {"timeSeries": [series(end)]}) == b""
    assert send_raw(both, "/api/v1/check_run", {"check": "a", "status": 0}) == b""
    with pytest.raises(grpc.RpcError) as caught:
        grpc_create(both, series(end + 5))
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert [len(one["points"]) for one in both.time_series(TYPE)] == [2]
    assert len(both.service_checks()) == 1
    both.set_faults([])
    status, body = create(both, series(end + 5))  # the same once more is an error at Cloud Monitoring
    assert status == 400
    assert "written more frequently" in body["error"]["message"]


def test_reading_is_never_faulted(intake: Intake) -> None:
    create(intake, series(now()))
    intake.set_faults(["503"])
    assert call(intake, f"/v3/projects/acme/metricDescriptors/{TYPE}")[0] == 200
    assert call(intake, "/api/v1/validate", headers={"DD-API-KEY": "k"})[0] == 200


def test_what_was_written_survives_a_restart_of_the_intake() -> None:
    intake = Intake()
    with intake:
        create(intake, series(now()))
        post(intake, "/api/v1/check_run", {"check": "a", "status": 0})
    with intake:
        assert call(intake, "/intake/stats")[1]["monitoring"]["written"] == 1
        assert len(intake.service_checks()) == 1
        assert create(intake, series(now()))[0] == 400  # order outlives an outage
