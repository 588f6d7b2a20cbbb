"""The demo's load: a small node full of programs that print, crash, finish and are started again.

`advance` is called often and does what has become due since: it prints lines at the wanted rate, each from a program
drawn by weight; sends kubelet on its round of rotations every second; lets a job pod be born, finish and be removed;
lets the Go service panic and restart. A record that is written in several pieces (parts of a long line, lines of a
trace) is sometimes interleaved with the other stream, and is rotated in the middle when its file is due, because that
happens on real nodes and must not cost a byte. Everything is drawn from one seed.

Nothing runs by itself; the caller brings the thread and the clock.
"""

import random
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from outrider.demo import lines
from outrider.demo.balance import Events
from outrider.demo.kubelet import ContainerLog, Counts, Kubelet, PodLog, cut
from outrider.demo.pods_api import DemoPod
from outrider.model.clock import Clock

ROUND = 1.0
"""Seconds between kubelet's looks at the sizes (10 on a real node; here rotations are to be seen)."""
JOB_FIRST, JOB_EVERY, JOB_LIFE, JOB_REMOVED = 1.0, 10.0, 3.0, 3.0
"""Seconds until the first job pod, between two, of its life, and from its end to the removal of its directory."""
PANIC_FIRST, PANIC_EVERY = 2.5, 15.0
"""Seconds until the Go service panics first, and between two panics."""
_FILES = 10
_NAMES = "bcdfghjklmnpqrstvwxz2456789"  # the signs Kubernetes makes random names of


@dataclass(frozen=True, slots=True)
class App:
    """A workload of the demo; `kind` is its pod's owner (Static: none), `weight` its share of the lines."""

    namespace: str
    name: str
    container: str
    kind: str
    weight: float
    printer: lines.Printer
    replicas: int = 1
    labels: dict[str, str] = field(default_factory=dict)


APPS = (
    App("shop", "web", "nginx", "ReplicaSet", 5, lines.web, 2, {"tier": "front", "app.kubernetes.io/name": "web"}),
    App("shop", "cart-api", "api", "ReplicaSet", 3, lines.cart, labels={"app.kubernetes.io/version": "4.2.1"}),
    App("payments", "gateway", "gateway", "ReplicaSet", 3, lines.gateway, labels={"team": "payments"}),
    App("payments", "ledger", "ledger", "StatefulSet", 4, lines.ledger, labels={"team": "payments"}),
    App("payments", "fraud", "worker", "ReplicaSet", 2, lines.fraud, labels={"team": "risk"}),
    App("kube-system", "kube-proxy", "kube-proxy", "Static", 1, lines.kube_proxy, labels={"tier": "node"}),
)
JOB = App("batch", "report", "report", "Job", 3, lines.report, labels={"schedule": "minutely"})
SERVICES = {app.name: app.namespace for app in (*APPS, JOB)}
"""The namespace of each service, which is how Datadog calls an app."""


@dataclass(slots=True)
class _Running:
    app: App
    pod: DemoPod
    log: PodLog
    ends: float | None = None

    @property
    def container(self) -> ContainerLog:
        return self.log.container(self.pod.container)


class Workload:
    """Writes the tree under `root`: about `rate` physical lines a second, drawn from `seed`."""

    def __init__(
        self, root: Path, clock: Clock, *, rate: float = 400.0, seed: int = 1, node: str = "demo-node"
    ) -> None:
        self.kubelet = Kubelet(root, clock, max_size=max(128 * 1024, int(rate * 320)), max_files=_FILES)
        self.traces: Counter[str] = Counter()
        """Per namespace: lines of traces that belong to an earlier line's entry."""
        self.born = self.died = self.restarts = 0
        self._clock, self._rate, self._node = clock, rate, node
        self._rng = random.Random(seed)
        self._running: list[_Running] = []
        self._dead: list[_Running] = []
        self._weights: list[float] = []
        self._budget = 0.0
        for app in APPS:
            for n in range(app.replicas):
                self._start(app, n)
        self._last = clock.monotonic()
        self._due: dict[Callable[[], None], float] = {
            self._round: self._last + ROUND,
            self._job_born: self._last + JOB_FIRST,
            self._panic: self._last + PANIC_FIRST,
        }

    def advance(self) -> None:
        """Do everything that has become due; after a long pause at most a second's worth of lines is made up for."""
        now = self._clock.monotonic()
        self._budget += self._rate * min(now - self._last, 1.0)
        self._last = now
        for action, when in list(self._due.items()):
            if now >= when:
                action()
        for ended in [r for r in self._running if r.ends is not None and now >= r.ends]:
            self._job_died(ended, now)
        for gone in [r for r in self._dead if r.ends is not None and now >= r.ends]:
            self._dead.remove(gone)
            gone.log.remove()
        while self._budget > 0:
            runner = self._rng.choices(self._running, self._weights)[0]
            self._budget -= self._print(runner, runner.app.printer(self._rng, self._clock.now()))

    def close(self) -> None:
        """Nothing more will be printed; the files stay."""
        self.kubelet.close()

    def counts(self) -> dict[str, Counts]:
        """What was written per namespace; exact once `advance` is no longer called."""
        return self.kubelet.counts()

    def events(self) -> Events:
        """What happened besides, since the beginning."""
        files = Counts()
        for counts in self.counts().values():
            files.add(counts)
        return Events(files.rotations, files.gzips, files.removed, self.born, self.died, self.restarts)

    def pods(self) -> list[dict[str, Any]]:
        """The v1 Pods of the node: every pod whose directory is there. May be called from another thread."""
        return list({r.pod.uid: r.pod.manifest(self._node) for r in [*self._running, *self._dead]}.values())

    def _print(self, runner: _Running, item: lines.Item) -> int:
        """Write one item; returns how many physical lines it took."""
        log = runner.container
        before = log.counts.lines
        self.traces[runner.app.namespace] += item.joined
        pieces = [(stream, *p) for stream, text in item.lines for p in _pieces(text)]
        for n, (stream, content, final) in enumerate(pieces):
            if n and log.due():
                log.rotate()
            log.write_piece(content, stream, final=final)
            if not final and self._rng.random() < 0.1:
                other = "stderr" if stream == "stdout" else "stdout"
                log.write("a line of the other stream, between two parts", other)
        return log.counts.lines - before

    def _start(self, app: App, n: int = 0) -> _Running:
        now = self._clock.now()
        name, owner, labels = self._identity(app, n, now)
        bits = self._rng.getrandbits(128)
        uid = f"{bits:032x}" if owner is None else str(uuid.UUID(int=bits, version=4))
        notes = {"kubernetes.io/config.hash": uid, "kubernetes.io/config.source": "file"} if owner is None else {}
        pod = DemoPod(app.namespace, name, uid, app.container, labels, owner, now, annotations=notes)
        runner = _Running(app, pod, self.kubelet.start_pod(app.namespace, name, uid))
        self._running.append(runner)
        self._weights = [r.app.weight for r in self._running]
        runner.log.container(app.container)  # the runtime creates the empty file before the first line
        return runner

    def _identity(self, app: App, n: int, now: float) -> tuple[str, tuple[str, str] | None, dict[str, str]]:
        """Name, owner and labels as the controllers of Kubernetes give them."""
        labels = {"app": app.name, **app.labels}
        if app.kind == "Static":
            return f"{app.name}-{self._node}", None, labels
        if app.kind == "StatefulSet":
            name = f"{app.name}-{n}"
            return name, (app.kind, app.name), {**labels, "statefulset.kubernetes.io/pod-name": name}
        if app.kind == "Job":
            owner = f"{app.name}-{int(now / 60):08d}"  # a CronJob's jobs carry the minute they were due
            return f"{owner}-{self._random_name(5)}", (app.kind, owner), {**labels, "job-name": owner}
        template = random.Random(f"{app.namespace}/{app.name}")  # replicas share their template's hash
        template_hash = "".join(template.choices(_NAMES, k=9))
        owner = f"{app.name}-{template_hash}"
        return f"{owner}-{self._random_name(5)}", (app.kind, owner), {**labels, "pod-template-hash": template_hash}

    def _random_name(self, length: int) -> str:
        return "".join(self._rng.choices(_NAMES, k=length))

    # -- what happens now and then ----------------------------------------------------------------------------------

    def _round(self) -> None:
        self._due[self._round] = self._clock.monotonic() + ROUND
        self.kubelet.rotate_due()

    def _job_born(self) -> None:
        now = self._clock.monotonic()
        self._due[self._job_born] = now + JOB_EVERY
        self._start(JOB).ends = now + JOB_LIFE
        self.born += 1

    def _job_died(self, runner: _Running, now: float) -> None:
        self._dead.append(runner)  # listed in both for a moment rather than in neither: `pods` may be asked meanwhile
        self._running.remove(runner)
        self._weights = [r.app.weight for r in self._running]
        runner.pod.phase = "Succeeded"
        runner.log.close()
        runner.ends = now + JOB_REMOVED
        self.died += 1

    def _panic(self) -> None:
        self._due[self._panic] = self._clock.monotonic() + PANIC_EVERY
        runner = next(r for r in self._running if r.app.name == "gateway")
        self._print(runner, lines.panic(self._rng, self._clock.now()))
        runner.container.restart()
        runner.pod.restarts += 1
        self.restarts += 1


def _pieces(text: str) -> list[tuple[bytes, bool]]:
    pieces = cut(text.encode())
    return [(piece, n == len(pieces) - 1) for n, piece in enumerate(pieces)]
