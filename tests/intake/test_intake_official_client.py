"""The official google-cloud-logging client finds the intake indistinguishable, over REST and over gRPC."""

import datetime
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import logging as gcl
from google.cloud import logging_v2
from google.cloud.audit import audit_log_pb2
from google.cloud.logging_v2 import _gapic
from google.cloud.logging_v2 import types as pb
from google.cloud.logging_v2.resource import Resource
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client
from google.cloud.logging_v2.services.logging_service_v2.transports import LoggingServiceV2GrpcTransport
from google.protobuf import any_pb2
from google.rpc import status_pb2

from outrider.intake import Intake
from tests.support.intake_http import K8S

NOW = datetime.datetime.now(datetime.UTC)
GLOBAL = Resource(type="global", labels={})  # given, or the client looks for a metadata server, which takes seconds
RESOURCE = Resource(type=K8S["type"], labels=K8S["labels"])


def rest_client(intake: Intake) -> Any:
    options = ClientOptions(api_endpoint=intake.url)
    return gcl.Client(project="acme", credentials=AnonymousCredentials(), client_options=options, _use_grpc=False)


def grpc_client(intake: Intake) -> Any:
    client = gcl.Client(project="acme", credentials=AnonymousCredentials(), _use_grpc=True)
    transport = LoggingServiceV2GrpcTransport(channel=grpc.insecure_channel(intake.grpc_target))
    client._logging_api = _gapic._LoggingAPI(LoggingServiceV2Client(transport=transport), client)
    return client


@pytest.fixture(autouse=True)
def no_diagnostics(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's first entry in a process brings a diagnostic one along, which would be in our counts."""
    monkeypatch.setattr(logging_v2, "_instrumentation_emitted", True)


@pytest.fixture(params=[rest_client, grpc_client], ids=["rest", "grpc"])
def client(request: pytest.FixtureRequest, both: Intake) -> Iterator[Any]:
    make: Callable[[Intake], Any] = request.param
    made = make(both)
    yield made
    made.close()


def test_text_comes_back_as_written(client: Any) -> None:
    logger = client.logger("app", resource=RESOURCE, labels={"tier": "web"})
    logger.log_text(
        "hello", severity="WARNING", insert_id="a1", timestamp=NOW, trace="t", span_id="s", labels={"x": "y"}
    )
    (entry,) = client.list_entries(resource_names=["projects/acme"])
    assert (entry.payload, entry.severity, entry.insert_id) == ("hello", "WARNING", "a1")
    assert (entry.timestamp, entry.trace, entry.span_id) == (NOW, "t", "s")
    assert entry.labels["x"] == "y"
    assert entry.log_name == "projects/acme/logs/app"
    assert entry.resource == RESOURCE
    assert entry.received_timestamp is not None


def test_struct_comes_back_as_written(client: Any) -> None:
    payload = {"message": "m", "n": 1.5, "none": None, "list": [1, "b", {"c": True}], "dotted.key": {"deep": "er"}}
    http = {"requestMethod": "GET", "status": 200, "latency": "0.250s", "requestSize": "12"}
    location = {"file": "a.py", "line": "7", "function": "f"}
    client.logger("app", resource=GLOBAL).log_struct(
        payload, http_request=http, source_location=location, trace_sampled=True
    )
    (entry,) = client.list_entries()
    assert entry.payload == payload
    assert entry.http_request == http
    assert entry.source_location == {"file": "a.py", "line": 7, "function": "f"}
    assert entry.trace_sampled is True
    assert entry.resource.type == "global"
    assert entry.resource.labels == {"project_id": "acme"}


def test_batch_keeps_order_and_pages(client: Any, both: Intake) -> None:
    logger = client.logger("app", resource=GLOBAL)
    with logger.batch() as batch:
        for number in range(25):
            batch.log_text(f"line {number}", timestamp=NOW)
    assert both.stats()["requests"] == {"200": 1}
    ascending = [entry.payload for entry in client.list_entries(order_by=gcl.ASCENDING, page_size=10)]
    assert ascending == [f"line {number}" for number in range(25)]
    descending = [entry.payload for entry in client.list_entries(order_by=gcl.DESCENDING, page_size=7, max_results=8)]
    assert descending == [f"line {number}" for number in range(24, 16, -1)]
    assert both.stats()["lists"] == 3 + 2


def test_filters_reach_the_server(client: Any) -> None:
    logger = client.logger("app", resource=RESOURCE)
    logger.log_text("plain", severity="ERROR")
    logger.log_struct({"code": 7, "why": "disk full"}, severity="DEBUG")

    def found(query: str) -> list[Any]:
        return [entry.payload for entry in client.list_entries(filter_=query)]

    assert found("severity>=ERROR") == ["plain"]
    assert found('jsonPayload.why:"disk" AND resource.labels.pod_name="cart-0"') == [{"code": 7, "why": "disk full"}]
    assert found('logName="projects/acme/logs/other"') == []
    with pytest.raises(exceptions.BadRequest, match="Unparseable filter"):
        found("severity>=")


def test_delete_removes_the_log(client: Any) -> None:
    logger = client.logger("app", resource=GLOBAL)
    logger.log_text("gone")
    logger.delete()
    assert list(client.list_entries()) == []
    with pytest.raises(exceptions.NotFound):
        logger.delete()


def test_an_oversized_entry_is_refused_in_the_words_of_the_api(client: Any, both: Intake) -> None:
    with pytest.raises(exceptions.BadRequest, match=r"Log entry with size 300\.\dK exceeds maximum size of 256\.0K"):
        client.logger("app", resource=GLOBAL).log_text("x" * 300 * 1024)
    assert both.stats()["rejected"] == 1
    assert both.entries() == []


def test_partial_success_names_the_entries_by_index(client: Any, both: Intake) -> None:
    batch = client.logger("app", resource=GLOBAL).batch()
    for size in (1, 300_000, 2, 400_000):
        batch.log_text("x" * size, insert_id=str(size))
    with pytest.raises(exceptions.BadRequest) as caught:
        batch.client.logging_api.write_entries(
            [{**entry.to_api_repr(), "logName": "projects/acme/logs/app"} for entry in batch.entries],
            partial_success=True,
        )
    assert sorted(entry["insertId"] for entry in both.entries()) == ["1", "2"]
    assert partial_errors(caught.value) == {1: 3, 3: 3}


def partial_errors(error: Any) -> dict[int, int]:
    """Entry index -> canonical code, from REST details or from the gRPC trailer."""
    if error.grpc_status_code is not None:
        status = status_pb2.Status.FromString(dict(error.errors[0].trailing_metadata())["grpc-status-details-bin"])
        partial = pb.WriteLogEntriesPartialErrors.pb()()
        assert status.details[0].Unpack(partial)
        return {index: entry.code for index, entry in partial.log_entry_errors.items()}
    (detail,) = error.details
    assert detail["@type"] == "type.googleapis.com/google.logging.v2.WriteLogEntriesPartialErrors"
    return {int(index): entry["code"] for index, entry in detail["logEntryErrors"].items()}


def test_both_transports_store_the_same(both: Intake) -> None:
    for make in (rest_client, grpc_client):
        client = make(both)
        logger = client.logger("app", resource=RESOURCE)
        logger.log_struct(
            {"message": "m", "n": 3}, severity="ERROR", timestamp=NOW, insert_id="same", labels={"b": "1", "a": "2"}
        )
        client.close()
    stats = both.stats()
    assert (stats["received"], stats["unique"], stats["repeated"]) == (2, 1, 1)
    assert len(both.entries()) == 1


def test_proto_payload_of_a_known_type(client: Any) -> None:
    packed = any_pb2.Any()
    packed.Pack(audit_log_pb2.AuditLog(service_name="svc", method_name="do"))
    client.logger("audit", resource=GLOBAL).log_proto(packed)
    (entry,) = client.list_entries(filter_='protoPayload.methodName="do"')
    assert entry.payload["serviceName"] == "svc"
