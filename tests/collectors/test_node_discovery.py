"""The node collector checks the pods that ask for it: a kubelet over TLS, a real server on the address of a pod, and
whoever owns a pod reads what is wrong in its log.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from outrider.demo.kubelet import PodLog
from outrider.model.clock import SystemClock
from tests.support.certificates import self_signed
from tests.support.datadog_api import DatadogApi
from tests.support.fake_kube import FakeKube, PodJson, pod
from tests.support.monitoring_api import MonitoringApi, monitoring_api
from tests.support.node import NodeProcess, exporter_to, node_process
from tests.support.servers.redis import redis
from tests.support.sink import DATADOG, Sink
from tests.support.wait import until

BOUND = 5.0
"""Seconds after its readiness within which a pod is checked."""
KEY = "outrider.io/checks"


@dataclass
class Rig:
    """A node, the kubelet of it, and both vendors."""

    node: NodeProcess
    kube: FakeKube
    google: Sink
    datadog: Sink
    series: MonitoringApi
    metrics: DatadogApi

    def checks(self, name: str) -> list[dict[str, Any]]:
        """What came of the checks of a pod."""
        whole = [one for one in self.metrics.service_checks if one["check"] == "redis.can_connect"]
        return [one for one in whole if f"pod_name:{name}" in one["tags"]]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    context, certificate = self_signed(tmp_path)
    with (
        FakeKube(context) as kube,
        Sink() as google,
        Sink(DATADOG) as datadog,
        monitoring_api() as series,
        DatadogApi() as metrics,
    ):
        batch = {"wait": "50ms"}
        exporters = {
            "google": exporter_to(google, metrics_endpoint=series.url, batch=batch),
            "datadog": exporter_to(datadog, metrics_endpoint=metrics.url, batch=batch),
            "nobody": {"kind": "console"},
        }
        routes = [{"namespaces": ["shop"], "to": ["google", "datadog"]}, {"to": ["nobody"]}]
        where = {"source": "kubelet", "url": kube.url, "ca": str(certificate)}
        config = {"kube": where, "metrics": {"every": "300ms"}, "routes": routes}
        with node_process(tmp_path, exporters, **config) as node:
            yield Rig(node, kube, google, datadog, series, metrics)


def asking(name: str, ip: str, ready: bool, checks: str) -> PodJson:
    main = {"name": "main", "image": "app:1", "env": [{"name": "PASSWORD", "value": "secret"}]}
    status = {"podIP": ip, "conditions": [{"type": "Ready", "status": str(ready)}]}
    own: dict[str, Any] = {"labels": {"app": name}, "annotations": {KEY: checks}}
    return pod(name, f"uid-{name}", namespace="shop", spec={"containers": [main]}, status=status, **own)


def test_a_pod_is_checked_while_it_is_there_and_told_what_is_wrong(rig: Rig, tmp_path: Path) -> None:
    node, kube = rig.node, rig.kube
    with redis(tmp_path / "redis", "--bind", "127.0.0.1", "127.0.0.2", "--requirepass", "secret") as server:
        checks = f"[{{redis: {{host: localhost, port: {server.port}, password: '%%env_PASSWORD%%', tags: ['a:b']}}}}]"
        kube.add(asking("web", "127.0.0.2", False, checks))
        kube.add(asking("bad", "127.0.0.3", False, f"[{{redis: {{port: {server.port}}}}}, {{redi: {{}}}}]"))
        node.start()
        PodLog(node.pods, "shop", "bad", "uid-bad", SystemClock()).container("main").write("its own line")
        told_in_the_log_of_the_pod(rig.google, rig.datadog)
        assert not rig.checks("web"), "it is not ready"

        kube.add(asking("web", "127.0.0.2", True, checks))
        began = time.monotonic()
        first = until(lambda: rig.checks("web"), timeout=15)[0]
        assert time.monotonic() - began < BOUND
        assert (first["status"], first["message"], first["host_name"]) == (0, "", "node-1")
        wanted = {"redis_host:127.0.0.2", "a:b", "kube_namespace:shop", "kube_container_name:main", "short_image:app"}
        assert wanted <= set(first["tags"])
        labels = dict(until(rig.series.series)[0].time_series[0].resource.labels)
        assert (labels["pod_name"], labels["container_name"]) == ("web", "main")
        until(lambda: node.metric("outrider_pod_check_up", pod="web", check="redis", container="main") == 1)
        assert node.metric("outrider_pod_annotation_faults", pod="bad") == 1
        assert node.metric("outrider_points_sent_total", exporter="nobody") == 0

        kube.delete("uid-web")
        began = time.monotonic()
        until(lambda: "redis of shop/web/main is over" in node.said, timeout=15)
        assert time.monotonic() - began < BOUND
        assert node.metric("outrider_pod_checks") == 0
        assert node.end() == 0
        assert "Traceback" not in node.said
        assert "secret" not in (node.state / "pods.json").read_text()
        assert len(told(rig.google)) == len(told(rig.datadog)) == 1, "once"


def told(sink: Sink) -> list[dict[str, Any]]:
    return [r.entry for r in sink.received("bad") if "annotation" in r.text]


def told_in_the_log_of_the_pod(google: Sink, datadog: Sink) -> None:
    until(lambda: told(google) and told(datadog), timeout=15)
    until(lambda: len(google.received("bad")) == 2)
    [entry] = told(google)
    assert len({r.insert_id.partition("-")[0] for r in google.received("bad")}) == 1, "beside the pod's own line"
    assert entry["severity"] == "WARNING"
    assert entry["resource"]["labels"]["pod_name"] == "bad"
    assert entry["resource"]["labels"]["container_name"] == "main"
    assert entry["labels"]["k8s-pod/app"] == "bad"
    assert entry["logName"].endswith("/logs/stdout")
    assert "-note-" in entry["insertId"]
    payload = entry["jsonPayload"]
    assert payload["message"].startswith(f'{KEY}: [1].redi: there is no check "redi"')
    assert payload["annotation"] == KEY
    [same] = told(datadog)
    assert json.loads(same["message"])["message"] == payload["message"]
    assert json.loads(same["message"])["status"] == "warning"
    assert same["outrider.id"] == entry["insertId"]
    assert "pod_name:bad" in same["ddtags"].split(",")
