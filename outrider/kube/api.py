"""Pods of this node from the API server, by a list and a watch (`listwatch.py`).

Both are limited to the node (`fieldSelector=spec.nodeName=…`) and ask for metadata only
(`as=PartialObjectMetadataList`), unless somebody needs a pod's details: then whole objects come, many times the bytes,
and an event for every change of a status.
"""

from outrider.kube.client import KubeClient
from outrider.kube.listwatch import PACE, Line, ListWatch, Pace, Page, What
from outrider.kube.source import Pulse, Sink
from outrider.kube.wire import read_change, read_list
from outrider.model.clock import Clock
from outrider.model.counters import Counters
from outrider.model.pod import Pod

PATH = "/api/v1/pods"
ACCEPT_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
ACCEPT_WATCH = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"


class ApiSource:
    """Lists and watches the pods of `node`, whole objects if `details` are wanted."""

    def __init__(
        self,
        client: KubeClient,
        node: str,
        clock: Clock,
        counters: Counters,
        *,
        pace: Pace = PACE,
        details: bool = False,
    ) -> None:
        self._pulse = Pulse(f"API server {client.url}", pace.silence, clock, counters)
        self._reader = _Pods(self._pulse, details)
        selector = {"fieldSelector": f"spec.nodeName={node}"}
        what = What(PATH, selector) if details else What(PATH, selector, ACCEPT_LIST, ACCEPT_WATCH)
        self._listwatch = ListWatch(client, what, self._reader, self._pulse, pace, clock, counters)

    def run(self, sink: Sink) -> None:
        self._reader.sink = sink
        self._listwatch.run()

    def stop(self) -> None:
        self._listwatch.stop()

    def wake(self) -> None:
        """Nothing to do: a watch tells of a new pod by itself, and a back-off is not to be shortened."""

    def health(self, now: float) -> str | None:
        return self._pulse.health(now)


class _Pods:
    """From lists and watches to the pods of a sink."""

    def __init__(self, pulse: Pulse, details: bool) -> None:
        self.sink: Sink  # from `run` on
        self._pulse, self._details = pulse, details
        self._pods: list[Pod] = []

    def page(self, body: bytes, first: bool) -> Page:
        page = read_list(body, self._details)
        self._pulse.garbage(page.bad)
        self._pulse.partial(page.partial)
        self._pods = page.pods if first else self._pods + page.pods
        return Page(page.resource_version, page.next)

    def listed(self, resource_version: str) -> None:
        del resource_version
        pods, self._pods = self._pods, []
        self.sink.replace(pods)

    def line(self, line: bytes) -> Line:
        change = read_change(line, self._details)
        if change.pod is not None:
            self._pulse.partial(change.partial)
            if change.type == "DELETED":
                self.sink.remove(change.pod.uid)
            else:
                self.sink.put(change.pod)
        return Line(change.type, change.resource_version, change.code, change.message)
