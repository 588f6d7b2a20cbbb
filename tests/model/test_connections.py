"""A connection is used again as long as it is sound, and only then."""

import ssl
import threading
from http.client import IncompleteRead
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from outrider.model.connections import FAILURES, Connections, _readable, read
from tests.support.certificates import self_signed
from tests.support.raw_server import answer, raw_server
from tests.support.sink import Sink
from tests.support.wait import until


class _Counting(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    ports: list[int] = []  # noqa: RUF012
    closing = False

    def do_GET(self) -> None:
        self.ports.append(self.client_address[1])
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
        self.close_connection = self.closing

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(("closing", "different"), [(False, 1), (True, 3)])
def test_connections_are_kept_unless_the_server_closes_them(closing: bool, different: int) -> None:
    handler = type("Handler", (_Counting,), {"ports": [], "closing": closing})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    connections = Connections(f"http://127.0.0.1:{server.server_address[1]}/", 1, 5.0, 5.0)
    for _ in range(3):
        with connections.request("GET", None, {}) as response:
            assert read(response, 100) == b"ok"
        if closing:
            until(lambda: _readable(connections._idle[0].sock))  # the news of it has come
    connections.close()
    server.shutdown()
    server.server_close()
    assert len(set(handler.ports)) == different


def test_a_body_that_ends_early_is_a_failure() -> None:
    with raw_server(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")) as address:
        connections = Connections(f"http://{address}/", 1, 5.0, 5.0)
        with pytest.raises(IncompleteRead), connections.request("GET", None, {}) as response:
            read(response, 100)


def test_a_server_that_is_not_trusted_is_a_failure(tmp_path: Path) -> None:
    context, certificate = self_signed(tmp_path)
    sink = Sink()
    sink._server.socket = context.wrap_socket(sink._server.socket, server_side=True)
    with sink:
        url = sink.url.replace("http:", "https:")
        with pytest.raises(FAILURES), Connections(url, 1, 5.0, 5.0).request("GET", None, {}):
            pass
        trusting = Connections(url, 1, 5.0, 5.0, ssl.create_default_context(cafile=certificate))
        with trusting.request("GET", None, {}) as response:
            read(response, 1000)
        trusting.close()
