"""What a node full of quiet containers costs the collector: processor and memory for N idle log files.

    python bench/idle.py [--files 2000] [--seconds 20] [--exporters 1]

Starts `outrider node` on a tree of N files of one line each, waits until every line has been delivered and every file
is only watched, and then reads /proc for so many seconds. Runs on Linux.
"""

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LINE = b"2026-05-16T09:19:06.315692671Z stdout F idle\n"
TICKS, PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")


class Yes(BaseHTTPRequestHandler):
    """A destination that takes everything."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


def write_tree(root: Path, files: int) -> None:
    for n in range(files):
        directory = root / f"team-{n % 40}_pod-{n // 4}_{n // 4:08d}" / f"c{n % 4}"
        directory.mkdir(parents=True)
        (directory / "0.log").write_bytes(LINE)


def start(root: Path, exporters: int, endpoint: str) -> subprocess.Popen[bytes]:
    config = {
        "cluster": {"project": "acme", "name": "bench", "location": "here", "node": "node-1"},
        "state": str(root / "state"),
        "kube": {"source": "none"},
        "logs": {"pods": str(root / "pods")},
        "exporters": {
            f"e{n}": {"kind": "stackdriver", "credentials": "none", "logs_endpoint": endpoint} for n in range(exporters)
        },
        "telemetry": {"listen": "127.0.0.1:0"},
    }
    (root / "outrider.yaml").write_text(json.dumps(config))  # JSON is YAML
    command = [sys.executable, "-m", "outrider.cli.main", "node", "--config", str(root / "outrider.yaml")]
    with open(root / "log", "wb") as log:
        return subprocess.Popen(command, stderr=log)


def metric(root: Path, name: str) -> float:
    """The sum of a metric's samples; -1 as long as nothing is served."""
    where = re.search(r"metrics and probes at (\S+)", (root / "log").read_text())
    if where is None:
        return -1
    text = urllib.request.urlopen(where[1] + "/metrics", timeout=5).read().decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if re.match(rf"{name}[{{ ]", line))


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measure(files: int, seconds: float, exporters: int) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Yes)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        root = Path(directory)
        write_tree(root / "pods", files)
        began = time.monotonic()
        node = start(root, exporters, f"http://127.0.0.1:{server.server_address[1]}")
        stack.callback(node.wait)
        stack.callback(node.terminate)
        while metric(root, "outrider_entries_accepted_total") < files * exporters:
            time.sleep(0.05)
        delivered = time.monotonic() - began
        while metric(root, "outrider_streams_behind") > 0:
            time.sleep(0.2)
        used, since = cpu_seconds(node.pid), time.monotonic()
        time.sleep(seconds)
        share = (cpu_seconds(node.pid) - used) / (time.monotonic() - since)
        memory = int(Path(f"/proc/{node.pid}/statm").read_text().split()[1]) * PAGE
    print(f"{files:>7,} files, {exporters} exporter(s): first lines delivered {delivered:.1f} s after the start;")
    print(f"{'':>7} idle: {share:.2%} of a core over {seconds:g} s, {memory / 1e6:.1f} MB resident")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--exporters", type=int, default=1)
    arguments = parser.parse_args()
    measure(arguments.files, arguments.seconds, arguments.exporters)


if __name__ == "__main__":
    main()
