"""`/metrics/cadvisor`, if it is asked for."""

import pytest

from tests.checks.kubelet.asking import ask_once, datadog, google
from tests.checks.product import Asked
from tests.support.kubelet_answers import CADVISOR, WHEN, recorded, seconds

OF = "e2e-statefulset-0/compute-pi-digits"


@pytest.fixture(scope="module")
def asked() -> Asked:
    found = ask_once(recorded("1.36"), seconds(WHEN["1.36"]), cadvisor=True)
    assert found.trouble is None, found.trouble
    return found


WANTED = {
    "kubernetes.cpu.cfs.periods": 264,  # of this run alone
    "kubernetes.cpu.cfs.throttled.periods": 258,
    "kubernetes.cpu.cfs.throttled.seconds": 17.583661,
    "kubernetes.cpu.system.total": 0.031846,
    "kubernetes.cpu.user.total": 2.07,
    "kubernetes.io.read_bytes": 4096 + 1024,  # of both disks
    "kubernetes.io.write_bytes": 8192,
    "kubernetes.memory.cache": 20480,
    "kubernetes.memory.oom_events": 2,
}


def test_a_container(asked: Asked) -> None:
    plain = datadog(ask_once(recorded("1.36"), seconds(WHEN["1.36"])), of=OF)
    assert {name: value for name, value in datadog(asked, of=OF).items() if name not in plain} == WANTED
    assert google(asked, of=OF)["container/memory/oom_event_count"] == 2


def test_its_counters_start_with_the_run(asked: Asked) -> None:
    started = int(seconds("2026-09-14T19:50:05Z")) * 10**9
    starts = {p.start for p in asked.report.points if p.metric.key in ("container.oom_events", "container.cfs.periods")}
    assert started in starts and None not in starts


def test_the_network_of_a_pod(asked: Asked) -> None:
    dropped = {name: value for name, value in datadog(asked, of="e2e-statefulset-0").items() if "dropped" in name}
    assert dropped == {"kubernetes.network.rx_dropped": 4, "kubernetes.network.tx_dropped": 0}
    assert not [n for n in datadog(asked, of="kube-controller-manager-datagen-1-36") if "dropped" in n], "on the node's"


def test_the_machine(asked: Asked) -> None:
    found = datadog(asked)
    assert (found["kubernetes.cpu.capacity"], found["kubernetes.memory.capacity"]) == (8, 8217751552)
    assert google(asked)["node/cpu/total_cores"] == 8


def test_it_is_not_asked_for_by_itself() -> None:
    pages = {path: page for path, page in recorded("1.36").items() if path != CADVISOR}
    assert ask_once(pages, seconds(WHEN["1.36"])).trouble is None
