"""A sidecar that programs tell by themselves: the official DogStatsD client and the OpenTelemetry SDK at one end, both
vendors at the other; through an outage, a full queue, a reload and the end.
"""

import json
import logging
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
import yaml
from datadog.dogstatsd.base import DogStatsd as Client
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from tests.support.datadog_api import DatadogApi
from tests.support.monitoring_api import MonitoringApi, monitoring_api
from tests.support.sidecar import SidecarProcess, sidecar_process
from tests.support.sink import DATADOG, Fault, Sink
from tests.support.wait import until

pytestmark = pytest.mark.filterwarnings("ignore:.LoggingHandler. in .opentelemetry-sdk. is deprecated")

ABOUT = {"service.name": "cart", "service.version": "1.2", "k8s.container.name": "app"}
BATCH = {"wait": "50ms", "bytes": "64KiB", "in_flight": 1}


class Vendors:
    """Both, with their logs and metrics."""

    def __init__(self, google: Sink, datadog: Sink, monitoring: MonitoringApi, api: DatadogApi) -> None:
        self.google, self.datadog, self.monitoring, self.api = google, datadog, monitoring, api

    def exporters(self) -> dict[str, Any]:
        google = {"logs_endpoint": self.google.url, "metrics_endpoint": self.monitoring.url, "credentials": "none"}
        datadog = {"logs_endpoint": self.datadog.url, "metrics_endpoint": self.api.url, "api_key": "a-key"}
        return {
            "google": {"kind": "stackdriver", **google, "batch": BATCH},
            "datadog": {"kind": "datadog", **datadog, "batch": BATCH},
        }

    def series(self, name: str) -> list[dict[str, Any]]:
        return [one for one in self.api.series if one["metric"] == name]

    def written(self, name: str) -> list[Any]:
        wanted = f"workload.googleapis.com/{name}"
        return [one for r in self.monitoring.series() for one in r.time_series if one.metric.type == wanted]


@pytest.fixture
def vendors() -> Iterator[Vendors]:
    with Sink() as google, Sink(DATADOG) as datadog, monitoring_api() as monitoring, DatadogApi() as api:
        yield Vendors(google, datadog, monitoring, api)
        assert [*google.complaints, *datadog.complaints, *api.complaints] == []


@pytest.fixture
def sidecar(tmp_path: Path, vendors: Vendors) -> Iterator[SidecarProcess]:
    listens = {
        "dogstatsd": {"listen": ["udp://127.0.0.1:0", f"unix://{tmp_path}/dsd"]},
        "otlp": {"listen": "127.0.0.1:0"},
    }
    with sidecar_process(tmp_path, vendors.exporters(), logs={}, **listens) as sidecar:
        yield sidecar
        assert "Traceback" not in sidecar.said


def otlp_url(sidecar: SidecarProcess) -> str:
    return re.findall(r"otlp: listening at (http://\S+)", sidecar.said)[-1]


def statsd(sidecar: SidecarProcess) -> Client:
    [port] = set(re.findall(r"udp://127\.0\.0\.1:(\d+)", sidecar.said))
    return Client(host="127.0.0.1", port=int(port), disable_telemetry=True, disable_buffering=True)


class Program:
    """One that logs and measures by the OpenTelemetry SDK."""

    def __init__(self, url: str) -> None:
        self.logs = LoggerProvider(Resource(ABOUT), shutdown_on_exit=False)
        self.logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(f"{url}/v1/logs")))
        self.logger = logging.Logger("cart.db")
        self.logger.addHandler(LoggingHandler(logger_provider=self.logs))
        reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{url}/v1/metrics"), 3_600_000)
        self.metrics = MeterProvider([reader], Resource(ABOUT), shutdown_on_exit=False)
        self.meter = self.metrics.get_meter("cart")

    def flush(self) -> None:
        assert self.logs.force_flush()
        assert self.metrics.force_flush()

    def end(self) -> None:
        self.logs.shutdown()
        self.metrics.shutdown()


def test_a_program_that_uses_opentelemetry_needs_no_other_agent(sidecar: SidecarProcess, vendors: Vendors) -> None:
    sidecar.start()
    program = Program(otlp_url(sidecar))
    program.logger.error("it failed: %s", "äöü", extra={"order": 7})
    program.logger.warning({"message": "an object", "n": 1})
    program.meter.create_counter("orders").add(3, {"kind": "new"})
    program.meter.create_histogram("took", "s").record(0.2)
    program.flush()
    program.end()
    until(lambda: len(vendors.google.received()) == len(vendors.datadog.received()) == 2)
    until(lambda: vendors.series("orders") and vendors.written("orders"))
    first, second = (received.entry for received in vendors.google.received())
    assert (first["severity"], second["severity"]) == ("ERROR", "WARNING")
    wanted = {"message": "it failed: äöü", "order": 7, "service": "cart", "version": "1.2", "logger": "cart.db"}
    assert first["jsonPayload"].items() >= wanted.items()
    assert first["resource"]["labels"].items() >= {"pod_name": "web-1", "container_name": "app"}.items()
    of_datadog = vendors.datadog.received()[0].entry
    assert json.loads(of_datadog["message"]).items() >= {"severity": "ERROR", "order": 7}.items()
    assert {"pod_name:web-1", "kube_container_name:app"} <= set(of_datadog["ddtags"].split(","))
    assert "service:cart" in vendors.series("orders")[0]["tags"]
    [written, *_] = vendors.written("orders")
    assert (written.points[0].value.int64_value, dict(written.metric.labels)["kind"]) == (3, "new")
    assert dict(written.resource.labels)["container_name"] == "app"
    assert vendors.written("took")[0].points[0].value.distribution_value.count == 1
    assert sidecar.metric("outrider_otlp_requests_total", status="200") >= 2
    assert sidecar.end() == 0


def test_what_the_containers_of_a_pod_count_adds_up(sidecar: SidecarProcess, vendors: Vendors) -> None:
    """Clients say which container they are in, each by its own id. That is no other series: the pod is ours."""
    sidecar.start()
    client = statsd(sidecar)
    for container in (None, "ci-1", "ci-2"):
        client._container_id = container
        client.increment("views")
        client.distribution("rpc", 3.0)
    until(lambda: sidecar.metric("outrider_dogstatsd_packets_total") == 6)
    assert sidecar.end() == 0
    assert [one["points"][0]["value"] for one in vendors.series("views")] == [0.3]
    assert [one["dogsketches"][0]["cnt"] for one in vendors.api.sketches] == [3]
    assert [one.points[0].value.double_value for one in vendors.written("views")] == [3]


def test_what_dogstatsd_clients_send_reaches_both_vendors_at_the_end_at_the_latest(
    sidecar: SidecarProcess, vendors: Vendors
) -> None:
    sidecar.start()
    client = statsd(sidecar)
    for _ in range(5):
        client.increment("views", tags=["page:a"])
        client.distribution("rpc", 3.0)
    client.event("deployed", "by hand", alert_type="success")
    client.service_check("db", 2, message="gone")
    until(lambda: sidecar.metric("outrider_dogstatsd_packets_total") == 12)
    assert sidecar.end() == 0
    [views] = vendors.series("views")
    assert (views["type"], views["interval"], views["points"][0]["value"]) == (2, 10, 0.5)
    assert {"page:a", "pod_name:web-1", "kube_container_name:web"} <= set(views["tags"])
    assert [one["dogsketches"][0]["cnt"] for one in vendors.api.sketches] == [5]
    assert [event["title"] for event in vendors.api.events] == ["deployed"]
    assert [check["message"] for check in vendors.api.service_checks] == ["gone"]
    [total] = vendors.written("views")
    assert total.points[0].value.double_value == 5
    assert vendors.written("rpc")[0].points[0].value.distribution_value.mean == pytest.approx(3.0)


def test_a_full_queue_sends_the_client_back_and_loses_nothing(sidecar: SidecarProcess, vendors: Vendors) -> None:
    vendors.google.always = vendors.datadog.always = Fault(503)
    sidecar.start()
    http, body = urllib3.PoolManager(retries=False), {"stringValue": "x" * 20_000}
    record = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": body}]}]}]})

    def post() -> int:
        headers = {"Content-Type": "application/json"}
        return http.request("POST", f"{otlp_url(sidecar)}/v1/logs", body=record, headers=headers).status

    statuses = [post() for _ in range(10)]
    taken = statuses.count(200)
    assert statuses == [200] * taken + [503] * (10 - taken)
    assert 1 <= taken < 10
    vendors.datadog.always = None
    until(lambda: len(vendors.datadog.received()) == taken, timeout=20)
    until(lambda: post() == 200)  # one of them has room, once it has heard the last answer
    until(lambda: len(vendors.datadog.received()) == taken + 1)
    assert sidecar.metric("outrider_received_given_up_total", exporter="google", reason="queue") == 1
    vendors.google.always = None
    until(lambda: len(vendors.google.received()) == taken, timeout=20)
    assert sidecar.end() == 0


def test_a_reload_loses_nothing(sidecar: SidecarProcess, vendors: Vendors) -> None:
    vendors.google.always = Fault(503)
    sidecar.start()
    program, client, url = Program(otlp_url(sidecar)), statsd(sidecar), otlp_url(sidecar)
    program.logger.error("before")
    client.increment("views")
    program.flush()
    until(lambda: sidecar.metric("outrider_dogstatsd_packets_total") == 1)
    until(lambda: vendors.google.requests)
    sidecar.config["exporters"]["datadog"]["tags"] = ["env:prod"]
    (sidecar.root / "outrider.yaml").write_text(yaml.safe_dump(sidecar.config))
    assert sidecar.process is not None
    sidecar.process.send_signal(signal.SIGHUP)
    for _ in range(20):
        client.increment("views")
    until(lambda: sidecar.said.count("otlp: listening at") == 2, timeout=20)
    assert otlp_url(sidecar) == url
    vendors.google.always = None
    program.logger.error("after")
    program.flush()
    program.end()
    until(lambda: len(vendors.google.received()) == 2, timeout=20)
    assert [json.loads(received.text)["message"] for received in vendors.google.received()] == ["before", "after"]
    until(lambda: sidecar.metric("outrider_dogstatsd_packets_total") == 21)
    assert sidecar.end() == 0
    assert sum(one["points"][0]["value"] for one in vendors.series("views")) == pytest.approx(2.1)


def test_an_address_that_is_taken_is_said_and_the_rest_works(sidecar: SidecarProcess, vendors: Vendors) -> None:
    sidecar.config["otlp"]["listen"] = vendors.google.url.removeprefix("http://")
    sidecar.start(ready=False)
    until(lambda: "metrics and probes at" in sidecar.said, timeout=20)
    status, words = sidecar.get("/readyz")
    assert (status, "otlp.listen: " in words, "cannot be had" in words) == (503, True, True)
    statsd(sidecar).increment("views")
    until(lambda: sidecar.metric("outrider_dogstatsd_packets_total") == 1)
    assert sidecar.end() == 0
    assert len(vendors.series("views")) == 1
