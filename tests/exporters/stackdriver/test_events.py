"""Kubernetes events as entries: where GKE's event exporter puts each, and what it leaves out."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from outrider.exporters.stackdriver.events import EventEntries
from outrider.exporters.stackdriver.limits import MAX_ENTRY
from outrider.model.clock import ManualClock
from outrider.model.cluster import Cluster
from outrider.model.happening import Happening, read_happening
from tests.support.fake_api import event

CLUSTER = Cluster("acme", "prod", "europe-north1", "")
WHERE = {"project_id": "acme", "location": "europe-north1", "cluster_name": "prod"}
CLUSTERS: tuple[str, dict[str, str]] = ("k8s_cluster", {})


def happening(namespace: str = "shop", **changed: Any) -> Happening:
    made = event(namespace, "web-1.17a", "BackOff", **changed)
    made["metadata"] |= {"uid": "u-1", "resourceVersion": "8123"}
    return read_happening(orjson.dumps(made))


def entry(some: Happening, project: str = "acme") -> dict[str, Any]:
    clock = ManualClock()
    found: dict[str, Any] = orjson.loads(EventEntries(project, CLUSTER, clock).entry(some))
    return found


def test_an_entry_in_full() -> None:
    found = entry(happening(type_="Warning", message="Back-off", lastTimestamp="2026-05-01T02:03:04Z", count=7))
    payload = found.pop("jsonPayload")
    assert found == {
        "insertId": "u-1-8123",
        "timestamp": "2026-05-01T02:03:04Z",
        "severity": "WARNING",
        "logName": "projects/acme/logs/events",
        "resource": {"type": "k8s_pod", "labels": {**WHERE, "namespace_name": "shop", "pod_name": "web-1"}},
    }
    assert payload.keys() == {
        *("kind", "apiVersion", "metadata", "involvedObject", "reason", "message", "source", "lastTimestamp", "type"),
        *("eventTime", "reportingComponent", "reportingInstance"),
    }
    assert payload["message"] == "Back-off"
    assert "managedFields" not in payload["metadata"]


def about(kind: str, namespace: str) -> dict[str, Any]:
    return {"kind": kind, "name": "it", **({"namespace": namespace} if namespace else {})}


RESOURCES = [  # kind, its namespace, the event's, the resource (event-exporter, monitored_resource_factory_test.go)
    ("Pod", "shop", "shop", ("k8s_pod", {"namespace_name": "shop", "pod_name": "it"})),
    ("Pod", "bank", "shop", CLUSTERS),
    ("Pod", "", "default", CLUSTERS),
    ("Node", "", "default", ("k8s_node", {"node_name": "it"})),
    ("Node", "", "kube-system", ("k8s_node", {"node_name": "it"})),
    ("Node", "", "kube-node-lease", ("k8s_node", {"node_name": "it"})),
    ("Node", "", "shop", CLUSTERS),
    ("Deployment", "shop", "shop", CLUSTERS),
    ("Namespace", "", "default", CLUSTERS),
]


@pytest.mark.parametrize(("kind", "namespace", "own", "resource"), RESOURCES)
def test_whose_it_is(kind: str, namespace: str, own: str, resource: tuple[str, dict[str, str]]) -> None:
    found = entry(happening(own, involvedObject=about(kind, namespace)))["resource"]
    assert found == {"type": resource[0], "labels": {**WHERE, **resource[1]}}


@pytest.mark.parametrize(
    ("type_", "severity"), [("Warning", "WARNING"), ("Normal", "INFO"), ("", "INFO"), ("Odd", "INFO")]
)
def test_severity(type_: str, severity: str) -> None:
    assert entry(happening(type_=type_))["severity"] == severity


def test_another_project_for_the_log_and_not_for_the_resource() -> None:
    found = entry(happening(), project="customer")
    assert found["logName"] == "projects/customer/logs/events"
    assert found["resource"]["labels"]["project_id"] == "acme"


def test_a_time_that_the_server_would_refuse_is_left_out() -> None:
    assert "timestamp" not in entry(happening(lastTimestamp="2099-01-01T00:00:00Z"))
    assert "timestamp" not in entry(replace(happening(), time="yesterday"))


def test_what_is_too_large_is_shortened() -> None:
    found = entry(happening(message="x" * 500_000))
    assert len(orjson.dumps(found)) <= MAX_ENTRY
    assert found["jsonPayload"]["message"].startswith("xxx")
    assert found["jsonPayload"]["reason"] == "BackOff"


def test_what_cannot_be_shortened_is_refused() -> None:
    many = {f"k{n}": "v" for n in range(20_000)}
    made = event("shop", "web-1.17a", "BackOff")
    made["metadata"] |= {"uid": "u-1", "resourceVersion": "8123", "annotations": many}
    with pytest.raises(ValueError, match="no shortening of texts"):
        entry(read_happening(orjson.dumps(made)))
