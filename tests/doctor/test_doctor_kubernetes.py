"""What `outrider doctor` says of the kubelet, the API server, and of sidecars that were asked for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from outrider.doctor.finding import Finding
from outrider.wiring import policy as sidecars
from tests.support.certificates import self_signed
from tests.support.examined import about, examined, worst, written
from tests.support.fake_kube import FakeKube, pod
from tests.support.reviewing_api import ReviewingApi, reviewing_api
from tests.support.server import free_port

# -- kubelet -----------------------------------------------------------------------------------------------------------


def kubelet(folder: Path, url: str, **more: Any) -> str:
    (folder / "token").write_text("t0k3n\n")
    kube = {"source": "kubelet", "url": url, "token": {"file": str(folder / "token")}}
    return written(folder, kube=kube, **more)


def test_a_kubelet_that_tells(tmp_path: Path) -> None:
    with FakeKube() as kube:
        kube.tokens = {"t0k3n"}
        kube.add(pod("web-1", "uid-1"))
        found = about(examined(kubelet(tmp_path, kube.url)), "kubelet")
    assert [one.status for one in found] == ["ok", "ok"]
    assert found[1].words == "/pods may be read"


REFUSALS = [(401, "see kube.token"), (403, "`get` on nodes/pods"), (404, "the kubelet of this node"), (500, "kubelet")]


@pytest.mark.parametrize(("status", "cure"), REFUSALS, ids=[str(row[0]) for row in REFUSALS])
def test_a_kubelet_that_refuses(tmp_path: Path, status: int, cure: str) -> None:
    with FakeKube() as kube:
        kube.fail(status, times=9)
        found = worst(examined(kubelet(tmp_path, kube.url)), "kubelet")
    assert found.status == "fail"
    assert found.words.endswith(f"/pods answers {status}")
    assert cure in found.cure


def test_rights_to_the_kubelets_metrics(tmp_path: Path) -> None:
    metrics = {"kubelet": {"enabled": True, "cadvisor": True}}
    with FakeKube() as kube:
        kube.pages = {"/stats/summary": b"{}", "/metrics/resource": b"", "/metrics/cadvisor": b""}
        kube.fail(403, times=9, path="/stats")
        kube.fail(403, times=9, path="/metrics/cadvisor")
        found = about(examined(kubelet(tmp_path, kube.url, metrics=metrics)), "kubelet")
    assert [one.status for one in found] == ["ok", "ok", "fail", "ok", "fail"]
    assert ["nodes/stats" in found[2].cure, "nodes/metrics" in found[4].cure] == [True, True]


def test_no_kubelet_and_no_token(tmp_path: Path) -> None:
    found = worst(examined(kubelet(tmp_path, f"http://127.0.0.1:{free_port()}")), "kubelet")
    assert found.words.endswith("refuses the connection")
    path = kubelet(tmp_path, "http://127.0.0.1:1")
    (tmp_path / "token").unlink()
    found = worst(examined(path), "kubelet")
    assert (found.status, "kube.token" in found.cure, "automount" in found.cure) == ("fail", True, True)
    assert "the bearer token cannot be read" in found.words


def test_the_certificate_of_this_nodes_kubelet_is_not_verified(tmp_path: Path) -> None:
    """As the collector has it: the way does not leave the machine."""
    context, ca = self_signed(tmp_path, -48, -24)
    with FakeKube(context) as kube:
        found = about(examined(kubelet(tmp_path, kube.url)), "kubelet")
        assert [one.status for one in found] == ["ok", "ok"]
        assert "its certificate is not verified" in found[0].words
        told = {"source": "kubelet", "url": kube.url, "ca": str(ca)}
        assert "certificate has expired" in worst(examined(written(tmp_path, kube=told)), "kubelet").words


# -- API server --------------------------------------------------------------------------------------------------------


@pytest.fixture
def api() -> Iterator[ReviewingApi]:
    with reviewing_api() as api:
        api.lists = {path: [] for path in LISTS}
        yield api


LISTS = (
    "/api/v1/pods",
    "/apis/apps/v1/deployments",
    "/apis/apps/v1/statefulsets",
    "/apis/apps/v1/daemonsets",
    "/apis/batch/v1/jobs",
    "/apis/batch/v1/cronjobs",
)
POLICIES = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies"
PARAMETERS = "/api/v1/namespaces/shop/configmaps/outrider-sidecar"


def cluster(folder: Path, api: ReviewingApi) -> list[Finding]:
    """All that is found for a cluster program."""
    (folder / "token").write_text(api.token)
    kube = {"source": "api", "url": api.url, "token": {"file": str(folder / "token")}}
    return examined(written(folder, kube=kube), "cluster", {"POD_NAMESPACE": "ops"})


def test_all_rights_of_the_cluster_program(tmp_path: Path, api: ReviewingApi) -> None:
    found = about(cluster(tmp_path, api), "API server")
    assert [one.status for one in found] == ["ok", "ok"]
    assert api.reviewed == [
        "list events",
        "watch events",
        "create leases",
        "get leases outrider-cluster",
        "update leases outrider-cluster",
    ]
    assert "update leases in ops" in found[1].words


def test_rights_that_are_missing(tmp_path: Path, api: ReviewingApi) -> None:
    api.denied = {"watch events", "create leases"}
    found = worst(cluster(tmp_path, api), "API server")
    assert (found.status, found.words) == ("fail", "the service account may not watch events, create leases in ops")


def test_a_node_that_asks_the_api_server(tmp_path: Path, api: ReviewingApi) -> None:
    api.denied = {"watch pods"}
    (tmp_path / "token").write_text(api.token)
    kube = {"source": "api", "url": api.url, "token": {"file": str(tmp_path / "token")}}
    found = examined(written(tmp_path, kube=kube))
    assert worst(found, "API server").words == "the service account may not watch pods"
    assert worst(found, "clock").status == "ok"


def test_a_token_that_is_not_accepted(tmp_path: Path, api: ReviewingApi) -> None:
    (tmp_path / "token").write_text("another")
    kube = {"source": "api", "url": api.url, "token": {"file": str(tmp_path / "token")}}
    found = worst(examined(written(tmp_path, kube=kube), "cluster"), "API server")
    assert found.status == "fail"
    assert found.words.endswith("answers 401")
    assert "the token is not accepted" in found.cure


def test_outside_of_a_cluster(tmp_path: Path) -> None:
    found = worst(examined(written(tmp_path), "cluster"), "API server")
    assert found.status == "fail"
    assert "KUBERNETES_SERVICE_HOST" in found.words


# -- injection ---------------------------------------------------------------------------------------------------------

OLD, POLICY, NEW = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"
ASKS = {"outrider.io/inject": "true"}


def asking(name: str, born: str = NEW, sidecar: bool = False, phase: str = "Running", **annotations: str) -> Any:
    """A pod that has asked for a sidecar."""
    init = {"initContainers": [{"name": "outrider", "restartPolicy": "Always"}]} if sidecar else {}
    made = pod(name, name, namespace="shop", labels=ASKS, spec=init, status={"phase": phase})
    made["metadata"] |= {
        "creationTimestamp": born,
        "annotations": {f"outrider.io/{k}": v for k, v in annotations.items()},
    }
    return made


def injected(api: ReviewingApi, *pods: Any, policy: bool = True, parameters: Any = {"outrider.yaml": ""}) -> None:  # noqa: B006
    """The cluster has these pods, and maybe the chart's policy and the namespace's ConfigMap."""
    api.lists["/api/v1/pods"] = [*pods, pod("other", "other")]
    made = {"metadata": {"name": "logs-sidecar", "creationTimestamp": POLICY}, "spec": sidecars.policy()["spec"]}
    another = {"metadata": {"name": "another"}, "spec": {"matchConstraints": {"resourceRules": []}}}
    api.lists[POLICIES] = [another, made] if policy else [another]
    if parameters is not None:
        api.objects[PARAMETERS] = {"metadata": {"creationTimestamp": OLD}, "data": parameters}


def test_all_that_have_asked_have_one(tmp_path: Path, api: ReviewingApi) -> None:
    """Those that are over do not count. A list of several pages is read to its end."""
    api.page = 2
    injected(api, *(asking(f"web-{i}", sidecar=True) for i in range(5)), asking("job", phase="Succeeded"))
    (found,) = about(cluster(tmp_path, api), "injection")
    assert (found.status, found.words) == ("ok", "5 pods have asked for a sidecar, and all have one")


REASONS = [
    ({}, asking("web"), "the policy has not taken it", "docs/wiring.md"),
    ({}, asking("web", OLD), "it is older than the policy", "rollout restart"),
    ({"policy": False}, asking("web"), "the policy is not installed", "the injection of the chart"),
    ({"parameters": None}, asking("web"), "the namespace has no ConfigMap outrider-sidecar", "make one in shop"),
    (
        {},
        asking("web", **{"sidecar-config": "redis.yaml"}),
        "has no key redis.yaml",
        "the annotation outrider.io/sidecar-config",
    ),
]


@pytest.mark.parametrize(("how", "made", "why", "cure"), REASONS, ids=[row[2] for row in REASONS])
def test_why_there_is_no_sidecar(
    tmp_path: Path, api: ReviewingApi, how: dict[str, Any], made: Any, why: str, cure: str
) -> None:
    injected(api, made, asking("fine", sidecar=True), **how)
    (found,) = about(cluster(tmp_path, api), "injection")
    assert found.status == "fail"
    assert found.words.startswith("the pod shop/web has asked for a sidecar and has none: ")
    assert why in found.words
    assert cure in found.cure


def test_a_cluster_without_such_policies(tmp_path: Path, api: ReviewingApi) -> None:
    api.lists["/api/v1/pods"] = [asking("web")]
    (found,) = about(cluster(tmp_path, api), "injection")
    assert found.status == "fail"
    assert "this cluster has no MutatingAdmissionPolicy (Kubernetes 1.36)" in found.words


def workload(name: str, meta: dict[str, Any], template: dict[str, Any], cron: bool = False) -> Any:
    spec: dict[str, Any] = {"template": {"metadata": template}}
    whole = {"jobTemplate": {"spec": spec}} if cron else spec
    return {"metadata": {"name": name, "namespace": "shop", **meta}, "spec": whole}


def test_what_stands_on_the_workload_and_not_on_its_pods(tmp_path: Path, api: ReviewingApi) -> None:
    checks = {"outrider.io/checks": "[]"}
    api.lists["/apis/apps/v1/deployments"] = [
        workload("right", {"labels": {"app": "x"}}, {"labels": ASKS}),
        workload("both", {"labels": ASKS}, {"labels": ASKS}),
        workload("wrong", {"labels": ASKS}, {}),
    ]
    api.lists["/apis/apps/v1/statefulsets"] = [workload("db", {"annotations": checks}, {"annotations": None})]
    api.lists["/apis/batch/v1/cronjobs"] = [workload("nightly", {"labels": ASKS}, {}, cron=True)]
    found = about(cluster(tmp_path, api), "injection")
    assert [(one.status, one.words, one.cure) for one in found] == [
        (
            "warn",
            "outrider.io/inject stands on the Deployment shop/wrong, and not on its pods",
            "move it to spec.template.metadata.labels",
        ),
        (
            "warn",
            "outrider.io/checks stands on the StatefulSet shop/db, and not on its pods",
            "move it to spec.template.metadata.annotations",
        ),
        (
            "warn",
            "outrider.io/inject stands on the CronJob shop/nightly, and not on its pods",
            "move it to spec.jobTemplate.spec.template.metadata.labels",
        ),
    ]


def test_many_are_not_all_named(tmp_path: Path, api: ReviewingApi) -> None:
    injected(api, *(asking(f"web-{i}") for i in range(30)))
    found = about(cluster(tmp_path, api), "injection")
    assert len(found) == 21
    assert found[-1].words == "10 more like these"


def test_rights_that_the_look_at_pods_takes(tmp_path: Path, api: ReviewingApi) -> None:
    del api.lists["/apis/batch/v1/jobs"]
    (found,) = about(cluster(tmp_path, api), "injection")
    assert found.status == "warn"
    assert "cannot be looked at: GET " in found.words
