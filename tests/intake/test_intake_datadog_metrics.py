"""Datadog's metrics, service checks and events: what is taken, refused, taken and dropped; and the query."""

import gzip
import json
import sys
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from outrider.intake import Intake
from outrider.model.clock import ManualClock
from tests.support.intake_http import call
from tests.support.metrics_http import get, post

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

NOW = 1_780_000_000
V1, V2, DISTRIBUTIONS = "/api/v1/series", "/api/v2/series", "/api/v1/distribution_points"
CHECKS, EVENTS = "/api/v1/check_run", "/api/v1/events"


@pytest.fixture
def intake() -> Iterator[Intake]:
    with Intake(clock=ManualClock(NOW)) as running:
        yield running


def stats(intake: Intake) -> Any:
    return intake.stats()["datadog_metrics"]


def v2(metric: str = "redis.net.clients", value: Any = 1, time: Any = NOW, **fields: Any) -> dict[str, Any]:
    return {"series": [{"metric": metric, "type": 3, "points": [{"timestamp": time, "value": value}], **fields}]}


def v1(metric: str = "redis.net.clients", value: Any = 1, time: Any = NOW, **fields: Any) -> dict[str, Any]:
    return {"series": [{"metric": metric, "points": [[time, value]], **fields}]}


def point(**fields: Any) -> dict[str, Any]:
    plain = {"metric": "redis.net.clients", "type": "gauge", "value": 1, "timestamp": NOW, "host": "", "interval": 0}
    return {**plain, "unit": "", "source_type_name": "", "tags": [], **fields}


HOST = {"type": "host", "name": "n1"}
TAKEN: list[tuple[str, str, dict[str, Any], list[dict[str, Any]]]] = [
    ("a gauge", V2, v2(), [point()]),
    (
        "a count with all there is",
        V2,
        v2(
            type=1,
            interval=15,
            unit="connection",
            tags=["a:b", "c"],
            resources=[{"type": "pod", "name": "p"}, HOST],
            source_type_name="redis",
        ),
        [point(type="count", interval=15, unit="connection", tags=["a:b", "c"], host="n1", source_type_name="redis")],
    ),
    ("a rate", V2, v2(type=2, value=0.5), [point(type="rate", value=0.5)]),
    ("no type", V2, v2(type=0), [point(type="unspecified")]),
    ("no points", V2, {"series": [{"metric": "a", "points": []}]}, []),
    ("no series", V2, {"series": []}, []),
    ("v1: no type", V1, v1(), [point()]),
    (
        "v1: a rate of a host",
        V1,
        v1(type="rate", interval=10, host="n1", tags=["a:b"], device="sda"),
        [point(type="rate", interval=10, host="n1", tags=["a:b", "device:sda"])],
    ),
    ("v1: nulls", V1, v1(type=None, interval=None, host=None, tags=None), [point()]),
    (
        "v1: two points",
        V1,
        {"series": [{"metric": "m", "type": "count", "points": [[NOW, 1], [NOW + 1.5, 2.5]]}]},
        [point(metric="m", type="count"), point(metric="m", type="count", value=2.5, timestamp=NOW + 1.5)],
    ),
    (
        "a distribution",
        DISTRIBUTIONS,
        v1(value=[1, 2.5], host="n1"),
        [point(type="distribution", value=[1, 2.5], host="n1")],
    ),
    ("odd signs in a name", V2, v2("a-b c/d"), [point(metric="a_b_c_d")]),
]


@pytest.mark.parametrize(("path", "body", "points"), [row[1:] for row in TAKEN], ids=[row[0] for row in TAKEN])
def test_points_are_taken(intake: Intake, path: str, body: Any, points: list[dict[str, Any]]) -> None:
    assert post(intake, path, body) == (202, {"errors": []} if path == V2 else {"status": "ok"})
    assert intake.points() == points
    assert stats(intake)["paths"] == {path: 1}
    assert stats(intake)["stored"] == len(points)


ENCODERS: dict[str, Any] = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstd.compress,
}


@pytest.mark.parametrize("encoding", ENCODERS)
@pytest.mark.parametrize("path", [V1, V2])
def test_content_encodings_are_undone(intake: Intake, path: str, encoding: str) -> None:
    plain = json.dumps(v1() if path == V1 else v2()).encode()
    body = ENCODERS[encoding](plain)
    assert post(intake, path, body, {"Content-Encoding": encoding})[0] == 202
    assert intake.points() == [point()]
    assert stats(intake)["bytes"] == {"compressed": len(body), "uncompressed": len(plain)}


def sized(size: int, path: str = V2) -> bytes:
    """A body of exactly so many bytes."""
    body = v2(unit="") if path == V2 else v1(unit="")
    body["series"][0]["unit"] = "x" * (size - len(json.dumps(body)))
    return json.dumps(body).encode()


SIZES: list[tuple[str, int, str, int]] = [
    (V2, 512_000, "", 202),
    (V2, 512_001, "", 413),
    (V2, 5_242_880, "gzip", 202),
    (V2, 5_242_881, "gzip", 413),
    (V2, 5_242_881, "zstd", 413),
    (V1, 3_200_000, "", 202),
    (V1, 3_200_001, "", 413),
    (V1, 62_914_560, "zstd", 202),
    (V1, 62_914_561, "zstd", 413),
]


@pytest.mark.parametrize(("path", "size", "encoding", "status"), SIZES)
def test_a_body_may_be_so_large(intake: Intake, path: str, size: int, encoding: str, status: int) -> None:
    body = ENCODERS[encoding](sized(size, path))
    answered, answer = post(intake, path, body, {"Content-Encoding": encoding})
    assert answered == status
    if status == 413:
        assert answer == {"errors": ["Payload too large"]}
        assert stats(intake)["refused"] == {"too_large": 1}
    assert stats(intake)["stored"] == (status == 202)


REFUSED: list[tuple[str, str, Any]] = [
    ("no JSON", V2, b"{"),
    ("NaN", V2, b'{"series": [{"metric": "a", "points": [{"timestamp": 1, "value": NaN}]}]}'),
    ("a list", V2, []),
    ("no series", V2, {}),
    ("a series that is none", V2, {"series": ["a"]}),
    ("no name", V2, {"series": [{"points": []}]}),
    ("a type that is none", V2, v2(type=4)),
    ("a type of v1", V2, v2(type="gauge")),
    ("points of v1", V2, v1()),
    ("a text as a value", V2, v2(value="1")),
    ("null as a value", V2, v2(value=None)),
    ("true as a value", V2, v2(value=True)),
    ("a text as a time", V2, v2(time="now")),
    ("tags that are a text", V2, v2(tags="a:b")),
    ("a tag that is a number", V2, v2(tags=[1])),
    ("resources that are none", V2, v2(resources=["n1"])),
    ("an interval below zero", V2, v2(interval=-1)),
    ("v1: points of v2", V1, v2(type="gauge")),
    ("v1: a type of v2", V1, v1(type=3)),
    ("v1: half a point", V1, {"series": [{"metric": "a", "points": [[NOW]]}]}),
    ("v1: a host that is none", V1, v1(host=5)),
    ("v1: many values", V1, v1(value=[1, "a"])),
    ("a distribution of one value", DISTRIBUTIONS, v1(value=1)),
    ("a distribution of texts", DISTRIBUTIONS, v1(value=["a"])),
    ("no gzip", V2, b"\x1f\x8bnothing"),
    ("a check without name", CHECKS, {"status": 0}),
    ("a check without status", CHECKS, {"check": "a"}),
    ("a check with another status", CHECKS, {"check": "a", "status": 4}),
    ("a check that is none", CHECKS, ["a"]),
    ("a check among good ones", CHECKS, [{"check": "a", "status": 0}, {"check": "a", "status": "ok"}]),
    ("a check with one tag", CHECKS, {"check": "a", "status": 0, "tags": "a:b"}),
    ("an event without text", EVENTS, {"title": "a"}),
    ("an event without title", EVENTS, {"text": "a"}),
    ("an event with another alert", EVENTS, {"title": "a", "text": "b", "alert_type": "loud"}),
    ("an event at a time that is none", EVENTS, {"title": "a", "text": "b", "date_happened": "now"}),
]


@pytest.mark.parametrize(("path", "body"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_not_in_the_expected_form_is_refused_whole(intake: Intake, path: str, body: Any) -> None:
    status, answer = post(intake, path, body)
    assert status == 400
    assert len(answer["errors"]) == 1
    assert answer["errors"][0].startswith("Payload is not in the expected format: ")
    assert (intake.points(), intake.service_checks(), intake.events()) == ([], [], [])
    assert stats(intake)["refused"] == {"form": 1}
    assert stats(intake)["requests"] == {"400": 1}


@pytest.mark.parametrize(("encoding", "body"), [("br", b"{}"), ("gzip", b"{}"), ("zstd", zstd.compress(b"{}")[:-1])])
def test_an_encoding_that_is_none_is_refused(intake: Intake, encoding: str, body: bytes) -> None:
    status, answer = post(intake, V2, body, {"Content-Encoding": encoding})
    assert (status, len(answer["errors"])) == (400, 1)
    assert stats(intake)["refused"] == {"encoding": 1}


TIMES: list[tuple[float, str]] = [
    (NOW - 3600, ""),
    (NOW - 3601, "too_old"),
    (NOW + 600, ""),
    (NOW + 601, "in_the_future"),
    (NOW * 1000, "in_the_future"),
]


@pytest.mark.parametrize(("time", "fate"), TIMES)
@pytest.mark.parametrize("path", [V1, V2])
def test_times_too_far_off_are_taken_and_dropped(intake: Intake, path: str, time: float, fate: str) -> None:
    assert post(intake, path, v1(time=time) if path == V1 else v2(time=time))[0] == 202
    assert len(intake.points()) == (not fate)
    assert stats(intake)["dropped"] == ({fate: 1} if fate else {})
    assert (stats(intake)["accepted"], stats(intake)["stored"]) == (1, 0 if fate else 1)
    (arrived,) = call(intake, "/intake/points")[1]
    assert arrived.get("dropped", "") == fate


@pytest.mark.parametrize("name", ["1abc", "_abc", "a" * 201, "-"])
def test_a_name_that_is_none_is_taken_and_dropped(intake: Intake, name: str) -> None:
    assert post(intake, V2, v2(name))[0] == 202
    assert intake.points() == []
    assert stats(intake)["dropped"] == {"name": 1}


def test_a_long_tag_is_cut(intake: Intake) -> None:
    post(intake, V2, v2(tags=["a:" + "b" * 198, "c:" + "d" * 199]))
    assert intake.points()[0]["tags"] == ["a:" + "b" * 198, "c:" + "d" * 198]
    assert stats(intake)["over"] == {"tag": 1}


KEYED = [
    *(("POST", path, 400) for path in (V1, V2, DISTRIBUTIONS, CHECKS, EVENTS)),  # the body is empty
    ("GET", "/api/v1/validate", 200),
    ("GET", "/api/v1/query?query=avg:a{*}&from=1&to=2", 200),
    ("GET", "/api/v1/events/1", 404),
]


@pytest.mark.parametrize(("method", "path", "status"), KEYED)
def test_one_key_is_right_if_one_is_set(method: str, path: str, status: int) -> None:
    with Intake(api_key="right") as intake:
        for headers in ({"DD-API-KEY": "wrong"}, {}):
            assert call(intake, path, b"", method=method, headers=headers) == (403, {"errors": ["Forbidden"]})
        assert call(intake, path, b"", method=method, headers={"DD-API-KEY": "right"})[0] == status


def test_the_key_is_validated() -> None:
    with Intake(api_key="0123456789abcdef") as intake:
        assert get(intake, "/api/v1/validate") == (200, {"valid": True})
        intake.set_api_key("another")
        assert get(intake, "/api/v1/validate")[0] == 403


def test_service_checks_are_kept(intake: Intake) -> None:
    whole = {
        "check": "redis.can_connect",
        "status": 2,
        "host_name": "n1",
        "tags": ["a:b"],
        "message": "refused",
        "timestamp": NOW - 600,
    }
    assert post(intake, CHECKS, [whole, {"check": "a", "status": 0}]) == (202, {"status": "ok"})
    assert post(intake, CHECKS, {**whole, "timestamp": NOW - 601})[0] == 202
    bare = {"check": "a", "status": 0, "host_name": "", "tags": [], "message": "", "timestamp": NOW}
    assert intake.service_checks() == [whole, bare]
    assert stats(intake)["service_checks"] == 2
    assert stats(intake)["dropped"] == {"check_too_old": 1}


def test_an_event_is_kept_and_found_by_its_id(intake: Intake) -> None:
    given = {"title": "restart", "text": "x" * 4001, "tags": ["a:b"], "alert_type": "error", "date_happened": NOW - 60}
    status, answer = post(intake, EVENTS, given)
    assert (status, answer["status"]) == (202, "ok")
    kept = answer["event"]
    assert {**given, "text": "x" * 4000}.items() <= kept.items()
    assert get(intake, f"/api/v1/events/{kept['id']}") == (200, {"event": kept})
    assert get(intake, "/api/v1/events/77")[0] == 404
    for late in (NOW - 18 * 3600 - 1, NOW + 2 * 3600 + 1):
        assert post(intake, EVENTS, {"title": "a", "text": "b", "date_happened": late})[0] == 202
    assert intake.events() == [kept]
    assert stats(intake)["dropped"] == {"event_out_of_time": 2}
    assert stats(intake)["over"] == {"text": 1}


def test_counters_and_what_arrived(intake: Intake) -> None:
    for host in ("a", "b"):
        post(intake, V1, v1(host=host))
    post(intake, V1, v1(host="a", time=NOW - 10))
    post(intake, V2, v2("other"))
    counted = stats(intake)
    assert (counted["series"], counted["metrics"]) == (3, {"redis.net.clients": 2, "other": 1})
    assert (counted["stored"], counted["last_seq"], counted["requests"]) == (4, 4, {"202": 4})
    assert [one["metric"] for one in intake.points("other")] == ["other"]
    assert intake.wait_for_points(4, timeout=1)
    assert not intake.wait_for_points(5, timeout=0.01)
    (last,) = call(intake, "/intake/points?since=3")[1]
    assert (last["seq"], last["point"]["metric"]) == (4, "other")


def queried(intake: Intake, query: str, start: int = NOW - 60, end: int = NOW + 60) -> Any:
    status, answer = get(intake, f"/api/v1/query?{urlencode({'query': query, 'from': start, 'to': end})}")
    assert (status, answer["status"]) == (200, "ok"), answer
    return [(one["scope"], [(at / 1000 - NOW, value) for at, value in one["pointlist"]]) for one in answer["series"]]


@pytest.fixture
def filled(intake: Intake) -> Intake:
    for host, db, values in (("n1", "0", (1, 2)), ("n1", "1", (3, 4)), ("n2", "0", (5, 6))):
        points = [[NOW + 10 * n, value] for n, value in enumerate(values)]
        series = {"metric": "redis.keys", "points": points, "host": host, "tags": [f"db:{db}", "env:prod"]}
        assert post(intake, V1, {"series": [series]})[0] == 202
    return intake


QUERIES: list[tuple[str, list[tuple[str, list[tuple[float, float]]]]]] = [
    ("avg:redis.keys{*}", [("*", [(0, 3), (10, 4)])]),
    ("sum:redis.keys{db:0}", [("db:0", [(0, 6), (10, 8)])]),
    ("min:redis.keys{host:n1,env:prod}", [("host:n1,env:prod", [(0, 1), (10, 2)])]),
    ("max:redis.keys{env:p*, !db:1}", [("env:p*,!db:1", [(0, 5), (10, 6)])]),
    ("sum:redis.keys{*} by {host}", [("host:n1", [(0, 4), (10, 6)]), ("host:n2", [(0, 5), (10, 6)])]),
    (
        "avg:redis.keys{host:n1} by {db,host}",
        [("db:0,host:n1,host:n1", [(0, 1), (10, 2)]), ("db:1,host:n1,host:n1", [(0, 3), (10, 4)])],
    ),
    ("avg:redis.keys{db:7}", []),
    ("avg:redis.nothing{*}", []),
]


@pytest.mark.parametrize(("query", "expected"), QUERIES)
def test_a_metric_is_queried(filled: Intake, query: str, expected: Any) -> None:
    assert queried(filled, query) == expected


def test_a_query_has_an_interval_and_the_last_of_two_points_counts(filled: Intake) -> None:
    assert queried(filled, "max:redis.keys{*}", NOW, NOW + 9) == [("*", [(0, 5)])]
    series = {"metric": "redis.keys", "points": [[NOW, 2]], "host": "n2", "tags": ["env:prod", "db:0"]}
    post(filled, V1, {"series": [series]})
    assert queried(filled, "max:redis.keys{*}", NOW, NOW + 9) == [("*", [(0, 3)])]
    post(filled, DISTRIBUTIONS, v1("latency", [1, 2, 6]))
    assert queried(filled, "avg:latency{*}") == [("*", [(0, 3)])]


@pytest.mark.parametrize("query", ["", "redis.keys{*}", "avg:redis.keys", "avg:redis.keys{*}.rollup(60)", "p99:a{*}"])
def test_a_query_that_is_not_understood_is_refused(intake: Intake, query: str) -> None:
    status, answer = get(intake, f"/api/v1/query?{urlencode({'query': query, 'from': 1, 'to': 2})}")
    assert (status, len(answer["errors"])) == (400, 1)


def payload_class() -> Any:
    """MetricPayload, made from a description of its own: a reader that shares nothing with the one that is tested."""
    field = descriptor_pb2.FieldDescriptorProto
    kinds = {
        "string": field.TYPE_STRING,
        "double": field.TYPE_DOUBLE,
        "int64": field.TYPE_INT64,
        "int32": field.TYPE_INT32,
    }
    messages = {
        "Resource": [("type", 1, "string", False), ("name", 2, "string", False)],
        "MetricPoint": [("value", 1, "double", False), ("timestamp", 2, "int64", False)],
        "MetricSeries": [
            ("resources", 1, "Resource", True),
            ("metric", 2, "string", False),
            ("tags", 3, "string", True),
            ("points", 4, "MetricPoint", True),
            ("type", 5, "int32", False),
            ("unit", 6, "string", False),
            ("source_type_name", 7, "string", False),
            ("interval", 8, "int64", False),
            ("later", 99, "double", False),
        ],
        "MetricPayload": [("series", 1, "MetricSeries", True)],
    }  # fmt: skip
    file = descriptor_pb2.FileDescriptorProto(name="payload.proto", package="judge", syntax="proto3")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for title, number, kind, repeated in fields:
            label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
            made = message.field.add(name=title, number=number, label=label)
            made.type = kinds.get(kind, field.TYPE_MESSAGE)
            if kind not in kinds:
                made.type_name = f".judge.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("judge.MetricPayload"))


PROTOBUF = {"Content-Type": "application/x-protobuf"}


def test_a_protobuf_payload_is_the_same(intake: Intake) -> None:
    payload = payload_class()()
    payload.series.add(
        metric="redis.net.clients",
        type=2,
        interval=15,
        unit="connection",
        tags=["a:b", "ü"],
        resources=[{"type": "host", "name": "n1"}],
        points=[{"timestamp": NOW, "value": 0.25}, {"timestamp": NOW + 1}],
        source_type_name="redis",
        later=1.5,
    )
    payload.series.add(metric="late", type=3, points=[{"timestamp": -1, "value": -1}])
    body = payload.SerializeToString()
    for encoding in ("", "deflate"):
        given = zlib.compress(body) if encoding else body
        assert post(intake, V2, given, {**PROTOBUF, "Content-Encoding": encoding}) == (202, {"errors": []})
    same = {"type": "rate", "interval": 15, "unit": "connection", "tags": ["a:b", "ü"], "host": "n1"}
    same["source_type_name"] = "redis"
    assert intake.points() == [point(**same, value=0.25), point(**same, value=0, timestamp=NOW + 1)] * 2
    assert stats(intake)["dropped"] == {"too_old": 2}


def test_a_protobuf_payload_that_is_none_is_refused(intake: Intake) -> None:
    payload = payload_class()()
    payload.series.add(metric="redis.net.clients", type=3, points=[{"timestamp": NOW, "value": 1}])
    whole = payload.SerializeToString()
    for cut in range(1, len(whole)):
        assert post(intake, V2, whole[:cut], PROTOBUF)[0] == 400, cut
    assert post(intake, V2, b"\x0f", PROTOBUF)[0] == 400
    assert post(intake, V2, b"\x0a\x03\x12\x01\xff", PROTOBUF)[0] == 400  # a name that is no UTF-8
    assert post(intake, V2, b"\x08\x01", PROTOBUF)[0] == 400  # a series that is a number
    assert intake.points() == []
