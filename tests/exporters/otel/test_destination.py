"""OpenTelemetry's own exporters as destinations of ours."""

import io
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, MetricExporter, MetricExportResult

from outrider.exporters.answer import Verdict
from outrider.exporters.metric_destination import MetricDestination
from outrider.exporters.otel.destination import NoExporterError, OpenTelemetryMetrics, load
from outrider.model.clock import ManualClock
from outrider.model.cluster import Cluster
from outrider.model.points import GoogleName, Metric, Point, Report, Subject
from tests.support.otlp_receiver import OtlpReceiver, otlp_receiver

CLUSTER = Cluster("acme", "prod", "europe-north1", "node-7")
COMMANDS = Metric(
    "commands", "counter", google=GoogleName("workload.googleapis.com/redis.commands", "CUMULATIVE", "INT64")
)
S = 10**9
NOW = 1_780_000_000


def report(value: int, seconds: int = 0, start: int | None = None) -> Report:
    since = None if start is None else (NOW + start) * S
    return Report(
        "redis", Subject("n", "shop", "cart-1", "u", "redis"), (Point(COMMANDS, value, (NOW + seconds) * S, (), since),)
    )


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[OtlpReceiver]:
    with otlp_receiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
        yield receiver


def destination(exporter: Any = None) -> MetricDestination:
    return OpenTelemetryMetrics(exporter or load("otlp_proto_http"), CLUSTER, ManualClock(NOW))


def verdicts(destination: MetricDestination, reports: Sequence[Report]) -> list[Verdict]:
    return [destination.send(payload).verdict for payload in destination.encode(reports)]


def test_metrics_arrive_by_otlp(receiver: OtlpReceiver) -> None:
    to = destination()
    assert verdicts(to, [report(7, start=-100)]) == [Verdict.ACCEPTED]
    [point] = receiver.metrics()["redis.commands"].sum.data_points
    assert (point.as_int, point.start_time_unix_nano) == (7, (NOW - 100) * S)
    to.close()


def test_nothing_to_say_is_no_request(receiver: OtlpReceiver) -> None:
    to = destination()
    assert to.encode([]) == []
    assert to.encode([Report("redis", Subject())]) == []
    to.close()
    assert receiver.requests == []


def test_an_exporter_that_prefers_increases_gets_them(receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "DELTA")
    to = destination()
    for value, seconds in ((100, 0), (107, 15), (109, 30)):
        verdicts(to, [report(value, seconds, start=-100)])
    sums = [r.resource_metrics[0].scope_metrics[0].metrics[0].sum for r in receiver.requests]
    assert [(s.aggregation_temporality, s.data_points[0].as_int) for s in sums] == [(1, 7), (1, 2)]
    to.close()


def test_what_the_exporter_does_not_deliver_is_given_up(receiver: OtlpReceiver) -> None:
    receiver.status = 400
    to = destination()
    [payload] = to.encode([report(7)])
    answer = to.send(payload)
    assert (answer.verdict, list(answer.rejected)) == (Verdict.PARTIAL, [0])
    receiver.status = 200
    assert verdicts(to, [report(8, 15)]) == [Verdict.ACCEPTED]
    to.close()


class Recording(MetricExporter):
    """The least that a MetricExporter can be."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []
        self.over = False

    def export(self, metrics_data: Any, timeout_millis: float = 10_000, **_: Any) -> MetricExportResult:
        self.seen.append((metrics_data, timeout_millis))
        if len(self.seen) == 2:
            raise RuntimeError("a defect")
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        del timeout_millis
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        del timeout_millis
        self.over = True


def test_any_exporter_will_do_and_may_fail() -> None:
    exporter = Recording()
    to = destination(exporter)
    assert verdicts(to, [report(1)]) == [Verdict.ACCEPTED]
    [payload] = to.encode([report(2, 15)])
    answer = to.send(payload)
    assert answer.verdict is Verdict.PARTIAL
    assert "RuntimeError: a defect" in answer.words
    assert verdicts(to, [report(3, 30)]) == [Verdict.ACCEPTED]
    assert [timeout for _, timeout in exporter.seen] == [10_000] * 3
    to.refresh()
    to.close()
    assert exporter.over


def test_exporters_are_found_by_the_names_that_the_sdk_knows() -> None:
    made = load("otlp_proto_http")
    assert isinstance(made, OTLPMetricExporter)
    made.shutdown()
    assert isinstance(load("console"), MetricExporter)


def test_the_console_prints() -> None:
    out = io.StringIO()
    to = destination(ConsoleMetricExporter(out))
    assert verdicts(to, [report(7)]) == [Verdict.ACCEPTED]
    assert '"redis.commands"' in out.getvalue()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nonsense", 'no OpenTelemetry exporter "nonsense" is installed; there are: console'),
        ("prometheus", "MetricReader"),
    ],
)
def test_what_cannot_be_an_exporter_is_said(name: str, words: str) -> None:
    with pytest.raises(NoExporterError, match=words):
        load(name)
