"""A sidecar that prints its files, and the collector of the node that takes them from there: two child processes with a
container runtime between them, and every line of the file is an entry.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from outrider.demo.kubelet import Kubelet
from outrider.model.clock import SystemClock
from tests.support.node import exporter_to, node_process
from tests.support.sidecar import sidecar_process
from tests.support.sink import Sink
from tests.support.wait import until

LABEL = "agent.googleapis.com/log_file_path"
TRACE = 'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\nValueError: no'
LINES = [
    '{"severity":"warning","message":"disk","used":0.9,"time":"2026-05-16T09:19:06.315Z"}',
    '{"level":"error","message":"only this","logging.googleapis.com/labels":{"team":"shop"}}',
    "2026-05-16T09:19:07.001+02:00 INFO started",
    *TRACE.split("\n"),
    "x" * 40_000,
    "the last, without its end",
]


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as sink:
        yield sink


def test_a_file_goes_the_way_of_its_containers_log(tmp_path: Path, sink: Sink) -> None:
    with sidecar_process(tmp_path / "pod", {"out": {"kind": "console", "logs": "lines"}}) as sidecar:
        path = sidecar.write("app.log", *LINES, end="")
        sidecar.start()
        assert sidecar.end() == 0
        printed = [line for line in sidecar.said.splitlines() if line.startswith("{")]
    assert len(printed) == 6
    with node_process(tmp_path / "node", {"google": exporter_to(sink, batch={"wait": "50ms"})}) as node:
        pod = Kubelet(node.pods, SystemClock()).start_pod("shop", "web-1", "uid-1")
        for line in printed:
            pod.container("outrider").write(line)
        node.start()
        until(lambda: len(sink.first()) == 6)
    entries = [received.entry for received in sorted(sink.first(), key=lambda one: one.insert_id)]
    assert [entry["insertId"] for entry in entries] == [
        json.loads(line)["logging.googleapis.com/insertId"] for line in printed
    ]
    assert [(e["severity"], e.get("textPayload", e.get("jsonPayload"))) for e in entries] == [
        ("WARNING", {"message": "disk", "used": 0.9}),
        ("ERROR", {"level": "error", "message": "only this"}),
        ("INFO", LINES[2]),
        ("INFO", TRACE),
        ("INFO", LINES[6]),
        ("INFO", LINES[7]),
    ]
    assert [e["timestamp"] for e in entries[:3:2]] == ["2026-05-16T09:19:06.315Z", "2026-05-16T07:19:07.001Z"]
    assert all(e["labels"][LABEL] == str(path) for e in entries)
    assert entries[1]["labels"]["team"] == "shop"
    assert entries[0]["resource"]["labels"]["container_name"] == "outrider"
    assert sink.complaints == []
