"""The CronJob of the examples, with a kubelet of our own: its pod as Helm renders it, its containers as processes.

What Kubernetes promises of a native sidecar (KEP-753) is played: it is started before the program, nobody waits until
it is ready, it gets SIGTERM when the program has ended, and SIGKILL when the grace is over.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.charts.rendering import EXAMPLES, SIDECAR, documents, only, render, with_library
from tests.support.sink import Fault, Sink
from tests.support.wait import until

FIELDS = {
    "metadata.namespace": "batch",
    "metadata.name": "report-1-abcde",
    "metadata.uid": "6a1f2c3d-0000-4000-8000-000000000001",
    "spec.nodeName": "node-1",
}
LINES = [f"line {n} of the report" for n in range(1, 1001)]


class Kubelet:
    """One pod: its volumes as directories below `root`, its containers as child processes."""

    def __init__(self, objects: list[dict[str, Any]], root: Path) -> None:
        self.pod = only(objects, "CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        self.root = root
        for volume in self.pod["volumes"]:
            (root / volume["name"]).mkdir()
            if "configMap" in volume:
                for name, text in only(objects, "ConfigMap")["data"].items():
                    (root / volume["name"] / name).write_text(self._here(text))
        (root / "outrider-pod" / "labels").write_text('job-name="report-1"\n')
        (root / "outrider-pod" / "annotations").write_text("")

    def start(self, container: dict[str, Any], program: list[str]) -> "subprocess.Popen[bytes]":
        """Run `program` and the container's arguments, in its environment."""
        variables = {
            v["name"]: v.get("value") or FIELDS[v["valueFrom"]["fieldRef"]["fieldPath"]]
            for v in container.get("env", [])
        }
        command = [
            *program,
            *(self._here(word) for word in [*container.get("command", []), *container.get("args", [])]),
        ]
        environment = {"PATH": os.environ["PATH"], **{name: self._here(value) for name, value in variables.items()}}
        with open(self.root / f"{container['name']}.log", "wb") as log:
            return subprocess.Popen(command, env=environment, stderr=log)

    def said(self, name: str) -> str:
        return (self.root / f"{name}.log").read_text("utf-8")

    def _here(self, text: str) -> str:
        """`text` with the paths of mounts replaced by those of the directories."""
        mounts = [m for c in [*self.pod["initContainers"], *self.pod["containers"]] for m in c["volumeMounts"]]
        for mount in sorted(mounts, key=lambda m: -len(m["mountPath"])):
            text = text.replace(mount["mountPath"], str(self.root / mount["name"]))
        return text


@pytest.mark.parametrize("faults", [[], [Fault(503)] * 2], ids=["all is well", "a destination that is not, at first"])
def test_a_job_is_complete_with_every_line_delivered(tmp_path: Path, faults: list[Fault]) -> None:
    (tmp_path / "chart").mkdir()
    with Sink() as sink:
        sink.next(*faults)
        own = {
            "cluster": {"project": "acme", "name": "c", "location": "l"},
            "exporters": {"google": {"kind": "stackdriver", "credentials": "none", "logs_endpoint": sink.url}},
            "telemetry": {"listen": "127.0.0.1:0"},
        }
        chart = with_library(EXAMPLES / "report", tmp_path / "chart")
        objects = documents(render(chart, {SIDECAR.name: {"config": own}}, release="report"))
        kubelet = Kubelet(objects, tmp_path)
        (sidecar,), (program,) = kubelet.pod["initContainers"], kubelet.pod["containers"]
        beside = kubelet.start(sidecar, [sys.executable, "-m", "outrider.cli.main"])
        try:
            assert kubelet.start(program, []).wait(30) == 0
            # A process that is not the first one of a container would die of a signal that it does not expect yet.
            until(lambda: "metrics and probes at" in kubelet.said("outrider"))
            beside.send_signal(signal.SIGTERM)
            assert beside.wait(30) == 0, "the grace of a pod is 30 seconds"
        finally:
            if beside.poll() is None:
                beside.kill()
        assert sorted(entry.text for entry in sink.first()) == sorted(LINES)
        (resource,) = {yaml.safe_dump(entry.entry["resource"]["labels"]) for entry in sink.first()}
    labels = yaml.safe_load(resource)
    assert (labels["namespace_name"], labels["pod_name"]) == (FIELDS["metadata.namespace"], FIELDS["metadata.name"])
    assert labels["container_name"] == "report"
