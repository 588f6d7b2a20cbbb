"""The demo with the real programs: whatever the pods print arrives, exactly."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from outrider.config import examine
from outrider.demo.run import configuration, sidecar_configuration

VENDORS = {"google", "datadog"}


def test_the_configurations_are_valid(tmp_path: Path) -> None:
    intake = "http://127.0.0.1:1"
    path = tmp_path / "outrider.yaml"
    for config in (configuration(tmp_path, intake, "http://127.0.0.1:2"), sidecar_configuration(intake, 6379)):
        path.write_text(json.dumps(config))
        report = examine(str(path))
        assert report.config is not None
        assert report.problems == []


def run(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "outrider.cli.main", "demo", "--plain", "-o", "json", *arguments]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=110, check=False)
    assert done.returncode in (0, 1), done.stderr
    summary: dict[str, Any] = json.loads(done.stdout)
    assert summary["verdict"] == "balanced", done.stdout + done.stderr
    assert summary["ledger"]["balanced"], done.stdout
    assert set(summary["ledger"]["exporters"]) == VENDORS
    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []
    return summary


@pytest.mark.slow
def test_five_seconds_of_the_demo_balance(tmp_path: Path) -> None:
    summary = run(tmp_path, "--seconds", "5")
    total = summary["total"]
    for vendor in VENDORS:
        joined = total["parts_joined"] + total["trace_lines_joined"]
        assert total["lines_written"] == total["entries_received"][vendor] + joined
    assert total["lines_written"] > 1200
    assert total["parts_joined"] > 0
    assert total["trace_lines_joined"] > 0
    assert summary["rotations"]
    assert (summary["born"], summary["died"], summary["restarts"]) == (1, 1, 1)
    assert summary["rejected"] == {"google": 0, "datadog": 0}
    for vendor in VENDORS:
        points = summary["points"][vendor]
        assert points["sent"] == points["arrived"] > 20
        assert (points["refused"], points["given_up"]) == (0, 0)


@pytest.mark.slow
def test_faults_of_the_intake_make_repeats_and_nothing_worse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTRIDER_INTAKE_FAULT", "lost-ack:0.4 503:0.2")
    monkeypatch.setenv("OUTRIDER_INTAKE_SEED", "1")  # the first request's acknowledgement is one that gets lost
    repeats = run(tmp_path, "--seconds", "3", "--seed", "2")["repeats"]
    assert sum(repeats.values()) > 0
