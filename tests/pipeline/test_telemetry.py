"""The program's own pages."""

import logging
import re
import socket
from collections.abc import Iterator

import pytest
import urllib3

from outrider.model.counters import Counters
from outrider.pipeline.pages import Asked
from outrider.pipeline.taps import Taps
from outrider.pipeline.telemetry import TAPS, TapFor, Telemetry, may_not_follow
from tests.support.wait import until


class Page:
    """A telemetry server and what it answers."""

    def __init__(self, listen: str = "127.0.0.1:0") -> None:
        self.counters = Counters()
        self.health: str | None = None
        self.ready: str | None = "not yet"
        self.ledger: object = {}
        self.taps = Taps(["google", "datadog"])
        self.telemetry = Telemetry(
            listen, self.counters, lambda: self.health, lambda: self.ready, lambda: self.ledger, self.taps
        )

    def start(self, caplog: pytest.LogCaptureFixture) -> str:
        caplog.set_level(logging.INFO)
        self.telemetry.start()
        found = re.search(r"metrics and probes at (http://\S+)", caplog.text)
        return found[1] if found else ""


def get(url: str) -> tuple[int, str]:
    response = urllib3.request("GET", url, timeout=5, retries=False)
    return response.status, response.data.decode()


@pytest.fixture
def page() -> Iterator[Page]:
    page = Page()
    yield page
    page.telemetry.stop()


def test_metrics_are_prometheus_text(page: Page, caplog: pytest.LogCaptureFixture) -> None:
    url = page.start(caplog)
    page.counters.counter("outrider_lines_read_total", "Lines.", exporter="google").add(7)
    page.counters.gauge("outrider_streams", "Streams.", lambda: 3)
    response = urllib3.request("GET", url + "/metrics?x=1", timeout=5, retries=False)
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'outrider_lines_read_total{exporter="google"} 7' in response.data.decode().splitlines()
    assert "# TYPE outrider_streams gauge" in response.data.decode().splitlines()


def test_probes_say_what_is_wrong(page: Page, caplog: pytest.LogCaptureFixture) -> None:
    url = page.start(caplog)
    assert get(url + "/healthz") == (200, "ok\n")
    assert get(url + "/readyz") == (503, "not yet\n")
    page.health, page.ready = "the kubelet is silent", None
    assert get(url + "/healthz") == (503, "the kubelet is silent\n")
    assert get(url + "/readyz") == (200, "ok\n")


def test_the_ledger_is_json(page: Page, caplog: pytest.LogCaptureFixture) -> None:
    page.ledger = {"exporters": {"google": {"trouble": None, "streams": []}}}
    response = urllib3.request("GET", page.start(caplog) + "/ledger", timeout=5, retries=False)
    assert (response.status, response.headers["Content-Type"]) == (200, "application/json")
    assert response.json() == page.ledger


def test_another_page_is_not_there(page: Page, caplog: pytest.LogCaptureFixture) -> None:
    status, text = get(page.start(caplog) + "/")
    assert status == 404
    assert "/metrics" in text


def test_ipv6(caplog: pytest.LogCaptureFixture) -> None:
    page = Page("[::1]:0")
    url = page.start(caplog)
    assert get(url + "/healthz") == (200, "ok\n")
    page.telemetry.stop()


def test_a_port_in_use_is_said_and_lived_without(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        page = Page(listen)
        assert page.start(caplog) == ""
    assert f"telemetry.listen {listen}: Address already in use" in caplog.text
    page.telemetry.stop()


def test_a_scraper_that_hangs_up_is_no_news(
    page: Page, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    host, port = page.start(caplog).removeprefix("http://").split(":")
    page.counters.gauge("outrider_large", "x" * 5_000_000, lambda: 1)
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        connection.recv(1000)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert get(f"http://{host}:{port}/healthz") == (200, "ok\n")
    page.telemetry.stop()
    assert "Traceback" not in capfd.readouterr().err


# -- following ---------------------------------------------------------------------------------------------------------


def test_what_is_shipped_can_be_followed_until_the_end(page: Page, caplog: pytest.LogCaptureFixture) -> None:
    url = page.start(caplog)
    answer = urllib3.request("GET", url + "/tap?exporter=google", timeout=5, retries=False, preload_content=False)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/jsonl")
    assert answer.read1() == b'{"exporters":["google","datadog"]}\n'
    page.telemetry.stop()
    assert answer.read1() == b""


def test_a_reader_that_hangs_up_leaves_no_tap_behind(page: Page, caplog: pytest.LogCaptureFixture) -> None:
    answer = urllib3.request("GET", page.start(caplog) + "/tap", timeout=5, retries=False, preload_content=False)
    answer.read1()
    assert len(page.taps.open) == 1
    answer.close()
    until(lambda: page.taps.open == (), timeout=10)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("grep=(", "the pattern '(' cannot be used: missing ): ("),
        ("grep=a(?=b)", "RE2 matches in linear time"),
        ("exporter=gogle", "there is no exporter gogle (there are: google, datadog)"),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused(
    page: Page, caplog: pytest.LogCaptureFixture, query: str, words: str
) -> None:
    status, text = get(page.start(caplog) + f"/tap?{query}")
    assert status == 400
    assert words in text


def test_as_many_may_follow_as_memory_allows(page: Page, caplog: pytest.LogCaptureFixture) -> None:
    url = page.start(caplog) + "/tap"
    answers = [urllib3.request("GET", url, timeout=5, retries=False, preload_content=False) for _ in range(TAPS)]
    for answer in answers:
        answer.read1()
    assert get(url) == (503, "8 follow already, which is as many as may; end one of them\n")
    answers[0].close()
    until(lambda: len(page.taps.open) < TAPS, timeout=10)
    again = urllib3.request("GET", url, timeout=5, retries=False, preload_content=False)
    assert again.status == 200


def test_a_look_at_the_head_is_no_tap(page: Page, caplog: pytest.LogCaptureFixture) -> None:
    assert urllib3.request("HEAD", page.start(caplog) + "/tap", timeout=5, retries=False).status == 200
    assert page.taps.open == ()


def test_a_name_that_is_not_local_may_not_follow(page: Page, caplog: pytest.LogCaptureFixture) -> None:
    url = page.start(caplog) + "/tap"
    answer = urllib3.request("GET", url, headers={"Host": "evil.example"}, timeout=5, retries=False)
    assert answer.status == 403
    assert b"telemetry: {tap: anybody}" in answer.data


@pytest.mark.parametrize(
    ("tap_for", "peer", "host", "may"),
    [
        ("loopback", "127.0.0.1", "", True),
        ("loopback", "127.0.0.1", "127.0.0.1:9464", True),
        ("loopback", "127.8.0.1", "LocalHost:1", True),
        ("loopback", "::1", "[::1]:9464", True),
        ("loopback", "::ffff:127.0.0.1", "localhost", True),
        ("loopback", "10.1.2.3", "127.0.0.1:9464", False),
        ("loopback", "::ffff:10.1.2.3", "", False),
        ("loopback", "fe80::1", "[::1]", False),
        ("loopback", "127.0.0.1", "127.0.0.1.evil.example", False),
        ("loopback", "127.0.0.1", "localhost.evil.example:9464", False),
        ("anybody", "10.1.2.3", "outrider.logging:9464", True),
        ("nobody", "127.0.0.1", "127.0.0.1:9464", False),
    ],
)
def test_who_may_follow(tap_for: TapFor, peer: str, host: str, may: bool) -> None:
    assert (may_not_follow(tap_for, Asked("/tap", peer, host)) is None) is may
