"""OTLP over HTTP as a client sees it: every form of a body, every refusal, and the bounds."""

import gzip
import json
import socket
import threading
import zlib
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from outrider.model.counters import Counters
from outrider.receivers.otlp import server as otlp
from outrider.receivers.otlp.messages import JSON, PROTOBUF
from outrider.receivers.otlp.server import FullError, OtlpServer, Taken
from tests.support.wait import until

LOGS = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "hello"}}]}]}]}
METRICS = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "a", "gauge": {"dataPoints": []}}]}]}]}


class Rig:
    """A server that keeps what it takes, and says `answer` of it."""

    def __init__(self) -> None:
        self.metrics: list[Any] = []
        self.logs: list[Any] = []
        self.answer: Taken | Exception = Taken()
        self.counters = Counters()
        self.server = OtlpServer(
            "127.0.0.1", 0, lambda r: self._take(self.metrics, r), lambda r: self._take(self.logs, r), self.counters
        )
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def _take(self, into: list[Any], request: Any) -> Taken:
        if isinstance(self.answer, Exception):
            raise self.answer
        into.append(request)
        return self.answer

    def connect(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.server.server_address[1], timeout=10)

    def post(self, path: str, body: Any, kind: str = PROTOBUF, **headers: str) -> tuple[HTTPResponse, bytes]:
        client = self.connect()
        more = {key.replace("_", "-"): value for key, value in headers.items()}
        client.request("POST", path, body, {"Content-Type": kind, **more})
        response = client.getresponse()
        said = response.read()
        client.close()
        return response, said

    def count(self, **labels: str) -> int:
        return self.counters.value("outrider_otlp_requests_total", **labels)

    def end(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.end()


LOG = ExportLogsServiceRequest()
LOG.resource_logs.add().scope_logs.add().log_records.add().body.string_value = "hello"
DATA = LOG.SerializeToString()


def packed(body: bytes) -> bytes:
    """By gzip, without the time, which would make the names of tests differ from one process to another."""
    return gzip.compress(body, mtime=0)


@pytest.mark.parametrize(
    ("body", "kind", "headers"),
    [
        (DATA, PROTOBUF, {}),
        (DATA, "application/x-protobuf; charset=x", {}),
        (json.dumps(LOGS).encode(), JSON, {}),
        (json.dumps(LOGS | {"tomorrow": 1}).encode(), "Application/JSON", {}),
        (packed(DATA), PROTOBUF, {"Content_Encoding": "gzip"}),
        (zlib.compress(DATA), PROTOBUF, {"Content_Encoding": "deflate"}),
        (DATA, PROTOBUF, {"Content_Encoding": "identity"}),
        ([DATA[:5], DATA[5:]], PROTOBUF, {"Transfer_Encoding": "chunked"}),
    ],
)
def test_every_form_of_a_body_is_taken(rig: Rig, body: Any, kind: str, headers: dict[str, str]) -> None:
    response, said = rig.post("/v1/logs", body if isinstance(body, bytes) else chunked(body), kind, **headers)
    assert response.status == 200, said
    assert [r.resource_logs[0].scope_logs[0].log_records[0].body.string_value for r in rig.logs] == ["hello"]
    is_json = "json" in kind.lower()
    assert (response.headers["Content-Type"], said) == ((JSON, b"{}") if is_json else (PROTOBUF, b""))
    assert rig.count(signal="logs", status="200") == 1


def chunked(parts: list[bytes]) -> bytes:
    return b"".join(b"%x;some=extension\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\nTrailer: x\r\n\r\n"


def test_metrics_have_a_path_of_their_own(rig: Rig) -> None:
    assert rig.post("/v1/metrics?x=y", json.dumps(METRICS), JSON)[0].status == 200
    assert [r.resource_metrics[0].scope_metrics[0].metrics[0].name for r in rig.metrics] == ["a"]
    request = ExportMetricsServiceRequest()
    request.resource_metrics.add().scope_metrics.add().metrics.add().name = "b"
    assert rig.post("/v1/metrics", request.SerializeToString())[0].status == 200
    assert len(rig.metrics) == 2


def test_what_was_not_taken_is_a_partial_success(rig: Rig) -> None:
    rig.answer = Taken(300, "too old")
    _, said = rig.post("/v1/metrics", b"")
    partial = ExportMetricsServiceResponse.FromString(said).partial_success
    assert (partial.rejected_data_points, partial.error_message) == (300, "too old")
    _, said = rig.post("/v1/logs", b"")
    assert ExportLogsServiceResponse.FromString(said).partial_success.rejected_log_records == 300
    _, said = rig.post("/v1/logs", b"{}", JSON)
    assert json.loads(said) == {"partialSuccess": {"rejectedLogRecords": "300", "errorMessage": "too old"}}


def test_without_room_the_client_is_told_when_to_come_again(rig: Rig) -> None:
    rig.answer = FullError("no room")
    response, said = rig.post("/v1/logs", b"{}", JSON)
    assert (response.status, response.headers["Retry-After"], json.loads(said)) == (503, "5", {"message": "no room"})
    rig.answer = Taken()
    assert rig.post("/v1/logs", b"{}", JSON)[0].status == 200


def test_a_defect_is_an_answer_too(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.answer = RuntimeError("oops")
    assert rig.post("/v1/logs", b"")[0].status == 500
    assert "otlp: unexpected failure" in caplog.text


BIG = b"x" * 2000
EMPTY = packed(b"{}")


@pytest.mark.parametrize(
    ("method", "path", "body", "kind", "headers", "status", "words"),
    [
        ("POST", "/v1/traces", b"", PROTOBUF, {}, 404, b"there are /v1/metrics and /v1/logs"),
        ("GET", "/v1/logs", None, JSON, {}, 405, b"requests are POST"),
        ("PUT", "/v1/logs", b"{}", JSON, {}, 405, b"requests are POST"),
        ("POST", "/v1/logs", b"{}", "text/plain", {}, 415, b"Content-Type must be"),
        ("POST", "/v1/logs", b"{}", JSON, {"Content-Encoding": "br"}, 415, b"Content-Encoding must be"),
        ("POST", "/v1/logs", b"\x0a\xff", PROTOBUF, {}, 400, b"the body is no ExportLogsServiceRequest"),
        ("POST", "/v1/logs", b"{", JSON, {}, 400, b"the body is no ExportLogsServiceRequest"),
        ("POST", "/v1/logs", b"[1]", JSON, {}, 400, b"the body is no ExportLogsServiceRequest"),
        ("POST", "/v1/logs", b'{"resourceLogs":[7]}', JSON, {}, 400, b"the body is no"),
        ("POST", "/v1/logs", b'{"resourceLogs":7}', JSON, {}, 400, b"the body is no"),
        ("POST", "/v1/metrics", b'{"resourceMetrics":{"a":1}}', JSON, {}, 400, b"the body is no"),
        ("POST", "/v1/logs", b"no gzip", JSON, {"Content-Encoding": "gzip"}, 400, b"the body is no gzip"),
        ("POST", "/v1/logs", EMPTY[:-9], JSON, {"Content-Encoding": "gzip"}, 400, b"it ends early"),
        ("POST", "/v1/logs", EMPTY * 2, JSON, {"Content-Encoding": "gzip"}, 400, b"22 bytes are left"),
        ("POST", "/v1/logs", BIG, JSON, {}, 413, b"a body may have 1,000 bytes"),
        ("POST", "/v1/logs", None, JSON, {"Content-Length": "9" * 5000}, 413, b"a body may have 1,000 bytes"),
        ("POST", "/v1/logs", packed(BIG), JSON, {"Content-Encoding": "gzip"}, 413, b"a body may have"),
        ("POST", "/v1/logs", chunked([BIG[:600]] * 2), JSON, {"Transfer-Encoding": "chunked"}, 413, b"a body may have"),
        ("POST", "/v1/logs", b"zz\r\n", JSON, {"Transfer-Encoding": "chunked"}, 400, b"the size of a chunk is none"),
        ("POST", "/v1/logs", b"-5\r\n", JSON, {"Transfer-Encoding": "chunked"}, 400, b"the size of a chunk is none"),
        ("POST", "/v1/logs", None, JSON, {"Content-Length": "-1"}, 411, b"Content-Length is missing"),
    ],
)  # fmt: skip
def test_refusals(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, method: str, path: str, body: bytes | None, kind: str,
    headers: dict[str, str], status: int, words: bytes,
) -> None:  # fmt: skip
    monkeypatch.setattr(otlp, "MAX_BODY", 1000)
    client = rig.connect()
    client.request(method, path, body, {"Content-Type": kind, **headers})
    response = client.getresponse()
    said = response.read()
    assert (response.status, words in said) == (status, True), said
    assert rig.count(status=str(status)) == 1
    assert rig.logs == rig.metrics == []
    assert rig.post("/v1/logs", b"{}", JSON)[0].status == 200, "the next client is served"


def test_a_connection_is_kept(rig: Rig) -> None:
    client = rig.connect()
    for body in (b"{}", b"{", b"{}"):
        client.request("POST", "/v1/logs", body, {"Content-Type": JSON})
        client.getresponse().read()
    assert rig.count() == 3
    sock = client.sock
    client.request("POST", "/v1/logs", b"{}", {"Content-Type": JSON})
    client.getresponse().read()
    assert client.sock is sock


def test_bodies_are_read_one_at_a_time(rig: Rig) -> None:
    """Each takes several times its bytes while it is read; and sums are added up in the order in which they came."""
    within, most, gate = [0], [0], threading.Semaphore(0)

    def take(into: list[Any], request: Any) -> Taken:
        within[0] += 1
        most[0] = max(most[0], within[0])
        gate.acquire(timeout=10)
        within[0] -= 1
        into.append(request)
        return Taken()

    rig._take = take  # type: ignore[method-assign]
    clients = [threading.Thread(target=rig.post, args=("/v1/logs", b"{}", JSON)) for _ in range(4)]
    for client in clients:
        client.start()
    until(lambda: within[0] == 1 and len(rig.server._open) == 4)
    for _ in clients:
        gate.release()
    for client in clients:
        client.join()
    assert (most[0], len(rig.logs)) == (1, 4)


def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp, "MAX_CONNECTIONS", 2)
    rig = Rig()
    try:
        clients = [socket.create_connection(rig.server.server_address[:2], timeout=10) for _ in range(3)]
        assert clients[2].recv(1) == b"", "there is no room"
        assert rig.count(signal="connections", status="503") == 1
        clients[0].close()
        until(lambda: len(rig.server._open) == 1)
        assert rig.post("/v1/logs", b"{}", JSON)[0].status == 200
    finally:
        rig.end()


@pytest.mark.parametrize("head", [b"", b"POST /v1/logs HTTP/1.1\r\nX: ", b"Content-Length: 1000000\r\n\r\n"])
def test_a_client_that_speaks_slowly_does_not_keep_its_connection(monkeypatch: pytest.MonkeyPatch, head: bytes) -> None:
    """A byte now and then is no silence, and would keep everybody else out."""
    monkeypatch.setattr(otlp, "PATIENCE", 0.2)
    rig = Rig()
    try:
        sock = socket.create_connection(rig.server.server_address[:2], timeout=10)
        sock.sendall(b"POST /v1/logs HTTP/1.1\r\n" + head if head.startswith(b"Content") else head)

        def hung_up() -> bool:
            try:
                sock.sendall(b"x")
            except OSError:
                return True
            return not rig.server._open

        until(lambda: rig.server._open)
        until(hung_up)
        assert rig.post("/v1/logs", b"{}", JSON)[0].status == 200
    finally:
        rig.end()


def test_a_client_that_asks_before_it_sends_its_body_is_answered(rig: Rig) -> None:
    with socket.create_connection(rig.server.server_address[:2], timeout=5) as sock:
        sock.sendall(b"POST /v1/logs HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n")
        sock.sendall(b"Expect: 100-continue\r\n\r\n")
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"{}")
        assert sock.recv(100).startswith(b"HTTP/1.1 200 ")


def test_whoever_comes_when_it_ends_is_sent_back(rig: Rig) -> None:
    rig.server.hang_up()
    response, _ = rig.post("/v1/logs", b"{}", JSON)
    assert (response.status, response.headers["Retry-After"], rig.logs) == (503, "5", [])


def test_a_client_that_hangs_up_in_the_middle_is_nobodys_news(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_connection(rig.server.server_address[:2]) as sock:
        sock.sendall(b"POST /v1/logs HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
    assert rig.post("/v1/logs", b"{}", JSON)[0].status == 200
    assert [r for r in caplog.records if r.levelname != "DEBUG"] == []


def test_ids_in_json_are_hexadecimal(rig: Rig) -> None:
    record = {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174"}
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
    assert rig.post("/v1/logs", json.dumps(body), JSON)[0].status == 200
    [found] = rig.logs[0].resource_logs[0].scope_logs[0].log_records
    assert (found.trace_id.hex(), found.span_id.hex()) == (record["traceId"], record["spanId"])
    record["traceId"] = "no hex"
    assert rig.post("/v1/logs", json.dumps(body), JSON)[0].status == 400


def test_a_successor_takes_over_the_socket(rig: Rig) -> None:
    rig.server.shutdown()
    client = socket.create_connection(rig.server.server_address[:2], timeout=10)  # waits to be accepted
    client.sendall(b"POST /v1/logs HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
    taken: list[Any] = []

    def take(request: Any) -> Taken:
        taken.append(request)
        return Taken()

    successor = OtlpServer("127.0.0.1", 0, take, take, Counters(), rig.server.socket)
    serving = threading.Thread(target=successor.serve_forever, args=(0.01,), daemon=True)
    serving.start()
    assert client.recv(100).startswith(b"HTTP/1.1 200 ")
    assert len(taken) == 1
    successor.shutdown()
    serving.join()
