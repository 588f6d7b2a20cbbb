"""Whole-request refusals: a body that is not the message it claims to be writes nothing, as with proto3 JSON."""

import json
from typing import Any

import pytest
from google.cloud.logging_v2 import types as pb
from google.protobuf import json_format

from outrider.intake import Intake
from tests.support.intake_http import K8S, LOG, call, entry, refusal, write

TIME = "type.googleapis.com/google.protobuf.Timestamp"
SEVERITY = "type.googleapis.com/google.logging.type.LogSeverity"


def nested(objects: int) -> dict[str, Any]:
    payload: dict[str, Any] = {"a": "leaf"}
    for _ in range(objects - 1):
        payload = {"a": payload}
    return payload


BAD_FIELDS: list[tuple[dict[str, Any], str, str]] = [
    # fields of the second entry, the path in the refusal, a part of its text
    ({"timestamp": "yesterday"}, "entries[1].timestamp", f"({TIME}), Field 'timestamp', Illegal timestamp format"),
    ({"timestamp": "2026-01-01T00:00:00"}, "entries[1].timestamp", "must end with 'Z' or have a valid timezone offset"),
    ({"timestamp": "2026-01-01 00:00:00Z"}, "entries[1].timestamp", "Invalid time format"),
    ({"timestamp": "2026-02-30T00:00:00Z"}, "entries[1].timestamp", "Invalid time format"),
    ({"timestamp": "2026-01-01T00:00:00.1234567890Z"}, "entries[1].timestamp", "Invalid time format"),
    ({"timestamp": "10000-01-01T00:00:00Z"}, "entries[1].timestamp", "Invalid time format"),
    ({"timestamp": "0000-01-01T00:00:00Z"}, "entries[1].timestamp", "Invalid time format"),
    ({"timestamp": 1767225600}, "entries[1].timestamp", TIME),
    ({"timestamp": {"seconds": "x"}}, "entries[1].timestamp.seconds", "(TYPE_INT64)"),
    ({"timestamp": {"seconds": 1, "nanos": -1}}, "entries[1].timestamp", "out of range"),
    ({"severity": "warn"}, "entries[1].severity", f'({SEVERITY}), "warn"'),
    ({"severity": 2.5}, "entries[1].severity", SEVERITY),
    ({"severity": True}, "entries[1].severity", SEVERITY),
    ({"textPayload": 5}, "entries[1].text_payload", "(TYPE_STRING), 5"),
    ({"insertId": 12}, "entries[1].insert_id", "(TYPE_STRING), 12"),
    ({"jsonPayload": {}}, "entries[1]", "(oneof), oneof field 'payload' is already set. Cannot set 'jsonPayload'"),
    ({"textPayload": None, "jsonPayload": "text"}, "entries[1].json_payload", "google.protobuf.Struct"),
    ({"textPayload": None, "jsonPayload": [1]}, "entries[1].json_payload", "google.protobuf.Struct"),
    ({"textPayload": None, "jsonPayload": nested(34)}, "entries[1].json_payload", "Message too deep"),
    ({"textPayload": None, "protoPayload": {"a": 1}}, "entries[1].proto_payload", "Missing @type"),
    ({"labels": {"a": "b", "n": 5}}, "entries[1].labels[1].value", "(TYPE_STRING), 5"),
    ({"labels": {"n": None}}, "entries[1].labels[0].value", "(TYPE_STRING), null"),
    ({"labels": ["a"]}, "entries[1].labels", "(Map)"),
    ({"httpRequest": {"requestSize": "big"}}, "entries[1].http_request.request_size", "(TYPE_INT64)"),
    ({"httpRequest": {"requestSize": 2**63}}, "entries[1].http_request.request_size", "(TYPE_INT64)"),
    ({"httpRequest": {"status": 2**31}}, "entries[1].http_request.status", "(TYPE_INT32)"),
    ({"httpRequest": {"status": "200.5"}}, "entries[1].http_request.status", "(TYPE_INT32)"),
    ({"httpRequest": {"latency": "fast"}}, "entries[1].http_request.latency", "google.protobuf.Duration"),
    ({"httpRequest": {"cacheHit": "yes"}}, "entries[1].http_request.cache_hit", "(TYPE_BOOL)"),
    ({"httpRequest": "GET /"}, "entries[1].http_request", "google.logging.type.HttpRequest"),
    ({"sourceLocation": {"line": 1.5}}, "entries[1].source_location.line", "(TYPE_INT64)"),
    ({"operation": {"first": 1}}, "entries[1].operation.first", "(TYPE_BOOL)"),
    ({"traceSampled": "true"}, "entries[1].trace_sampled", "(TYPE_BOOL)"),
    ({"resource": {"type": "global", "labels": {"a": 1}}}, "entries[1].resource.labels[0].value", "(TYPE_STRING)"),
]


@pytest.mark.parametrize(("fields", "path", "text"), BAD_FIELDS, ids=[f"{row[1]} {row[2]}"[:60] for row in BAD_FIELDS])
def test_one_wrong_field_spoils_the_request(intake: Intake, fields: dict[str, Any], path: str, text: str) -> None:
    status, body = write(intake, entry(), entry(**fields), partialSuccess=True)
    message = refusal((status, body))
    assert message.startswith(f"Invalid value at '{path}' ")
    assert text in message
    assert body["error"]["details"] == [
        {
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{"field": path, "description": message}],
        }
    ]
    assert intake.entries() == []
    assert intake.stats()["requests"] == {"400": 1}


UNKNOWN: list[tuple[dict[str, Any], str]] = [
    ({"entries": [{"message": "m"}]}, "Unknown name \"message\" at 'entries[0]': Cannot find field."),
    (
        {"entries": [{"httpRequest": {"url": "m"}}]},
        "Unknown name \"url\" at 'entries[0].http_request': Cannot find field.",
    ),
    ({"entries": [{"trace_sampled_": 1}]}, "Unknown name \"trace_sampled_\" at 'entries[0]': Cannot find field."),
    ({"entries": [], "partial": True}, 'Unknown name "partial": Cannot find field.'),
    ({"resource": {"kind": "x"}}, "Unknown name \"kind\" at 'resource': Cannot find field."),
]


@pytest.mark.parametrize(("body", "text"), UNKNOWN)
def test_unknown_names_are_refused(intake: Intake, body: dict[str, Any], text: str) -> None:
    assert refusal(call(intake, "/v2/entries:write", body)) == f"Invalid JSON payload received. {text}"


def test_every_malformed_entry_is_named(intake: Intake) -> None:
    status, body = write(intake, entry(severity="x"), entry(), entry(insertId=1))
    assert status == 400
    fields = [violation["field"] for violation in body["error"]["details"][0]["fieldViolations"]]
    assert fields == ["entries[0].severity", "entries[2].insert_id"]
    assert body["error"]["message"].count("\n") == 1


BODIES: list[tuple[bytes, str]] = [
    (b"", "Invalid JSON payload received."),
    (b"{", "Invalid JSON payload received."),
    (b'{"entries": []} trailing', "Invalid JSON payload received."),
    (b'{"entries": [{"textPayload": "\xff\xfe"}]}', "Invalid JSON payload received. str is not valid UTF-8"),
    (b'{"entries": [{"textPayload": "\xed\xa0\x80"}]}', "Invalid JSON payload received. str is not valid UTF-8"),
    (b'{"entries": [{"textPayload": "\\ud800"}]}', "Invalid JSON payload received."),
    (b'{"entries": [{"textPayload": "a\nb"}]}', "Invalid JSON payload received."),
    (b'{"entries": [{"jsonPayload": {"n": NaN}}]}', "Invalid JSON payload received."),
    (b'{"entries": [{"jsonPayload": {"n": 1e999}}]}', "Invalid JSON payload received."),
    (
        b'{"entries": [{"jsonPayload": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}]}",
        "Invalid JSON payload received.",
    ),
    (b"[]", "Root element must be a message."),
    (b'"text"', "Root element must be a message."),
    (b'{"entries": {}}', "Invalid value at 'entries'"),
    (b'{"entries": [null]}', "Invalid value at 'entries[0]'"),
    (b'{"entries": []}', "A required field is missing: entries"),
    (b"{}", "A required field is missing: entries"),
]


@pytest.mark.parametrize(("body", "text"), BODIES, ids=[str(row[0][:40]) for row in BODIES])
def test_broken_bodies_are_refused(intake: Intake, body: bytes, text: str) -> None:
    assert text in refusal(call(intake, "/v2/entries:write", body))


REPEATS: list[tuple[str, str | None]] = [
    # jsonPayload as text, where a key is repeated (None: nowhere)
    ('{"a":1,"a":2}', "entries[0].jsonPayload"),
    ('{"a" : 1, "b": {"c":1,"c" : 2}}', "entries[0].jsonPayload.b"),
    ('{"a"  :1,"b":2,"b":3}', "entries[0].jsonPayload"),
    ('{"a"\n:1,"b":2,"b":3}', "entries[0].jsonPayload"),
    ('{"l":[1,{"x":1,"\\u0078":2}]}', "entries[0].jsonPayload.l[1]"),
    ('{"a\\\\":1,"b":2,"b":3}', "entries[0].jsonPayload"),
    ('{"a\\u0022:":1,"b":2,"b":3}', "entries[0].jsonPayload"),
    ('{"a":"{\\"x\\":1,\\"x\\":2}"}', None),
    ('{"a":":b","b":"\\":","c":"\\u0022:"}', None),
    ('{"a":{"k":1},"b":{"k":2}, "c" : [{"k":1},{"k":1}]}', None),
]


@pytest.mark.parametrize(("payload", "path"), REPEATS)
def test_repeated_keys_are_refused(intake: Intake, payload: str, path: str | None) -> None:
    raw = json.dumps({"entries": [entry(textPayload=None, jsonPayload="@")]}).replace('"@"', payload)
    answer = call(intake, "/v2/entries:write", raw.encode())
    if path is None:
        assert answer == (200, {})
        assert intake.entries()[0]["jsonPayload"] == json.loads(payload)
    else:
        assert f"at '{path}': Repeated map key: " in refusal(answer)
        assert intake.entries() == []


GOOD: list[tuple[dict[str, Any], dict[str, Any]]] = [
    # fields as written, fields as stored
    ({"timestamp": "2026-05-16T11:19:06.315692671+02:00"}, {"timestamp": "2026-05-16T09:19:06.315692671Z"}),
    ({"timestamp": "2026-05-16T09:19:06.100000000Z"}, {"timestamp": "2026-05-16T09:19:06.100Z"}),
    ({"timestamp": "1970-01-01T00:00:00Z"}, {"timestamp": "1970-01-01T00:00:00Z"}),
    ({"timestamp": {"seconds": "1595349642", "nanos": 12345}}, {"timestamp": "2020-07-21T16:40:42.000012345Z"}),
    ({"severity": 400}, {"severity": "WARNING"}),
    ({"severity": "500"}, {"severity": "ERROR"}),
    ({"severity": 250}, {"severity": 250}),
    ({"severity": "DEFAULT"}, {"severity": None}),
    ({"httpRequest": {"requestSize": 12, "status": "200"}}, {"httpRequest": {"requestSize": "12", "status": 200}}),
    ({"httpRequest": {"latency": "1.50s"}}, {"httpRequest": {"latency": "1.500s"}}),
    ({"httpRequest": {"latency": {"seconds": 1, "nanos": 5}}}, {"httpRequest": {"latency": "1.000000005s"}}),
    ({"source_location": {"line": 7.0}}, {"sourceLocation": {"line": "7"}}),
    ({"text_payload": "snake", "textPayload": None}, {"textPayload": "snake"}),
    ({"textPayload": ""}, {"textPayload": ""}),
    ({"textPayload": None}, {"textPayload": None}),
    ({"textPayload": None, "jsonPayload": {}}, {"jsonPayload": {}}),
    ({"textPayload": None, "jsonPayload": nested(33)}, {"jsonPayload": nested(33)}),
    ({"trace": None, "labels": None, "spanId": ""}, {"trace": None, "labels": None, "spanId": None}),
    ({"receiveTimestamp": "2001-01-01T00:00:00Z"}, {}),
    ({"split": {"uid": "u", "index": 0, "totalSplits": 2}}, {"split": {"uid": "u", "totalSplits": 2}}),
    ({"operation": {"id": "1", "first": True, "last": False}}, {"operation": {"id": "1", "first": True}}),
]


@pytest.mark.parametrize(("written", "stored"), GOOD, ids=[str(row[0])[:50] for row in GOOD])
def test_what_proto3_json_allows_is_taken(intake: Intake, written: dict[str, Any], stored: dict[str, Any]) -> None:
    assert write(intake, entry(**written)) == (200, {})
    (kept,) = intake.entries()
    for name, value in stored.items():
        assert kept.get(name) == value
    assert kept["receiveTimestamp"] != "2001-01-01T00:00:00Z"


# Python's parser calls int() on an enum's number; the proto3 JSON specification has integers only.
_LENIENT: list[dict[str, Any]] = [{"severity": 2.5}, {"severity": True}]


@pytest.mark.parametrize("fields", [row[0] for row in BAD_FIELDS if row[0] not in _LENIENT])
def test_the_official_parser_agrees_on_what_is_bad(fields: dict[str, Any]) -> None:
    if "jsonPayload" in fields and str(fields).count("{") > 30:
        message = pb.LogEntry.pb()()  # JSON may nest deeper in Python's parser: the wire form is what counts
        json_format.ParseDict({"jsonPayload": fields["jsonPayload"]}, message)
        with pytest.raises(Exception, match="MaxDepth"):
            pb.WriteLogEntriesRequest.pb()(entries=[message]).FromString(
                pb.WriteLogEntriesRequest.pb()(entries=[message]).SerializeToString()
            )
        return
    with pytest.raises(json_format.ParseError):
        json_format.ParseDict(entry(**fields), pb.LogEntry.pb()())


@pytest.mark.parametrize("request_fields", [{"logName": LOG}, {"log_name": LOG}])
def test_request_level_defaults_fill_the_gaps(intake: Intake, request_fields: dict[str, Any]) -> None:
    first = entry(logName=None, resource=None, labels={"a": "own"})
    second = entry("two", logName="projects/acme/logs/stderr")
    assert (
        write(intake, first, second, resource=K8S, labels={"a": "default", "b": "default"}, **request_fields)[0] == 200
    )
    one, two = intake.entries()
    assert (one["logName"], one["resource"], one["labels"]) == (LOG, K8S, {"a": "own", "b": "default"})
    assert (two["logName"], two["labels"]) == ("projects/acme/logs/stderr", {"a": "default", "b": "default"})


def test_payload_numbers_and_order_stay_and_a_query_answers_doubles(intake: Intake) -> None:
    raw = '{"z":1,"a":2.50,"big":12345678901234567,"none":null,"a.b":{"y":1,"x":[]}}'
    body = json.dumps({"entries": [entry(textPayload=None, jsonPayload="@")]}).replace('"@"', raw)
    assert call(intake, "/v2/entries:write", body.encode())[0] == 200
    (kept,) = intake.entries()
    assert json.dumps(kept["jsonPayload"], separators=(",", ":")) == raw.replace("2.50", "2.5")
    status, answer = call(intake, "/v2/entries:list", {"resourceNames": ["projects/acme"]})
    assert status == 200
    assert answer["entries"][0]["jsonPayload"]["big"] == 12345678901234568.0
