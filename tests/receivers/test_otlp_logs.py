"""Log records as lines of JSON."""

import json
from typing import Any

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from outrider.receivers.otlp import logs
from outrider.receivers.otlp.logs import LogLine, lines
from outrider.receivers.otlp.messages import BadMessageError

NOW = 1_780_000_000.5


def text(value: str) -> dict[str, Any]:
    return {"stringValue": value}


def attributes(**values: Any) -> list[dict[str, Any]]:
    return [{"key": key.replace("__", "."), "value": value} for key, value in values.items()]


def read(record: dict[str, Any], resource: Any = (), scope: str = "") -> LogLine:
    body = {
        "resourceLogs": [
            {
                "resource": {"attributes": list(resource)},
                "scopeLogs": [{"scope": {"name": scope}, "logRecords": [record]}],
            }
        ]
    }
    [line] = lines(json_format.ParseDict(body, ExportLogsServiceRequest()), NOW)
    return line


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"body": text("hello")}, {"severity": "DEFAULT", "message": "hello"}),
        ({"body": text("a"), "severityNumber": 9}, {"severity": "INFO", "message": "a"}),
        ({"body": text("a"), "severityText": "warn"}, {"severity": "warn", "message": "a"}),
        ({"body": text("a"), "severityNumber": 17, "severityText": "E"}, {"severity": "ERROR", "message": "a"}),
        ({}, {"severity": "DEFAULT"}),
        ({"body": {"intValue": "7"}}, {"severity": "DEFAULT", "message": "7"}),
        (
            {"body": {"arrayValue": {"values": [text("a"), {"boolValue": True}]}}},
            {"severity": "DEFAULT", "message": '["a",true]'},
        ),
        (
            {"body": {"kvlistValue": {"values": attributes(message=text("a"), n={"doubleValue": 0.5})}}},
            {"severity": "DEFAULT", "message": "a", "n": 0.5},
        ),
        (
            {"body": text("a"), "attributes": attributes(order={"intValue": "7"}, message=text("not this one"))},
            {"severity": "DEFAULT", "message": "a", "order": 7},
        ),
        (
            {"attributes": attributes(a={"bytesValue": "AAE="}, b={"kvlistValue": {"values": attributes(c={})}})},
            {"severity": "DEFAULT", "a": "AAE=", "b": {"c": None}},
        ),
        ({"eventName": "user.login"}, {"severity": "DEFAULT", "event.name": "user.login"}),
        ({"traceId": "AAAAAAAAAAAAAAAAAAAAAA==", "spanId": "AAAAAAAAAAA="}, {"severity": "DEFAULT"}),
        (
            {"traceId": "AAECAwQFBgcICQoLDA0ODw==", "spanId": "AAAAAAAAAAA="},
            {
                "severity": "DEFAULT",
                "logging.googleapis.com/trace": "000102030405060708090a0b0c0d0e0f",
                "logging.googleapis.com/trace_sampled": False,
                "trace_id": "000102030405060708090a0b0c0d0e0f",
            },
        ),
        (
            {"body": text("a"), "traceId": "AAECAwQFBgcICQoLDA0ODw==", "spanId": "AAECAwQFBgc=", "flags": 1},
            {
                "severity": "DEFAULT",
                "message": "a",
                "logging.googleapis.com/trace": "000102030405060708090a0b0c0d0e0f",
                "logging.googleapis.com/spanId": "0001020304050607",
                "logging.googleapis.com/trace_sampled": True,
                "trace_id": "000102030405060708090a0b0c0d0e0f",
                "span_id": "0001020304050607",
            },
        ),
    ],
)
def test_a_record_is_a_line(record: dict[str, Any], expected: dict[str, Any]) -> None:
    assert json.loads(read(record).content) == expected


@pytest.mark.parametrize(
    ("number", "severity"),
    [
        *((number, "DEBUG") for number in (1, 4, 5, 8)),
        *((number, "WARNING") for number in (13, 16)),
        *((number, "ERROR") for number in (17, 20)),
        *((9, "INFO"), (11, "NOTICE"), (21, "CRITICAL"), (23, "ALERT"), (24, "EMERGENCY")),
    ],
)
def test_severities(number: int, severity: str) -> None:
    assert json.loads(read({"severityNumber": number}).content)["severity"] == severity


@pytest.mark.parametrize(
    ("record", "time"),
    [
        ({"timeUnixNano": "1700000000123456789"}, b"2023-11-14T22:13:20.123456789Z"),
        ({"timeUnixNano": "0", "observedTimeUnixNano": "1700000000000000000"}, b"2023-11-14T22:13:20.000000000Z"),
        ({}, b"2026-05-28T20:26:40.500000000Z"),
        ({"timeUnixNano": str((1 << 64) - 1)}, b"2554-07-21T23:34:33.709551615Z"),
    ],
)
def test_times(record: dict[str, Any], time: bytes) -> None:
    assert read(record).time == time


def test_what_is_said_of_the_program_is_in_every_line() -> None:
    resource = attributes(
        service__name=text("cart"), service__version=text("1.2"), deployment__environment__name=text("prod"),
        service__instance__id=text("i"), k8s__container__name=text("web"), k8s__pod__name=text("other"),
        telemetry__sdk__name=text("opentelemetry"), host__name=text("h"), team=text("a"),
    )  # fmt: skip
    line = read({"body": text("a")}, resource, scope="cart.db")
    assert json.loads(line.content) == {
        "severity": "DEFAULT", "message": "a", "service": "cart", "version": "1.2", "env": "prod", "team": "a",
        "logger": "cart.db",
    }  # fmt: skip
    assert line.container == "web"


@pytest.mark.parametrize(
    ("said", "env"),
    [
        ({"deployment__environment": text("old")}, "old"),
        ({"deployment__environment__name": text("new"), "deployment__environment": text("old")}, "new"),
    ],
    ids=["old", "both"],
)
def test_the_environment_has_had_two_names(said: dict[str, Any], env: str) -> None:
    assert json.loads(read({"body": text("a")}, attributes(**said)).content)["env"] == env


def test_a_small_request_that_makes_very_many_bytes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said of a program once is in every line."""
    monkeypatch.setattr(logs, "MAX_LINES", 10_000)
    resource = {"attributes": attributes(team=text("x" * 1000))}
    body = {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [{}] * 20}]}]}
    request = json_format.ParseDict(body, ExportLogsServiceRequest())
    with pytest.raises(BadMessageError, match="its records come to more than 10,000 bytes; send fewer at a time"):
        list(lines(request, NOW))
    del request.resource_logs[0].scope_logs[0].log_records[8:]
    assert len(list(lines(request, NOW))) == 8
