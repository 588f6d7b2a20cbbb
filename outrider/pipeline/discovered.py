"""Checks that pods ask for by annotation: begun when a pod is ready, ended when it goes, and never in each other's way.

One thread looks at the pods whenever one has changed, and once a second. It knows what each of them asks for
(`outrider.discovery`), and gives whatever is due to a pool of threads:

    pods  ->  targets, each due every so many seconds  ->  lanes  ->  pool  ->  report -> the pod's route

What keeps one target from the others: a run has its own thread; a pod has no more than a few at a time, and all pods
of a namespace no more than half of them; targets that were slow or did not answer share a part of the threads only, so
that for the others there always are some; and a run that is not back long after its timeout is written off, with its
thread, until it comes back.

A pod that has begun to be checked goes on to be when it is not ready any more: that is when its numbers are wanted.
What is wrong with an annotation is told to the pod's owner, once, in the pod's own log (`notes.py`), and counted.
"""

import logging
import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from outrider.discovery.targets import MAX_FAULTS, container_of, find
from outrider.discovery.wish import Fault, Target
from outrider.model.clock import Clock
from outrider.model.counters import Counters, Family, Sample
from outrider.model.pod import Container, Pod
from outrider.model.points import Report
from outrider.model.stream import Stream
from outrider.pipeline.pool import Pool
from outrider.pipeline.target_runs import TargetRuns

log = logging.getLogger(__name__)

LOOK = 1.0
"""Seconds between two looks at the pods, if nobody says that one has changed."""
MAX_TARGETS, MAX_OF_A_NAMESPACE = 300, 200
"""Checks of pods on one node, and of pods of one namespace there."""
AT_ONCE, OF_A_NAMESPACE, OF_A_POD = 24, 12, 2
"""Runs under way at a time: of all targets, of one namespace and of one pod. As many again may be written off."""
SLOW_AT_ONCE, SLOW_OF_A_NAMESPACE = 16, 8
"""Those among them that were slow, of all targets and of one namespace."""
FIRST_WITHIN = 1.0
"""Seconds within which a new target has its first run; they are spread over it."""
LAST_RUN = 1.0
"""Seconds that runs under way get when the program ends."""
REMEMBERED = 5 * MAX_FAULTS
"""Faults of a pod that are not told again. Whoever goes on changing an annotation gets to read the oldest anew."""

HandOn = Callable[[Stream, Pod, Report], None]
"""Takes what was found in a container: (who, the pod, the report)."""
Tell = Callable[[Stream, Pod, str, str], None]
"""Takes what the owner of a pod has to know: (whose log, the pod, the annotation, the words)."""


class Present(Protocol):
    """The pods of this node (`outrider.kube.pods.Pods`)."""

    def present(self) -> list[Pod]: ...

    def get(self, uid: str) -> Pod | None: ...

    def health(self, now: float) -> str | None: ...


@dataclass(slots=True, eq=False)
class _Asking:
    """One pod that asks."""

    pod: Pod
    crowded_out: bool = False
    faults: tuple[Fault, ...] = ()
    targets: list[TargetRuns] = field(default_factory=list)


class Discovered:
    """The checks of the pods of a node. Made, started and ended once."""

    def __init__(
        self, pods: Present, node: str, every: float, hand_on: HandOn, tell: Tell, clock: Clock, counters: Counters
    ) -> None:
        self._pods, self._node, self._every = pods, node, every
        self._hand_on, self._tell, self._clock, self._counters = hand_on, tell, clock, counters
        self._asking: dict[str, _Asking] = {}
        self._leaving: list[TargetRuns] = []  # not wanted any more, with a run that is not back
        self._begun: set[str] = set()  # the pods that were ready once
        self._told: dict[str, dict[Fault, None]] = {}  # by pod, the oldest first
        self._lock = threading.Lock()
        self._wake, self._stop = threading.Event(), threading.Event()
        self._pool = Pool("outrider-pod-check", 2 * AT_ONCE)
        self._thread = threading.Thread(target=self._run, name="outrider-discovery", daemon=True)
        counters.gauge(
            "outrider_pod_checks", "Checks that pods ask for by annotation and that are run.", lambda: len(self._all())
        )
        counters.collect(self._families)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """A pod has changed. From any thread."""
        self._wake.set()

    def stop(self) -> None:
        """Begin no run any more, and wait a moment for those that are under way."""
        self._stop.set()
        self._wake.set()
        self._thread.join(LAST_RUN)
        deadline = self._clock.monotonic() + LAST_RUN
        patience = threading.Event()
        while any(one.active for one in self._all()) and self._clock.monotonic() < deadline:
            self._clock.wait(patience, 0.02)
        for one in self._all():
            if one.end():
                self._pool.run(one.close)
        self._pool.end()

    def inherit(self, before: "Discovered") -> None:
        """What `before` has told need not be said again, and what it has begun goes on."""
        self._told |= before._told
        self._begun |= before._begun

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            pause = LOOK
            try:
                self._look()
                pause = self._turn()
            except Exception:
                self._failed("the discovery of checks")
            self._clock.wait(self._wake, pause)

    def _look(self) -> None:
        """Take notice of every pod that has come, changed or gone."""
        present = {pod.uid: pod for pod in self._pods.present()}
        if present:  # else the list has not come yet
            self._forget()
        if self._pods.health(self._clock.monotonic()) is not None:
            present = {}  # addresses may be other pods' by now
        for uid in self._asking.keys() - {uid for uid, pod in present.items() if pod.endpoint is not None}:
            self._end(self._asking.pop(uid), ())
        for uid, pod in present.items():
            asking = self._asking.get(uid)
            news = asking is None or asking.pod is not pod or (asking.crowded_out and self._room(pod.namespace) > 0)
            if pod.endpoint is not None and news:
                asking = self._asking.setdefault(uid, _Asking(pod))
                asking.pod = pod
                try:
                    self._adapt(asking)
                except Exception:
                    self._failed(f"the checks of {pod.namespace}/{pod.name}")

    def _forget(self) -> None:
        """Those pods that nothing is known of any more. What a restart of the kubelet leaves out of its list for a
        moment is remembered for longer.
        """
        with self._lock:
            for uid in [uid for uid in self._told if self._pods.get(uid) is None]:
                del self._told[uid]
        self._begun -= {uid for uid in self._begun if self._pods.get(uid) is None}

    def _failed(self, what: str) -> None:
        log.exception("unexpected failure of %s; it goes on", what)
        self._counters.counter("outrider_discovery_errors_total", "Unexpected failures of discovery.").add()

    def _adapt(self, asking: _Asking) -> None:
        """Have those targets run that the pod asks for as it is now."""
        pod, endpoint = asking.pod, asking.pod.endpoint
        if endpoint is None or endpoint.over or not endpoint.ip:
            self._end(asking, ())
            asking.faults = ()
            return
        found = find(pod)
        if endpoint.ready:
            self._begun.add(pod.uid)
        wanted = found.targets if pod.uid in self._begun else ()
        self._end(asking, wanted)
        known = [one.target for one in asking.targets]
        new = [target for target in wanted if target not in known]
        room = self._room(pod.namespace)
        full = f"this node runs {MAX_TARGETS} checks of pods already, or {MAX_OF_A_NAMESPACE} of this namespace"
        crowded_out = [Fault(one.key, f"{one.check}: {full}", one.container) for one in new[room:]]
        asking.crowded_out = bool(crowded_out)
        asking.targets += [self._runs(asking, target) for target in new[:room]]
        asking.faults = (*found.faults, *crowded_out)
        self._say(pod, asking.faults)

    def _room(self, namespace: str) -> int:
        """How many checks more there may be of pods of `namespace`."""
        of_it = [one for one in self._all() if one.namespace == namespace]
        return max(min(MAX_TARGETS - len(self._all()), MAX_OF_A_NAMESPACE - len(of_it)), 0)

    def _runs(self, asking: _Asking, target: Target) -> TargetRuns:
        pod = asking.pod
        log.info("%s/%s asks for the check %s (%s)", pod.namespace, pod.name, target.check, target.key)
        first = self._clock.monotonic() + random.uniform(0.0, min(FIRST_WITHIN, self._every))
        return TargetRuns(
            target,
            self._node,
            lambda: self._pods.get(pod.uid) or asking.pod,
            first,
            self._hand_on,
            lambda fault: self._say(asking.pod, [fault]),
            self._clock,
            self._counters,
        )

    def _end(self, asking: _Asking, wanted: Iterable[Target]) -> None:
        """End all targets but those `wanted`."""
        kept = list(wanted)
        for one in [one for one in asking.targets if one.target not in kept]:
            log.info("%s is over", one.name)
            asking.targets.remove(one)
            if one.end():
                self._pool.run(one.close)
            else:
                self._leaving.append(one)

    def _turn(self) -> float:
        """Start whatever is due and has room; seconds until something will be."""
        now = self._clock.monotonic()
        targets = sorted(self._all(), key=lambda one: one.due)
        self._leaving = [one for one in self._leaving if one.busy]
        taking_part = [*targets, *self._leaving]
        for one in taking_part:
            one.write_off_if_late(now)
        active = [one for one in taking_part if one.active]
        later = [now + LOOK, *(one.deadline for one in active)]
        for one in targets:
            if one.busy:
                continue
            if one.due > now:
                later.append(one.due)
                break  # the others come after
            if _has_room(one, active, [other for other in taking_part if other.busy]):
                one.begin(now)
                active.append(one)
                later.append(one.deadline)
                self._pool.run(lambda one=one: self._once(one))  # type: ignore[misc]
        return max(min(later) - now, 0.001)

    def _once(self, one: TargetRuns) -> None:
        try:
            one.once(self._every)
        finally:
            self._wake.set()

    # -- what is told -------------------------------------------------------------------------------------------------

    def _say(self, pod: Pod, faults: Iterable[Fault]) -> None:
        for fault in faults:
            with self._lock:
                told = self._told.setdefault(pod.uid, {})
                if fault in told:
                    continue
                told[fault] = None
                if len(told) > REMEMBERED:
                    del told[next(iter(told))]
            log.warning("%s/%s: annotation %s", pod.namespace, pod.name, fault)
            self._counters.counter(
                "outrider_pod_annotation_faults_total", "Faults of annotations that ask for checks, each told once."
            ).add()
            self._tell(stream_of(pod, fault.container), pod, fault.key, str(fault))

    def _all(self) -> list[TargetRuns]:
        return [one for asking in list(self._asking.values()) for one in asking.targets]

    def _families(self) -> list[Family]:
        faults: list[Sample] = []
        up: list[Sample] = []
        for asking in list(self._asking.values()):
            whose = ("namespace", asking.pod.namespace), ("pod", asking.pod.name)
            if asking.faults:
                faults.append((whose, len(asking.faults)))
            for one in [one for one in list(asking.targets) if one.up is not None]:
                check, container = ("check", one.target.check), ("container", one.target.container)
                up.append(((check, container, *whose, ("port", str(one.target.port))), float(bool(one.up))))
        return [
            Family("outrider_pod_annotation_faults", "gauge", "Faults of the annotations of a pod, now.", faults),
            Family("outrider_pod_check_up", "gauge", "Whether a check of a pod could read its server last time.", up),
        ]


def _has_room(one: TargetRuns, active: list[TargetRuns], busy: list[TargetRuns]) -> bool:
    """Whether a run may be started beside those `active`, and those that are written off and have not come back."""
    own = [other for other in active if other.namespace == one.namespace]
    slow, own_slow = sum(other.slow for other in active), sum(other.slow for other in own)
    return (
        len(active) < AT_ONCE
        and len(busy) < 2 * AT_ONCE
        and len(own) < OF_A_NAMESPACE
        and sum(other.namespace == one.namespace for other in busy) < 2 * OF_A_NAMESPACE
        and not (one.slow and (slow >= SLOW_AT_ONCE or own_slow >= SLOW_OF_A_NAMESPACE))
        and sum(other.uid == one.uid for other in active) < OF_A_POD
        and sum(other.uid == one.uid for other in busy) < 2 * OF_A_POD
    )


def stream_of(pod: Pod, container: str) -> Stream:
    """The log of what runs in this container now; if it is about the pod, of the one that stands for it."""
    if not container and pod.endpoint is not None:
        container = container_of(pod, pod.endpoint)
    restart = pod.containers.get(container, Container()).restart
    return Stream(pod.namespace, pod.name, pod.uid, container, max(restart, 0))
