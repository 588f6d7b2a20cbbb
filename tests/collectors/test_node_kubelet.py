"""The node collector tells what its kubelet measures: recorded answers over TLS, with a token, to the stand-in of both
vendors; everybody's own numbers go where their logs go, under their own names.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from outrider.intake import Intake
from tests.support.certificates import self_signed
from tests.support.fake_kube import FakeKube
from tests.support.kubelet_answers import CADVISOR, PODS, SUMMARY, recorded
from tests.support.node import NodeProcess, node_process
from tests.support.wait import until

CLUSTER = {"project_id": "acme", "location": "europe-north1", "cluster_name": "on-prem-1"}
KUBERNETES = "workload.googleapis.com/kubernetes.io/"


@dataclass
class Rig:
    """A node, the kubelet of it, and both vendors."""

    node: NodeProcess
    kube: FakeKube
    intake: Intake

    def says(self, version: str) -> None:
        """From now on the kubelet is one of this version."""
        pages = {path: page.encode() for path, page in recorded(version).items()}
        self.kube.raw_list = pages.pop(PODS)
        self.kube.pages = pages

    def google(self, name: str, **labels: str) -> list[dict[str, Any]]:
        """The series of a metric, of a resource with these labels."""
        found = self.intake.time_series(KUBERNETES + name)
        return [one for one in found if labels.items() <= one["resource"]["labels"].items()]

    def datadog(self, name: str, *tags: str) -> list[dict[str, Any]]:
        """The points of a metric with these tags."""
        return [one for one in self.intake.points(f"kubernetes.{name}") if set(tags) <= set(one["tags"])]

    def checks(self, status: int) -> list[dict[str, Any]]:
        found = self.intake.service_checks()
        return [one for one in found if (one["check"], one["status"]) == ("kubernetes.kubelet.check", status)]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    context, certificate = self_signed(tmp_path)
    (tmp_path / "token").write_text("secret\n")
    with FakeKube(context) as kube, Intake() as intake:
        kube.tokens = {"secret"}
        where = {"logs_endpoint": intake.url, "metrics_endpoint": intake.url, "batch": {"wait": "50ms"}}
        exporters = {
            "google": {"kind": "stackdriver", "credentials": "none", **where},
            "datadog": {"kind": "datadog", "api_key": "k", **where},
            "nobody": {"kind": "console"},
        }
        source = {"source": "kubelet", "url": kube.url, "ca": str(certificate)}
        metrics = {"every": "400ms", "discover": False, "kubelet": {"enabled": True, "cadvisor": True}}
        routes = [{"namespaces": ["kube-*"], "containers": ["kube-*"], "to": ["nobody"]}, {"to": ["google", "datadog"]}]
        config = {"kube": {**source, "token": {"file": str(tmp_path / "token")}}, "metrics": metrics, "routes": routes}
        with node_process(tmp_path, exporters, **config) as node:
            yield Rig(node, kube, intake)


@dataclass(frozen=True)
class Expected:
    """A container of a recording, and its owner in Datadog's words."""

    namespace: str
    pod: str
    container: str
    cpu: int  # nanoseconds
    received: int
    owner: frozenset[str]
    elsewhere: str = "none"
    """A pod whose container has a route that leads to neither vendor."""


EXPECTED = {
    "1.29": Expected(
        "kube-system", "coredns-76f75df574-gxtfw", "coredns", 243515000, 43665,
        frozenset({"kube_deployment:coredns", "kube_ownerref_kind:replicaset", "kube_replica_set:coredns-76f75df574"}),
    ),
    "1.33": Expected(
        "scraper", "e2e-deployment-6d49cb8b4f-24458", "compute-pi-digits", 2699845000, 446,
        frozenset({"kube_deployment:e2e-deployment", "kube_replica_set:e2e-deployment-6d49cb8b4f"}),
        elsewhere="kube-apiserver-datagen-1-33",
    ),
    "1.36": Expected(
        "scraper", "e2e-statefulset-0", "compute-pi-digits", 2101846000, 446,
        frozenset({"kube_stateful_set:e2e-statefulset", "kube_ownerref_kind:statefulset"}),
        elsewhere="kube-controller-manager-datagen-1-36",
    ),
}  # fmt: skip


@pytest.mark.parametrize("version", EXPECTED)
def test_what_a_node_its_pods_and_containers_use(rig: Rig, version: str) -> None:
    expected = EXPECTED[version]
    rig.says(version)
    if CADVISOR not in rig.kube.pages:
        rig.kube.pages[CADVISOR] = b""
    rig.node.start()
    pod_tags = {f"kube_namespace:{expected.namespace}", f"pod_name:{expected.pod}", "kube_cluster_name:on-prem-1"}
    rates = until(lambda: rig.datadog("cpu.usage.total", f"pod_name:{expected.pod}"), timeout=15)  # of two runs

    at_google = {"namespace_name": expected.namespace, "pod_name": expected.pod, **CLUSTER}
    container = {"type": "k8s_container", "labels": {**at_google, "container_name": expected.container}}
    [cpu] = until(lambda: rig.google("container/cpu/core_usage_time", pod_name=expected.pod))
    assert cpu["resource"] == container
    assert cpu["metricKind"] == "CUMULATIVE"
    assert cpu["points"][-1]["value"]["doubleValue"] == pytest.approx(expected.cpu / 1e9)
    assert cpu["metric"].get("labels", {}) == {}
    memory = rig.google("container/memory/used_bytes", pod_name=expected.pod)
    assert [one["resource"] for one in memory] == [container] * 2
    [received] = until(lambda: rig.google("pod/network/received_bytes_count", pod_name=expected.pod))
    assert received["resource"] == {"type": "k8s_pod", "labels": at_google}
    assert received["points"][-1]["value"] == {"int64Value": str(expected.received)}
    node = {"type": "k8s_node", "labels": {**CLUSTER, "node_name": "node-1"}}
    assert [one["resource"] for one in rig.google("node/cpu/core_usage_time")] == [node]

    whose = pod_tags | expected.owner | {f"kube_container_name:{expected.container}"}
    assert whose <= set(rates[0]["tags"])
    assert (rates[0]["type"], rates[0]["value"]) == ("gauge", 0)
    [running] = {tuple(sorted(one["tags"])) for one in rig.datadog("pods.running", f"pod_name:{expected.pod}")}
    assert pod_tags | expected.owner <= set(running)
    assert not [tag for tag in running if tag.startswith("kube_container_name")]
    assert {tuple(one["tags"]) for one in rig.datadog("node.filesystem.usage")} == {("kube_cluster_name:on-prem-1",)}
    assert {one["host"] for one in rig.datadog("node.filesystem.usage")} == {"node-1"}

    assert not [one for one in rig.datadog("containers.running") if f"pod_name:{expected.elsewhere}" in one["tags"]]
    until(lambda: rig.checks(0))
    assert rig.node.end() == 0
    assert "Traceback" not in rig.node.said
    assert min(one["value"] for one in rig.intake.points()) == 0


def test_a_right_that_is_missing_is_told_and_costs_only_what_it_is_for(rig: Rig) -> None:
    rig.says("1.36")
    rig.kube.fail(403, times=10**6, path=SUMMARY)
    rig.node.start()
    [told, *_] = until(lambda: rig.checks(2), timeout=15)
    assert told["message"].endswith("give the service account `get` on nodes/stats")
    assert until(lambda: rig.datadog("memory.working_set", "kube_stateful_set:e2e-statefulset"))[0]["value"] == 10412032
    assert rig.datadog("cpu.cfs.periods") == rig.datadog("network.rx_bytes") == []
    assert rig.node.metric("outrider_checks_total", check="kubelet", result="denied") >= 1
    assert rig.node.get("/healthz")[0] == rig.node.get("/readyz")[0] == 200, "that is not cured by a restart"
    assert rig.node.said.count("nodes/stats") == 1, "said once"

    rig.kube.forgive()
    until(lambda: rig.checks(0), timeout=15)
    until(lambda: rig.datadog("ephemeral_storage.usage"))
    assert rig.node.end() == 0
    assert "Traceback" not in rig.node.said
