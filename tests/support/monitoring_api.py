"""A server that keeps what it is sent and says what it is told to: the other end of the Cloud Monitoring exporter.

What it is sent is read by the API's own messages, so nothing gets in that the API could not read.
"""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from google.api.metric_pb2 import MetricDescriptor
from google.cloud.monitoring_v3 import CreateTimeSeriesRequest
from google.protobuf import json_format

Said = tuple[int, Any]  # a status, and a body that becomes JSON


class Request(NamedTuple):
    path: str
    headers: dict[str, str]
    body: Any


class MonitoringApi:
    """`answer` is asked for every request; None stands for 200."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answer: Callable[[Request], Said | None] = lambda _: None
        self.url = ""
        self._lock = threading.Lock()

    def take(self, request: Request) -> Said:
        with self._lock:
            self.requests.append(request)
            return self.answer(request) or (200, {})

    def series(self) -> list[Any]:
        """The `timeSeries.create` requests, as the API reads them."""
        return [
            CreateTimeSeriesRequest.from_json(json.dumps(r.body))
            for r in list(self.requests)
            if r.path.endswith("/timeSeries")
        ]

    def descriptors(self) -> list[Any]:
        """The descriptors that were to be created, as the API reads them."""
        return [
            json_format.ParseDict(r.body, MetricDescriptor())
            for r in list(self.requests)
            if r.path.endswith("/metricDescriptors")
        ]


@contextmanager
def monitoring_api() -> Iterator[MonitoringApi]:
    api = MonitoringApi()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer in one piece

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                data = gzip.decompress(data)
            status, said = api.take(Request(self.path, dict(self.headers), json.loads(data)))
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    serving.start()
    api.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        serving.join()
