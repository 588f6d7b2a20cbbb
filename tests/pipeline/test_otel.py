"""The program's own metrics through OpenTelemetry: into a reader of the SDK's own, and over HTTP to a server that
parses what arrives with the protocol's own definitions.
"""

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, Sum

from outrider.model.counters import Counters
from outrider.pipeline import otel
from tests.support.http_server import HttpRequest, Said, http_server
from tests.support.raw_server import raw_server, silent
from tests.support.wait import until

Points = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Rig:
    """A registry that is observed by a meter with a reader in memory."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider([self.reader], shutdown_on_exit=False)

    def observe(self) -> None:
        otel.observe(lambda: self.counters, self.provider.get_meter("test"))

    def metrics(self) -> dict[str, Any]:
        data = self.reader.get_metrics_data()
        assert data is not None
        return {m.name: m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics}

    def points(self) -> Points:
        return {
            (name, tuple(sorted(p.attributes.items()))): p.value
            for name, metric in self.metrics().items()
            for p in metric.data.data_points
            if name != "outrider_instruments"
        }


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.provider.shutdown()


def test_counters_and_gauges_keep_names_labels_and_words(rig: Rig) -> None:
    rig.counters.counter("outrider_lines_total", "Lines.", exporter="a").add(3)
    rig.counters.counter("outrider_lines_total", "Lines.", exporter="b").add(4)
    rig.counters.gauge("outrider_streams", "Streams.", lambda: 2.5)
    rig.observe()
    assert rig.points() == {
        ("outrider_lines_total", (("exporter", "a"),)): 3,
        ("outrider_lines_total", (("exporter", "b"),)): 4,
        ("outrider_streams", ()): 2.5,
    }
    lines = rig.metrics()["outrider_lines_total"]
    assert (lines.description, isinstance(lines.data, Sum), lines.data.is_monotonic) == ("Lines.", True, True)
    assert not isinstance(rig.metrics()["outrider_streams"].data, Sum)


def test_counters_are_read_when_somebody_collects(rig: Rig) -> None:
    lines = rig.counters.counter("outrider_lines_total", "Lines.")
    rig.observe()
    assert rig.points() == {("outrider_lines_total", ()): 0}
    lines.add(7)
    rig.counters.counter("outrider_lines_total", "Lines.", exporter="new").add()
    assert rig.points() == {("outrider_lines_total", ()): 7, ("outrider_lines_total", (("exporter", "new"),)): 1}


def test_names_that_come_up_later_are_picked_up(rig: Rig) -> None:
    rig.observe()
    assert rig.points() == {}
    rig.counters.counter("outrider_errors_total", "Errors.").add()
    rig.counters.gauge("outrider_late", "Late.", lambda: 1)
    until(lambda: rig.points() == {("outrider_errors_total", ()): 1, ("outrider_late", ()): 1})


def test_an_heir_takes_over(rig: Rig) -> None:
    rig.counters.counter("outrider_lines_total", "Lines.").add(3)
    rig.counters.gauge("outrider_flying", "Flying.", lambda: 1, exporter="old")
    rig.observe()
    assert len(rig.points()) == 2
    rig.counters = rig.counters.heir()
    rig.counters.gauge("outrider_flying", "Flying.", lambda: 2, exporter="new")
    assert rig.points() == {("outrider_lines_total", ()): 3, ("outrider_flying", (("exporter", "new"),)): 2}


class Collector:
    """An OTLP/HTTP server."""

    def __init__(self) -> None:
        self.received: list[tuple[str, dict[str, str], ExportMetricsServiceRequest]] = []
        self.url = ""

    def answer(self, asked: HttpRequest) -> Said:
        self.received.append((asked.path, asked.lower, ExportMetricsServiceRequest.FromString(asked.plain)))
        reply = ExportMetricsServiceResponse().SerializeToString()
        return 200, reply, {"Content-Type": "application/x-protobuf"}

    def values(self) -> dict[str, float]:
        """The latest value of every metric without labels."""
        return {
            m.name: p.as_double if p.HasField("as_double") else p.as_int
            for _, _, request in list(self.received)
            for r in request.resource_metrics
            for s in r.scope_metrics
            for m in s.metrics
            for p in (*m.sum.data_points, *m.gauge.data_points)
            if not p.attributes
        }

    def resource(self) -> dict[str, str]:
        attributes = self.received[0][2].resource_metrics[0].resource.attributes
        return {a.key: a.value.string_value for a in attributes}


@contextmanager
def collector() -> Iterator[Collector]:
    it = Collector()
    with http_server(it.answer) as it.url:
        yield it


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_SERVICE_NAME"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("variable", "suffix"),
    [("OTEL_EXPORTER_OTLP_ENDPOINT", ""), ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "/v1/metrics")],
)
def test_the_standard_variables_start_an_export(env: pytest.MonkeyPatch, variable: str, suffix: str) -> None:
    counters = Counters()
    lines = counters.counter("outrider_lines_total", "Lines.")
    counters.gauge("outrider_streams", "Streams.", lambda: 5)
    with collector() as it:
        env.setenv(variable, it.url + suffix)
        env.setenv("OTEL_METRIC_EXPORT_INTERVAL", "50")
        env.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-token=s3cret")
        exporting = otel.start(lambda: counters)
        assert exporting is not None
        lines.add(3)
        until(lambda: it.values().get("outrider_lines_total") == 3)
        assert it.values()["outrider_streams"] == 5
        path, headers, _ = it.received[0]
        assert (path, headers["x-token"]) == ("/v1/metrics", "s3cret")
        assert it.resource()["service.name"] == "outrider"
        lines.add(4)
        exporting.stop()
        assert it.values()["outrider_lines_total"] == 7, "the last values are exported at the end"


def test_the_service_may_have_a_name_of_its_own(env: pytest.MonkeyPatch) -> None:
    with collector() as it:
        env.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", it.url)
        env.setenv("OTEL_SERVICE_NAME", "logs-of-acme")
        exporting = otel.start(Counters)
        assert exporting is not None
        exporting.stop()
        assert it.resource()["service.name"] == "logs-of-acme"


def test_a_collector_that_hangs_does_not_hold_up_the_end(env: pytest.MonkeyPatch) -> None:
    env.setattr(otel, "LAST_WORDS", 0.3)
    with raw_server(silent) as address:
        env.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{address}")
        exporting = otel.start(Counters)
        assert exporting is not None
        ending = threading.Thread(target=exporting.stop)
        ending.start()
        ending.join(2)
        assert not ending.is_alive()


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_METRICS_EXPORTER": "none"},
    ],
)
def test_nothing_is_started_unless_it_is_asked_for(env: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        env.setenv(name, value)
    assert otel.start(Counters) is None


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "OTEL_EXPORTER_OTLP_PROTOCOL grpc, can be http/protobuf"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "-1", "not exported"),
    ],
)
def test_what_cannot_be_is_said_and_lived_without(
    env: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str, value: str, words: str
) -> None:
    env.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    env.setenv(name, value)
    assert otel.start(Counters) is None
    assert words in caplog.text


def test_missing_packages_are_named(env: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    env.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    env.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.metric_exporter", None)
    assert otel.start(Counters) is None
    assert "install outrider[otlp]" in caplog.text


def test_nothing_is_imported_while_nobody_asks(tmp_path: Path) -> None:
    code = """
import sys
from outrider.model.counters import Counters
from outrider.pipeline import otel
assert otel.start(Counters) is None
assert not any(name.startswith(("opentelemetry", "requests", "google.protobuf")) for name in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30, env={"HOME": str(tmp_path)})
