"""Faults on demand, over both transports: what the client sees, what is stored, what is counted."""

import json
import socket
import threading
import time
from typing import Any

import grpc
import pytest
from google.cloud.logging_v2 import types as pb
from google.rpc import status_pb2

from outrider.intake import Intake
from tests.support.intake_http import K8S, LOG, call, entry, listed, refusal, write
from tests.support.wait import until

ANSWERS = [
    ("401", 401, "UNAUTHENTICATED"),
    ("403", 403, "PERMISSION_DENIED"),
    ("429", 429, "RESOURCE_EXHAUSTED"),
    ("500", 500, "INTERNAL"),
    ("503", 503, "UNAVAILABLE"),
]


def grpc_write(intake: Intake, text: str = "hello", timeout: float = 10, **fields: Any) -> Any:
    """A write over a bare gRPC channel (no retries of a client library)."""
    message = pb.WriteLogEntriesRequest.pb()(log_name=LOG, resource=K8S)
    message.entries.add(text_payload=text, **fields)
    with grpc.insecure_channel(intake.grpc_target) as channel:
        method = channel.unary_unary("/google.logging.v2.LoggingServiceV2/WriteLogEntries")
        return method(message.SerializeToString(), timeout=timeout)


@pytest.mark.parametrize(("fault", "code", "status"), ANSWERS)
def test_an_error_answer_stores_nothing(both: Intake, fault: str, code: int, status: str) -> None:
    both.set_faults([fault])
    answered, body = write(both, entry())
    assert (answered, body["error"]["code"], body["error"]["status"]) == (code, code, status)
    assert body["error"]["message"]
    with pytest.raises(grpc.RpcError) as caught:
        grpc_write(both)
    assert caught.value.code().name == status
    assert both.stats()["requests"] == {fault: 2}
    both.set_faults([])
    assert write(both, entry())[0] == 200
    assert both.stats()["received"] == 1


def test_hang_answers_nothing_until_the_client_gives_up(both: Intake) -> None:
    both.set_faults(["hang"])
    with pytest.raises(TimeoutError):
        call(both, "/v2/entries:write", {"entries": [entry()]}, timeout=0.2)
    with pytest.raises(grpc.RpcError) as caught:
        grpc_write(both, timeout=0.2)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    until(lambda: both.stats()["requests"] == {"hang": 2})
    assert both.entries() == []


def test_stopping_ends_a_hanging_request() -> None:
    with Intake(faults=["hang"]) as intake:
        ended: list[type[BaseException]] = []

        def send() -> None:
            try:
                call(intake, "/v2/entries:write", {"entries": [entry()]})
            except Exception as error:
                ended.append(type(error))

        sender = threading.Thread(target=send)
        sender.start()
        until(lambda: intake.stats()["requests"] == {"hang": 1})
    sender.join(5)
    assert len(ended) == 1


def test_reset_breaks_the_connection_and_stores_nothing(both: Intake) -> None:
    both.set_faults(["reset"])
    with pytest.raises(ConnectionResetError):
        write(both, entry())
    with pytest.raises(grpc.RpcError) as caught:
        grpc_write(both)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert both.entries() == []
    assert both.stats()["requests"] == {"reset": 2}


def test_lost_ack_stores_and_closes_without_an_answer(both: Intake) -> None:
    both.set_faults(["lost-ack"])
    body = json.dumps({"entries": [entry(insertId="a")]}).encode()
    with socket.create_connection((both.host, both.port), 5) as connection:
        connection.sendall(
            b"POST /v2/entries:write HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        assert connection.recv(100) == b""
    with pytest.raises(grpc.RpcError) as caught:
        grpc_write(both, insert_id="b")
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert [kept["insertId"] for kept in both.entries()] == ["a", "b"]
    assert both.stats()["requests"] == {"lost-ack": 2}


def test_a_retry_after_a_lost_ack_is_one_entry_in_a_query(intake: Intake) -> None:
    same = entry(insertId="a", timestamp="2026-01-01T00:00:00Z")
    same["timestamp"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    intake.set_faults(["lost-ack"])
    with pytest.raises(Exception, match="without response"):
        write(intake, same)
    intake.set_faults([])
    assert write(intake, same) == (200, {})
    assert len(listed(intake)) == 1
    assert intake.stats()["repeated"] == 1


def outcomes(seed: int) -> list[int]:
    with Intake(faults=["503:0.4", "429:0.3"], seed=seed) as intake:
        return [write(intake, entry())[0] for _ in range(40)]


def test_probabilities_are_drawn_repeatably() -> None:
    first = outcomes(7)
    assert first == outcomes(7)
    assert first != outcomes(8)
    assert {200, 429, 503} == set(first)


def test_faults_are_set_at_run_time(intake: Intake) -> None:
    wanted = ["503:0.25", "hang:0"]
    for body in ({"faults": wanted}, None):
        status, told = call(intake, "/intake/faults", body)
        assert (status, told["faults"]) == (200, wanted)
    assert intake.stats()["faults"] == ["503:0.25", "hang:0"]


BAD_SPECS = [
    ("505", "unknown fault '505'"),
    ("hang:2", "number from 0 to 1"),
    ("503:often", "number from 0 to 1"),
    ("503:", "number from 0 to 1"),
    ("503:nan", "number from 0 to 1"),
    ("", "unknown fault ''"),
]


@pytest.mark.parametrize(("spec", "text"), BAD_SPECS)
def test_bad_faults_are_refused_and_change_nothing(intake: Intake, spec: str, text: str) -> None:
    intake.set_faults(["500:0"])
    assert text in refusal(call(intake, "/intake/faults", {"faults": ["429", spec]}))
    with pytest.raises(ValueError, match=text):
        intake.set_faults([spec])
    with pytest.raises(ValueError, match=text):
        Intake(faults=[spec])
    assert intake.stats()["faults"] == ["500:0"]


@pytest.mark.parametrize("body", [{}, {"faults": "503"}, {"faults": [503]}])
def test_a_bad_fault_request_is_refused(intake: Intake, body: Any) -> None:
    assert '{"faults": ["503:0.2", ...]}' in refusal(call(intake, "/intake/faults", body))


def test_reading_is_never_faulted(intake: Intake) -> None:
    write(intake, entry())
    intake.set_faults(["503"])
    assert len(listed(intake)) == 1
    assert call(intake, "/intake/stats")[0] == 200


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"timestamp": {"seconds": 1 << 50}}, "Timestamp is out of range"),
        ({"timestamp": {"seconds": 1, "nanos": -5}}, "Timestamp is out of range"),
        ({"timestamp": {"seconds": 4_000_000_000}}, "Timestamp is over a day in the future"),
        ({"log_name": "nonsense"}, "Log name must have the form"),
        ({"labels": {str(number): "" for number in range(65)}}, "Log entry has 65 labels"),
        ({"json_payload": {"fields": {"n": {"number_value": float("nan")}}}}, "cannot be represented"),
    ],
)
def test_grpc_entries_meet_the_same_rules(both: Intake, fields: dict[str, Any], text: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        message = pb.WriteLogEntriesRequest.pb()(log_name=LOG, resource=K8S)
        message.entries.add(**fields)
        with grpc.insecure_channel(both.grpc_target) as channel:
            channel.unary_unary("/google.logging.v2.LoggingServiceV2/WriteLogEntries")(message.SerializeToString())
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert text in caught.value.details()
    status = status_pb2.Status.FromString(dict(caught.value.trailing_metadata())["grpc-status-details-bin"])
    assert (status.code, status.message) == (3, caught.value.details())


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\xff\xff\xff", "could not be parsed"),
        (b"\x22\x05\x1a\x03a\xff\xfe", "could not be parsed"),  # a textPayload of bad UTF-8
        (b"", "A required field is missing: entries"),
        (b"\x0a" + b"\x80\x80\x80\x05" + b"x" * 10_485_760, "Request payload size exceeds the limit: 10485760 bytes."),
    ],
)
def test_grpc_requests_that_are_none(both: Intake, data: bytes, text: str) -> None:
    channel = grpc.insecure_channel(both.grpc_target, [("grpc.max_send_message_length", -1)])
    with channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/google.logging.v2.LoggingServiceV2/WriteLogEntries")(data)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert text in caught.value.details()
