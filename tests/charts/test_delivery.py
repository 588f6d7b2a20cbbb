"""`helm test` without Kubernetes: the script that the test pod runs, against a collector that really delivers.

The pod's log is the script's own output, written where kubelet would write it.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from outrider.demo.kubelet import PodLog
from outrider.model.clock import SystemClock
from tests.charts.rendering import NODE, node, only
from tests.support.node import NodeProcess, exporter_to, node_process
from tests.support.sink import Sink

SCRIPT = NODE / "files" / "delivered.py"


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[NodeProcess, Sink]]:
    routes = [{"namespaces": ["monitoring"], "to": ["google"]}]
    with (
        Sink() as sink,
        node_process(tmp_path_factory.mktemp("node"), {"google": exporter_to(sink)}, routes=routes) as n,
    ):
        yield n.start(), sink


def test_it_ends_well_when_the_line_was_acknowledged(collector: tuple[NodeProcess, Sink]) -> None:
    running, sink = collector
    code, said = _run(running, "monitoring", "outrider-test", seconds=60)
    assert code == 0, said
    assert said[-1].startswith("delivered: google: 1 read, 1 accepted, 0 rejected, 0 left_out")
    assert sink.texts("outrider-test")[0] == said[0] == "helm test: a line of monitoring/outrider-test"


def test_it_says_that_nobody_reads_the_pod(collector: tuple[NodeProcess, Sink]) -> None:
    code, said = _run(collector[0], "elsewhere", "outrider-test-2", seconds=0)
    assert code == 1
    assert said[-1].startswith("NOT delivered: no exporter reads this pod; do logs.select and the routes take")


def test_it_says_that_there_is_no_collector() -> None:
    code, said = _finish(_start("http://127.0.0.1:1/ledger", "monitoring", "outrider-test", seconds=0))
    assert code == 1
    assert "does the collector of this node run?" in said[-1]


def test_the_pod_is_given_what_the_script_asks_for() -> None:
    objects = node()
    pod, script = (
        next(one for one in objects if one["kind"] == kind and one["metadata"]["name"] == "outrider-test")
        for kind in ("Pod", "ConfigMap")
    )
    (container,) = pod["spec"]["containers"]
    names = {variable["name"] for variable in container["env"]}
    assert names == {"LEDGER", "POD_NAME", "POD_NAMESPACE", "POD_UID"}
    service = only(objects, "Service")
    (port,) = service["spec"]["ports"]
    assert container["env"][0]["value"] == f"http://{service['metadata']['name']}:{port['port']}/ledger"
    assert service["spec"]["internalTrafficPolicy"] == "Local"  # it is about the collector of the pod's own node
    assert service["spec"]["publishNotReadyAddresses"]  # and one that is not ready has the most to say
    assert script["data"]["delivered.py"].strip() == SCRIPT.read_text("utf-8").strip()
    # The Service is for the collectors, and the test pod is not one.
    assert not service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()


def test_the_pod_may_ask_whoever_else_may() -> None:
    objects = node({"networkPolicy": {"ingressFrom": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]}})
    (pod,) = [one for one in objects if one["kind"] == "Pod"]
    (rule,) = only(objects, "NetworkPolicy")["spec"]["ingress"]
    (own,) = [peer["podSelector"]["matchLabels"] for peer in rule["from"] if "podSelector" in peer]
    assert own == pod["metadata"]["labels"]


def _run(running: NodeProcess, namespace: str, pod: str, seconds: int) -> tuple[int, list[str]]:
    """The exit code and the lines of the script in a pod of this node."""
    (telemetry,) = re.findall(r"metrics and probes at (http://[\d.]+:\d+)", running.said)
    process = _start(f"{telemetry}/ledger", namespace, pod, seconds)
    log = PodLog(running.pods, namespace, pod, f"uid-{pod}", SystemClock()).container("test")
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line.removesuffix("\n"))
        log.write(said[-1])
    return process.wait(10), said


def _start(ledger: str, namespace: str, pod: str, seconds: int) -> "subprocess.Popen[str]":
    env = {"LEDGER": ledger, "POD_NAME": pod, "POD_NAMESPACE": namespace, "POD_UID": f"uid-{pod}"}
    return subprocess.Popen(
        [sys.executable, "-I", str(SCRIPT)],
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": os.environ["PATH"], **env, "SECONDS_AT_MOST": str(seconds)},
    )


def _finish(process: "subprocess.Popen[str]") -> tuple[int, list[str]]:
    out, _ = process.communicate(timeout=30)
    return process.returncode, out.splitlines()
