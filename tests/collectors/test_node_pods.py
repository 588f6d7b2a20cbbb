"""What the cluster knows about a pod ends up on its entries: from the kubelet, from the API, and from memory."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from outrider.demo.kubelet import PodLog
from outrider.model.clock import SystemClock
from tests.support.fake_kube import FakeKube, pod
from tests.support.node import NodeProcess, exporter_to, node_process
from tests.support.sink import Entry, Sink
from tests.support.tree import Numbered, await_lines
from tests.support.wait import until

BOUND = 5.0
"""Seconds for which the lines of a pod wait for its metadata."""


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as sink:
        yield sink


def write(node: NodeProcess, name: str, count: int = 3) -> Numbered:
    writer = Numbered(name, PodLog(node.pods, "shop", name, f"uid-{name}", SystemClock()).container("main"))
    writer.write(count)
    return writer


def labels(sink: Sink, name: str) -> list[dict[str, str]]:
    """The labels of a pod's entries, each set once, in the order of arrival."""
    found: list[dict[str, str]] = []
    for r in sink.received(name):
        if r.entry["labels"] not in found:
            found.append(r.entry["labels"])
    return found


def web(name: str = "web-7d4b9c6f5-x2x7k", **more: str) -> Entry:
    """A pod of a Deployment, as the API shows it."""
    return pod(
        name,
        f"uid-{name}",
        namespace="shop",
        labels={"app": "web", "app.kubernetes.io/name": "web", "pod-template-hash": "7d4b9c6f5", **more},
        owners=[("ReplicaSet", "web-7d4b9c6f5")],
    )


WEB = {
    "compute.googleapis.com/resource_name": "node-1",
    "logging.gke.io/top_level_controller_name": "web",
    "logging.gke.io/top_level_controller_type": "Deployment",
    "k8s-pod/app": "web",
    "k8s-pod/app_kubernetes_io/name": "web",
    "k8s-pod/pod-template-hash": "7d4b9c6f5",
}


@contextmanager
def without_permission(root: Path) -> Iterator[None]:
    """Beside the test: a collector that its kubelet refuses gets its lines out all the same, and its probes are well;
    that is seen at the end."""
    with Sink() as sink, FakeKube() as kube:
        kube.fail(403, times=1000)
        config = {"kube": {"source": "kubelet", "url": kube.url}}
        with node_process(root, {"google": exporter_to(sink)}, **config) as node:
            w = write(node, "web")
            node.start()
            yield
            await_lines(sink, w)
            assert labels(sink, "web") == [{"compute.googleapis.com/resource_name": "node-1"}]
            assert node.get("/healthz")[0] == 200
            assert "403" in node.said


def test_metadata_from_the_kubelet(tmp_path: Path, sink: Sink) -> None:
    """Known pods, pods that the kubelet learns of late or never, and a pod that was deleted while nobody looked."""
    exporters = {"google": exporter_to(sink, batch={"wait": "100ms"})}
    with FakeKube() as kube, without_permission(tmp_path / "refused"):
        config = {"kube": {"source": "kubelet", "url": kube.url}}
        with node_process(tmp_path / "known", exporters, **config) as node:
            kube.add(web())
            known = write(node, "web-7d4b9c6f5-x2x7k")
            node.start()
            await_lines(sink, known)
            assert labels(sink, known.name) == [WEB]

            began = time.monotonic()
            late, never = write(node, "late"), write(node, "never")
            until(lambda: node.metric("outrider_streams") == 3)
            asked = len(kube.lists)
            until(lambda: len(kube.lists) > asked)
            assert sink.received("late") == [], "lines wait for the metadata of their pod"
            kube.add(pod("late", "uid-late", namespace="shop", labels={"app": "late"}))
            await_lines(sink, late)
            assert [x["k8s-pod/app"] for x in labels(sink, "late")] == ["late"]
            assert time.monotonic() - began < BOUND
            await_lines(sink, never)
            waited = sink.received("never")[0].at - began
            print(f"the lines of a pod that nobody knows waited {waited:.1f} s")
            assert BOUND - 1 < waited < BOUND + 3
            assert labels(sink, "never") == [{"compute.googleapis.com/resource_name": "node-1"}]

            until(lambda: "uid-late" in (node.state / "pods.json").read_text())
            node.kill()
            known.write(3)
            kube.delete("uid-web-7d4b9c6f5-x2x7k")
            node.start()
            await_lines(sink, known)
            assert labels(sink, known.name) == [WEB], "deleted while the collector was down"


def test_metadata_from_the_api(tmp_path: Path, sink: Sink) -> None:
    """A list and a watch that are limited to this node; labels that change are the new ones from then on."""
    with FakeKube() as kube:
        config = {"kube": {"source": "api", "url": kube.url}}
        with node_process(tmp_path, {"google": exporter_to(sink, batch={"wait": "100ms"})}, **config) as node:
            kube.add(web())
            node.start()
            known = write(node, "web-7d4b9c6f5-x2x7k")
            await_lines(sink, known)
            assert labels(sink, known.name) == [WEB]
            until(lambda: kube.watches)
            kube.add(pod("born", "uid-born", namespace="shop", labels={"app": "born"}))
            born = write(node, "born")
            await_lines(sink, born)
            assert [x["k8s-pod/app"] for x in labels(sink, "born")] == ["born"]

            kube.add(web(version="2"))
            until(lambda: '"version":"2"' in (node.state / "pods.json").read_text())
            known.write(3)
            await_lines(sink, known)
            assert labels(sink, known.name) == [WEB, {**WEB, "k8s-pod/version": "2"}]
            assert all(r.query["fieldSelector"] == "spec.nodeName=node-1" for r in kube.requests)
            assert node.end() == 0
