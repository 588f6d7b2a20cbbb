"""The client on real connections: against a sink that is told what to answer, and against servers that misbehave."""

import socket
from pathlib import Path

import orjson
import pytest

from outrider.config.secrets import Secret
from outrider.exporters.answer import Verdict
from outrider.exporters.datadog.client import TROUBLE
from outrider.exporters.datadog.exporter import DatadogLogs
from outrider.model.clock import ManualClock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.records import Records
from outrider.model.stream import Stream
from tests.support.raw_server import answer, raw_server, silent
from tests.support.sink import DATADOG, HANG, LOST_ACK, RESET, Fault, Sink

NOW = 1_778_923_200.0  # 2026-05-16T09:20:00Z
RECORD = (0, b"2026-05-16T09:19:06Z", b"stdout", b"hello")


def exporter(
    url: str, key: Secret | None = None, compress: str = "gzip", clock: ManualClock | None = None
) -> DatadogLogs:
    cluster = Cluster("acme", "c", "l", "node-1")
    clock = clock or ManualClock(NOW)
    return DatadogLogs("dd", cluster, url, key or Secret("a1b2"), clock, Counters(), compress=compress)


def entries(destination: DatadogLogs, n: int = 1) -> list[bytes]:
    context = destination.context(Stream("shop", "web", "u", "app", 0), None)
    records = [(i * 10, *RECORD[1:]) for i in range(n)]
    return destination.encode(Records.of(records), context, lambda _: ("g", b"")).entries()


@pytest.mark.parametrize("compress", ["gzip", "deflate", "zstd", "none"])
@pytest.mark.parametrize("n", [1, 1000])
def test_entries_arrive(compress: str, n: int) -> None:
    with Sink(DATADOG) as sink:
        destination = exporter(sink.url + "/", compress=compress)
        sent = entries(destination, n)
        assert destination.send(sent).verdict is Verdict.ACCEPTED
        assert [r.entry for r in sink.received()] == [orjson.loads(e) for e in sent]
        assert sink.complaints == []
        [request] = sink.requests
        assert request.headers["dd-api-key"] == "a1b2"
        assert request.headers["content-type"] == "application/json"
        assert request.headers.get("content-encoding", "none") == compress
        assert request.headers["user-agent"].startswith("outrider/")
        assert request.size == sum(map(len, sent)) + n + 1


@pytest.mark.parametrize(
    ("fault", "verdict", "wait"),
    [
        (Fault(400), Verdict.SPLIT, None),
        (Fault(413), Verdict.SPLIT, None),
        (Fault(401), Verdict.HOLD, None),
        (Fault(403), Verdict.HOLD, None),
        (Fault(429, {"Retry-After": "7"}), Verdict.RETRY, 7.0),
        (Fault(429, {"X-RateLimit-Reset": "9"}), Verdict.RETRY, 9.0),
        (Fault(503), Verdict.RETRY, None),
        (Fault(RESET), Verdict.RETRY, None),
        (Fault(LOST_ACK), Verdict.RETRY, None),
    ],
)
def test_faults_become_verdicts_and_the_client_lives_on(fault: Fault, verdict: Verdict, wait: float | None) -> None:
    with Sink(DATADOG) as sink:
        destination = exporter(sink.url)
        sink.next(fault)
        said = destination.send(entries(destination))
        assert (said.verdict, said.retry_after) == (verdict, wait)
        assert said.words
        assert destination.send(entries(destination)).verdict is Verdict.ACCEPTED
        assert len(sink.first()) == 1


def test_the_words_name_what_the_intake_said_and_never_the_key() -> None:
    with Sink(DATADOG) as sink:
        sink.next(Fault(403))
        said = exporter(sink.url).send([b"{}"])
        assert "told to answer 403" in said.words
        assert "a1b2" not in said.words


def test_a_body_over_the_limit_is_split() -> None:
    with Sink(DATADOG) as sink:
        sink.most_bytes = 1000
        destination = exporter(sink.url)
        assert destination.send(entries(destination, 100)).verdict is Verdict.SPLIT
        assert destination.send(entries(destination, 1)).verdict is Verdict.ACCEPTED


@pytest.mark.parametrize("hang", ["sink", "silent"])
def test_a_server_that_never_answers_is_given_up(hang: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outrider.exporters.http.ANSWER_TIMEOUT", 0.2)
    if hang == "sink":
        with Sink(DATADOG) as sink:
            sink.next(Fault(HANG))
            said = exporter(sink.url).send([b'{"message":"m"}'])
    else:
        with raw_server(silent) as address:
            said = exporter(f"http://{address}").send([b"{}"])
    assert said.verdict is Verdict.RETRY
    assert "TimeoutError" in said.words


@pytest.mark.parametrize(
    "data", [b"", b"HTTP/1.1 2", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 202 OK\r\nContent-Length: 5\r\n\r\n{"]
)
def test_answers_that_are_none(data: bytes) -> None:
    with raw_server(answer(data)) as address:
        assert exporter(f"http://{address}").send([b"{}"]).verdict is Verdict.RETRY


def test_nobody_there() -> None:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    said = exporter(f"http://127.0.0.1:{port}").send([b"{}"])
    assert said.verdict is Verdict.RETRY
    assert str(port) in said.words


def test_a_key_that_is_replaced_in_its_file_is_used_from_the_next_request_on(tmp_path: Path) -> None:
    file = tmp_path / "key"
    with Sink(DATADOG) as sink:
        destination = exporter(sink.url, Secret(file=str(file)))
        missing = destination.send([b'{"message":"m"}'])
        assert missing.verdict is Verdict.HOLD
        assert str(file) in missing.words
        assert sink.requests == []
        for key in ("first", "second"):
            (tmp_path / "new").write_text(key + "\n")
            (tmp_path / "new").replace(file)
            assert destination.send([b'{"message":"m"}']).verdict is Verdict.ACCEPTED
        destination.refresh()
        assert [r.headers["dd-api-key"] for r in sink.requests] == ["first", "second"]


@pytest.mark.parametrize("key", ["a\nb", "k\u00e9y", "a\x00b", " "])
def test_a_key_that_no_header_can_carry_holds(key: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(key)
    with Sink(DATADOG) as sink:
        said = exporter(sink.url, Secret(file=str(file))).send([b'{"message":"m"}'])
        assert said.verdict is Verdict.HOLD
        assert str(file) in said.words
        assert key.strip() not in said.words or not key.strip()
        assert sink.requests == []


@pytest.mark.parametrize("compress", ["gzip", "deflate", "zstd", "none"])
def test_a_probe_stores_nothing_and_tells_how_things_are(compress: str) -> None:
    with Sink(DATADOG) as sink:
        destination = exporter(sink.url, compress=compress)
        assert destination.probe().verdict is Verdict.ACCEPTED
        sink.always = Fault(403)
        assert destination.probe().verdict is Verdict.HOLD
        assert sink.received() == []
        assert sink.complaints == []
        assert [r.size for r in sink.requests] == [2, 2]


def test_entries_that_waited_through_an_outage_are_not_dropped_for_their_age() -> None:
    clock = ManualClock(NOW)
    with Sink(DATADOG) as sink:
        destination = exporter(sink.url, clock=clock)
        waiting = entries(destination)
        sink.always = Fault(503)
        for _ in range(10):
            assert destination.send(waiting).verdict is Verdict.RETRY
            clock.advance(2 * 3600)
        assert destination.send(waiting).verdict is Verdict.RETRY
        clock.advance(TROUBLE / 2)
        sink.always = None
        assert destination.send(waiting).verdict is Verdict.ACCEPTED
        [got] = sink.received()
        assert "timestamp" not in got.entry
        assert got.entry["outrider.timestamp"] == "2026-05-16T09:19:06.000Z"
        assert got.entry["outrider.id"] == orjson.loads(waiting[0])["outrider.id"]


def test_an_answer_that_shows_the_request_does_not_show_the_key() -> None:
    body = b"you sent DD-API-KEY: a1b2"
    said = b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with raw_server(answer(said)) as address:
        told = exporter(f"http://{address}").send([b"{}"])
    assert told.verdict is Verdict.HOLD
    assert told.words == "HTTP 403: you sent DD-API-KEY: ***"


@pytest.mark.parametrize("value", ["\xb2", "Fri, 31 Dec 1999 23:59:59 +99999999999999", "", "-5", "1e9"])
def test_a_strange_retry_after_is_none(value: str) -> None:
    said = f"HTTP/1.1 503 No\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n".encode("latin-1")
    with raw_server(answer(said)) as address:
        told = exporter(f"http://{address}").send([b"{}"])
    assert (told.verdict, told.retry_after) == (Verdict.RETRY, None)


def test_an_error_nested_beyond_reason_is_still_an_error() -> None:
    body = b'{"errors":[' + b"[" * 1010 + b"]" * 1010 + b"]}"
    said = b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with raw_server(answer(said)) as address:
        assert exporter(f"http://{address}").send([b"{}"]).verdict is Verdict.HOLD
