"""A server that keeps what it is sent and says what it is told to: the other end of the Cloud Monitoring exporter.

What it is sent is read by the API's own messages, so nothing gets in that the API could not read.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from google.api.metric_pb2 import MetricDescriptor
from google.cloud.monitoring_v3 import CreateTimeSeriesRequest
from google.protobuf import json_format

from tests.support.http_server import HttpRequest, Said, http_server


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

    def answer(asked: HttpRequest) -> Said:
        return api.take(Request(asked.path, dict(asked.headers), json.loads(asked.plain)))

    with http_server(answer) as api.url:
        yield api
