"""The `/pods` endpoint answers as kubelet does."""

from typing import Any

import pytest
import urllib3

from outrider.demo.pods_api import DemoPod, PodsApi

NOW = 1_787_479_872.5


def pod(owner: tuple[str, str] | None = ("ReplicaSet", "web-7d9c6b5f4"), **more: Any) -> DemoPod:
    return DemoPod("shop", "web-1", "uid-1", "nginx", {"app": "web"}, owner, NOW, **more)


def test_the_list_is_a_pod_list_asked_for_anew_each_time() -> None:
    pods: list[dict[str, Any]] = []
    with PodsApi(lambda: pods) as api:
        assert urllib3.request("GET", api.url + "/pods").json()["items"] == []
        pods.append(pod().manifest("demo-node"))
        answer = urllib3.request("GET", api.url + "/pods/")
    assert answer.headers["Content-Type"] == "application/json"
    assert {k: answer.json()[k] for k in ("kind", "apiVersion")} == {"kind": "PodList", "apiVersion": "v1"}
    (item,) = answer.json()["items"]
    assert item["metadata"]["labels"] == {"app": "web"}
    assert item["spec"]["containers"][0]["image"] == "demo/web:1"
    assert item["metadata"]["creationTimestamp"] == "2026-08-23T10:11:12Z"
    assert item["spec"]["nodeName"] == "demo-node"


def test_anything_else_is_not_found() -> None:
    with PodsApi(list) as api:
        assert urllib3.request("GET", api.url + "/podz", retries=False).status == 404


@pytest.mark.parametrize(
    ("owner", "version"),
    [(("ReplicaSet", "a"), "apps/v1"), (("StatefulSet", "a"), "apps/v1"), (("Job", "a"), "batch/v1")],
)
def test_owners_are_references_to_their_controller(owner: tuple[str, str], version: str) -> None:
    (reference,) = pod(owner).manifest("n")["metadata"]["ownerReferences"]
    assert reference["controller"] is True
    assert (reference["kind"], reference["name"], reference["apiVersion"]) == (*owner, version)


def test_a_pod_without_owner_has_no_reference_and_a_dead_one_is_not_ready() -> None:
    found = pod(None, phase="Succeeded", restarts=3).manifest("n")
    assert "ownerReferences" not in found["metadata"]
    assert found["status"]["phase"] == "Succeeded"
    assert found["status"]["containerStatuses"] == [{"name": "nginx", "restartCount": 3, "ready": False}]
