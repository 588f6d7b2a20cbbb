"""The least that can stand for `outrider intake`, `outrider node` and `outrider sidecar`, so that the demo is tested by
itself.

The node knows what an entry is by a shortcut: every `F` line, except those that only a trace's later lines look like.
What it sends is counted for both vendors, each service being a pod's app. `STUB` in the environment makes the node
misbehave: `lose` (an entry, at both vendors), `lose-datadog` (at one of them), `twice` (delivers one more than there
are), `die` (at once), `cook` (its ledger does not balance), `hide` (it has no ledger).

The sidecar sends a few points once, and says in `/metrics` how many. `lose-point` has one of Datadog's get lost,
`no-points` sends none, `fall` ends it.
"""

import json
import os
import re
import signal
import sys
import threading
import time
import urllib.request
from collections import Counter
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO

import yaml

LINE = re.compile(rb"(\S+) (stdout|stderr) F (.*)\n")
LATER = re.compile(rb"[\t ]|Caused by|$|\[signal|goroutine |main\.\(|created by |KeyError: ")


class Intake(BaseHTTPRequestHandler):
    entries: list[dict[str, Any]] = []  # noqa: RUF012
    points: dict[str, list[dict[str, Any]]] = {"time_series": [], "points": []}  # noqa: RUF012

    def do_POST(self) -> None:
        lines = self.rfile.read(int(self.headers["Content-Length"])).splitlines()
        for line in lines if self.path != "/intake/collectors" else ():
            of = self.points.get(self.path.rpartition("/")[2], self.entries)
            received = datetime.now(UTC).isoformat().replace("+00:00", "Z")
            of.append({"seq": len(of) + 1, "receiveTimestamp": received, **json.loads(line)})
        self.answer(b"{}")

    def do_GET(self) -> None:
        if self.path == "/intake/stats":
            labels = [e["resource"]["labels"] for e in self.entries]
            namespaces = Counter(found["namespace_name"] for found in labels)
            services = Counter(service(found["pod_name"]) for found in labels)
            if os.environ.get("STUB") == "lose-datadog" and services:
                services["web"] -= 1
            datadog = {"services": services, "repeated": 0, "dropped": {}}
            seq = len(self.entries)
            stats = {"namespaces": namespaces, "repeated": 0, "rejected": 0, "last_seq": seq, "datadog": datadog}
            self.answer(json.dumps(stats).encode())
        else:
            since, limit = (int(n) for n in re.findall(r"=(\d+)", self.path))
            of = self.points.get(self.path.rpartition("/")[2].partition("?")[0], self.entries)
            self.answer(json.dumps(of[since : since + limit]).encode())

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


class Telemetry(BaseHTTPRequestHandler):
    sent: dict[str, int] = {}  # noqa: RUF012

    def do_GET(self) -> None:
        if self.path == "/metrics":
            labels = 'exporter="{}",what="points"'
            text = "".join(f"outrider_points_sent_total{{{labels.format(k)}}} {n}\n" for k, n in self.sent.items())
            self.answer(200, text.encode())
            return
        stream = {"namespace": "shop", "pod": "web-1", "uid": "u", "container": "nginx", "restart": 0}
        disk = 5001 if os.environ.get("STUB") == "cook" else 5000
        size = {"disk": disk, "read": 4000, "acknowledged": 4000, "behind": 1000}
        stream |= {"bytes": size, "records": {"read": 40, "accepted": 39, "left_out": 1}}
        exporters = {name: {"streams": [stream]} for name in ("google", "datadog")}
        hidden = os.environ.get("STUB") == "hide" or self.path != "/ledger"
        body = b"no" if hidden else json.dumps({"time": 2.0, "started": 1.0, "exporters": exporters}).encode()
        self.answer(404 if hidden else 200, body)

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def intake() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Intake) as server:
        print(f"intake at http://127.0.0.1:{server.server_address[1]}", flush=True)
        server.serve_forever()


def telemetry() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Telemetry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"metrics and probes at http://127.0.0.1:{server.server_address[1]}", flush=True)


def post(url: str, bodies: list[dict[str, Any]]) -> None:
    urllib.request.urlopen(url, "".join(json.dumps(body) + "\n" for body in bodies).encode()).close()


def sidecar(config: dict[str, Any]) -> None:
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    mode = os.environ.get("STUB", "")
    if mode == "fall":
        sys.exit("the stub was told to fall")
    names = [f"redis.stub.{n}" for n in range(7)] if mode != "no-points" else []
    at = {"interval": {"endTime": "2026-08-23T10:11:12Z"}, "value": {"int64Value": "3"}}
    series = [{"timeSeries": {"metric": {"type": name}, "points": [at]}} for name in names]
    points = [{"point": {"metric": name, "tags": [], "timestamp": 1, "value": 2}} for name in names]
    post(config["exporters"]["google"]["metrics_endpoint"] + "/time_series", series)
    post(config["exporters"]["datadog"]["metrics_endpoint"] + "/points", points[mode == "lose-point" :])
    Telemetry.sent.update(google=len(names), datadog=len(names))
    telemetry()
    ended.wait()


def node(config: dict[str, Any]) -> None:
    running = [True]
    signal.signal(signal.SIGTERM, lambda *_: running.pop())
    mode = os.environ.get("STUB", "")
    if mode == "die":
        sys.exit("the stub was told to die")
    telemetry()
    files: dict[int, tuple[Path, BinaryIO]] = {}  # by inode: held open, so none is used again
    while True:
        last_round = not running
        entries = read(Path(config["logs"]["pods"]), files)
        if entries and mode == "lose":
            entries.pop()
            mode = ""
        if last_round and mode == "twice":
            entries.append(entry("shop_web-1_u", b"2026-08-23T10:11:12.5Z", b"stray"))
        if entries:
            post(config["exporters"]["google"]["logs_endpoint"], entries)
        if last_round:
            return
        time.sleep(0.05)


def read(pods: Path, files: dict[int, tuple[Path, BinaryIO]]) -> list[dict[str, Any]]:
    for path in pods.glob("*/*/*.log*"):
        if path.suffix not in (".gz", ".tmp"):
            try:
                file = open(path, "rb")  # noqa: SIM115
            except FileNotFoundError:
                continue
            if files.setdefault(os.fstat(file.fileno()).st_ino, (path, file))[1] is not file:
                file.close()
    found = []
    for path, file in files.values():
        for line in iter(file.readline, b""):
            if not line.endswith(b"\n"):
                file.seek(-len(line), os.SEEK_CUR)
                break
            match = LINE.fullmatch(line)
            if match and not (match[2] == b"stderr" and LATER.match(match[3])):
                found.append(entry(path.parent.parent.name, match[1], match[3]))
    return found


def service(pod: str) -> str:
    return next(app for app in ("web", "cart-api", "gateway", "ledger", "fraud", "kube-proxy", "report") if app in pod)


def entry(directory: str, when: bytes, text: bytes) -> dict[str, Any]:
    namespace, pod, _ = directory.split("_")
    labels = {"namespace_name": namespace, "pod_name": pod}
    return {"resource": {"labels": labels}, "timestamp": when.decode(), "textPayload": text[:80].decode()}


if __name__ == "__main__":
    if sys.argv[1] == "intake":
        intake()
    else:
        {"node": node, "sidecar": sidecar}[sys.argv[1]](yaml.safe_load(Path(sys.argv[3]).read_text()))
