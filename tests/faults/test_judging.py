"""The judge is judged: what it must find is put into a sink by hand."""

import gzip
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from tests.faults.judging import Outcome, judge
from tests.faults.writing import JumpingClock, Writer, record
from tests.support.sink import DATADOG, GOOGLE, PATHS, Sink, Vendor

KEY = {"DD-API-KEY": "a-key"}


@pytest.fixture(params=[GOOGLE, DATADOG])
def sink(request: pytest.FixtureRequest) -> Iterator[Sink]:
    with Sink(request.param) as sink:
        yield sink


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    w = Writer(tmp_path, JumpingClock(), "shop", "cart", width=60, max_size=1000, max_files=5)
    w.write(30)
    return w


def entry(vendor: Vendor, number: int, *, name: str | None = None, time: int = 0, text: str | None = None) -> Any:
    text = record("cart", number, 60)[1] if text is None else text
    name = name or f"s-g-{number:05d}"
    if vendor == DATADOG:
        return {"message": text, "timestamp": time, "status": "info", "outrider.id": name, "ddtags": "pod_name:cart"}
    payload = {"jsonPayload": json.loads(text)} if text.startswith("{") else {"textPayload": text}
    place = {"logName": "projects/acme/logs/stdout", "resource": {"labels": {"pod_name": "cart"}}}
    return {"insertId": name, "timestamp": str(time), "severity": "INFO", **place, **payload}


def post(sink: Sink, *entries: Any, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
    whole: Any = list(entries) if sink.vendor == DATADOG else {"entries": list(entries)}
    data = json.dumps(whole).encode() if body is None else body
    connection = http.client.HTTPConnection(sink.url.removeprefix("http://"), timeout=10)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("POST", PATHS[sink.vendor], data, {"Content-Type": "application/json", **KEY, **named})
    answer = connection.getresponse()
    read = answer.read()
    connection.close()
    return answer.status, json.loads(read)


def judged(sink: Sink, writer: Writer, *entries: Any) -> Outcome:
    whole = [entry(sink.vendor, n) for n in range(30)]
    post(sink, *whole[:29], *entries)
    assert sink.complaints == []
    return judge(sink, [writer], sink.vendor)


def test_what_is_not_there_is_lost(sink: Sink, writer: Writer) -> None:
    outcome = judged(sink, writer)
    assert (outcome.written, outcome.lost, outcome.repeated, outcome.sound) == (30, 1, 0, False)
    assert outcome.examples == ["lost: cart 29"]


def test_a_repeat_is_no_fault_if_it_is_the_same_entry(sink: Sink, writer: Writer) -> None:
    outcome = judged(sink, writer, entry(sink.vendor, 29), entry(sink.vendor, 3))
    assert (outcome.lost, outcome.repeated, outcome.repeated_otherwise, outcome.sound) == (0, 1, 0, True)


@pytest.mark.parametrize("other", [{"name": "s-g-99999"}, {"time": 1}])
def test_a_repeat_with_another_id_or_time_is_found(sink: Sink, writer: Writer, other: dict[str, Any]) -> None:
    outcome = judged(sink, writer, entry(sink.vendor, 29), entry(sink.vendor, 4, **other))
    assert (outcome.repeated, outcome.repeated_otherwise, outcome.sound) == (1, 1, False)


@pytest.mark.parametrize("text", ["nobody wrote this", "[cart 0000004] half", "[cart 0000099] ".ljust(60, ".")])
def test_what_was_not_written_is_found(sink: Sink, writer: Writer, text: str) -> None:
    outcome = judged(sink, writer, entry(sink.vendor, 29), entry(sink.vendor, 4, text=text, name="s-g-5"))
    assert (outcome.lost, outcome.mangled, outcome.sound) == (0, 1, False)


def test_two_records_under_one_id_and_ids_that_do_not_sort_are_found(sink: Sink, writer: Writer) -> None:
    outcome = judged(sink, writer, entry(sink.vendor, 29, name="s-g-00004"))
    assert (outcome.lost, outcome.shared_ids, outcome.sound) == (0, 1, False)
    assert outcome.out_of_order == 1


def test_a_datadog_sink_says_what_is_not_allowed() -> None:
    with Sink(DATADOG) as sink:
        assert post(sink, entry(DATADOG, 1)) == (202, {})
        for packed, encoding in ((gzip.compress, "gzip"), (zstd.compress, "zstd")):
            body = packed(json.dumps([entry(DATADOG, 1)]).encode())
            assert post(sink, body=body, Content_Encoding=encoding) == (202, {})
        assert len(sink.received("cart")) == 3
        assert post(sink, body=b"{}") == (202, {}), "the Agent's probe"
        assert sink.complaints == []
        wrong = [
            ({"DD_API_KEY": ""}, json.dumps([entry(DATADOG, 1)])),
            ({"Content_Type": "text/plain"}, json.dumps([entry(DATADOG, 1)])),
            ({"Content_Encoding": "br"}, json.dumps([entry(DATADOG, 1)])),
            ({}, json.dumps([entry(DATADOG, 1)] * 1001)),
            ({}, json.dumps([{"message": {"an": "object"}}])),
            ({}, json.dumps([{"message": "", "timestamp": "2026-01-01T00:00:00Z"}])),
            ({}, json.dumps([{"message": "x" * 1_000_001}])),
            ({}, json.dumps([{"message": "x" * 900_000}] * 6)),
        ]
        for i, (headers, body_text) in enumerate(wrong):
            post(sink, body=body_text.encode(), **headers)
            assert len(sink.complaints) == i + 1, sink.complaints
