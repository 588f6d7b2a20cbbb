"""What real kubelets said, in both vendors' words."""

import json
import math
from typing import Any

import pytest

from outrider.checks.kubelet.quantity import quantity
from tests.checks.kubelet.asking import ask_once, datadog, google, whose
from tests.checks.product import Asked
from tests.support.kubelet_answers import PODS, SUMMARY, VERSIONS, WHEN, recorded, seconds, written

MI = 1 << 20


def of_version(version: str) -> Asked:
    asked = ask_once(recorded(version), seconds(WHEN[version]))
    assert asked.trouble is None, asked.trouble
    return asked


CONTAINERS = {
    "1.29": (
        "coredns-76f75df574-gxtfw/coredns",
        {
            "kubernetes.cpu.usage.total": 243515000,
            "kubernetes.memory.usage": 12640256,
            "kubernetes.memory.working_set": 12640256,
            "kubernetes.memory.rss": 12017664,
            "kubernetes.memory.usage_pct": 12640256 / (170 * MI),
            "kubernetes.memory.swap": 0,
            "kubernetes.memory.requests": 70 * MI,
            "kubernetes.memory.limits": 170 * MI,
            "kubernetes.cpu.requests": 0.1,
            "kubernetes.filesystem.usage": 36864,
            "kubernetes.filesystem.usage_pct": 36864 / 62671097856,
            "kubernetes.kubelet.container.log_filesystem.used_bytes": 4096,
            "kubernetes.containers.restarts": 0,
            "kubernetes.containers.running": 1,
        },
        {
            "container/cpu/core_usage_time": 243515000,
            "container/memory/used_bytes memory_type:non-evictable": 12640256,
            "container/memory/used_bytes memory_type:evictable": 0,
            "container/memory/limit_utilization memory_type:non-evictable": 12640256 / (170 * MI),
            "container/memory/request_bytes": 70 * MI,
            "container/memory/limit_bytes": 170 * MI,
            "container/cpu/request_cores": 0.1,
            "container/ephemeral_storage/used_bytes": 36864 + 4096,
            "container/restart_count": 0,
            "container/uptime": 83.0,
        },
    ),
    "1.33": (
        "e2e-deployment-6d49cb8b4f-24458/compute-pi-digits",
        {
            "kubernetes.cpu.usage.total": 2699845000,
            "kubernetes.memory.usage": 10723328,
            "kubernetes.memory.working_set": 10637312,
            "kubernetes.memory.rss": 10117120,
            "kubernetes.memory.usage_pct": 10723328 / (30 * MI),
            "kubernetes.memory.swap": 0,
            "kubernetes.memory.requests": 15 * MI,
            "kubernetes.memory.limits": 30 * MI,
            "kubernetes.cpu.requests": 0.04,
            "kubernetes.cpu.limits": 0.08,
            "kubernetes.filesystem.usage": 28672,
            "kubernetes.filesystem.usage_pct": 28672 / 62671097856,
            "kubernetes.kubelet.container.log_filesystem.used_bytes": 0,
            "kubernetes.containers.restarts": 0,
            "kubernetes.containers.running": 1,
        },
        {},
    ),
    "1.36": (
        "e2e-statefulset-0/compute-pi-digits",
        {
            "kubernetes.cpu.usage.total": 2101846000,
            "kubernetes.memory.usage": 10444800,
            "kubernetes.memory.working_set": 10412032,
            "kubernetes.memory.rss": 10117120,
            "kubernetes.memory.usage_pct": 10444800 / (30 * MI),
            "kubernetes.memory.swap": 0,
            "kubernetes.memory.requests": 15 * MI,
            "kubernetes.memory.limits": 30 * MI,
            "kubernetes.cpu.requests": 0.04,
            "kubernetes.cpu.limits": 0.08,
            "kubernetes.filesystem.usage": 28672,
            "kubernetes.filesystem.usage_pct": 28672 / 62671097856,
            "kubernetes.kubelet.container.log_filesystem.used_bytes": 0,
            "kubernetes.containers.restarts": 0,
            "kubernetes.containers.running": 1,
        },
        {
            "container/cpu/core_usage_time": 2101846000,
            "container/memory/used_bytes memory_type:non-evictable": 10412032,
            "container/memory/used_bytes memory_type:evictable": 32768,
            "container/memory/limit_utilization memory_type:non-evictable": 10412032 / (30 * MI),
            "container/memory/request_bytes": 15 * MI,
            "container/memory/limit_bytes": 30 * MI,
            "container/cpu/request_cores": 0.04,
            "container/cpu/limit_cores": 0.08,
            "container/ephemeral_storage/used_bytes": 28672,
            "container/restart_count": 0,
            "container/uptime": 35.0,
        },
    ),
}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_container(version: str) -> None:
    of, at_datadog, at_google = CONTAINERS[version]
    asked = of_version(version)
    assert datadog(asked, of=of) == at_datadog
    assert google(asked, of=of) == at_google or not at_google


def test_a_pod_and_its_node() -> None:
    asked = of_version("1.36")
    assert datadog(asked, of="e2e-statefulset-0") == {
        "kubernetes.pods.running": 1,
        "kubernetes.network.rx_bytes": 446,
        "kubernetes.network.tx_bytes": 726,
        "kubernetes.network.rx_errors": 0,
        "kubernetes.network.tx_errors": 0,
        "kubernetes.ephemeral_storage.usage": 32768,
    }
    assert google(asked, of="e2e-statefulset-0") == {
        "pod/network/received_bytes_count": 446,
        "pod/network/sent_bytes_count": 726,
    }
    assert datadog(asked) == {
        "kubernetes.node.filesystem.usage": 26296696832,
        "kubernetes.node.filesystem.usage_pct": 26296696832 / 62671097856,
        "kubernetes.node.image.filesystem.usage": 1741119488,
        "kubernetes.node.image.filesystem.usage_pct": 1741119488 / 62671097856,
        "kubernetes.kubelet.cpu.usage": 16894342,
        "kubernetes.kubelet.memory.usage": 49696768,
        "kubernetes.kubelet.memory.rss": 44609536,
    }
    assert google(asked) == {
        "node/cpu/core_usage_time": 54821901000,
        "node/memory/used_bytes memory_type:non-evictable": 1082572800,
        "node/memory/used_bytes memory_type:evictable": 2272374784 - 1082572800,
        "node/network/received_bytes_count": 833631859,
        "node/network/sent_bytes_count": 8241748,
        "node/ephemeral_storage/used_bytes": 26296696832,
        "node/ephemeral_storage/total_bytes": 62671097856,
        "node/ephemeral_storage/inodes_free": 3591733,
        "node/ephemeral_storage/inodes_total": 3907584,
        "node/pid_limit": 62646,
        "node/pid_used": 1426,
        "node_daemon/cpu/core_usage_time component:kubelet": 2175971000,
        "node_daemon/memory/used_bytes component:kubelet memory_type:non-evictable": 48517120,
        "node_daemon/memory/used_bytes component:kubelet memory_type:evictable": 49696768 - 48517120,
    }


HOST_NETWORK = [
    ("1.29", "storage-provisioner"),
    ("1.33", "e2e-scraper-cbf584747-n8k6s"),
    ("1.33", "kube-apiserver-datagen-1-33"),
    ("1.36", "kube-controller-manager-datagen-1-36"),
]


@pytest.mark.parametrize(("version", "pod"), HOST_NETWORK)
def test_what_the_node_sends_is_not_put_down_to_a_pod_on_its_network(version: str, pod: str) -> None:
    found = datadog(of_version(version), of=pod)
    assert "kubernetes.ephemeral_storage.usage" in found
    assert not [name for name in found if "network" in name]


def test_states_and_restarts() -> None:
    """One was restarted after an error; one has failed; one is in the list and not in the summary; and the reverse."""
    old, new = of_version("1.29"), of_version("1.33")
    provisioner = datadog(old, of="storage-provisioner/storage-provisioner")
    assert provisioner["kubernetes.containers.restarts"] == 1
    assert provisioner["kubernetes.containers.last_state.terminated reason:error"] == 1
    assert datadog(new, of="e2e-failjob-gk6sb/main") == {
        "kubernetes.containers.restarts": 0,
        "kubernetes.containers.state.terminated reason:error": 1,
    }
    assert not datadog(new, of="e2e-failjob-gk6sb")
    etcd = datadog(old, of="etcd-datagen-1-29/etcd")
    assert etcd["kubernetes.cpu.requests"] == 0.1
    assert "kubernetes.cpu.usage.total" not in etcd
    assert not [p for p in new.report.points if whose(p).startswith("metrics-server")]


def test_what_no_recording_has() -> None:
    asked = ask_once(written())
    app = datadog(asked, of="web-6d4cf56db6-abcde/app")
    assert app["kubernetes.containers.last_state.terminated reason:oomkilled"] == 1
    assert app["kubernetes.containers.restarts"] == 1
    assert (app["kubernetes.cpu.limits"], app["kubernetes.ephemeral_storage.limits"]) == (0.5, 1 << 30)
    assert not [name for name in app if "gpu" in name]
    assert google(asked, of="web-6d4cf56db6-abcde/app")["container/last_state/terminated reason:oomkilled"] == 1
    assert datadog(asked, of="web-6d4cf56db6-abcde/next") == {
        "kubernetes.containers.restarts": 0,
        "kubernetes.containers.state.waiting reason:imagepullbackoff": 1,
    }
    assert datadog(asked, of="web-6d4cf56db6-abcde/setup") == {"kubernetes.containers.restarts": 0}, "it has completed"
    claim = "persistentvolumeclaim:web-data"
    pod = datadog(asked, of="web-6d4cf56db6-abcde")
    stats = {name.rpartition(".")[2]: value for name, value in pod.items() if "volume.stats" in name}
    assert stats == {
        f"used_bytes {claim}": 400, f"capacity_bytes {claim}": 1000, f"available_bytes {claim}": 600,
        f"inodes {claim}": 10, f"inodes_free {claim}": 6, f"inodes_used {claim}": 4,
    }  # fmt: skip
    assert google(asked, of="web-6d4cf56db6-abcde")["pod/volume/utilization volume_name:data"] == 0.4
    assert datadog(asked)["kubernetes.runtime.memory.usage"] == 32 * MI


def without(pages: dict[str, str], path: str, *, keys: frozenset[str]) -> dict[str, str]:
    """`pages` without anything of these names on one of them."""

    def cut(plain: Any) -> Any:
        if isinstance(plain, dict):
            return {key: cut(value) for key, value in plain.items() if key not in keys}
        return [cut(one) for one in plain] if isinstance(plain, list) else plain

    return {**pages, path: json.dumps(cut(json.loads(pages[path])))}


PARTS = (
    "cpu", "memory", "network", "fs", "runtime", "rlimit", "systemContainers", "rootfs", "logs", "swap", "volume",
    "ephemeral-storage", "startTime", "containers", "usageBytes", "workingSetBytes", "usedBytes", "capacityBytes",
)  # fmt: skip


@pytest.mark.parametrize("missing", [*PARTS, "everything"])
def test_anything_may_be_missing(missing: str) -> None:
    """As it is while a container starts, and at runtimes that cannot tell."""
    keys = frozenset(PARTS if missing == "everything" else [missing])
    whole = ask_once(recorded("1.36"), seconds(WHEN["1.36"]))
    asked = ask_once(without(recorded("1.36"), SUMMARY, keys=keys), seconds(WHEN["1.36"]))
    assert asked.trouble is None
    there, all_of_it = ({p.metric.key for p in one.report.points} for one in (asked, whole))
    # volumes are no claims', and the list says when a container was started, too
    assert there == all_of_it if missing in ("volume", "startTime") else there < all_of_it
    assert "container.restarts" in there


@pytest.mark.parametrize("missing", ["spec", "status", "containerStatuses", "resources", "state", "startTime", "uid"])
def test_the_same_of_the_list(missing: str) -> None:
    asked = ask_once(without(recorded("1.36"), PODS, keys=frozenset([missing])), seconds(WHEN["1.36"]))
    assert asked.trouble is None
    assert "node/cpu/core_usage_time" in google(asked)


QUANTITIES = {
    "1": 1, "0": 0, "80m": 0.08, "100m": 0.1, "1500m": 1.5, "0.5": 0.5, ".5": 0.5, "2.": 2, "1e3": 1000, "5E-1": 0.5,
    "250u": 0.00025, "100n": 1e-7, "1k": 1000, "5M": 5_000_000, "2G": 2 * 10**9, "1T": 10**12, "1P": 10**15,
    "1E": 10**18, "1Ki": 1024, "64Mi": 64 << 20, "1.5Gi": 1536 << 20, "1Ti": 1 << 40, "1Pi": 1 << 50, "2Ei": 1 << 61,
    "-1": -1, "": None, "x": None, "1 Gi": None, "Mi": None, "1ki": None, "1e": None, "1Kim": None, "NaN": None,
    "٣": None, "1e400": None,
}  # fmt: skip


@pytest.mark.parametrize(("text", "number"), QUANTITIES.items())
def test_a_quantity(text: str, number: float | None) -> None:
    found = quantity(text)
    assert (found is None and number is None) or (
        found is not None and number is not None and math.isclose(found, number, rel_tol=1e-12)
    )
