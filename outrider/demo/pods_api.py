"""The kubelet's `/pods` of the demo node: what the API knows about the pods whose logs are being written.

Kubelet answers `GET /pods` with a v1 PodList of the node's pods, static ones included. A pod is listed from before its
first line until its directory is removed. The server asks for the list anew at every request and keeps nothing.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

import orjson

from outrider.demo.kubelet import rfc3339nano


@dataclass(slots=True)
class DemoPod:
    """One pod as the API sees it; `owner` is the kind and name of the controller, None for a static pod."""

    namespace: str
    name: str
    uid: str
    container: str
    labels: dict[str, str]
    owner: tuple[str, str] | None
    started: float
    restarts: int = 0
    phase: str = "Running"
    annotations: dict[str, str] = field(default_factory=dict)

    def manifest(self, node: str) -> dict[str, Any]:
        """The v1 Pod that kubelet serves for this pod."""
        created = rfc3339nano(int(self.started) * 1_000_000_000)
        metadata: dict[str, Any] = {
            "name": self.name,
            "namespace": self.namespace,
            "uid": self.uid,
            "creationTimestamp": created,
            "labels": self.labels,
            "annotations": self.annotations,
        }
        if self.owner:
            kind, name = self.owner
            version = "batch/v1" if kind == "Job" else "apps/v1"
            metadata["ownerReferences"] = [
                {"apiVersion": version, "kind": kind, "name": name, "uid": self.uid[::-1], "controller": True}
            ]
        image = f"demo/{self.labels['app']}:1"  # Datadog's service is an image's short name
        status = {"name": self.container, "restartCount": self.restarts, "ready": self.phase == "Running"}
        return {
            "metadata": metadata,
            "spec": {"nodeName": node, "containers": [{"name": self.container, "image": image}]},
            "status": {"phase": self.phase, "startTime": created, "containerStatuses": [status]},
        }


class PodsApi:
    """Serves `/pods` on a free loopback port while it is entered; `pods` is called for every answer."""

    def __init__(self, pods: Callable[[], list[dict[str, Any]]]) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                found = self.path.split("?")[0].rstrip("/") == "/pods"
                body = orjson.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods()})
                if not found:
                    body = b"404 page not found\n"
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", "application/json" if found else "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Keep quiet: the screen belongs to the demo."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="pods-api", daemon=True)

    @property
    def url(self) -> str:
        """The base URL; the port is bound, and queues connections, before the server is entered."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "PodsApi":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
