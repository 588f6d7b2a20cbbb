"""`outrider node` as a child process, driven through its YAML file and its signals, watched over HTTP and by its log.

    node = NodeProcess(tmp_path, {"google": exporter_to(sink)})
    node.start()                    # returns when /readyz says so
    node.metric("outrider_lines_read_total", exporter="google")
    node.kill(); node.start()       # the same state directory
    assert node.end() == 0          # SIGTERM

The child is started with the interpreter that runs the tests. Its tree is `<root>/pods`, its state `<root>/state`, its
log `<root>/node.log`.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3
import yaml

from tests.support.sink import DATADOG, Sink
from tests.support.wait import until

MAIN = ("-m", "outrider.cli.main")
_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_GOOGLE = {"kind": "stackdriver", "credentials": "none"}
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def exporter_to(sink: Sink, **more: Any) -> dict[str, Any]:
    """An exporter of the configuration that writes to `sink`, of the kind that its vendor takes."""
    own = {"kind": "datadog", "api_key": "a-key"} if sink.vendor == DATADOG else _GOOGLE
    return {**own, "logs_endpoint": sink.url, **more}


class NodeProcess:
    """One collector and its files. `config` replaces or adds keys of the first level."""

    def __init__(self, root: Path, exporters: dict[str, Any], **config: Any) -> None:
        self.root = root
        self.pods, self.state, self.log = root / "pods", root / "state", root / "node.log"
        self.config: dict[str, Any] = {
            "cluster": {"project": "acme", "name": "on-prem-1", "location": "europe-north1", "node": "node-1"},
            "state": str(self.state),
            "kube": {"source": "none"},
            "logs": {"pods": str(self.pods)},
            "exporters": exporters,
            "telemetry": {"listen": "127.0.0.1:0"},
            **config,
        }
        self.main: tuple[str, ...] = MAIN
        """What the interpreter runs; a test may put a program of its own around it."""
        self.command = "node"
        self.env: dict[str, str] = {}
        """Variables that it gets beside those of the tests."""
        self.before: tuple[str, ...] = ()
        """A command that ends by becoming its arguments: the child is started through it."""
        self.process: subprocess.Popen[bytes] | None = None
        self._said = 0
        self._http = urllib3.PoolManager(retries=False, timeout=5.0)
        root.mkdir(parents=True, exist_ok=True)
        self.pods.mkdir(exist_ok=True)

    # -- starting and ending ------------------------------------------------------------------------------------------

    def start(self, *, ready: bool = True) -> "NodeProcess":
        """Start it; with `ready`, wait until it has looked through the tree."""
        path = self.root / "outrider.yaml"
        path.write_text(yaml.safe_dump(self.config))
        self._said = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*self.before, sys.executable, *self.main, self.command, "--config", str(path)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self.env},
            )
        if ready:
            until(lambda: not self.alive or self.is_ready(), timeout=20)
            assert self.alive, self.said
        return self

    def end(self, number: signal.Signals = signal.SIGTERM, timeout: float = 20.0) -> int:
        """Ask it to end and wait for that; the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout)

    def kill(self) -> None:
        """`kill -9`, if it runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    def exit_code(self, timeout: float = 10.0) -> int:
        """The exit code of a child that ends by itself."""
        assert self.process is not None
        return self.process.wait(timeout)

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    # -- watching -----------------------------------------------------------------------------------------------------

    @property
    def said(self) -> str:
        """What it has written to standard error since it was started last."""
        with open(self.log, "rb") as f:
            f.seek(self._said)
            return f.read().decode("utf-8", "replace")

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a page of its telemetry."""
        found = re.findall(r"metrics and probes at (http://[\d.]+:\d+)", self.said)
        assert found, f"it does not say where its telemetry is: {self.said}"
        response = self._http.request("GET", found[-1] + path)  # the newest: a reload may have moved it
        return response.status, response.data.decode()

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of `name` at /metrics that carry `labels` (0 if there are none)."""
        _, text = self.get("/metrics")
        return sum(
            float(value)
            for found, label_text, value in _SAMPLE.findall(text)
            if found == name and labels.items() <= dict(_LABEL.findall(label_text)).items()
        )

    def cpu_seconds(self) -> float:
        """Processor time it has used so far (proc(5): utime and stime)."""
        assert self.process is not None
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int:
        """Its memory in the machine's RAM now."""
        assert self.process is not None
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def is_ready(self) -> bool:
        """Whether it runs and has looked through the tree."""
        if "metrics and probes at" not in self.said:
            return False
        try:
            return self.get("/readyz")[0] == 200
        except urllib3.exceptions.HTTPError:
            return False


@contextmanager
def node_process(root: Path, exporters: dict[str, Any], **config: Any) -> Iterator[NodeProcess]:
    """A collector that is not started yet and that does not outlive the test."""
    node = NodeProcess(root, exporters, **config)
    try:
        yield node
    finally:
        node.kill()
