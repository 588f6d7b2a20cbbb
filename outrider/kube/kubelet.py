"""Pods from the kubelet of this node: `GET /pods`, a whole list at every look.

The kubelet knows its pods before anybody can log in them, its answer costs the API server nothing, and it needs one
narrow right (`nodes/pods`, or `nodes/proxy` on clusters without fine-grained kubelet authorization). It offers no
watch, so the list is read every half minute, and at once, but at most once a second, while somebody waits for a pod
that is not known yet. After a failure neither clock nor impatience shortens the back-off.
"""

import threading

from outrider.kube.client import KubeClient, KubeError
from outrider.kube.source import Backoff, Pulse, Sink
from outrider.kube.wire import read_list
from outrider.model.clock import Clock
from outrider.model.counters import Counters


class KubeletSource:
    """Polls one kubelet. Times are in seconds; `retry` is the first back-off after a failure. The answer always is of
    whole pods; more than their metadata is kept only if `details` are wanted."""

    def __init__(
        self,
        client: KubeClient,
        clock: Clock,
        counters: Counters,
        *,
        every: float = 30.0,
        gap: float = 1.0,
        retry: float = 1.0,
        details: bool = False,
    ) -> None:
        self._client, self._clock, self._details = client, clock, details
        self._every, self._gap = every, gap
        self._backoff = Backoff(retry)
        self._pulse = Pulse(f"kubelet {client.url}", 3 * every + 30, clock, counters)
        self._lists = counters.counter("outrider_kube_lists_total", "Whole lists that were read.")
        self._wake = threading.Event()
        self._stopping = threading.Event()

    def run(self, sink: Sink) -> None:
        while not self._stopping.is_set():
            try:
                self._look(sink)
            except KubeError as error:
                if not self._stopping.is_set():
                    self._pulse.trouble(error)
                    self._clock.wait(self._stopping, self._backoff.after(error))
                continue
            self._backoff.reset()
            self._clock.wait(self._stopping, self._gap)
            self._idle(sink)

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()
        self._client.close()

    def wake(self) -> None:
        self._wake.set()

    def health(self, now: float) -> str | None:
        return self._pulse.health(now)

    def _look(self, sink: Sink) -> None:
        self._wake.clear()
        body = self._client.get("/pods", {}, "application/json")
        try:
            page = read_list(body, self._details)
        except ValueError as e:
            raise KubeError("garbage", f"GET {self._client.url}/pods: {e}") from e
        self._pulse.beat()
        self._pulse.garbage(page.bad)
        self._pulse.partial(page.partial)
        self._lists.add()
        sink.replace(page.pods)

    def _idle(self, sink: Sink) -> None:
        """Wait for the next regular look, or only until somebody waits for a pod (the gap is already behind us)."""
        if not sink.pressing():
            self._clock.wait(self._wake, self._every - self._gap)
