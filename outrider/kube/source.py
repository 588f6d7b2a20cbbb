"""What a source of pods is, and the two small judgements every source makes: how long to wait, and whether it lives.

A **source** runs in one thread and tells a **sink** (the pod cache) what it learns. After a failure it waits by
`Backoff`. `Pulse` remembers the last sign of life: a source that has heard nothing for too long is unhealthy even if
nothing has failed, because a connection whose far end went away without a word fails at nothing
(kiwigrid/k8s-sidecar#621: eight hours silent, liveness probe green).
"""

import logging
import random
import threading
from collections.abc import Iterable
from typing import Protocol

from outrider.kube.client import KubeError
from outrider.model.clock import Clock
from outrider.model.counters import Counters
from outrider.model.pod import Pod

log = logging.getLogger(__name__)


class Sink(Protocol):
    """Where a source's findings go; called from the source's thread only."""

    def replace(self, pods: Iterable[Pod]) -> None:
        """These are all pods of the node now."""
        ...

    def put(self, pod: Pod) -> None:
        """This pod is new or has changed."""
        ...

    def remove(self, uid: str) -> None:
        """This pod is deleted."""
        ...

    def pressing(self) -> bool:
        """Does somebody wait for a pod that is not known yet?"""
        ...


class Source(Protocol):
    """A place that knows the pods of this node."""

    def run(self, sink: Sink) -> None:
        """Feed `sink` until `stop` is called; failures are counted, waited out and never raised."""
        ...

    def stop(self) -> None:
        """End `run` soon, also in the middle of a request; from any thread."""
        ...

    def wake(self) -> None:
        """Look again soon, within the source's own limits; from any thread, never blocks."""
        ...

    def health(self, now: float) -> str | None:
        """None if alive at `now` (monotonic seconds), else the reason in words."""
        ...


class NoSource:
    """`kube.source: none`: nothing is asked and nothing is known."""

    def run(self, sink: Sink) -> None:
        del sink

    def stop(self) -> None:
        pass

    def wake(self) -> None:
        pass

    def health(self, now: float) -> str | None:
        del now
        return None


class Backoff:
    """The wait after the n-th failure in a row: doubling, jittered down by up to half, capped.

    A refusal (403) does not go away within seconds and an API server that refuses a thousand nodes must not be asked
    by them every second (kiwigrid/k8s-sidecar#373), so its waits are five times as long. `Retry-After` is a minimum.
    """

    def __init__(self, base: float = 1.0, cap: float = 60.0) -> None:
        self._base, self._cap = base, cap
        self._failures = 0

    def reset(self) -> None:
        self._failures = 0

    def after(self, error: KubeError) -> float:
        """Seconds to wait after `error`."""
        slow = 5.0 if error.kind == "forbidden" else 1.0
        wait: float = min(self._base * 2 ** min(self._failures, 16), self._cap) * slow
        self._failures += 1
        return max(wait * random.uniform(0.5, 1.0), min(error.retry_after, 5 * self._cap))


class Pulse:
    """Signs of life and of trouble of one source; also what is counted and logged about them.

    `limit` is the number of seconds without a sign of life after which the source counts as dead.
    """

    def __init__(self, what: str, limit: float, clock: Clock, counters: Counters) -> None:
        self._what, self._limit, self._clock, self._counters = what, limit, clock, counters
        self._last = clock.monotonic()
        self._trouble: KubeError | None = None
        self._lock = threading.Lock()

    def beat(self) -> None:
        """The other side has just said something that makes sense."""
        with self._lock:
            self._last = self._clock.monotonic()
            trouble, self._trouble = self._trouble, None
        if trouble is not None:
            log.info("%s: answers again", self._what)

    def trouble(self, error: KubeError) -> None:
        """A request has failed: counted by kind, logged when the kind changes."""
        with self._lock:
            before, self._trouble = self._trouble, error
        if before is None or before.kind != error.kind:
            # A version that is forgotten is in the nature of a watch.
            log.log(logging.INFO if error.kind == "gone" else logging.WARNING, "%s: %s", self._what, error)
        self._counters.counter(
            "outrider_kube_errors_total",
            "Failed or broken-off requests to the kubelet or the API server.",
            kind=error.kind,
        ).add()

    def garbage(self, n: int = 1) -> None:
        """`n` items or lines could not be read and were left out."""
        if n:
            self._counters.counter(
                "outrider_kube_garbage_total", "Unreadable pods, events and watch lines that were skipped."
            ).add(n)

    def partial(self, n: int = 1) -> None:
        """`n` times a pod's details could not all be read; its metadata are used."""
        if n:
            self._counters.counter(
                "outrider_kube_partial_total", "Pods read without some details: spec or status was unreadable."
            ).add(n)

    def health(self, now: float) -> str | None:
        """None, or since when nothing has been heard and what the last failure was."""
        with self._lock:
            silent, trouble = now - self._last, self._trouble
        if silent <= self._limit:
            return None
        reason = str(trouble) if trouble is not None else "no answer, no event and no bookmark"
        return f"{self._what}: nothing heard for {silent:.0f} s ({reason})"
