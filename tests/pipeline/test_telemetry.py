"""The program's own pages."""

import logging
import re
import socket
from collections.abc import Iterator

import pytest
import urllib3

from outrider.model.counters import Counters
from outrider.pipeline.telemetry import Telemetry


class Page:
    """A telemetry server and what it answers."""

    def __init__(self, listen: str = "127.0.0.1:0") -> None:
        self.counters = Counters()
        self.health: str | None = None
        self.ready: str | None = "not yet"
        self.ledger: object = {}
        self.telemetry = Telemetry(listen, self.counters, lambda: self.health, lambda: self.ready, lambda: self.ledger)

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
