"""What a kubelet says: as it was recorded, and as it is written here where no recording has it.

pages = recorded("1.36")        # by path, for `FakeKube.pages` or `tests.support.servers.recorded.server`
pages = written(restarts=1)     # a pod `web-0` whose container was killed for want of memory
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent.parent / "kube" / "data" / "recorded"
VERSIONS = ("1.29", "1.33", "1.36")
WHEN = {"1.29": "2025-04-03T19:01:40Z", "1.33": "2025-11-04T19:09:10Z", "1.36": "2026-09-14T19:50:40Z"}
"""A moment at which both answers of a version were true."""
PODS, SUMMARY, RESOURCE, CADVISOR = "/pods", "/stats/summary", "/metrics/resource", "/metrics/cadvisor"


def seconds(moment: str) -> float:
    """Since 1970."""
    return datetime.fromisoformat(moment).timestamp()


def recorded(version: str) -> dict[str, str]:
    """The answers of a kubelet of this version, those that there are."""
    files = {
        PODS: f"pods-{version}.json",
        SUMMARY: f"summary-{version}.json",
        RESOURCE: f"resource-{version}.txt",
        CADVISOR: f"cadvisor-{version}.txt",
    }
    return {path: (DATA / name).read_text("utf-8") for path, name in files.items() if (DATA / name).exists()}


def written(restarts: int = 1, cpu: int = 5_000_000_000, started: str = "2026-11-29T08:10:00Z") -> dict[str, str]:
    """A node with the pod `web-0` of the Deployment `web`, whose container `app` has been restarted so often, the last
    time because it was killed for want of memory, and has used so many nanoseconds since. `volume` is a claim's; a
    container `next` waits for its image.
    """
    return {PODS: json.dumps(_pods(restarts, started)), SUMMARY: json.dumps(_summary(cpu, started))}


UID = "0a1b2c3d-0000-4000-8000-00000000000a"


def _pods(restarts: int, started: str) -> dict[str, Any]:
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-6d4cf56db6", "uid": "u", "controller": True}
    bounds = {"cpu": "500m", "memory": "64Mi", "ephemeral-storage": "1Gi", "nvidia.com/gpu": "1"}
    killed = {"exitCode": 137, "reason": "OOMKilled", "startedAt": "2026-11-29T08:00:05Z", "finishedAt": started}
    app = {
        "name": "app",
        "state": {"running": {"startedAt": started}},
        "lastState": {"terminated": {**killed, "containerID": "containerd://old"}} if restarts else {},
        "ready": True,
        "restartCount": restarts,
        "image": "shop/web:2",
        "imageID": "",
        "containerID": f"containerd://run{restarts}",
    }
    waits = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}
    following = {"name": "next", "state": waits, "lastState": {}, "ready": False, "restartCount": 0, "image": "x"}
    done = {**killed, "exitCode": 0, "reason": "Completed"}
    setup = {**following, "name": "setup", "state": {"terminated": done}, "containerID": "containerd://setup"}
    pod = {
        "metadata": {
            "name": "web-6d4cf56db6-abcde",
            "namespace": "shop",
            "uid": UID,
            "labels": {"app": "web", "pod-template-hash": "6d4cf56db6"},
            "annotations": {"kubernetes.io/config.source": "api"},
            "ownerReferences": [owner],
        },
        "spec": {
            "nodeName": "node-1",
            "initContainers": [{"name": "setup", "image": "x", "resources": {"requests": {"cpu": "1"}}}],
            "containers": [
                {"name": "app", "image": "shop/web:2", "resources": {"requests": bounds, "limits": bounds}},
                {"name": "next", "image": "x", "resources": {}},
            ],
        },
        "status": {
            "phase": "Running",
            "startTime": "2026-11-29T08:00:00Z",
            "initContainerStatuses": [setup],
            "containerStatuses": [app, following],
            "qosClass": "Burstable",
        },
    }
    return {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [pod, {"metadata": {"name": 7}}]}


def _summary(cpu: int, started: str) -> dict[str, Any]:
    disk = {"availableBytes": 600, "capacityBytes": 1000, "usedBytes": 400, "inodesFree": 6, "inodes": 10}
    memory = {"usageBytes": 32 << 20, "workingSetBytes": 16 << 20, "rssBytes": 8 << 20}
    used = {"cpu": {"usageCoreNanoSeconds": cpu, "usageNanoCores": 7}, "memory": memory}
    runtime = {"name": "runtime", "startTime": "2026-11-29T07:00:00Z", **used}
    claim = {**disk, "inodesUsed": 4, "name": "data", "pvcRef": {"name": "web-data", "namespace": "shop"}}
    pod = {
        "podRef": {"name": "web-6d4cf56db6-abcde", "namespace": "shop", "uid": UID},
        "startTime": "2026-11-29T08:00:00Z",
        "containers": [
            {"name": "app", "startTime": started, **used, "rootfs": disk, "logs": {"usedBytes": 50}},
            {"name": "next", "startTime": None, "cpu": {"time": started}, "memory": {"time": started}},
        ],
        "network": {"time": started, "name": "eth0", "rxBytes": 100, "rxErrors": 1, "txBytes": 200, "txErrors": 2},
        "volume": [{**disk, "name": "scratch"}, claim],
        "ephemeral-storage": {"usedBytes": 450},
    }
    node = {"nodeName": "node-1", "startTime": "2026-11-29T07:00:00Z", **used, "systemContainers": [runtime]}
    return {"node": node, "pods": [pod, {"podRef": []}, {**pod, "podRef": {"name": "x", "namespace": "y", "uid": "z"}}]}


NOW = datetime(2026, 11, 29, 8, 20, tzinfo=UTC).timestamp()
"""A moment at which what is written here is true: seconds since 1970."""
