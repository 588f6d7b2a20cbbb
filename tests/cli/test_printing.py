"""Standard output that is full, closed, or read by nobody: one line, an exit code, and no traceback."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from outrider.demo.kubelet import PodLog
from outrider.model.clock import SystemClock
from tests.support.node import node_process
from tests.support.wait import until

COMMANDS = (
    ["--help"],
    ["--version"],
    ["schema"],
    ["wire", "--help"],
    ["wire", "--style", "plain", "--image", "i:1", "--logs", "/logs"],
    ["validate", "--config", "outrider.yaml"],
    ["explain", "pod.yaml"],
    ["send", "log", "--config", "outrider.yaml"],
    ["check", "nginx", "--set", "url=http://127.0.0.1:9/"],
)
CONFIG = """
cluster: {project: acme, name: c, location: l, node: n}
state: state
kube: {source: none}
exporters: {datadog: {kind: datadog, api_key: a-key, logs_endpoint: "http://127.0.0.1:9"}}
"""
POD = """
{kind: Pod, metadata: {name: web, namespace: shop}, spec: {containers: [{name: web, image: "web:1"}]}}
"""
FULL = "outrider: standard output cannot be written: No space left on device\n"
CLOSED = "outrider: standard output cannot be written: Bad file descriptor\n"


def ended(command: list[str], folder: Path, output: int, begin: Callable[[], None] | None = None) -> tuple[int, str]:
    (folder / "outrider.yaml").write_text(CONFIG)
    (folder / "pod.yaml").write_text(POD)
    program = [sys.executable, "-m", "outrider.cli.main", *command]
    path = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])}
    got = subprocess.run(
        program, cwd=folder, env=path, stdout=output, stderr=subprocess.PIPE, text=True, timeout=60, preexec_fn=begin
    )
    return got.returncode, got.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_full_disk_is_said(command: list[str], tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:
        assert ended(command, tmp_path, full.fileno()) == (74, FULL)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_closed_descriptor_is_said(command: list[str], tmp_path: Path) -> None:
    assert ended(command, tmp_path, subprocess.DEVNULL, lambda: os.close(1)) == (74, CLOSED)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_of_a_reader_who_has_left_nothing_is_said(command: list[str], tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert ended(command, tmp_path, writer) == (141, "")
    finally:
        os.close(writer)


def test_a_command_that_prints_nothing_does_not_mind(tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:
        code, said = ended(["wire", "nowhere.yaml"], tmp_path, full.fileno())
    assert (code, "nowhere.yaml" in said, "standard output" in said) == (2, True, False)


@pytest.mark.parametrize(("command", "code"), [("wire", 1), ("explain", 2)])
def test_a_closed_input_has_nothing(command: str, code: int, tmp_path: Path) -> None:
    ends, said = ended([command, "-"], tmp_path, subprocess.DEVNULL, lambda: os.close(0))
    assert (ends, "<stdin>: has no" in said, "Traceback" in said) == (code, True, False)


def test_a_collector_that_prints_entries_holds_them(tmp_path: Path) -> None:
    """It goes on by itself, for other destinations too, and its log says so."""
    with node_process(tmp_path, {"screen": {"kind": "console"}}) as node:
        node.before = ("sh", "-c", 'exec "$@" >&-', "sh")
        PodLog(node.pods, "shop", "web-1", "uid-1", SystemClock()).container("main").write("hello")
        node.start()
        until(lambda: "screen: standard output: [Errno 9] Bad file descriptor (hold;" in node.said)
        assert node.metric("outrider_requests_total", exporter="screen", verdict="hold") >= 1
        assert node.end() == 0
