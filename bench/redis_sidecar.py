"""What `outrider sidecar` costs that reads a Redis and sends what it finds to both vendors, over TLS.

**Start**: from the start of the process to the moment in which both vendors have answered for their first points. The
median of several starts.

**At rest**: memory of the whole process, and processor time, while the check runs every 15 s. All that the process does
is in it: what it takes to wait is counted with the runs.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.processes import Child, cores, on_core
from bench.report import table
from bench.run import PATIENCE, StalledError
from bench.sinking import Sink, sink
from outrider.demo.redis import READY, Redis

EVERY = 15
"""Seconds between two runs."""
GOALS = {"resident": 32e6, "share": 0.002, "start": 0.5}
POD = {"POD_NAMESPACE": "shop", "POD_NAME": "cart-redis-0", "POD_UID": "1d0f4c52-5f4b-4b2c-9a53-6a2d0c7e9b10"}
_POINTS = ("/timeSeries", "/api/v2/series")


@dataclass(frozen=True, slots=True)
class RedisSidecar:
    """Bytes; seconds of processor time of a run, of `runs`; share of a core; seconds from the start to the first points
    at both vendors, and processor time until then.
    """

    resident: int
    peak: int
    runs: int
    cpu_per_run: float
    share: float
    start: float
    start_cpu: float


def redis_sidecar(root: Path, runs: int, starts: int) -> RedisSidecar:
    """Measure. Raises StalledError."""
    root.mkdir()
    with on_core(cores()[1]):
        redis = Redis(root)
    with redis.child:
        redis.child.wait_for(READY, PATIENCE)
        begun = [_start(root / f"start-{n}", redis.port) for n in range(starts)]
        with _running(root / "rest", redis.port) as (child, _):
            time.sleep(EVERY / 3)  # a moment in which nothing happens
            first = child.sample()
            time.sleep(runs * EVERY)
            last = child.sample()
    cpu = last.cpu - first.cpu
    share = cpu / (last.at - first.at)
    start, start_cpu = (median(values) for values in zip(*begun, strict=True))
    return RedisSidecar(last.resident, last.peak, runs, cpu / runs, share, start, start_cpu)


def show(found: RedisSidecar) -> None:
    rows = [
        ["resident MB", f"{found.resident / 1e6:.1f}", f"{GOALS['resident'] / 1e6:.0f}"],
        ["CPU ms of a run", f"{found.cpu_per_run * 1e3:.1f}", ""],
        [f"of a core, every {EVERY} s", f"{found.share:.3%}", f"{GOALS['share']:.1%}"],
        ["start to first points s", f"{found.start:.2f}", f"{GOALS['start']}"],
        ["CPU of the start s", f"{found.start_cpu:.2f}", ""],
    ]
    table(f"Sidecar with the check redis, both vendors over TLS, {found.runs} runs", ("", "measured", "goal"), rows)


def _start(folder: Path, port: int) -> tuple[float, float]:
    with _running(folder, port) as (child, taken):
        return max(taken.first(*_POINTS)) - child.began, child.sample().cpu


@contextmanager
def _running(folder: Path, port: int) -> Iterator[tuple[Child, Sink]]:
    """A sidecar whose first points have arrived."""
    folder.mkdir()
    with sink(folder, cores()[1]) as taken:
        path = folder / "config"
        path.write_text(json.dumps(_configuration(taken, port)))
        command = [sys.executable, "-m", "outrider.cli.main", "sidecar", "--config", str(path)]
        child = Child(command, folder / "log", cores()[0], POD).start()
        try:
            while not all(taken.first(*_POINTS)):
                if child.ended or time.monotonic() - child.began > PATIENCE:
                    raise StalledError(f"no points arrive:\n{child.last_words()}")
                time.sleep(0.02)
            yield child, taken
        finally:
            child.end()


def _configuration(taken: Sink, port: int) -> dict[str, object]:
    to = {"metrics_endpoint": taken.endpoint, "tls": {"ca": str(taken.certificate)}}
    return {
        "cluster": {"project": "acme", "name": "bench", "location": "europe-north1", "node": "node-1"},
        "metrics": {"every": f"{EVERY}s", "checks": [{"redis": {"port": port}}]},
        "exporters": {
            "google": {"kind": "stackdriver", "credentials": "none", **to},
            "datadog": {"kind": "datadog", "api_key": "a-key", **to},
        },
        "telemetry": {"listen": "127.0.0.1:0"},
    }
