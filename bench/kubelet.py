"""What the metrics of a node cost: reading a kubelet's answers, giving everybody their own, and making Datadog's series
of them. A program of its own:

    python -m bench.kubelet

The node has 110 pods with 200 containers, with answers as those that Kubernetes 1.36 gave (tests/kube/data/recorded).
Milliseconds of one processor, the least of many runs.
"""

import copy
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from outrider.checks.check import Reading
from outrider.checks.found import load
from outrider.checks.kubelet.pods import read_pods
from outrider.checks.kubelet.summary import read_summary
from outrider.exporters.datadog.conversion import Conversion
from outrider.kube.wire import read_list
from outrider.model.clock import SystemClock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.pod import Pod
from outrider.model.points import Report, Subject
from outrider.pipeline.parting import Parting

DATA = Path(__file__).parent.parent / "tests" / "kube" / "data" / "recorded"
PODS, WITH_TWO = 110, 90
"""Pods, and those that have two containers."""
INTERFACES = 10
RUNS = 50


def answers() -> tuple[bytes, bytes]:
    """`/pods` and `/stats/summary` of the node."""
    pods, summary = (json.loads((DATA / f"{name}-1.36.json").read_text("utf-8")) for name in ("pods", "summary"))
    listed, measured = pods["items"][0], summary["pods"][0]
    pods["items"], summary["pods"] = [], []
    for i in range(PODS):
        pod, stats = copy.deepcopy(listed), copy.deepcopy(measured)
        pod["metadata"] |= {"name": f"pod-{i}", "uid": f"{i:036d}"}
        stats["podRef"] |= {"name": f"pod-{i}", "uid": f"{i:036d}"}
        stats["network"]["interfaces"] *= INTERFACES // 2
        for containers in (pod["spec"]["containers"], pod["status"]["containerStatuses"], stats["containers"]):
            containers += [{**containers[0], "name": "second"}] if i < WITH_TWO else []
        pods["items"].append(pod)
        summary["pods"].append(stats)
    return json.dumps(pods).encode(), json.dumps(summary, indent=1).encode()


class _Known:
    """The pod list."""

    def __init__(self, body: bytes) -> None:
        self._pods = {pod.uid: pod for pod in read_list(body, details=True).pods}

    def get(self, uid: str) -> Pod | None:
        return self._pods.get(uid)

    def present(self) -> list[Pod]:
        return list(self._pods.values())

    def want(self, uid: str) -> None:
        del uid


def least(work: Callable[[], Any]) -> float:
    """Milliseconds of processor time."""
    took = []
    for _ in range(RUNS):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return min(took) * 1000


def main() -> None:
    pods, summary = answers()
    _, declared = load("kubelet")
    clock = SystemClock()

    def read() -> Report:
        reading = Reading(declared, time.time_ns())
        read_summary(summary, read_pods(pods, reading)[0], reading)
        return Report("kubelet", Subject("node-1"), tuple(reading.points))

    report = read()
    parting = Parting(_Known(pods), clock)
    parts = list(parting.parts(report))
    print(f"{len(pods) >> 10} KiB of /pods, {len(summary) >> 10} KiB of /stats/summary")
    print(f"{len(report.points):,} points about {len(parts)} containers, pods and nodes")
    print(f"read            {least(read):5.1f} ms")
    print(f"part            {least(lambda: list(parting.parts(report))):5.1f} ms")
    cluster = Cluster("acme", "on-prem-1", "europe-north1", "node-1")

    def convert() -> int:
        return len(Conversion("datadog", cluster, [], clock, Counters()).series(parts))

    print(f"for Datadog     {least(convert):5.1f} ms, {convert():,} series of its first run")


if __name__ == "__main__":
    main()
