"""The pages about migration: what their tables call a key is one, what an annotation comes to it comes to, and nothing
is read twice or left out where the old collector ends and this one begins.
"""

import json
import re
from pathlib import Path

import pytest
import yaml

from outrider.demo.kubelet import PodLog
from outrider.discovery.dictionary import PRODUCTS
from outrider.discovery.targets import find
from outrider.model.clock import SystemClock
from tests.discovery.asking import asking
from tests.guides.blocks import ROOT, rows
from tests.support.node import exporter_to, node_process
from tests.support.sink import Sink
from tests.support.wait import until

FLUENT, DATADOG = "migrate-fluent.md", "migrate-datadog.md"
TABLES = [
    (FLUENT, "Fluent Bit: tail"),
    (FLUENT, "Fluent Bit: filters"),
    (FLUENT, "Fluent Bit: outputs"),
    (FLUENT, "fluentd"),
    (DATADOG, "Settings of the Agent"),
]
NONE = "**none**"


def _keys() -> set[str]:
    """Every key of the configuration, and every mapping that keys are in, as the reference has them."""
    page = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    named = set(re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE))
    return named | {m for name in named for m in re.findall(r"^(routes|exporters)\b", name)}


@pytest.mark.parametrize(("page", "heading"), TABLES)
def test_what_a_table_calls_a_key_is_one(page: str, heading: str) -> None:
    table = rows(page, heading)
    assert len(table) > 10
    known = _keys()
    for there, here, _ in table:
        assert re.findall("`[^`]+`", there), there
        keys = re.findall("`([^`]+)`", here)
        assert set(keys) <= known, here
        assert keys or here in (NONE, ""), there


INSTANCES = rows(DATADOG, "Instances of checks")


@pytest.mark.parametrize(("there", "here", "left_out"), INSTANCES)
def test_an_instance_of_the_agent_comes_to_the_same_as_what_stands_beside_it(
    there: str, here: str, left_out: str
) -> None:
    [(check, instance)] = yaml.safe_load(there.strip("`")).items()
    theirs = find(asking({"ad.datadoghq.com/web.checks": json.dumps({check: {"instances": [instance]}})}))
    ours = find(asking({"outrider.io/checks": f"[{{{here.strip('`')}}}]"}))
    assert ours.faults == ()
    assert [(t.check, t.settings) for t in theirs.targets] == [(t.check, t.settings) for t in ours.targets] != []
    said = " ".join(str(fault) for fault in theirs.faults)
    assert re.findall(r"no counterpart here: (\S+)", said) == re.findall("`([^`]+)`", left_out)


def test_the_usual_checks_are_among_them() -> None:
    assert len({there.strip("`").partition(":")[0] for there, *_ in INSTANCES} & PRODUCTS.keys()) > 10


def test_changing_over_reads_nothing_twice_and_leaves_nothing_out(tmp_path: Path) -> None:
    """The steps of `Change over`: `start: end` at first, and then without."""
    tree = tmp_path / "pods"
    busy, quiet = (PodLog(tree, "shop", name, f"uid-{name}", SystemClock()).container("main") for name in "ab")
    for log in (busy, quiet):
        log.write("the old collector's")
    logs = {"pods": str(tree)}
    with Sink() as sink, node_process(tmp_path, {"google": exporter_to(sink)}, logs={**logs, "start": "end"}) as node:
        node.start()
        busy.write("after the change")
        PodLog(tree, "shop", "c", "uid-c", SystemClock()).container("main").write("a new pod's")
        until(lambda: set(sink.texts()) == {"after the change", "a new pod's"})
        node.end()
        PodLog(tree, "shop", "d", "uid-d", SystemClock()).container("main").write("while it was restarted")
        node.config["logs"] = logs
        node.start()
        quiet.write("at last")
        until(lambda: "at last" in sink.texts() and "while it was restarted" in sink.texts())
        assert sorted(sink.texts()) == ["a new pod's", "after the change", "at last", "while it was restarted"]
