"""Per-entry rules and sizes: what the API enforces after parsing, over REST, and the limits of a request."""

import gzip
import json
import time
import tracemalloc
from typing import Any

import pytest

from outrider.intake import Intake
from tests.support.intake_http import K8S, LOG, call, entry, iso, listed, refusal, write

MIB = 1024 * 1024


def without(label: str) -> dict[str, Any]:
    labels = {name: value for name, value in K8S["labels"].items() if name != label}  # type: ignore[attr-defined]
    return {**K8S, "labels": labels}


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"logName": None}, "Log name must be specified"),
    ({"logName": "stdout"}, "Log name must have the form projects/[PROJECT_ID]/logs/[LOG_ID]"),
    ({"logName": "projects/acme/logs/"}, "Log name must have the form"),
    ({"logName": "projects//logs/x"}, "Log name must have the form"),
    ({"logName": "projects/acme/logs/a/b"}, "LOG_ID must be URL-encoded"),
    ({"logName": "projects/acme/logs/a%2"}, "LOG_ID must be URL-encoded"),
    ({"logName": "projects/acme/logs/a:b"}, "Log name contains illegal character :"),
    ({"logName": "projects/acme/logs/a%3Ab"}, "Log name contains illegal character :"),
    ({"logName": "projects/acme/logs/a b"}, "Log name contains illegal character  "),
    ({"logName": "projects/acme/logs/%C3%A9"}, "Log name contains illegal character é"),
    ({"logName": f"projects/acme/logs/{'x' * 512}"}, "must be less than 512 characters"),
    ({"resource": None}, "A monitored resource must be specified for each log entry"),
    ({"resource": {"labels": {"a": "b"}}}, "A monitored resource must be specified for each log entry"),
    ({"resource": {"type": "k8s_containers"}}, "Resource type not supported: k8s_containers"),
    ({"resource": without("pod_name")}, "Resource k8s_container is missing required label: pod_name"),
    (
        {"resource": {**K8S, "labels": {**K8S["labels"], "node": "n"}}},  # type: ignore[dict-item]
        "Resource k8s_container has extra label: node",
    ),
    ({"resource": {"type": "global", "labels": {"zone": "z"}}}, "Resource global has extra label: zone"),
    ({"labels": {f"k{number}": "v" for number in range(65)}}, "Log entry has 65 labels"),
    ({"timestamp": iso(25 * 3600)}, "Timestamp is over a day in the future"),
    ({"timestamp": "9999-12-31T23:59:59Z"}, "Timestamp is over a day in the future"),
    ({"textPayload": "x" * 256 * 1024}, "Log entry with size 256.2K exceeds maximum size of 256.0K"),
    ({"textPayload": "é" * 128 * 1024}, "exceeds maximum size of 256.0K"),
    ({"textPayload": "x" * 2 * MIB}, "Log entry with size 2.0M exceeds maximum size of 256.0K"),
    ({"textPayload": None, "jsonPayload": {"n": [1] * 25_000}}, "Log entry with size 268.8K exceeds"),
    ({"textPayload": None, "jsonPayload": {"a": "x" * 300_000}}, "Log entry with size 293.2K exceeds"),
]


@pytest.mark.parametrize(("fields", "text"), REFUSED, ids=[row[1][:50] for row in REFUSED])
def test_a_bad_entry_is_refused_alone(intake: Intake, fields: dict[str, Any], text: str) -> None:
    status, body = write(intake, entry("good"), entry(**fields), entry("fine"), partialSuccess=True)
    assert text in refusal((status, body))
    message = body["error"]["message"]
    assert body["error"]["details"] == [
        {
            "@type": "type.googleapis.com/google.logging.v2.WriteLogEntriesPartialErrors",
            "logEntryErrors": {"1": {"code": 3, "message": message}},
        }
    ]
    assert [kept["textPayload"] for kept in intake.entries()] == ["good", "fine"]
    assert intake.stats()["rejected"] == 1


def test_without_partial_success_one_bad_entry_fails_all(intake: Intake) -> None:
    status, body = write(intake, entry(), entry(resource=None))
    assert refusal((status, body)) == "A monitored resource must be specified for each log entry"
    assert "details" not in body["error"]
    assert intake.entries() == []
    assert intake.stats()["rejected"] == 2


def test_nothing_written_means_no_per_entry_errors(intake: Intake) -> None:
    status, body = write(intake, entry(resource=None), entry(logName="x"), partialSuccess=True)
    assert "details" not in body["error"]
    assert refusal((status, body)) == "A monitored resource must be specified for each log entry"


TAKEN: list[dict[str, Any]] = [
    {"logName": "projects/acme/logs/a%2Fb"},
    {"logName": "projects/acme/logs/a%2fb.c_D-9"},
    {"logName": "organizations/12/logs/x"},
    {"logName": "folders/12/logs/x"},
    {"logName": "billingAccounts/A-B/logs/x"},
    {"logName": "projects/example.com:acme/logs/x"},
    {"logName": f"projects/acme/logs/{'x' * 511}"},
    {"resource": {"type": "some_future_type", "labels": {"what": "ever"}}},
    {"resource": {"type": "global"}},
    {"labels": {f"k{number}": "v" for number in range(64)}},
    {"timestamp": iso(24 * 3600 - 60)},
    {"textPayload": "x" * (256 * 1024 - 400)},
    {"textPayload": "\x00 NUL and \u2028"},
]


@pytest.mark.parametrize("fields", TAKEN, ids=[f"{i}-{next(iter(row), 'nothing')}" for i, row in enumerate(TAKEN)])
def test_what_the_api_takes_is_taken(intake: Intake, fields: dict[str, Any]) -> None:
    assert write(intake, entry(**fields)) == (200, {})
    kept = intake.entries()[0]
    assert {name: kept[name] for name in fields if name not in ("resource", "timestamp")} == {
        name: value for name, value in fields.items() if name not in ("resource", "timestamp")
    }


def test_project_id_is_filled_in_from_the_log(intake: Intake) -> None:
    write(intake, entry(resource=without("project_id")))
    assert intake.entries()[0]["resource"] == K8S


def test_missing_ids_and_times_are_assigned_in_order(intake: Intake) -> None:
    before = time.time()
    write(intake, *(entry(str(number)) for number in range(20)))
    kept = listed(intake)
    assert [one["textPayload"] for one in kept] == [str(number) for number in range(20)]
    assert len({one["insertId"] for one in kept}) == 20
    assert {one["timestamp"] for one in kept} == {kept[0]["receiveTimestamp"]}
    assert kept[0]["timestamp"] >= time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(before))


def test_long_labels_are_truncated_with_an_ellipsis(intake: Intake) -> None:
    assert write(intake, entry(labels={"k" * 513: "v", "é": "ü" * 40_000, "short": "s"})) == (200, {})
    labels = intake.entries()[0]["labels"]
    assert labels["k" * 509 + "..."] == "v"
    assert labels["é"].endswith("ü...")
    assert len(labels["é"].encode()) <= 65_536
    assert labels["short"] == "s"


def padded(size: int, count: int = 60) -> bytes:
    body = json.dumps({"entries": [entry("x" * 160_000) for _ in range(count)], "logName": LOG}).encode()
    return body + b" " * (size - len(body))


@pytest.mark.parametrize("zipped", [False, True])
def test_ten_mebibytes_pass_and_one_byte_more_does_not(intake: Intake, zipped: bool) -> None:
    assert call(intake, "/v2/entries:write", padded(10_485_760), zipped=zipped) == (200, {})
    assert intake.stats()["unique"] == 60
    answer = call(intake, "/v2/entries:write", padded(10_485_761), zipped=zipped)
    assert refusal(answer) == "Request payload size exceeds the limit: 10485760 bytes."
    assert intake.stats()["received"] == 60
    assert intake.stats()["requests"] == {"200": 1, "400": 1}


def test_a_gzip_bomb_stays_small(intake: Intake) -> None:
    bomb = gzip.compress(b" " * 20 * MIB, 1) * 20  # 20 members: 400 MiB in all
    tracemalloc.start()
    answer = call(intake, "/v2/entries:write", bomb, headers={"Content-Encoding": "gzip"})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 * MIB
    assert "exceeds the limit" in refusal(answer)


ENCODINGS: list[tuple[str, bytes, str]] = [
    ("gzip", b"not gzip", "not valid gzip"),
    ("gzip", gzip.compress(b'{"entries": []}', mtime=0)[:-9], "not valid gzip"),
    ("br", b"{}", "Unsupported content encoding: br"),
]


@pytest.mark.parametrize(("encoding", "body", "text"), ENCODINGS)
def test_bad_content_encodings_are_refused(intake: Intake, encoding: str, body: bytes, text: str) -> None:
    assert text in refusal(call(intake, "/v2/entries:write", body, headers={"Content-Encoding": encoding}))


def test_gzip_in_two_members_and_identity_are_read(intake: Intake) -> None:
    raw = json.dumps({"entries": [entry()]}).encode()
    two = gzip.compress(raw[:20]) + gzip.compress(raw[20:])
    assert call(intake, "/v2/entries:write", two, headers={"Content-Encoding": "gzip"}) == (200, {})
    assert call(intake, "/v2/entries:write", raw, headers={"Content-Encoding": "identity"}) == (200, {})
    assert intake.stats()["bytes"] == {"compressed": len(two) + len(raw), "uncompressed": 2 * len(raw)}


def test_dry_run_checks_and_writes_nothing(intake: Intake) -> None:
    assert write(intake, entry(), dryRun=True) == (200, {})
    refusal(write(intake, entry(resource=None), dryRun=True))
    assert intake.entries() == []
    assert intake.stats()["received"] == 0


def test_five_thousand_entries_in_one_request_are_quick(intake: Intake) -> None:
    entries = [entry("x" * 300, insertId=f"{number:06}", labels={"k8s-pod/app": "cart"}) for number in range(5000)]
    body = gzip.compress(json.dumps({"entries": entries, "partialSuccess": True}).encode(), 1)
    start = time.monotonic()
    assert call(intake, "/v2/entries:write", body, headers={"Content-Encoding": "gzip"}) == (200, {})
    assert time.monotonic() - start < 2  # takes about 0.2 s; the bound leaves room for a loaded machine
    assert intake.stats()["unique"] == 5000
