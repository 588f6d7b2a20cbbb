"""The demo: an intake, a node full of pods that print, `outrider node` between them; a Redis with a little load, and
`outrider sidecar` beside it; and a screen that shows it live.

The intake stands in for both vendors, and every line and every point goes to both. The intake, the node, Redis and the
sidecar are child processes, each started as a user would start it; the pods are written, and Redis is used, by threads
of this process. All files lie in one temporary directory. At the end (after `--seconds`, or at Ctrl-C) the order is:
the pods stop printing; the intake is watched until it has everything, or nothing has come for a while; the node is
asked for its ledger, then to end, and so is the sidecar; the sums are compared. A second Ctrl-C ends all of it at once.
Signals reach only this process: the children have sessions of their own, and the kernel kills them should this process
die.
"""

import contextlib
import math
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import yaml

from outrider.checks import found
from outrider.demo import balance, points
from outrider.demo.arrivals import Arrivals
from outrider.demo.balance import VENDORS, Row, Summary
from outrider.demo.children import Child, DemoError
from outrider.demo.display import Show, display
from outrider.demo.pages import Pages
from outrider.demo.pods_api import PodsApi
from outrider.demo.points import Measured, Points
from outrider.demo.redis import READY, Load, Redis
from outrider.demo.screen import View, svg
from outrider.demo.workload import SERVICES, Workload
from outrider.model.clock import SystemClock

OUTRIDER = (sys.executable, "-m", "outrider.cli.main")
"""The command that starts the intake, the node and the sidecar."""
_INTAKE = ("intake", "--host", "127.0.0.1", "--port", "0", "--keep", "20000")
_URL = r"(http://127\.0\.0\.1:\d+)"
_TELEMETRY = f"metrics and probes at {_URL}"
_START = 30.0
_DONE = "done"
_CLUSTER = {"project": "demo", "name": "laptop", "location": "europe-north1", "node": "demo-node"}
POD = {
    "POD_NAMESPACE": "shop",
    "POD_NAME": "cart-redis-0",
    "POD_UID": "1d0f4c52-5f4b-4b2c-9a53-6a2d0c7e9b10",
    "OUTRIDER_CONTAINER": "redis",
}
"""What the sidecar knows of its pod by the downward API."""
EVERY = 6.0
"""Seconds between two runs of the check; Cloud Monitoring takes no more than one point of a series in five."""
METRICS = (
    "info.total_commands_processed",
    "info.keyspace_hits",
    "info.keyspace_misses",
    "db.keys",
    "info.used_memory",
    "info.connected_clients",
)
"""What the screen shows, by the keys of the check's metrics.yaml."""
_STEP, _LOOK = 0.02, 0.25
_IDLE, _PATIENCE = 10.0, 60.0
"""Seconds without an arrival, and in all, that the rest is waited for."""


@dataclass(frozen=True, slots=True)
class Options:
    """What can be asked for; `seconds` None runs until a signal comes."""

    seconds: float | None = None
    rate: float = 400.0
    seed: int = 1
    plain: bool = False
    svg: Path | None = None


def run(options: Options, outrider: Sequence[str] = OUTRIDER) -> Summary:
    """Run the demo in the main thread, to its end.

    Raises DemoError if a child fails, and KeyboardInterrupt at the second signal; everything is cleaned up then too.
    """
    with contextlib.ExitStack() as stack:
        stop = stack.enter_context(_stop_on_signal())
        root = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="outrider-demo-", ignore_cleanup_errors=True))
        )
        intake = stack.enter_context(Child("outrider intake", [*outrider, *_INTAKE], root / "intake.log"))
        redis = Redis(root)
        stack.enter_context(redis.child)
        url = intake.wait_for(_URL, _START)
        print(f"Cloud Logging, Cloud Monitoring and Datadog intake, with a console: {url}", file=sys.stderr)
        redis.child.wait_for(READY, _START)
        print(f"Redis: {redis.name}, at 127.0.0.1:{redis.port}", file=sys.stderr, flush=True)
        workload = Workload(root / "pods", SystemClock(), rate=options.rate, seed=options.seed)
        stack.callback(workload.close)
        api, load = PodsApi(workload.pods), Load(redis.port, options.seed)
        programs = {
            "node": (configuration(root, url, api.url), {}),
            "sidecar": (sidecar_configuration(url, redis.port), POD),
        }
        node, sidecar = (stack.enter_context(_program(outrider, name, *told, root)) for name, told in programs.items())
        stack.enter_context(api)
        telemetry = [child.wait_for(_TELEMETRY, _START) for child in (node, sidecar)]
        Pages("the intake", url).tell("/intake/collectors", {"collectors": telemetry})
        show = stack.enter_context(display(options.plain))
        demo = _Demo(workload, load, url, _Children(intake, redis.child, node, sidecar), show)
        stack.callback(demo.stop_writing)
        demo.write(options.seconds, stop)
        if options.svg:
            options.svg.write_text(svg(demo.view()), encoding="utf-8")
        demo.settle()
        return demo.finish()


def _program(
    outrider: Sequence[str], command: str, config: dict[str, Any], environment: dict[str, str], root: Path
) -> Child:
    path = root / f"{command}.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    arguments = [*outrider, command, "--config", str(path)]
    return Child(f"outrider {command}", arguments, root / f"{command}.log", environment)


def configuration(root: Path, intake: str, kubelet: str) -> dict[str, Any]:
    """What `outrider node` is started with: its configuration file as plain data."""
    return {
        "cluster": _CLUSTER,
        "state": str(root / "state"),
        "kube": {"source": "kubelet", "url": kubelet},
        "logs": {"pods": str(root / "pods")},
        **_to("logs_endpoint", intake),
    }


def sidecar_configuration(intake: str, redis: int) -> dict[str, Any]:
    """The same of `outrider sidecar`; `redis` is a port."""
    checks = [{"redis": {"host": "127.0.0.1", "port": redis}}]
    return {
        "cluster": _CLUSTER,
        "metrics": {"every": f"{EVERY:g}s", "checks": checks},
        **_to("metrics_endpoint", intake),
    }


def _to(endpoint: str, intake: str) -> dict[str, Any]:
    """Everything to both vendors."""
    return {
        "exporters": {
            "google": {"kind": "stackdriver", "credentials": "none", endpoint: intake},
            "datadog": {"kind": "datadog", "api_key": "any", endpoint: intake},
        },
        "routes": [{"to": list(VENDORS)}],
        "telemetry": {"listen": "127.0.0.1:0"},
    }


class _Children(NamedTuple):
    """The child processes."""

    intake: Child
    redis: Child
    node: Child
    sidecar: Child


class _Demo:
    """The running parts and the phases they go through. `url` is the intake's."""

    def __init__(self, workload: Workload, load: Load, url: str, children: _Children, show: Show) -> None:
        self._workload, self._load, self._children, self._show = workload, load, children, show
        pages, metrics = Pages("the intake", url), found.load("redis")[1].metrics
        self._arrivals = Arrivals(pages, SERVICES)
        self._measured = Measured(pages, [metrics[key][0] for key in METRICS])
        self._points = dict.fromkeys(points.VENDORS, Points())
        self._began = self._ended = time.monotonic()
        self._usage = {"node": (0, 0.0), "sidecar": (0, 0.0)}
        self._no_more = threading.Event()
        self._failed: BaseException | None = None
        self._writer = threading.Thread(target=self._print, name="pods", daemon=True)

    def write(self, seconds: float | None, stop: threading.Event) -> None:
        """Let the pods print and show what arrives, for `seconds` or until `stop` is set."""
        self._began = time.monotonic()
        self._writer.start()
        self._load.start()
        end = math.inf if seconds is None else self._began + seconds
        while (left := end - time.monotonic()) > 0 and not stop.wait(min(_LOOK, left)):
            self._look()
        self.stop_writing()
        self._look("the pods are still")

    def stop_writing(self) -> None:
        """The pods print no more, and nobody uses Redis; the counts of lines are exact from here on."""
        if not self._no_more.is_set():
            self._no_more.set()
            if self._writer.ident:
                self._writer.join()
            self._load.stop()
            self._ended = time.monotonic()

    def settle(self) -> None:
        """Wait for what is still on the way, but not for ever."""
        began = progressed = time.monotonic()
        before, settled = self._arrived(), False
        while not (settled := settled or self._points_settled()) or any(row.missing for row in self._rows()):
            now = time.monotonic()
            if self._arrived() != before:
                before, progressed = self._arrived(), now
            if now - progressed > _IDLE or now - began > _PATIENCE:
                return
            time.sleep(_LOOK)
            self._look("the pods are still; the rest is on its way")

    def _arrived(self) -> int:
        return self._arrivals.total + sum(one.arrived for one in self._points.values())

    def _points_settled(self) -> bool:
        """The sums of points, as of now. The sidecar goes on measuring, so they hold only if its counters are the same
        before and after the intake is asked; whether they hold and balance.
        """
        pages = Pages("the sidecar", self._children.sidecar.wait_for(_TELEMETRY, _START))
        counted = points.sent(pages.text("/metrics"))
        self._measured.poll()
        self._points = points.balance(counted, self._measured.arrived)
        return points.sent(pages.text("/metrics")) == counted and not points.trouble(self._points)

    def finish(self) -> Summary:
        """Ask the node for its ledger, end it and the sidecar, then add up."""
        pages = Pages("the node's ledger is not to be had: it", self._children.node.wait_for(_TELEMETRY, _START))
        ledger: dict[str, Any] = pages.json("/ledger")
        for child in (self._children.node, self._children.sidecar):
            code = child.end()
            if code:
                print(f"{child.name} ended with code {code}:\n{child.last_words()}", file=sys.stderr)
        self._look(_DONE)
        return Summary(
            rows=self._rows(),
            seconds=self._ended - self._began,
            repeats=self._arrivals.repeats,
            rejected=self._arrivals.rejected,
            events=self._workload.events(),
            lag_p50=self._arrivals.lag(0.5),
            lag_p99=self._arrivals.lag(0.99),
            ledger=ledger,
            points=self._points,
        )

    def view(self, note: str = "") -> View:
        """Everything as it is known now."""
        return View(
            seconds=time.monotonic() - self._began,
            rows=self._rows(),
            repeats=self._arrivals.repeats,
            rejected=self._arrivals.rejected,
            rates=list(self._arrivals.rates),
            lags=self._arrivals.lags(),
            last=self._arrivals.last,
            events=self._workload.events(),
            metrics=self._measured.shown,
            points=self._measured.arrived,
            node_memory=self._usage["node"][0],
            node_cpu=self._usage["node"][1],
            sidecar_memory=self._usage["sidecar"][0],
            sidecar_cpu=self._usage["sidecar"][1],
            note=note,
        )

    def _rows(self) -> list[Row]:
        return balance.rows(self._workload.counts(), self._workload.traces, self._arrivals.received)

    def _look(self, note: str = "") -> None:
        """See that all parts are alive, ask the intake, and show it."""
        children = self._children
        for child in children if note != _DONE else (children.intake, children.redis):
            child.check()
        if note != _DONE:
            self._usage = {"node": children.node.usage(), "sidecar": children.sidecar.usage()}
        if self._failed:
            raise DemoError(f"the pods cannot write: {self._failed}") from self._failed
        if self._load.failed:
            raise DemoError(f"Redis cannot be used: {self._load.failed}") from self._load.failed
        self._arrivals.poll(time.monotonic())
        self._measured.poll()
        self._show(self.view(note))

    def _print(self) -> None:
        try:
            while not self._no_more.wait(_STEP):
                self._workload.advance()
        except Exception as e:  # a full disk, say; the main thread reports it
            self._failed = e


@contextlib.contextmanager
def _stop_on_signal() -> Iterator[threading.Event]:
    """An event that the first SIGINT or SIGTERM sets; the next one raises KeyboardInterrupt."""
    stop = threading.Event()

    def handle(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
