"""Another collector under the same conditions: the same load, the same sink, the same core.

It is described by a file of TOML, as those in bench/against/:

    name = "fluent-bit"
    command = ["fluent-bit", "-c", "{config}"]
    jobs = ["google"]                   # beside which of the jobs it runs (default: google)
    config = '''...'''                  # what is written to {config}
    env = {TZ = "UTC"}

In `command`, `config` and the values of `env` these are replaced: {pods} {endpoint} {host} {port} {ca} {kubelet}
{state} {config} {python}, and {outrider}, which is the configuration that `outrider node` gets for the job; in
`command` and `env` variables of the environment as well ($NAME). It is started on the full tree, and is done when the
sink has found every line in what it sent, in whatever format and content coding.
"""

import json
import os
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from bench.jobs import JOBS, Job, Place, configuration
from bench.load import Load
from bench.run import Start


@dataclass(frozen=True, slots=True)
class Rival:
    """Another collector; `start` is a `bench.run.Starter`."""

    name: str
    command: list[str]
    jobs: list[str] = field(default_factory=lambda: ["google"])
    config: str = ""
    env: dict[str, str] = field(default_factory=dict)

    def start(self, job: Job, place: Place, load: Load, workers: int) -> Start:  # noqa: ARG002
        place.state.mkdir(exist_ok=True)
        if self.config:
            own = json.dumps(configuration(job, place, workers))
            place.config.write_text(_filled(self.config, place).replace("{outrider}", own))
        command = [_filled(os.path.expandvars(word), place) for word in self.command]
        return Start(command, {k: _filled(os.path.expandvars(v), place) for k, v in self.env.items()})


def rival(path: Path) -> Rival:
    """The collector that the file `path` describes. Raises ValueError if it does not."""
    told = tomllib.loads(path.read_text())
    try:
        found = Rival(**told)
    except TypeError as e:
        raise ValueError(f"{path}: {e}") from None
    unknown = [name for name in found.jobs if name not in JOBS]
    if unknown:
        raise ValueError(f"{path}: no such job: {', '.join(unknown)}")
    return found


def _filled(text: str, place: Place) -> str:
    host, _, port = place.endpoint.removeprefix("https://").partition(":")
    values = {
        "pods": place.pods,
        "endpoint": place.endpoint,
        "host": host,
        "port": port,
        "ca": place.certificate,
        "kubelet": place.kubelet,
        "state": place.state,
        "config": place.config,
        "python": sys.executable,
    }
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text
