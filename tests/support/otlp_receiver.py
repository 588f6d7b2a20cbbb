"""A server that takes OTLP over HTTP, and reads it with OpenTelemetry's own messages."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tests.support.http_server import HttpRequest, Said, http_server


class OtlpReceiver:
    """`status` is what requests are answered from now on."""

    def __init__(self) -> None:
        self.url, self.status, self.requests = "", 200, list[Any]()

    def metrics(self) -> dict[str, Any]:
        """The metrics of all requests by name, the last of each."""
        return {
            metric.name: metric
            for request in self.requests
            for resource in request.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@contextmanager
def otlp_receiver() -> Iterator[OtlpReceiver]:
    receiver = OtlpReceiver()

    def answer(asked: HttpRequest) -> Said:
        if receiver.status == 200:
            receiver.requests.append(ExportMetricsServiceRequest.FromString(asked.plain))
        return receiver.status, b""

    with http_server(answer) as receiver.url:
        yield receiver
