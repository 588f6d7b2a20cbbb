"""Our exporters in a program that uses the OpenTelemetry SDK: a real MeterProvider, a real reader, real HTTP."""

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExportResult, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from outrider.exporters.answer import Answer, Verdict
from outrider.exporters.metric_destination import Payload
from outrider.exporters.otel import exporter as module
from outrider.exporters.otel.exporter import (
    DatadogMetricExporter,
    OutriderMetricExporter,
    StackdriverMetricExporter,
)
from outrider.intake import Intake
from outrider.model.clock import ManualClock
from outrider.model.cluster import Cluster
from outrider.model.points import Report
from tests.support.monitoring_api import MonitoringApi, monitoring_api

CLUSTER = Cluster("acme", "prod", "europe-north1", "node-7")
ACCEPTED, RETRY = Answer(Verdict.ACCEPTED), Answer(Verdict.RETRY, "down")
SUCCESS, FAILURE = MetricExportResult.SUCCESS, MetricExportResult.FAILURE


@pytest.fixture
def api() -> Iterator[MonitoringApi]:
    with monitoring_api() as api:
        yield api


def test_a_program_writes_to_cloud_monitoring(api: MonitoringApi) -> None:
    exporter = StackdriverMetricExporter("acme", CLUSTER, credentials="none", endpoint=api.url)
    about = Resource({"service.name": "cart", "k8s.namespace.name": "shop", "k8s.pod.name": "cart-1"})
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
    provider = MeterProvider([reader], about, shutdown_on_exit=False)
    meter = provider.get_meter("cart")
    meter.create_counter("requests", "{request}", "Requests.").add(3, {"http.method": "GET"})
    meter.create_histogram("latency", "s").record(0.25)
    meter.create_gauge("load").set(0.5)
    assert provider.force_flush()
    provider.shutdown()
    request, *_ = api.series()
    requests, latency, load = request.time_series
    assert requests.metric.type == "workload.googleapis.com/requests"
    about = {"service_name": "cart", "instrumentation_source": "cart"}
    assert dict(requests.metric.labels) == {"http_method": "GET", **about}
    assert requests.resource.type == "k8s_pod"
    assert requests.resource.labels["pod_name"] == "cart-1"
    assert requests.points[0].value.int64_value == 3
    interval = requests.points[0].interval
    assert 0 < (interval.end_time - interval.start_time).total_seconds() < 60
    assert latency.points[0].value.distribution_value.count == 1
    assert load.points[0].value.double_value == 0.5


def test_a_program_on_a_machine_of_its_own(api: MonitoringApi) -> None:
    machine = Cluster("acme", "", "global", "laptop")
    exporter = StackdriverMetricExporter("acme", machine, credentials="none", endpoint=api.url)
    provider = MeterProvider([PeriodicExportingMetricReader(exporter, 3_600_000)], shutdown_on_exit=False)
    provider.get_meter("x").create_counter("requests").add(1)
    provider.shutdown()  # exports a last time
    [request] = api.series()
    assert request.time_series[0].resource.type == "generic_node"
    assert request.time_series[0].resource.labels["node_id"] == "laptop"


def test_a_program_writes_to_datadog() -> None:
    with Intake(api_key="secret") as intake:
        exporter = DatadogMetricExporter("secret", CLUSTER, endpoint=intake.url, tags=["team:a"])
        about = {"service.name": "cart", "service.version": "4.2", "deployment.environment": "prod"}
        about |= {"k8s.namespace.name": "shop", "k8s.pod.name": "cart-1"}
        reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
        provider = MeterProvider([reader], Resource(about), shutdown_on_exit=False)
        meter = provider.get_meter("cart")
        requests, load = meter.create_counter("requests", "{request}"), meter.create_gauge("load", "%")
        meter.create_histogram("latency", "s", explicit_bucket_boundaries_advisory=[0.5]).record(0.25)
        requests.add(3, {"http.method": "GET"})
        load.set(0.5)
        assert provider.force_flush()
        requests.add(4, {"http.method": "GET"})
        load.set(0.25)
        provider.shutdown()
        first, second = (one for one in intake.points("requests"))
        assert (first["type"], first["value"], first["host"]) == ("count", 3, "node-7")
        assert {"kube_namespace:shop", "pod_name:cart-1", "team:a"} < set(first["tags"])
        assert {"service:cart", "version:4.2", "env:prod", "http.method:GET"} < set(first["tags"])
        assert second["value"] == 4, "Datadog gets the growth of what the SDK gives as a total"
        assert [(one["value"], one["unit"]) for one in intake.points("load")] == [(0.5, "percent"), (0.25, "percent")]
        assert [one["value"] for one in intake.points("latency.sum")] == [0.25, 0]


def test_the_site_is_where_datadog_is(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def api(endpoint: str, *_: Any, **__: Any) -> None:
        asked.append(endpoint)

    monkeypatch.setattr("outrider.exporters.datadog.metrics.MetricsApi", api)
    DatadogMetricExporter("secret", CLUSTER)
    DatadogMetricExporter("secret", CLUSTER, site="us5.datadoghq.com")
    assert asked == ["https://api.datadoghq.eu", "https://api.us5.datadoghq.com"]


class Destination:
    """Says what it is told to, and keeps what it was sent."""

    def __init__(self, *answers: Answer, expires: float = 1e12, size: int = 100) -> None:
        self.answers, self.sent, self.refreshed, self.closed = deque(answers), list[Any](), 0, False
        self._expires, self._size = expires, size

    def encode(self, reports: Sequence[Report]) -> list[Payload]:
        return [
            Payload("points", 1, point.value, self._size, self._expires)
            for report in reports
            for point in report.points
        ]

    def send(self, payload: Payload) -> Answer:
        self.sent.append(payload.body)
        return self.answers.popleft() if self.answers else ACCEPTED

    def refresh(self) -> None:
        self.refreshed += 1

    def close(self) -> None:
        self.closed = True


class Program:
    def __init__(self, destination: Destination) -> None:
        self.destination, self.clock = destination, ManualClock()
        self.exporter = OutriderMetricExporter(destination, self.clock)
        self.reader = InMemoryMetricReader(preferred_temporality=self.exporter._preferred_temporality)
        provider = MeterProvider([self.reader], shutdown_on_exit=False)
        self.counter = provider.get_meter("x").create_counter("requests")

    def export(self, n: int = 1, timeout: float = 10_000) -> MetricExportResult:
        self.counter.add(n)
        return self.exporter.export(self.reader.get_metrics_data(), timeout_millis=timeout)


def test_the_points_of_a_counter_are_cumulative() -> None:
    program = Program(Destination())
    assert [program.export(n) for n in (3, 4)] == [SUCCESS, SUCCESS]
    assert program.destination.sent == [3, 7]


def test_what_passes_is_tried_again_within_the_time_that_there_is() -> None:
    program = Program(Destination(RETRY, RETRY))
    began = program.clock.monotonic()
    assert program.export(3) is SUCCESS
    assert program.destination.sent == [3, 3, 3]
    assert program.clock.monotonic() - began == 0.5 + 1.0


def test_what_is_left_goes_first_the_next_time() -> None:
    program = Program(Destination(*[RETRY] * 5))
    began = program.clock.monotonic()
    assert program.export(3, timeout=7000) is FAILURE
    assert program.clock.monotonic() - began < 7
    program.destination.answers.clear()
    assert program.export(4) is SUCCESS
    assert program.destination.sent[-2:] == [3, 7]
    assert program.exporter.force_flush()


def test_retry_after_is_honoured() -> None:
    program = Program(Destination(Answer(Verdict.RETRY, "busy", retry_after=6), Answer(Verdict.RETRY, "busy", 20)))
    began = program.clock.monotonic()
    assert program.export(3) is FAILURE
    assert program.clock.monotonic() - began == 6
    assert program.exporter.force_flush()


def test_refused_credentials_are_renewed_once() -> None:
    program = Program(Destination(Answer(Verdict.REFRESH, "old token")))
    assert program.export() is SUCCESS
    assert program.destination.refreshed == 1
    program = Program(Destination(*[Answer(Verdict.REFRESH, "old token")] * 100))
    assert program.export() is FAILURE
    assert program.destination.refreshed == 1


@pytest.mark.parametrize("verdict", [Verdict.HOLD, Verdict.PARTIAL, Verdict.SPLIT])
def test_what_is_not_stored_is_a_failure(verdict: Verdict) -> None:
    program = Program(Destination(Answer(verdict, "no", rejected={0: "no"})))
    assert program.export() is FAILURE
    assert program.destination.sent == [1]
    assert program.export() is SUCCESS
    assert program.destination.sent == ([1, 1, 2] if verdict is Verdict.HOLD else [1, 2])


def test_what_nobody_wants_any_more_is_not_sent() -> None:
    program = Program(Destination(Answer(Verdict.HOLD, "no"), expires=ManualClock().now() + 100))
    assert program.export(3) is FAILURE
    program.clock.advance(101)
    assert program.exporter.force_flush()
    assert program.destination.sent == [3]


def test_what_waits_has_a_bound(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(module, "KEPT", 250)
    program = Program(Destination(*[Answer(Verdict.HOLD, "no")] * 4))
    assert [program.export() for _ in range(4)] == [FAILURE] * 4
    program.destination.sent.clear()
    assert program.export() is SUCCESS
    assert program.destination.sent == [3, 4, 5]
    assert "given up" in caplog.text


def test_the_end_interrupts_a_pause() -> None:
    program = Program(Destination(*[RETRY] * 1000))
    waiting = threading.Event()

    class Clock(ManualClock):
        def wait(self, event: threading.Event, timeout: float) -> bool:
            del timeout
            waiting.set()
            return event.wait(60)

    program.exporter = OutriderMetricExporter(program.destination, Clock())
    results: list[MetricExportResult] = []
    thread = threading.Thread(target=lambda: results.append(program.export()), daemon=True)
    thread.start()
    assert waiting.wait(30)
    program.exporter.shutdown()
    thread.join(30)
    assert results == [FAILURE]
    assert program.destination.closed
    assert program.export() is FAILURE
