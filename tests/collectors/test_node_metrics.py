"""The node collector measures too: what is checked here is the node's, and what a pod sends is that pod's."""

import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.support.datadog_api import DatadogApi
from tests.support.fake_kube import FakeKube, pod
from tests.support.node import NodeProcess, node_process
from tests.support.ticker import Ticker, install
from tests.support.wait import until

SCREEN = {"screen": {"kind": "console", "batch": {"wait": "50ms"}}}


def ticks(node: NodeProcess) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in node.said.splitlines() if line.startswith('{"check"')]
    return [one for one in lines if one.get("metric") == "ticks"]


@pytest.mark.parametrize("workers", [1, 2])
def test_one_process_of_a_node_runs_its_checks(tmp_path: Path, workers: int) -> None:
    with Ticker() as ticker:
        metrics = {"every": "200ms", "checks": [{"ticker": {"port": ticker.port}}]}
        routes = [{"namespaces": ["shop"], "to": ["nobody"]}, {"to": ["screen"]}]
        exporters = {**SCREEN, "nobody": {"kind": "console"}}
        with node_process(tmp_path, exporters, routes=routes, workers=workers, metrics=metrics) as node:
            node.env |= install(tmp_path / "site")
            node.start()
            until(lambda: len(ticks(node)) >= 3)
            assert {key: ticks(node)[0].get(key) for key in ("node", "namespace", "pod")} == {
                "node": "node-1",
                "namespace": None,
                "pod": None,
            }
            assert node.metric("outrider_checks_total", check="ticker", result="ok") >= 3
            assert node.metric("outrider_points_sent_total", exporter="nobody") == 0
            assert node.end() == 0
            values = [one["value"] for one in ticks(node)]
            assert values == list(range(17, 17 + 10 * len(values), 10)), "every run has arrived"
            assert "Traceback" not in node.said


def test_pods_may_say_what_they_measure(tmp_path: Path) -> None:
    """It goes where the logs of the pod go."""
    routes = [{"namespaces": ["shop"], "to": ["screen"]}, {"to": ["others"]}]
    listens = {"dogstatsd": {"listen": ["udp://127.0.0.1:0"]}, "otlp": {"listen": "127.0.0.1:0"}}
    with FakeKube() as kube, DatadogApi() as api:
        kube.add(pod("cart-0", "u-7", namespace="shop"))
        exporters = {**SCREEN, "others": {"kind": "datadog", "api_key": "a-key", "metrics_endpoint": api.url}}
        source = {"source": "api", "url": kube.url, "ca": None, "token": "x"}
        with node_process(tmp_path, exporters, routes=routes, kube=source, **listens) as node:
            node.start()
            until(lambda: node.metric("outrider_kube_pods") >= 1)
            [port] = until(lambda: re.findall(r"listening at udp://127\.0\.0\.1:(\d+)", node.said))
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.connect(("127.0.0.1", int(port)))
                sock.send(b"level:1|g|e:it-false,cn-main,pu-u-7|card:low")
                sock.send(b"other:2|g")
            until(lambda: node.metric("outrider_dogstatsd_packets_total") == 2)
            assert "otlp.listen has no effect" in node.said
            assert node.end() == 0
            shown = [json.loads(line) for line in node.said.splitlines() if line.startswith('{"check":"dogstatsd"')]
            found = {one["metric"]: [one.get(key) for key in ("namespace", "pod", "container")] for one in shown}
            assert found == {"level": ["shop", "cart-0", "main"]}
            assert [one["metric"] for one in api.series] == ["other"]
            assert "Traceback" not in node.said
