"""The plain forms of a command line need no click; everything else is left to it."""

import subprocess
import sys
from pathlib import Path

import pytest

from outrider.cli.following import plainly


@pytest.mark.parametrize(
    ("arguments", "understood"),
    [
        (["node", "--config", "a.yaml"], ("node", "a.yaml", "info")),
        (["sidecar", "-c", "a.yaml", "--log-level=debug"], ("sidecar", "a.yaml", "debug")),
        (["sidecar", "--config=a=b.yaml"], ("sidecar", "a=b.yaml", "info")),
        (["node"], None),
        (["node", "--help"], None),
        (["node", "-c"], None),
        (["node", "-c", "a.yaml", "--help"], None),
        (["node", "-c", "a.yaml", "more"], None),
        (["node", "-c", "/"], None),
        (["node", "-c", "a.yaml", "--log-level", "loud"], None),
        (["audit", "-c", "a.yaml"], None),
        ([], None),
    ],
)
def test_what_is_understood(
    arguments: list[str], understood: tuple[str, str, str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OUTRIDER_CONFIG", raising=False)
    monkeypatch.delenv("OUTRIDER_LOG_LEVEL", raising=False)
    assert plainly(arguments) == understood


def test_variables_stand_in_for_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTRIDER_CONFIG", "a.yaml")
    monkeypatch.setenv("OUTRIDER_LOG_LEVEL", "error")
    assert plainly(["node"]) == ("node", "a.yaml", "error")


def test_what_runs_for_long_is_light(tmp_path: Path) -> None:
    """No click, no urllib3, no http.server: they are most of what a sidecar may have."""
    code = (
        "import sys; sys.argv = ['outrider', 'sidecar', '-c', sys.argv[1]]; from outrider.cli.main import start\n"
        "try: start()\n"
        "finally: assert not {'click', 'urllib3', 'http.server', 'isal'} & sys.modules.keys(), sys.modules.keys()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "none.yaml")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (result.returncode, "AssertionError" in result.stderr) == (78, False), result.stderr
