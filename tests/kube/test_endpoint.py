"""What is read of a pod that asks for checks, as the kubelets of three versions tell of it, over TLS."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from outrider.kube.client import KubeClient
from outrider.kube.endpoint import asks
from outrider.kube.kubelet import KubeletSource
from outrider.kube.pods import Pods
from outrider.kube.wire import read_list
from outrider.model.clock import SystemClock
from outrider.model.counters import Counters
from outrider.model.pod import Endpoint, Inside, Port
from tests.support.certificates import self_signed
from tests.support.fake_kube import FakeKube, known, pod
from tests.support.wait import until

DATA = Path(__file__).parent / "data"
VERSIONS = ["1.29", "1.33", "1.36"]
KV = (Port(6379, "redis"),)


def answer(version: str) -> bytes:
    return (DATA / f"pods-{version}.json").read_bytes()


@pytest.fixture(params=VERSIONS)
def pods(request: pytest.FixtureRequest, tmp_path: Path, counters: Counters) -> Iterator[Pods]:
    context, certificate = self_signed(tmp_path)
    with FakeKube(context) as kube:
        kube.raw_list = answer(request.param)
        client = KubeClient(kube.url, None, certificate, SystemClock())
        source = KubeletSource(client, SystemClock(), counters, details=True)
        found = Pods(source, tmp_path / "pods.json", SystemClock(), counters, lambda _: None)
        found.start()
        yield found
        found.stop()


def test_every_pod_that_asks_has_an_endpoint(pods: Pods, tmp_path: Path, counters: Counters) -> None:
    until(pods.present)
    found = {one.name.partition("-")[0]: one.endpoint for one in pods.present()}
    assert found == {
        "kv": Endpoint(
            "10.244.1.7",
            ready=True,
            containers=(
                Inside("kv", KV, {"PASSWORD": "plain", "HIDDEN": None}),
                Inside("log"),
                Inside("mesh", (Port(9121, "metrics"),)),
            ),
        ),
        "slow": Endpoint("10.244.1.8", containers=(Inside("kv", KV),)),
        "going": Endpoint("10.244.1.9", ready=True, over=True, containers=(Inside("kv"),)),
        "done": Endpoint("10.244.1.10", over=True, containers=(Inside("kv"),)),
        "new": Endpoint(containers=(Inside("kv"),)),
        "etcd": Endpoint(
            "10.0.0.1", ready=True, containers=(Inside("etcd", (Port(2381, "probe-port"),)),), host_network=True
        ),
        "quiet": None,
    }
    assert counters.value("outrider_kube_garbage_total") == counters.value("outrider_kube_partial_total") == 0
    pods.stop()
    remembered = (tmp_path / "pods.json").read_text()
    assert "kv-7d4b9c6f5-x2x7k" in remembered
    assert not any(text in remembered for text in ("10.244.1.7", "endpoint")), "it may be another pod's by then"


@pytest.mark.parametrize("version", VERSIONS)
def test_only_what_asks_is_looked_at(version: str) -> None:
    without = read_list(answer(version), details=False).pods
    assert [one.endpoint for one in without] == [None] * 7


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("outrider.io/checks", True),
        ("outrider.io/check", True),  # whoever spells it wrong is to be told
        ("outrider.io/route", False),
        ("outrider.io/sidecar-logs", False),
        ("outrider.io/sidecar-log", True),
        ("ad.datadoghq.com/web.checks", True),
        ("ad.datadoghq.com/web.check_names", True),
        ("ad.datadoghq.com/web.init_configs", True),
        ("service-discovery.datadoghq.com/web.instances", True),
        ("ad.datadoghq.com/web.check", True),
        ("ad.datadoghq.com/web.logs", False),
        ("ad.datadoghq.com/web.tags", False),
        ("ad.datadoghq.com/web.metrics_exclude", False),
        ("ad.datadoghq.com/logs_exclude", False),
        ("ad.datadoghq.com/tags", False),
        ("prometheus.io/scrape", True),
        ("prometheus.io/port", False),
    ],
)
def test_which_annotations_ask(key: str, expected: bool) -> None:
    assert asks({key: "", "other": ""}) is expected


def test_an_endpoint_that_cannot_be_read_costs_itself_only() -> None:
    odd = pod("a", "u", annotations={"outrider.io/checks": "[]"}, status={"conditions": 7})
    page = read_list(json.dumps({"items": [odd]}).encode(), details=True)
    assert (page.pods[0].endpoint, page.pods[0].phase, page.partial, page.bad) == (None, "Running", 1, 0)


def test_a_pod_that_is_gone_is_known_and_not_present(
    kube: FakeKube, counters: Counters, run: Callable[..., Pods]
) -> None:
    kube.add(pod("a", "u1"))
    kube.add(pod("b", "u2"))
    client = KubeClient(kube.url, None, None, SystemClock())
    found = run(KubeletSource(client, SystemClock(), counters, every=0.1, gap=0.02), lambda _: None)
    known(found, "u2")
    kube.delete("u1")
    until(lambda: [one.uid for one in found.present()] == ["u2"])
    assert found.get("u1") is not None
