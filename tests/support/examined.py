"""`outrider doctor` on a configuration that a test makes up: what it finds, by subject."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from outrider.doctor.examination import Program, findings
from outrider.doctor.finding import Finding
from outrider.model.clock import Clock
from tests.support.server import free_port

CLUSTER = {"project": "acme", "name": "prod", "location": "europe-north1", "node": "node-1"}


def written(folder: Path, **config: Any) -> str:
    """The path of a configuration that needs nothing of this machine but what is given."""
    pods = folder / "pods" / "shop_web-1_uid-1" / "main"
    if not (folder / "pods").exists():
        pods.mkdir(parents=True)
        (pods / "0.log").write_text("2026-01-01T00:00:00Z stdout F hello\n")
    (folder / "state").mkdir(exist_ok=True)
    whole = {
        "cluster": CLUSTER,
        "state": str(folder / "state"),
        "kube": {"source": "none"},
        "logs": {"pods": str(folder / "pods")},
        "exporters": {"screen": {"kind": "console"}},
        "telemetry": {"listen": f"127.0.0.1:{free_port()}"},
        **config,
    }
    path = folder / "outrider.yaml"
    path.write_text(yaml.safe_dump(whole, sort_keys=False))
    return str(path)


def examined(
    path: str,
    program: Program = "node",
    env: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    within: float = 10.0,
) -> list[Finding]:
    """All that is found; of the environment nothing is seen but `env`."""
    return findings(path, program, env or {}, clock, within)[1]


def about(found: Iterable[Finding], subject: str) -> list[Finding]:
    """Those of one subject."""
    return [finding for finding in found if finding.subject == subject]


def worst(found: Iterable[Finding], subject: str) -> Finding:
    """The worst one of a subject, the last of those that are alike."""
    return max(about(found, subject), key=lambda finding: ("ok", "warn", "fail").index(finding.status))
