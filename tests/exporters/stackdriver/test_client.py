"""The client on real connections: against the intake, and against servers that misbehave."""

import gzip
import socket
from collections.abc import Iterator

import orjson
import pytest

from outrider.exporters.answer import Verdict
from outrider.exporters.stackdriver.auth import NoToken
from outrider.exporters.stackdriver.client import Client
from outrider.exporters.stackdriver.exporter import StackdriverLogs
from outrider.intake import Intake
from outrider.model.clock import SystemClock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from tests.support.http_server import HttpRequest, Said, http_server

ENTRY = orjson.dumps(
    {
        "logName": "projects/acme/logs/stdout",
        "resource": {
            "type": "k8s_container",
            "labels": {
                "project_id": "acme",
                "location": "l",
                "cluster_name": "c",
                "namespace_name": "n",
                "pod_name": "p",
                "container_name": "a",
            },
        },
        "insertId": "i-1",
        "timestamp": "2026-05-16T09:19:06Z",
        "textPayload": "hello",
    }
)


def client(url: str, *, compress: bool = True) -> Client:
    return Client(url, NoToken(), SystemClock(), connections=2, compress=compress)


@pytest.mark.parametrize("compress", [True, False])
def test_entries_arrive(compress: bool) -> None:
    with Intake() as intake:
        assert client(intake.url, compress=compress).send([ENTRY]).verdict is Verdict.ACCEPTED
        assert [e["textPayload"] for e in intake.entries()] == ["hello"]


def test_a_bad_entry_among_good_ones_is_named() -> None:
    bad = orjson.dumps({**orjson.loads(ENTRY), "insertId": "i-2", "timestamp": "9999-01-01T00:00:00Z"})
    with Intake() as intake:
        answer = client(intake.url).send([ENTRY, bad])
        assert answer.verdict is Verdict.PARTIAL
        assert list(answer.rejected) == [1]
        assert len(intake.entries()) == 1


@pytest.mark.parametrize(
    ("fault", "verdict"),
    [
        ("503", Verdict.RETRY),
        ("429", Verdict.RETRY),
        ("500", Verdict.RETRY),
        ("403", Verdict.HOLD),
        ("401", Verdict.REFRESH),
        ("reset", Verdict.RETRY),
        ("lost-ack", Verdict.RETRY),
    ],
)
def test_faults_become_verdicts_and_the_client_lives_on(fault: str, verdict: Verdict) -> None:
    with Intake(faults=[fault]) as intake:
        c = client(intake.url)
        assert c.send([ENTRY]).verdict is verdict
        intake.set_faults([])
        assert c.send([ENTRY]).verdict is Verdict.ACCEPTED
        assert intake.stats()["unique"] == 1


def test_nobody_there() -> None:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    answer = client(f"http://127.0.0.1:{port}").send([ENTRY])
    assert answer.verdict is Verdict.RETRY
    assert str(port) in answer.words


@pytest.fixture
def recorder() -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    seen: list[tuple[dict[str, str], bytes]] = []

    def answer(asked: HttpRequest) -> Said:
        seen.append((dict(asked.headers), asked.body))
        return 429, b"", {"Retry-After": "7"}

    with http_server(answer) as url:
        yield url, seen


def test_what_is_on_the_wire(recorder: tuple[str, list[tuple[dict[str, str], bytes]]]) -> None:
    url, seen = recorder
    answer = client(url + "/").send([ENTRY, ENTRY])
    assert answer.retry_after == 7.0
    headers, body = seen[0]
    assert headers["Content-Type"] == "application/json"
    assert headers["Content-Encoding"] == "gzip"
    assert headers["User-Agent"].startswith("outrider/")
    assert orjson.loads(gzip.decompress(body)) == {"partialSuccess": True, "entries": [orjson.loads(ENTRY)] * 2}


@pytest.mark.parametrize("compress", [True, False])
def test_a_probe_stores_nothing_and_tells_how_things_are(compress: bool) -> None:
    cluster = Cluster("acme", "c", "l", "node-1")
    with Intake() as intake:
        exporter = StackdriverLogs(
            "g", "acme", cluster, intake.url, NoToken(), SystemClock(), Counters(), compress=compress
        )
        assert exporter.probe().verdict is Verdict.ACCEPTED
        intake.set_faults(["403"])
        assert exporter.probe().verdict is Verdict.HOLD
        assert intake.entries() == []


def test_a_probe_is_an_entry_like_all_others(recorder: tuple[str, list[tuple[dict[str, str], bytes]]]) -> None:
    url, seen = recorder
    cluster = Cluster("acme", "c", "l", "node-1")
    StackdriverLogs("g", "acme", cluster, url, NoToken(), SystemClock(), Counters(), compress=False).probe()
    body = orjson.loads(seen[0][1])
    assert body.pop("dryRun") is True
    [entry] = body["entries"]
    assert entry["logName"] == "projects/acme/logs/stdout"
    assert entry["resource"]["type"] == "k8s_container"
    assert entry["resource"]["labels"]["cluster_name"] == "c"
    assert entry["textPayload"]


class Failing:
    """A token source without tokens."""

    def __init__(self, retryable: bool) -> None:
        self.retryable = retryable
        self.invalidated = 0

    def headers(self) -> dict[str, str]:
        from outrider.exporters.stackdriver.auth import AuthError

        raise AuthError("no token from key.json", self.retryable)

    def invalidate(self) -> None:
        self.invalidated += 1


@pytest.mark.parametrize(("retryable", "verdict"), [(True, Verdict.RETRY), (False, Verdict.HOLD)])
def test_without_credentials_nothing_is_sent_and_the_reason_is_told(retryable: bool, verdict: Verdict) -> None:
    tokens = Failing(retryable)
    c = Client("http://127.0.0.1:9", tokens, SystemClock(), connections=1)
    answer = c.send([ENTRY])
    assert answer.verdict is verdict
    assert "key.json" in answer.words
    c.refresh()
    assert tokens.invalidated == 1
