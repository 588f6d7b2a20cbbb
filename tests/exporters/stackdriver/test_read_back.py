"""Reading back from Google, by its own clients, where `tests/cli/test_send.py` does not come: TLS, tokens, refusals."""

import contextlib
import json
import socket
import ssl
import sys
import threading
import time
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest

from outrider.exporters.reading import ReadError
from outrider.exporters.stackdriver.read_back import Clients
from outrider.intake import Intake
from tests.support.certificates import self_signed
from tests.support.intake_http import K8S, call, write
from tests.support.raw_server import answer, raw_server
from tests.support.server import free_port
from tests.support.token_endpoint import key_file, token_endpoint

NOW = int(time.time())
ENTRY = {
    "logName": "projects/acme/logs/stdout",
    "resource": K8S,
    "insertId": "a-1",
    "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW)),
    "textPayload": "hello",
}


@contextlib.contextmanager
def over_tls(target: str, context: ssl.SSLContext) -> Iterator[str]:
    """A URL at which TLS ends, with HTTP/2, before `target`."""
    context.set_alpn_protocols(["h2"])
    host, _, port = target.rpartition(":")

    def carry(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)

    def serve(raw: socket.socket) -> None:
        with contextlib.suppress(OSError):
            near, far = context.wrap_socket(raw, server_side=True), socket.create_connection((host, int(port)))
            threading.Thread(target=carry, args=(far, near), daemon=True).start()
            carry(near, far)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def test_a_point_over_tls_with_an_authority_of_ones_own(tmp_path: Path) -> None:
    context, ca = self_signed(tmp_path)
    series = {
        "metric": {"type": "workload.googleapis.com/outrider.test"},
        "resource": {"type": "generic_node", "labels": {"location": "global", "namespace": "", "node_id": "n"}},
        "points": [{"interval": {"endTime": ENTRY["timestamp"]}, "value": {"doubleValue": 2.5}}],
    }
    with Intake(grpc_port=0) as intake, over_tls(intake.grpc_target, context) as url:
        ask = Clients("acme", "none", str(ca)).point(url, "outrider.test", NOW, None)
        with pytest.raises(ReadError, match="Cannot find metric") as new:
            ask()
        assert new.value.passing  # as it is with every metric that is new
        assert call(intake, "/v3/projects/acme/timeSeries", {"timeSeries": [series]}) == (200, {})
        assert ask()["points"][0]["value"]["double_value"] == 2.5
        with pytest.raises(ReadError) as untrusted:
            Clients("acme", "none", None).point(url, "outrider.test", NOW, None)()
    assert untrusted.value.passing  # gRPC does not tell this from a server that is down


def test_a_token_with_the_right_to_read(tmp_path: Path) -> None:
    with Intake() as intake, token_endpoint() as tokens:
        assert write(intake, ENTRY) == (200, {})
        path = key_file(tmp_path / "key.json", tokens.url)
        assert Clients("acme", str(path), None).entry(intake.url, ENTRY)()["textPayload"] == "hello"
        assert Clients("acme", str(path), None).entry(intake.url, {**ENTRY, "insertId": "other"})() is None
        claims = tokens.asked[0].form["assertion"].split(".")[1]
    assert "https://www.googleapis.com/auth/logging.read" in json.loads(urlsafe_b64decode(claims + "=="))["scope"]


@pytest.mark.parametrize(
    ("status", "passing", "words"),
    [(403, False, "Logs Viewer"), (429, True, "429"), (503, True, "503")],
    ids=["403", "429", "503"],
)
def test_refusals(status: int, passing: bool, words: str) -> None:
    refusal = b"HTTP/1.1 %d No\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}" % status
    with raw_server(answer(refusal)) as where, pytest.raises(ReadError, match=words) as raised:
        Clients("acme", "none", None).entry(f"http://{where}", ENTRY)()
    assert raised.value.passing is passing


def test_nobody_there() -> None:
    with pytest.raises(ReadError, match="no answer from") as raised:
        Clients("acme", "none", None).entry(f"http://127.0.0.1:{free_port()}", ENTRY)()
    assert raised.value.passing


def test_no_credentials(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no credentials to read with") as raised:
        Clients("acme", str(tmp_path / "none.json"), None).entry("http://127.0.0.1:1", ENTRY)
    assert not raised.value.passing


def test_a_client_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("logging", "monitoring_v3.services.metric_service.transports"):
        monkeypatch.setitem(sys.modules, f"google.cloud.{name}", None)
    clients = Clients("acme", "none", None)
    with pytest.raises(ReadError, match=r"pip install 'outrider\[intake\]'"):
        clients.entry("http://127.0.0.1:1", ENTRY)
    with pytest.raises(ReadError, match=r"pip install 'outrider\[intake\]'"):
        clients.point("http://127.0.0.1:1", "outrider.test", NOW, "127.0.0.1:1")
