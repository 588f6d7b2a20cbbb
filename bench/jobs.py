"""The jobs of the benchmark: what a collector is asked to do with a load, as a configuration of `outrider node`.

| job | lines | entries |
|---|---|---|
| google | every line an entry | Cloud Logging, nothing known of the pods |
| google-labels | the same | with the labels of the pods |
| google-joined | cut lines and stack traces put together | with the labels of the pods |
| datadog | every line an entry | Datadog, tags made from the pods |
| read | read and taken apart, sent nowhere | none |

Beside what the table says everything is as it is by default: gzip, TLS, `batch: {bytes: 4MiB, wait: 1s, in_flight: 4}`.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.load import NAMESPACES, Load, pod_name, uid
from outrider.demo.pods_api import PodsApi
from tests.support.fake_kube import pod

_NO_JOIN = {"partials": False, "exceptions": False}


@dataclass(frozen=True, slots=True)
class Job:
    """One row. `vendor` "" sends nothing; `labels`: pods are known; `joined`: some lines belong together."""

    name: str
    vendor: str
    labels: bool = False
    joined: bool = False


JOBS = {
    job.name: job
    for job in (
        Job("google", "google"),
        Job("google-labels", "google", labels=True),
        Job("google-joined", "google", labels=True, joined=True),
        Job("datadog", "datadog", labels=True),
        Job("read", ""),
    )
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a collector works: kubelet's tree, the sink and its certificate, kubelet's API, room for its state."""

    pods: Path
    endpoint: str
    certificate: Path
    kubelet: str
    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def config(self) -> Path:
        return self.folder / "config"


def configuration(job: Job, place: Place, workers: int = 1) -> dict[str, Any]:
    """The configuration of `outrider node` for `job`, as plain data (which as JSON is YAML, too)."""
    exporter: dict[str, Any] = {"kind": "stackdriver", "credentials": "none"}
    if job.vendor == "datadog":
        exporter = {"kind": "datadog", "api_key": "a-key"}
    exporter |= {"logs_endpoint": place.endpoint, "tls": {"ca": str(place.certificate)}}
    config: dict[str, Any] = {
        "cluster": {"project": "acme", "name": "bench", "location": "europe-north1", "node": "node-1"},
        "state": str(place.state),
        "kube": {"source": "kubelet", "url": place.kubelet} if job.labels else {"source": "none"},
        "logs": {"pods": str(place.pods)},
        "exporters": {job.vendor: exporter},
        "telemetry": {"listen": "127.0.0.1:0"},
    }
    if not job.joined:
        config["logs"]["join"] = _NO_JOIN
    if workers != 1:
        config["workers"] = workers
    return config


def outrider_command(job: Job, place: Place, load: Load, workers: int = 1) -> list[str]:
    """What to start for `job`; its configuration is written."""
    if not job.vendor:
        return [sys.executable, "-m", "bench.read_only", str(load.pods), str(load.lines)]
    place.config.write_text(json.dumps(configuration(job, place, workers)))
    return [sys.executable, "-m", "outrider.cli.main", "node", "--config", str(place.config)]


def manifest(file: int) -> dict[str, Any]:
    """The pod that writes file number `file`, as kubelet knows it: eight labels, and a ReplicaSet that owns it."""
    app = f"shop-{file}"
    labels = {
        "app": app,
        "app.kubernetes.io/name": app,
        "app.kubernetes.io/instance": f"{app}-prod",
        "app.kubernetes.io/version": "2026.08.1",
        "app.kubernetes.io/component": "backend",
        "app.kubernetes.io/managed-by": "Helm",
        "team": f"team-{file % NAMESPACES}",
        "pod-template-hash": "7d4b9c6f5",
    }
    status = {
        "name": "main",
        "ready": True,
        "restartCount": 0,
        "image": f"registry.acme.example/{app}:2026.08.1",
        "imageID": f"registry.acme.example/{app}@sha256:{file:064x}",
        "containerID": f"containerd://{file:064x}",
        "state": {"running": {"startedAt": "2026-01-02T03:04:05Z"}},
    }
    return pod(
        pod_name(file),
        uid(file),
        namespace=f"team-{file % NAMESPACES}",
        labels=labels,
        owners=[("ReplicaSet", f"{app}-7d4b9c6f5")],
        spec={"containers": [{"name": "main", "image": status["image"]}]},
        status={"containerStatuses": [status], "qosClass": "Burstable"},
    )


@contextmanager
def kubelet(files: int) -> Iterator[str]:
    """The API of a kubelet that knows the pods of `files` files; its URL."""
    manifests = [manifest(file) for file in range(files)]
    with PodsApi(lambda: manifests) as api:
        yield api.url
