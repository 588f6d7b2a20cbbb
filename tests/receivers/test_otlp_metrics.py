"""Metrics of a request as the SDK's MetricsData: what the SDK of another program sent is what its reader had read."""

from typing import Any

import pytest
from google.protobuf import json_format
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.metrics.export import AggregationTemporality

from outrider.exporters.otel.from_data import Conversion
from outrider.model.points import Histogram
from outrider.receivers.otlp.metrics import Translation
from tests.exporters.otel.test_from_data import Program

DELTA, CUMULATIVE = AggregationTemporality.DELTA, AggregationTemporality.CUMULATIVE
TIME = "1780000000000000000"


@pytest.mark.parametrize("temporality", [CUMULATIVE, DELTA])
def test_what_a_program_has_measured_comes_through_unchanged(temporality: AggregationTemporality) -> None:
    program = Program(temporality)
    meter = program.meter
    meter.create_counter("orders", "1", "Orders.").add(3, {"a": "b", "n": 1})
    meter.create_up_down_counter("queue").add(-2)
    meter.create_gauge("level", "%").set(0.5)
    for name in ("explicit", "exponential"):
        histogram = meter.create_histogram(name, "s")
        for value in (0.0, 0.2, 1.5, 700):
            histogram.record(value, {"a": "b"})
    data = program.reader.get_metrics_data()
    request = ExportMetricsServiceRequest.FromString(encode_metrics(data).SerializeToString())
    translation = Translation()
    assert Conversion().reports(translation.data(request)) == Conversion().reports(data)
    assert translation.rejected == 0


def reports(*metrics: dict[str, Any]) -> tuple[dict[str, list[Any]], Translation]:
    """The values by name, and what was left out."""
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": list(metrics)}]}]}
    request = json_format.ParseDict(body, ExportMetricsServiceRequest())
    translation = Translation()
    found: dict[str, list[Any]] = {}
    for report in Conversion().reports(translation.data(request)):
        for point in report.points:
            found.setdefault(point.metric.key, []).append((point.value, point.attributes))
    return found, translation


@pytest.mark.parametrize(
    ("bounds", "buckets", "expected"),
    [
        ([1.0, "Infinity"], ["1", "3", "0"], Histogram((1.0,), (1, 3), 4, 12.0)),
        (["Infinity"], ["4", "0"], Histogram((), (4,), 4, 12.0)),
    ],
)
def test_a_bound_that_nothing_is_above_is_none(bounds: list[Any], buckets: list[str], expected: Histogram) -> None:
    point = {"timeUnixNano": TIME, "count": "4", "sum": 12.0, "explicitBounds": bounds, "bucketCounts": buckets}
    found, _ = reports({"name": "rpc", "histogram": {"aggregationTemporality": 2, "dataPoints": [point]}})
    assert found == {"rpc": [(expected, ())]}


def test_a_summary_is_counters_and_quantiles() -> None:
    quantiles = [{"quantile": q, "value": value} for q, value in ((0.5, 2.0), (0.9, "NaN"), (0.99, 9.0))]
    point = {"timeUnixNano": TIME, "count": "4", "sum": 12.0, "quantileValues": quantiles}
    found, _ = reports({"name": "rpc", "summary": {"dataPoints": [point]}})
    assert found == {
        "rpc.count": [(4, ())],
        "rpc.sum": [(12.0, ())],
        "rpc.quantile": [(2.0, (("quantile", "0.5"),)), (9.0, (("quantile", "0.99"),))],
    }


def test_a_histogram_without_buckets_has_one() -> None:
    point = {"timeUnixNano": TIME, "count": "4", "sum": 12.0}
    found, _ = reports({"name": "rpc", "histogram": {"aggregationTemporality": 2, "dataPoints": [point]}})
    assert found == {"rpc": [(Histogram((), (4,), 4, 12.0), ())]}


NUMBER = {"timeUnixNano": TIME, "asInt": "1"}


@pytest.mark.parametrize(
    ("metric", "rejected", "words"),
    [
        ({"name": "a", "gauge": {"dataPoints": [{"timeUnixNano": TIME, "flags": 1}]}}, 0, ""),
        ({"name": "a", "gauge": {"dataPoints": [{"asInt": "1"}]}}, 1, "a: no time"),
        ({"name": "a", "gauge": {"dataPoints": [{"timeUnixNano": TIME}]}}, 1, "a: no value"),
        ({"name": "a", "sum": {"dataPoints": [NUMBER, NUMBER]}}, 2, "a: neither delta nor cumulative"),
        ({"name": "a", "gauge": {"dataPoints": [{"timeUnixNano": TIME, "asDouble": "NaN"}]}}, 1, "a: nan is no number"),
        (
            {"name": "a", "sum": {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": [
                {"timeUnixNano": TIME, "asDouble": "Infinity"},
            ]}},
            1, "a: inf is no number",
        ),
        (
            {"name": "a", "histogram": {"aggregationTemporality": 1, "dataPoints": [
                {"timeUnixNano": TIME, "count": "1", "sum": "NaN", "bucketCounts": ["1"]},
            ]}},
            1, "a: nan is no number",
        ),
        (
            {"name": "a", "histogram": {"aggregationTemporality": 2, "dataPoints": [
                {"timeUnixNano": TIME, "count": "1", "bucketCounts": ["0", "1"], "explicitBounds": ["NaN"]},
                {"timeUnixNano": TIME, "count": "1", "bucketCounts": ["0", "1"], "explicitBounds": ["Infinity"]},
                {"timeUnixNano": TIME, "count": "1", "bucketCounts": ["1", "0"], "explicitBounds": ["-Infinity"]},
            ]}},
            3, "a: its buckets make no sense",
        ),
        ({"name": "a", "summary": {"dataPoints": [{"timeUnixNano": TIME, "sum": "NaN"}]}}, 1, "a: nan is no number"),
        (
            {"name": "a", "sum": {"aggregationTemporality": 1, "isMonotonic": True, "dataPoints": [
                {"timeUnixNano": TIME, "asInt": "-1"},
            ]}},
            1, "a: it only grows, and is below zero",
        ),
        ({"name": "a"}, 1, "a has no name or no data"),
        ({"gauge": {"dataPoints": [NUMBER]}}, 1, "a metric has no name or no data"),
        (
            {"name": "a", "histogram": {"aggregationTemporality": 2, "dataPoints": [
                {"timeUnixNano": TIME, "count": "3", "bucketCounts": ["1", "2"], "explicitBounds": [1, 2]},
                {"timeUnixNano": TIME, "count": "3", "bucketCounts": ["1", "2", "0"], "explicitBounds": [2, 1]},
                {"timeUnixNano": TIME, "count": "4", "bucketCounts": ["1", "2", "0"], "explicitBounds": [1, 2]},
            ]}},
            3, "a: its buckets make no sense",
        ),
        (
            {"name": "a", "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": [
                {"timeUnixNano": TIME, "count": "3", "scale": 2, "positive": {"bucketCounts": ["1"]}},
            ]}},
            1, "a: its buckets make no sense",
        ),
        (
            {"name": "a", "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": [
                {"timeUnixNano": TIME, "count": "1", "scale": 2000, "positive": {"bucketCounts": ["1"]}},
            ]}},
            1, "a: its buckets are too many or too fine",
        ),
    ],
)  # fmt: skip
def test_points_that_make_no_sense_are_told_of(metric: dict[str, Any], rejected: int, words: str) -> None:
    found, translation = reports(metric, {"name": "good", "gauge": {"dataPoints": [NUMBER]}})
    assert found == {"good": [(1, ())]}
    assert (translation.rejected, translation.words) == (rejected, words)


def test_an_attribute_without_a_key_is_none(caplog: pytest.LogCaptureFixture) -> None:
    nameless = [{"key": "", "value": {"stringValue": "x"}}]
    metric = {"name": "a", "gauge": {"dataPoints": [{**NUMBER, "attributes": nameless}]}}
    body = {"resourceMetrics": [{"resource": {"attributes": nameless}, "scopeMetrics": [{"metrics": [metric]}]}]}
    data = Translation().data(json_format.ParseDict(body, ExportMetricsServiceRequest()))
    assert Conversion().reports(data)[0].points[0].attributes == ()
    assert caplog.messages == []


def test_the_instruments_of_the_sdk_are_all_here() -> None:
    """A new kind of data would be one that nobody translates."""
    message = ExportMetricsServiceRequest.DESCRIPTOR.file.pool.FindMessageTypeByName(
        "opentelemetry.proto.metrics.v1.Metric"
    )
    kinds = {field.name for field in message.oneofs_by_name["data"].fields}
    assert kinds == {"gauge", "sum", "histogram", "exponential_histogram", "summary"}
