"""The node collector measures too: what is checked here is the node's, not a pod's."""

import json
from pathlib import Path
from typing import Any

import pytest

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
