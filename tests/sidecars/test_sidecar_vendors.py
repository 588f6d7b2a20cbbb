"""A sidecar beside a real Redis, and both vendors: what arrives, and what an outage and an end do to it."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.datadog_api import DatadogApi
from tests.support.monitoring_api import MonitoringApi, monitoring_api
from tests.support.servers.redis import Redis, redis
from tests.support.sidecar import SidecarProcess, sidecar_process
from tests.support.sink import HANG, Fault
from tests.support.wait import until

EVERY = 0.3


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Redis]:
    with redis(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def datadog() -> Iterator[DatadogApi]:
    with DatadogApi() as api:
        yield api


@pytest.fixture
def google() -> Iterator[MonitoringApi]:
    with monitoring_api() as api:
        yield api


@pytest.fixture
def sidecar(tmp_path: Path, server: Redis, datadog: DatadogApi, google: MonitoringApi) -> Iterator[SidecarProcess]:
    password = tmp_path / "password"
    password.write_text("right\n")
    server.call("CONFIG", "SET", "requirepass", "right")
    batch = {"wait": "50ms"}
    exporters = {
        "datadog": {"kind": "datadog", "api_key": "a-key", "metrics_endpoint": datadog.url, "batch": batch},
        "google": {"kind": "stackdriver", "credentials": "none", "metrics_endpoint": google.url, "batch": batch},
    }
    settings = {"port": server.port, "password": {"file": str(password)}, "tags": ["team:shop"]}
    checks = {"every": EVERY, "checks": [{"redis": settings}]}
    with sidecar_process(tmp_path, exporters, logs={}, metrics=checks) as sidecar:
        yield sidecar


def values(datadog: DatadogApi, metric: str) -> list[tuple[int, float]]:
    """Time and value of every point, in the order of arrival."""
    found = [one for one in datadog.series if one["metric"] == metric]
    return [(point["timestamp"], point["value"]) for one in found for point in one["points"]]


def written(google: MonitoringApi, metric: str) -> list[Any]:
    wanted = f"workload.googleapis.com/{metric}"
    return [one for request in google.series() for one in request.time_series if one.metric.type == wanted]


def test_both_vendors_get_what_their_dashboards_ask_for(
    sidecar: SidecarProcess, datadog: DatadogApi, google: MonitoringApi, server: Redis
) -> None:
    sidecar.start()
    until(lambda: values(datadog, "redis.net.commands") and written(google, "redis.clients.connected"), timeout=20)
    [series, *_] = [one for one in datadog.series if one["metric"] == "redis.net.clients"]
    assert {f"redis_port:{server.port}", "team:shop", "pod_name:web-1", "kube_namespace:shop"} <= set(series["tags"])
    [check, *_] = datadog.service_checks
    assert (check["check"], check["status"]) == ("redis.can_connect", 0)
    labels = dict(written(google, "redis.clients.connected")[0].resource.labels)
    assert (labels["pod_name"], labels["container_name"]) == ("web-1", "web")
    os.kill(server.pid, signal.SIGKILL)
    until(lambda: [c for c in datadog.service_checks if c["status"] == 2])
    assert sidecar.end() == 0
    assert datadog.complaints == []
    assert "Traceback" not in sidecar.said
    assert "right" not in sidecar.said


@pytest.mark.slow
def test_an_outage_of_one_vendor_is_bridged_and_no_matter_to_the_other(
    sidecar: SidecarProcess, datadog: DatadogApi, google: MonitoringApi
) -> None:
    sidecar.start()
    until(lambda: values(datadog, "redis.net.clients"))
    datadog.next(Fault(503), Fault(429, {"Retry-After": "2"}), Fault(503))
    asked = sidecar.metric("outrider_checks_total", check="redis")
    until(lambda: sidecar.metric("outrider_metric_queue_bytes", exporter="datadog") > 0)
    until(lambda: sidecar.metric("outrider_checks_total", check="redis") >= asked + 8)
    assert sidecar.metric("outrider_metric_queue_bytes", exporter="google") == 0
    until(lambda: sidecar.metric("outrider_metric_queue_bytes", exporter="datadog") == 0, timeout=30)
    assert sidecar.end() == 0
    runs = {check["timestamp"] for check in datadog.service_checks}
    times = [time for time, _ in values(datadog, "redis.net.clients")]
    assert times == sorted(times), "in order"
    assert runs == set(times), "and nothing is missing"
    assert written(google, "redis.clients.connected")
    assert sidecar.said.count("datadog takes metrics again") == 1


def test_the_end_flushes_within_its_grace_and_counts_no_loss(sidecar: SidecarProcess, datadog: DatadogApi) -> None:
    for exporter in sidecar.config["exporters"].values():
        exporter["batch"] = {"wait": "60s"}
    sidecar.start()
    until(lambda: sidecar.metric("outrider_checks_total", check="redis") >= 3)
    assert len(values(datadog, "redis.net.clients")) == 1, "the others wait for more to go with them"
    datadog.next(Fault(503))
    assert sidecar.end() == 0
    assert len(datadog.service_checks) >= 3
    assert len(values(datadog, "redis.net.clients")) == len(datadog.service_checks)


def test_a_vendor_that_hangs_holds_up_no_end(sidecar: SidecarProcess, datadog: DatadogApi) -> None:
    datadog.next(*[Fault(HANG)] * 10)
    sidecar.start()
    until(lambda: datadog.requests)
    assert sidecar.end(timeout=15) == 0
    assert "the end came before" in sidecar.said


def test_a_key_that_is_refused_holds_everything(sidecar: SidecarProcess, datadog: DatadogApi) -> None:
    datadog.next(*[Fault(403)] * 1000)
    sidecar.start()
    until(lambda: "ERROR outrider.pipeline.metering: datadog: metrics: HTTP 403" in sidecar.said)
    assert sidecar.metric("outrider_metric_requests_total", exporter="datadog", verdict="hold") >= 1
    assert sidecar.get("/healthz")[0] == 200
    assert sidecar.metric("outrider_points_given_up_total") == 0
