"""Datadog's "send logs": what is taken, what is refused and how, what becomes of a log that is over a limit."""

import gzip
import http.client
import json
import random
import socket
import sys
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outrider.intake import Intake
from outrider.intake.datadog.errors import DatadogError
from outrider.intake.datadog.logs import prepare
from outrider.model.clock import ManualClock
from tests.support.intake_http import DATADOG, call, datadog_refusal, entry, found, submit, write
from tests.support.wait import until

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

NOW = 1_780_000_000
MS = NOW * 1000
MIB = 1024 * 1024


def stats(intake: Intake) -> Any:
    return intake.stats()["datadog"]


def log(message: str = "hello", **attributes: Any) -> dict[str, Any]:
    return {"message": message, **attributes}


TAKEN: list[tuple[str, Any, list[str]]] = [
    ("an array", [log("a"), log("b")], ["a", "b"]),
    ("one object", log("a"), ["a"]),
    ("the Agent's probe", {}, []),
    ("an empty array", [], []),
    ("a probe among logs", [{}, log("a")], ["a"]),
    ("1000 logs", [log(str(number)) for number in range(1000)], [str(number) for number in range(1000)]),
]


@pytest.mark.parametrize(("body", "messages"), [row[1:] for row in TAKEN], ids=[row[0] for row in TAKEN])
def test_arrays_and_objects_are_taken(intake: Intake, body: Any, messages: list[str]) -> None:
    assert submit(intake, body) == (202, {})
    assert [kept["message"] for kept in intake.logs()] == messages
    assert stats(intake)["accepted"] == len(messages)
    assert stats(intake)["probes"] == (not messages)
    assert stats(intake)["requests"] == {"202": 1}


RAW = json.dumps([log("é" * 50)]).encode()
ENCODINGS: list[tuple[str, bytes]] = [
    ("", RAW),
    ("identity", RAW),
    ("gzip", gzip.compress(RAW, mtime=0)),
    ("GZIP", gzip.compress(RAW, mtime=0)),
    ("gzip", gzip.compress(RAW[:20], mtime=0) + gzip.compress(RAW[20:], mtime=0)),
    ("deflate", zlib.compress(RAW)),
    ("zstd", zstd.compress(RAW)),
    ("zstd", zstd.compress(RAW[:20]) + zstd.compress(RAW[20:])),
]


@pytest.mark.parametrize(("encoding", "body"), ENCODINGS)
def test_content_encodings_are_undone(intake: Intake, encoding: str, body: bytes) -> None:
    assert submit(intake, body, headers={"Content-Encoding": encoding}) == (202, {})
    assert intake.logs() == [log("é" * 50)]
    assert stats(intake)["bytes"] == {"compressed": len(body), "uncompressed": len(RAW)}


def big(size: int) -> bytes:
    """A body of exactly so many bytes, in logs of less than 1 MB."""
    logs = [log("x" * 900_000) for _ in range(5)]
    logs.append(log("x" * (size - len(json.dumps([*logs, log("")])))))
    return json.dumps(logs).encode()


LARGE = (413, "Request too large")
REFUSED: list[tuple[str, Any, dict[str, str], int, str, str]] = [
    ("no key", [log()], {"DD-API-KEY": ""}, 401, "API key is missing", "api_key_missing"),
    ("form data", [log()], {"Content-Type": "text/plain"}, 400, "content type: text/plain", "content_type"),
    ("no type", [log()], {"Content-Type": ""}, 400, "content type: (none)", "content_type"),
    ("brotli", [log()], {"Content-Encoding": "br"}, 400, "content encoding: br", "encoding"),
    ("not gzip", b"[]", {"Content-Encoding": "gzip"}, 400, "not valid gzip", "encoding"),
    ("half a gzip", gzip.compress(RAW, mtime=0)[:-9], {"Content-Encoding": "gzip"}, 400, "not valid gzip", "encoding"),
    ("not deflate", b"[]", {"Content-Encoding": "deflate"}, 400, "not valid deflate", "encoding"),
    ("not zstd", b"[]", {"Content-Encoding": "zstd"}, 400, "not valid zstd", "encoding"),
    ("half a zstd", zstd.compress(RAW)[:-5], {"Content-Encoding": "zstd"}, 400, "it ends early", "encoding"),
    ("one byte over", big(5_000_001), {}, *LARGE, "too_large"),
    ("over, in gzip", gzip.compress(big(5_000_001), mtime=0), {"Content-Encoding": "gzip"}, *LARGE, "too_large"),
    ("over, in zstd", zstd.compress(big(5_000_001)), {"Content-Encoding": "zstd"}, *LARGE, "too_large"),
    ("1001 logs", [log()] * 1001, {}, 413, "1001 logs, at most 1000", "too_many"),
    ("nothing", b"", {}, 400, "Invalid JSON", "json"),
    ("half a JSON", b'[{"message"', {}, 400, "Invalid JSON", "json"),
    ("bad UTF-8", b'[{"message": "\xff"}]', {}, 400, "Invalid JSON", "json"),
    ("NaN", b'[{"message": "a", "n": NaN}]', {}, 400, "Invalid JSON", "json"),
    ("a text", '"hello"', {}, 400, "Log 0 is not a JSON object", "not_an_object"),
    ("a text among logs", [log(), "hello"], {}, 400, "Log 1 is not a JSON object", "not_an_object"),
    *(
        (f"{name} {value!r}", [log(), {**log(), name: value}], {}, 400, f"{name} must be a string", "field")
        for name in ("message", "ddsource", "ddtags", "hostname", "service")
        for value in (None, 5, {"a": "b"})
    ),
]


@pytest.mark.parametrize(
    ("body", "headers", "status", "detail", "reason"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_a_bad_request_is_refused_whole(
    intake: Intake, body: Any, headers: dict[str, str], status: int, detail: str, reason: str
) -> None:
    answered, text = datadog_refusal(submit(intake, body, headers=headers))
    assert answered == status
    assert detail in text
    assert intake.logs() == []
    assert stats(intake)["refused"] == {reason: 1}
    assert stats(intake)["requests"] == {str(status): 1}
    assert stats(intake)["accepted"] == 0


def test_five_megabytes_are_taken(intake: Intake) -> None:
    assert submit(intake, big(5_000_000)) == (202, {})
    assert submit(intake, zstd.compress(big(5_000_000)), headers={"Content-Encoding": "zstd"}) == (202, {})
    assert stats(intake)["over"] == {}


BOMBS = {
    "gzip": gzip.compress(b" " * 20 * MIB, 1) * 20,
    "deflate": zlib.compress(b" " * 400 * MIB, 1),
    "zstd": zstd.compress(b" " * 20 * MIB) * 20,
}


@pytest.mark.parametrize("encoding", BOMBS)
def test_a_bomb_stays_small(intake: Intake, encoding: str) -> None:
    tracemalloc.start()
    answer = submit(intake, BOMBS[encoding], headers={"Content-Encoding": encoding})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert datadog_refusal(answer)[0] == 413
    assert peak < 40 * MIB


def test_a_zstd_frame_that_asks_for_a_large_window_is_refused(intake: Intake) -> None:
    options = {zstd.CompressionParameter.window_log: 27}
    frame = zstd.ZstdCompressor(options=options)
    body = frame.compress(RAW) + frame.flush()
    assert datadog_refusal(submit(intake, body, headers={"Content-Encoding": "zstd"}))[0] == 400


def test_one_key_is_right_if_one_is_set() -> None:
    with Intake(api_key="right") as intake:
        assert submit(intake, [log()], headers={"DD-API-KEY": "right"}) == (202, {})
        wrong = submit(intake, [log()], headers={"DD-API-KEY": "wrong"})
        assert datadog_refusal(wrong) == (403, "API key is missing or invalid")
        assert datadog_refusal(submit(intake, [log()], headers={"DD-API-KEY": ""}))[0] == 401
        intake.set_api_key("wrong")
        assert submit(intake, [log()], headers={"DD-API-KEY": "wrong"}) == (202, {})
        assert submit(intake, [log()], headers={"DD-API-KEY": "right"})[0] == 403
        assert stats(intake)["refused"] == {"api_key_missing": 1, "api_key_wrong": 2}


QUERIES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("", {}, {}),
    ("?ddtags=a:b,c", {}, {"ddtags": "a:b,c"}),
    ("?ddtags=a:b,c", {"ddtags": "d:e"}, {"ddtags": "a:b,c,d:e"}),
    ("?ddtags=a:b", {"ddtags": ""}, {"ddtags": ""}),
    (
        "?ddsource=nginx&service=cart&hostname=n1",
        {},
        {"ddsource": "nginx", "service": "cart", "hostname": "n1"},
    ),
    ("?host=n1", {}, {"hostname": "n1"}),
    ("?service=cart&what=ever", {"service": "shop"}, {"service": "shop"}),
    ("?ddtags=env%3Aprod%2Ca%20b", {}, {"ddtags": "env:prod,a b"}),
]


@pytest.mark.parametrize(("query", "given", "kept"), QUERIES)
def test_query_parameters_fill_gaps(intake: Intake, query: str, given: dict[str, Any], kept: dict[str, Any]) -> None:
    assert submit(intake, [log(**given)], query) == (202, {})
    assert intake.logs() == [log(**kept)]


TIMES: list[tuple[str, Any, str, int]] = [
    ("now", MS, "", MS),
    ("a text of digits", str(MS - 5), "", MS - 5),
    ("with a fraction", MS + 0.5, "", MS),
    ("ISO 8601", "2026-05-28T20:26:39.123456789Z", "", MS - 877),
    ("18 hours ago", MS - 18 * 3_600_000, "", MS - 18 * 3_600_000),
    ("over 18 hours ago", MS - 18 * 3_600_000 - 1, "too_old", MS - 18 * 3_600_000 - 1),
    ("seconds", NOW, "too_old", NOW),
    ("in 2 hours", MS + 2 * 3_600_000, "", MS + 2 * 3_600_000),
    ("in over 2 hours", MS + 2 * 3_600_000 + 1, "in_the_future", MS + 2 * 3_600_000 + 1),
    ("words", "yesterday", "unreadable", MS),
    ("null", None, "unreadable", MS),
    ("true", True, "unreadable", MS),
    ("nanoseconds", MS * 1_000_000, "unreadable", MS),
    ("a list", [MS], "unreadable", MS),
]


@pytest.mark.parametrize(("given", "fate", "kept"), [row[1:] for row in TIMES], ids=[row[0] for row in TIMES])
def test_times_too_far_off_are_taken_and_dropped(given: Any, fate: str, kept: int) -> None:
    with Intake(clock=ManualClock(NOW)) as intake:
        assert submit(intake, [log("odd", timestamp=given), log("good")]) == (202, {})
        dropped = fate in ("too_old", "in_the_future")
        assert stats(intake)["dropped"] == ({fate: 1} if dropped else {})
        assert stats(intake)["over"] == ({"timestamp": 1} if fate == "unreadable" else {})
        assert [one["message"] for one in intake.logs()] == (["good"] if dropped else ["odd", "good"])
        assert (stats(intake)["accepted"], stats(intake)["unique"]) == (2, 1 if dropped else 2)
        _, raw = call(intake, "/intake/logs")
        assert [one["timestamp"] for one in raw] == [kept, MS]
        assert [one.get("dropped", "") for one in raw] == [fate if dropped else "", ""]


def test_a_log_over_a_megabyte_is_truncated(intake: Intake) -> None:
    fits = log("x" * (1_000_000 - len('{"message":""}')))
    sent = [fits, log("é" * 700_000, service="cart"), log("short")]
    assert submit(intake, json.dumps(sent, ensure_ascii=False).encode()) == (202, {})
    first, second, third = call(intake, "/intake/logs")[1]
    assert first["log"] == fits
    assert second["over"] == ["message"]
    assert len(json.dumps(second["log"], ensure_ascii=False, separators=(",", ":")).encode()) in (999_999, 1_000_000)
    assert second["log"]["service"] == "cart"
    assert set(second["log"]["message"]) == {"é"}
    assert ("over" in first, "over" in third) == (False, False)
    assert stats(intake)["over"] == {"message": 1}
    only_attributes = {"payload": "x" * 1_100_000}
    assert submit(intake, only_attributes) == (202, {})
    assert intake.logs()[-1] == only_attributes


def nested(levels: int) -> dict[str, Any]:
    return {"a": nested(levels - 1) if levels > 1 else 1}


OVER: list[tuple[str, dict[str, Any], str | None]] = [
    ("100 tags", {"ddtags": ",".join(f"k{number}:v" for number in range(100))}, None),
    ("101 tags", {"ddtags": ",".join(f"k{number}:v" for number in range(101))}, "tags"),
    ("a tag of 256", {"ddtags": "k:" + "v" * 254}, None),
    ("a tag of 257", {"ddtags": "a:b,k:" + "v" * 255}, "tags"),
    ("256 attributes", {f"k{number}": 1 for number in range(256)}, None),
    ("257 attributes", {f"k{number}": 1 for number in range(257)}, "attributes"),
    ("257 deeper ones", {"a": {f"k{number}": 1 for number in range(257)}}, "attributes"),
    ("a key of 50", {"k" * 50: 1}, None),
    ("a key of 51", {"k" * 51: 1}, "attributes"),
    ("a deeper key of 51", {"a": {"k" * 51: 1}}, "attributes"),
    ("20 levels", nested(20), None),
    ("21 levels", nested(21), "attributes"),
]


@pytest.mark.parametrize(("given", "over"), [row[1:] for row in OVER], ids=[row[0] for row in OVER])
def test_limits_of_tags_and_attributes_are_noted(intake: Intake, given: dict[str, Any], over: str | None) -> None:
    assert submit(intake, [log(**given)]) == (202, {})
    assert stats(intake)["over"] == ({over: 1} if over else {})
    (kept,) = intake.logs()
    if over == "tags":
        tags = kept["ddtags"].split(",")
        assert len(tags) <= 100
        assert max(map(len, tags)) <= 256
    else:
        assert kept == log(**given)


def test_repeats_are_known_by_their_id(intake: Intake) -> None:
    one = log("first", **{"outrider.id": "stream:1:0"})
    submit(intake, [one, {**one, "outrider.id": "stream:1:6"}])
    submit(intake, [one, {**one, "message": "another"}, log("no id"), log("no id")])
    numbers = {name: stats(intake)[name] for name in ("accepted", "unique", "repeated", "conflicting", "without_id")}
    assert numbers == {"accepted": 6, "unique": 4, "repeated": 2, "conflicting": 1, "without_id": 2}
    assert [kept["message"] for kept in intake.logs()] == ["first", "first", "no id", "no id"]
    _, raw = call(intake, "/intake/logs")
    assert [one["seq"] for one in raw if one.get("repeated")] == [3, 4]
    assert len(found(intake)) == 6  # Datadog knows no repeats


def test_a_log_without_a_message_is_taken_and_counted(intake: Intake) -> None:
    assert submit(intake, [{"service": "cart"}, log()]) == (202, {})
    assert intake.logs() == [{"service": "cart"}, log()]
    assert stats(intake)["without_message"] == 1


def test_counters_outlive_the_kept_logs_and_both_apis_count_apart() -> None:
    with Intake(keep=2, clock=ManualClock(NOW)) as intake:
        logs = [log(str(number), service=f"s{number % 2}", timestamp=MS - 10_000) for number in range(5)]
        submit(intake, logs)
        write(intake, entry())
        counted = stats(intake)
        assert (counted["unique"], counted["kept"], counted["last_seq"], counted["lag"]) == (5, 2, 5, 10.0)
        assert counted["services"] == {"s0": 3, "s1": 2}
        assert counted["per_second"] == [0] * 59 + [5]
        assert [kept["message"] for kept in intake.logs()] == ["3", "4"]
        assert intake.stats()["unique"] == 1
        assert intake.wait_for_logs(5, timeout=1)
        assert not intake.wait_for_logs(6, timeout=0.01)


def test_logs_are_read_in_steps(intake: Intake) -> None:
    submit(intake, [log(str(number)) for number in range(5)])
    page = call(intake, "/intake/logs?since=1&limit=2")[1]
    assert [(one["seq"], one["log"]) for one in page] == [(2, log("1")), (3, log("2"))]
    assert call(intake, "/intake/logs?since=5") == (200, [])


@pytest.mark.parametrize(("method", "path"), [("GET", "/api/v2/logs"), ("POST", "/api/v1/input"), ("PUT", "/api/x")])
def test_what_is_unknown_is_not_found_in_datadogs_form(intake: Intake, method: str, path: str) -> None:
    assert datadog_refusal(call(intake, path, b"", method=method))[0] == 404


def test_a_connection_serves_many_requests_also_after_a_refusal(intake: Intake) -> None:
    connection = http.client.HTTPConnection(intake.host, intake.port, timeout=5)
    statuses = []
    for body in (b"{", RAW, b"[5]", RAW):
        connection.request("POST", "/api/v2/logs", body, DATADOG)
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
        port = connection.sock.getsockname()
    assert statuses == [400, 202, 400, 202]
    assert port == connection.sock.getsockname()
    connection.close()


def test_a_body_far_over_the_limit_is_refused_unread(intake: Intake) -> None:
    with socket.create_connection((intake.host, intake.port), 5) as connection:
        connection.sendall(b"POST /api/v2/logs HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert datadog_refusal((answer.status, json.loads(answer.read())))[0] == 413


ANSWERS = [401, 403, 408, 413, 429, 500, 503]


@pytest.mark.parametrize("status", ANSWERS)
def test_a_fault_that_is_an_answer_stores_nothing(intake: Intake, status: int) -> None:
    intake.set_faults([str(status)])
    connection = http.client.HTTPConnection(intake.host, intake.port, timeout=5)
    connection.request("POST", "/api/v2/logs", RAW, DATADOG)
    answer = connection.getresponse()
    assert datadog_refusal((answer.status, json.loads(answer.read())))[0] == status
    assert answer.getheader("X-RateLimit-Reset") == ("1" if status == 429 else None)
    connection.close()
    assert stats(intake)["requests"] == {str(status): 1}
    assert stats(intake)["refused"] == {}
    intake.set_faults([])
    assert submit(intake, [log()]) == (202, {})
    assert stats(intake)["accepted"] == 1


def test_faults_of_the_connection(intake: Intake) -> None:
    intake.set_faults(["hang"])
    with pytest.raises(TimeoutError):
        call(intake, "/api/v2/logs", [log()], headers=DATADOG, timeout=0.2)
    until(lambda: stats(intake)["requests"] == {"hang": 1})
    intake.set_faults(["reset"])
    with pytest.raises(ConnectionResetError):
        submit(intake, [log()])
    assert intake.logs() == []
    intake.set_faults(["lost-ack"])
    with pytest.raises(http.client.RemoteDisconnected):
        submit(intake, [log("kept")])
    assert intake.logs() == [log("kept")]
    assert stats(intake)["requests"] == {"hang": 1, "reset": 1, "lost-ack": 1}


def test_a_fault_that_only_datadog_knows_passes_cloud_logging_by(intake: Intake) -> None:
    intake.set_faults(["413", "408"])
    assert write(intake, entry()) == (200, {})
    assert submit(intake, [log()])[0] == 413
    intake.set_faults(["408", "503"])
    assert write(intake, entry())[0] == 503
    assert submit(intake, [log()])[0] == 408


def outcomes(seed: int) -> list[int]:
    with Intake(faults=["503:0.4", "429:0.3"], seed=seed) as intake:
        return [submit(intake, [log()])[0] for _ in range(40)]


def test_probabilities_are_drawn_repeatably() -> None:
    first = outcomes(7)
    assert first == outcomes(7)
    assert {202, 429, 503} == set(first)


ATTRIBUTES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
NAMES = st.sampled_from(["message", "ddtags", "timestamp", "status", "service", "outrider.id"]) | st.text(max_size=60)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(NAMES, ATTRIBUTES, max_size=8))
def test_any_object_is_refused_or_becomes_a_log(given_log: dict[str, Any]) -> None:
    texts = ("message", "ddsource", "ddtags", "hostname", "service")
    good = all(isinstance(given_log[name], str) for name in texts if name in given_log)
    try:
        ready = prepare(dict(given_log), {}, MS)
    except DatadogError as error:
        assert not good
        assert error.http_status == 400
    else:
        assert good
        assert json.loads(ready.raw) == ready.fields
        assert {**ready.fields, "ddtags": None} == {**given_log, "ddtags": None}


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["a", "é", "\u2028", "\U0001f600", '"', "\x01"]), st.integers(0, 3))
def test_a_truncated_log_fits_and_loses_only_its_end(extra: int, character: str, seed: int) -> None:
    filler = "".join(random.Random(seed).choices(["a", character], k=400_000)) * 2
    message = filler + character * extra
    ready = prepare({"message": message, "service": "cart"}, {}, MS)
    assert len(ready.raw) <= 1_000_000
    assert message.startswith(ready.fields["message"])
    assert ("message" in ready.over) == (ready.fields["message"] != message)
