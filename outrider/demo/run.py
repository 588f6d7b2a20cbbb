"""The demo: an intake, a node full of pods that print, `outrider node` between them, and a screen that shows it live.

The intake stands in for both vendors, and every line goes to both. The intake and the node are child processes, each
started as a user would start it; the pods are written by a thread of this process. All files lie in one temporary
directory. At the end (after `--seconds`, or at Ctrl-C) the order is: the pods stop printing; the intake is watched
until it has everything, or nothing has come for a while; the node is asked for its ledger, then to end; the sums are
compared. A second Ctrl-C ends all of it at once. Signals reach only this process: the children have sessions of their
own, and the kernel kills them should this process die.
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
from typing import Any

import orjson
import urllib3
import yaml

from outrider.demo import balance
from outrider.demo.arrivals import Arrivals
from outrider.demo.balance import VENDORS, Row, Summary
from outrider.demo.children import Child, DemoError
from outrider.demo.display import Show, display
from outrider.demo.pods_api import PodsApi
from outrider.demo.screen import View, svg
from outrider.demo.workload import SERVICES, Workload
from outrider.model.clock import SystemClock

OUTRIDER = (sys.executable, "-m", "outrider.cli.main")
"""The command that starts the intake and the node."""
_INTAKE = ("intake", "--host", "127.0.0.1", "--port", "0", "--keep", "20000")
_URL = r"(http://127\.0\.0\.1:\d+)"
_TELEMETRY = f"metrics and probes at {_URL}"
_START = 30.0
_DONE = "done"
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
        url = intake.wait_for(_URL, _START)
        print(f"Cloud Logging and Datadog intake, with a console: {url}", file=sys.stderr, flush=True)
        workload = Workload(root / "pods", SystemClock(), rate=options.rate, seed=options.seed)
        stack.callback(workload.close)
        api = PodsApi(workload.pods)
        config = root / "outrider.yaml"
        config.write_text(yaml.safe_dump(configuration(root, url, api.url), sort_keys=False))
        node = stack.enter_context(
            Child("outrider node", [*outrider, "node", "--config", str(config)], root / "node.log")
        )
        stack.enter_context(api)
        show = stack.enter_context(display(options.plain))
        demo = _Demo(workload, Arrivals(url, SERVICES), intake, node, show)
        stack.callback(demo.stop_writing)
        demo.write(options.seconds, stop)
        if options.svg:
            options.svg.write_text(svg(demo.view()), encoding="utf-8")
        demo.settle()
        return demo.finish()


def configuration(root: Path, intake: str, kubelet: str) -> dict[str, Any]:
    """What `outrider node` is started with: its configuration file as plain data."""
    return {
        "cluster": {"project": "demo", "name": "laptop", "location": "local", "node": "demo-node"},
        "state": str(root / "state"),
        "kube": {"source": "kubelet", "url": kubelet},
        "logs": {"pods": str(root / "pods")},
        "exporters": {
            "google": {"kind": "stackdriver", "credentials": "none", "logs_endpoint": intake},
            "datadog": {"kind": "datadog", "api_key": "any", "logs_endpoint": intake},
        },
        "routes": [{"to": list(VENDORS)}],
        "telemetry": {"listen": "127.0.0.1:0"},
    }


class _Demo:
    """The running parts and the phases they go through."""

    def __init__(self, workload: Workload, arrivals: Arrivals, intake: Child, node: Child, show: Show) -> None:
        self._workload, self._arrivals = workload, arrivals
        self._intake, self._node, self._show = intake, node, show
        self._began = self._ended = time.monotonic()
        self._usage = (0, 0.0)
        self._no_more = threading.Event()
        self._failed: BaseException | None = None
        self._writer = threading.Thread(target=self._print, name="pods", daemon=True)

    def write(self, seconds: float | None, stop: threading.Event) -> None:
        """Let the pods print and show what arrives, for `seconds` or until `stop` is set."""
        self._began = time.monotonic()
        self._writer.start()
        end = math.inf if seconds is None else self._began + seconds
        while (left := end - time.monotonic()) > 0 and not stop.wait(min(_LOOK, left)):
            self._look()
        self.stop_writing()
        self._look("the pods are still")

    def stop_writing(self) -> None:
        """The pods print no more; the counts are exact from here on."""
        if not self._no_more.is_set():
            self._no_more.set()
            if self._writer.ident:
                self._writer.join()
            self._ended = time.monotonic()

    def settle(self) -> None:
        """Wait for what is still on the way, but not for ever."""
        began = progressed = time.monotonic()
        before = self._arrivals.total
        while any(row.missing for row in self._rows()):
            now = time.monotonic()
            if self._arrivals.total != before:
                before, progressed = self._arrivals.total, now
            if now - progressed > _IDLE or now - began > _PATIENCE:
                return
            time.sleep(_LOOK)
            self._look("the pods are still; the rest is on its way")

    def finish(self) -> Summary:
        """Ask the node for its ledger, end it, then add up."""
        ledger = self._ledger()
        code = self._node.end()
        self._look(_DONE)
        if code:
            print(f"outrider node ended with code {code}:\n{self._node.last_words()}", file=sys.stderr)
        return Summary(
            rows=self._rows(),
            seconds=self._ended - self._began,
            repeats=self._arrivals.repeats,
            rejected=self._arrivals.rejected,
            events=self._workload.events(),
            lag_p50=self._arrivals.lag(0.5),
            lag_p99=self._arrivals.lag(0.99),
            ledger=ledger,
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
            node_memory=self._usage[0],
            node_cpu=self._usage[1],
            note=note,
        )

    def _rows(self) -> list[Row]:
        return balance.rows(self._workload.counts(), self._workload.traces, self._arrivals.received)

    def _ledger(self) -> dict[str, Any]:
        page = self._node.wait_for(_TELEMETRY, _START) + "/ledger"
        try:
            answer = urllib3.request("GET", page, timeout=10.0, retries=False)
            ledger: dict[str, Any] = orjson.loads(answer.data)
        except (urllib3.exceptions.HTTPError, ValueError) as e:
            raise DemoError(f"the node's ledger is not to be had: {e}") from e
        return ledger

    def _look(self, note: str = "") -> None:
        """See that all parts are alive, ask the intake, and show it."""
        self._intake.check()
        if note != _DONE:
            self._node.check()
            self._usage = self._node.usage()
        if self._failed:
            raise DemoError(f"the pods cannot write: {self._failed}") from self._failed
        self._arrivals.poll(time.monotonic())
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
