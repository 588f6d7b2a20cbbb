"""How many datagrams a second the DogStatsD server takes without a loss, and what one costs.

`outrider sidecar` has a core to itself. It listens at a socket of each kind and sends what it adds up to both vendors,
over TLS, to the sink. On the other core a program sends one line to a datagram (or frame), as a client without a buffer
does, at a steady rate, in bursts of a millisecond: counts, gauges, timers and distributions of so many series, with
five tags. What did not come is told by counting, on both sides.

A rate that the sender cannot keep up is shown as what it was. UDP may lose; a unix socket makes the sender wait.
"""

import argparse
import json
import random
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import urllib3

from bench.idle import POD
from bench.processes import ROOT, Child, cores, on_core
from bench.report import machine, machine_in_words, progress, save, table
from bench.sinking import Sink, sink

KINDS = ("udp", "unixgram", "unixstream")
STEP = 0.001
"""Seconds of one burst."""
_SENDER = "import bench.statsd as b, sys; b.send(*sys.argv[1:])"


@dataclass(frozen=True, slots=True)
class Result:
    """`rate` is datagrams a second as they were sent, `cpu` the share of a core that the sidecar took, `each` the
    seconds of it for a datagram.
    """

    socket: str
    series: int
    rate: float
    sent: int
    received: int
    kernel: int
    cpu: float
    each: float
    resident: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    rates = "50000,100000,200000"
    parser.add_argument("--rates", default=rates, help=f"datagrams a second (default {rates})")
    parser.add_argument("--sockets", default=",".join(KINDS), help="kinds of sockets (default all)")
    parser.add_argument("--series", type=int, default=1000, help="different series (default 1000)")
    parser.add_argument("--seconds", type=float, default=25.0, help="for how long (default 25: two intervals end)")
    parser.add_argument("--json", type=Path, help="file of the results (default build/bench/<date>.json)")


def lines(series: int, seed: int = 1) -> list[bytes]:
    """Twenty lines for each series, in no order."""
    rng = random.Random(seed)
    kinds = ("c", "c", "g", "ms", "d")
    found = []
    for i in range(20 * series):
        n, kind = i % series, kinds[i % series % len(kinds)]
        value = "1" if kind == "c" else f"{rng.expovariate(0.02):.3f}"
        tags = f"env:prod,service:shop-{n % 20},version:1.{n % 7},route:/items/{n},status:200"
        found.append(f"shop.requests.{n}:{value}|{kind}|#{tags}".encode())
    rng.shuffle(found)
    return found


def send(address: str, rate: str, seconds: str, series: str) -> None:
    """Send; prints how many, and for how many seconds."""
    kind, _, where = address.partition("://")
    if kind == "udp":
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        host, _, port = where.rpartition(":")
        sock.connect((host, int(port)))
    else:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM if kind == "unixgram" else socket.SOCK_STREAM)
        sock.connect(where)
    some = lines(int(series))
    if kind == "unixstream":
        some = [struct.pack("<I", len(line)) + line for line in some]
    per_burst = max(int(float(rate) * STEP), 1)
    bursts = [some[i : i + per_burst] for i in range(0, len(some) - per_burst, per_burst)]
    write = sock.sendall if kind == "unixstream" else sock.send
    began = due = time.monotonic()
    end, sent, i = began + float(seconds), 0, 0
    while (now := time.monotonic()) < end:
        if due > now:
            time.sleep(due - now)
        for line in bursts[i % len(bursts)]:
            write(line)
        sent += per_burst
        i += 1
        due += STEP
    print(json.dumps([sent, time.monotonic() - began]))


class Sidecar:
    """`outrider sidecar` with a socket of every kind, at work."""

    def __init__(self, child: Child, folder: Path) -> None:
        self.child, self._http = child, urllib3.PoolManager(retries=False)
        told = child.log
        deadline = time.monotonic() + 20
        while "metrics and probes at" not in told.read_text():
            if child.ended or time.monotonic() > deadline:
                raise RuntimeError(f"the sidecar does not start:\n{child.last_words()}")
            time.sleep(0.05)
        said = told.read_text()
        self._url = re.findall(r"metrics and probes at (http://\S+)", said)[0]
        [port] = re.findall(r"listening at udp://127\.0\.0\.1:(\d+)", said)
        self.addresses = {
            "udp": f"udp://127.0.0.1:{port}",
            "unixgram": f"unixgram://{folder}/dgram",
            "unixstream": f"unixstream://{folder}/stream",
        }

    def counted(self, name: str) -> int:
        """The sum of a counter of this name and labels, as it stands at /metrics."""
        text = self._http.request("GET", f"{self._url}/metrics").data.decode()
        return sum(int(float(value)) for value in re.findall(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE))


@contextmanager
def sidecar(folder: Path) -> Iterator[tuple[Sidecar, Sink]]:
    """A sidecar that sends to a sink, both new."""
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        taken = stack.enter_context(sink(folder, cores()[1]))
        tls = {"ca": str(taken.certificate)}
        google = {"kind": "stackdriver", "credentials": "none", "metrics_endpoint": taken.endpoint, "tls": tls}
        datadog = {"kind": "datadog", "api_key": "a-key", "metrics_endpoint": taken.endpoint, "tls": tls}
        config: dict[str, Any] = {
            "cluster": {"project": "acme", "name": "bench", "location": "europe-north1", "node": "node-1"},
            "exporters": {"google": google, "datadog": datadog},
            "dogstatsd": {"listen": ["udp://127.0.0.1:0", f"unix://{folder}/dgram", f"unixstream://{folder}/stream"]},
            "telemetry": {"listen": "127.0.0.1:0"},
        }
        (folder / "config").write_text(json.dumps(config))
        command = [sys.executable, "-m", "outrider.cli.main", "sidecar", "--config", str(folder / "config")]
        child = Child(command, folder / "log", cores()[0], POD).start()
        stack.callback(child.end)
        yield Sidecar(child, folder), taken


def measure(one: Sidecar, kind: str, rate: float, seconds: float, series: int) -> Result:
    """Send for so long, and count on both sides."""
    packets = f'outrider_dogstatsd_packets_total{{socket="{kind}"}}'
    kernel = 'outrider_dogstatsd_lost_total{reason="kernel"}'
    before, lost, begun = one.counted(packets), one.counted(kernel), one.child.sample()
    command = [sys.executable, "-c", _SENDER, one.addresses[kind], str(rate), str(seconds), str(series)]
    with on_core(cores()[1]):
        told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    sent, took = json.loads(told)
    received, still = one.counted(packets) - before, 0
    while received < sent and still < 5:  # the last ones may be on their way
        time.sleep(0.1)
        now = one.counted(packets) - before
        still, received = (still + 1 if now == received else 0), now
    end = one.child.sample()
    cpu = end.cpu - begun.cpu
    return Result(
        kind, series, sent / took, sent, received, one.counted(kernel) - lost, cpu / took, cpu / max(received, 1),
        end.resident,
    )  # fmt: skip


def main(arguments: argparse.Namespace) -> int:
    found = []
    with tempfile.TemporaryDirectory(prefix="outrider-bench-") as directory:
        for kind in arguments.sockets.split(","):
            for rate in map(float, arguments.rates.split(",")):
                progress(f"{kind}, {rate:,.0f} datagrams a second for {arguments.seconds:g} s ...")
                with sidecar(Path(directory) / f"{kind}-{rate:.0f}") as (one, _):
                    found.append(measure(one, kind, rate, arguments.seconds, arguments.series))
    print(machine_in_words(machine()))
    heads = ("socket", "sent/s", "received", "lost", "CPU", "µs each", "resident MB")
    rows = [
        [
            r.socket, f"{r.rate:,.0f}", f"{r.received:,}", f"{r.sent - r.received:,}", f"{r.cpu:.0%}",
            f"{r.each * 1e6:.2f}", f"{r.resident / 1e6:.1f}",
        ]
        for r in found
    ]  # fmt: skip
    table(f"DogStatsD, {arguments.series:,} series, a line to a datagram", heads, rows)
    save(arguments.json, "statsd", {"statsd": [asdict(r) for r in found]})
    return 0
