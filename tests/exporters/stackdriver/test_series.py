"""Names, labels and resources, as Cloud Monitoring takes them."""

import re

import pytest

from outrider.exporters.stackdriver.series import label_key, metric_labels, metric_type, resource
from outrider.model.cluster import Cluster
from outrider.model.points import GoogleName, Subject

CLUSTER = Cluster("acme", "prod", "europe-north1", "node-7")

KEYS = {
    "db": "db",
    "http.method": "http_method",
    "a-b c/d": "a_b_c_d",
    "9lives": "key_9lives",
    "_private": "key_private",
    "größe": "gr__e",
    "": "key_",
    "k" * 150: "k" * 100,
    "7" * 150: "key_" + "7" * 96,
}


@pytest.mark.parametrize(("given", "want"), KEYS.items())
def test_label_keys(given: str, want: str) -> None:
    assert label_key(given) == want
    assert re.fullmatch("[a-zA-Z][a-zA-Z0-9_]*", want)
    assert len(want) <= 100


def test_metric_types() -> None:
    assert metric_type("workload.googleapis.com/redis.uptime") == "workload.googleapis.com/redis.uptime"
    assert metric_type("workload.googleapis.com/gate:open{x} ü") == "workload.googleapis.com/gate_open_x___"
    assert len(metric_type("workload.googleapis.com/" + "x" * 300)) == 200


NAME = GoogleName("x", spelling={"redis_host": None, "command": "cmd"}, labels=(("state", "sys"),))

LABELS: list[tuple[tuple[tuple[str, str], ...], tuple[str, ...], dict[str, str], int]] = [
    ((), (), {"state": "sys"}, 0),
    ((("db", "0"), ("redis_host", "h")), (), {"state": "sys", "db": "0"}, 0),
    ((("command", "get"),), ("env:prod", "canary", "url:http://a:1"),
     {"state": "sys", "cmd": "get", "env": "prod", "canary": "true", "url": "http://a:1"}, 0),
    ((("db", ""),), ("env:",), {"state": "sys"}, 0),
    ((("db", "0"),), ("db:1", "state:user"), {"state": "sys", "db": "0"}, 2),
    ((("a.b", "1"), ("a_b", "2")), (), {"state": "sys", "a_b": "1"}, 1),
    ((("db", "é" * 2000),), (), {"state": "sys", "db": "é" * 1024}, 1),
    ((("db", "\ud800"),), (), {"state": "sys", "db": "?"}, 0),
    ((), tuple(f"t{i:02}:x" for i in range(40)), {"state": "sys"} | {f"t{i:02}": "x" for i in range(29)}, 11),
]  # fmt: skip


@pytest.mark.parametrize(("attributes", "tags", "labels", "shed"), LABELS)
def test_labels(
    attributes: tuple[tuple[str, str], ...], tags: tuple[str, ...], labels: dict[str, str], shed: int
) -> None:
    assert metric_labels(NAME, attributes, tags) == (labels, shed)


POD = {"project_id": "acme", "location": "europe-north1", "cluster_name": "prod",
       "namespace_name": "shop", "pod_name": "cart-1"}  # fmt: skip
NODE = {"project_id": "acme", "location": "europe-north1", "cluster_name": "prod"}

RESOURCES: list[tuple[Subject, str, dict[str, str]]] = [
    (Subject("n", "shop", "cart-1", "u", "redis"), "k8s_container", {**POD, "container_name": "redis"}),
    (Subject("n", "shop", "cart-1", "u"), "k8s_pod", POD),
    (Subject("n"), "k8s_node", {**NODE, "node_name": "n"}),
    (Subject(), "k8s_node", {**NODE, "node_name": "node-7"}),
]


@pytest.mark.parametrize(("subject", "type_", "labels"), RESOURCES)
def test_resources(subject: Subject, type_: str, labels: dict[str, str]) -> None:
    assert resource(subject, CLUSTER, "acme") == {"type": type_, "labels": labels}


def test_outside_kubernetes_a_machine_is_measured() -> None:
    labels = {"project_id": "acme", "location": "global", "namespace": "", "node_id": "laptop"}
    laptop = Cluster("other", "", "global", "laptop")
    assert resource(Subject(), laptop, "acme") == {"type": "generic_node", "labels": labels}
