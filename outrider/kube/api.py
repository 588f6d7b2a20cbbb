"""Pods of this node from the API server: one list, then a watch that is taken up again where it ended.

The list is limited to the node (`fieldSelector=spec.nodeName=…`), paginated, and asks for metadata only
(`as=PartialObjectMetadataList`), unless somebody needs a pod's details: then whole objects come, many times the bytes,
and an event for every change of a status. The watch starts at the list's resource version, asks for bookmarks, and is
given a jittered end (`timeoutSeconds`), so that the watches of a thousand nodes do not all come back at once.

What can happen to a watch, and what follows (https://kubernetes.io/docs/reference/using-api/api-concepts/):

- the server ends it: the next one starts at the last resource version that was seen;
- 410, as a status or as an ERROR event: the version is too old, a new list is made, this time of the newest state;
- nothing comes at all, not even the bookmark that is due every minute: the read timeout, a little above the watch's
  own end, breaks it off (the far end of a half-open connection never will);
- a line that cannot be read: skipped and counted; as it may have been an event, a new list follows the watch;
- 401, 403, 429, 5xx, a lost connection: a back-off, then on from the last version.
"""

import contextlib
import random
import threading

from outrider.kube.client import KubeClient, KubeError
from outrider.kube.source import Backoff, Pulse, Sink
from outrider.kube.wire import Change, read_change, read_list
from outrider.model.clock import Clock
from outrider.model.counters import Counters
from outrider.model.pod import Pod

PATH = "/api/v1/pods"
PAGE = 500
ACCEPT_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
ACCEPT_WATCH = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
ACCEPT_WHOLE = "application/json"


class ApiSource:
    """Lists and watches the pods of `node`, whole objects if `details` are wanted. Times are in seconds.

    A watch ends by itself after `watch` seconds at most and is broken off `grace` seconds later; `gap` is the least
    time between two watches; `retry` is the first back-off after a failure.
    """

    def __init__(
        self,
        client: KubeClient,
        node: str,
        clock: Clock,
        counters: Counters,
        *,
        watch: float = 295.0,
        grace: float = 10.0,
        gap: float = 1.0,
        retry: float = 1.0,
        details: bool = False,
    ) -> None:
        self._client, self._clock, self._details = client, clock, details
        self._selector = {"fieldSelector": f"spec.nodeName={node}"}
        self._watch_seconds, self._grace, self._gap = watch, grace, gap
        self._backoff = Backoff(retry)
        self._pulse = Pulse(f"API server {client.url}", watch + 3 * grace, clock, counters)
        self._lists = counters.counter("outrider_kube_lists_total", "Whole pod lists that were read.")
        self._watches = counters.counter("outrider_kube_watches_total", "Watches that were begun.")
        self._stopping = threading.Event()
        self._version = ""
        # Is a list due, and must it be of the newest state, not from a cache that may be as old as the refused version?
        self._relist, self._newest = True, False

    def run(self, sink: Sink) -> None:
        while not self._stopping.is_set():
            try:
                if self._relist:
                    self._list(sink)
                self._watch(sink)
                self._backoff.reset()
                pause = self._gap * random.uniform(0.5, 1.0)
            except KubeError as error:
                if self._stopping.is_set():
                    return
                pause = self._failed(error)
            self._clock.wait(self._stopping, pause)

    def stop(self) -> None:
        self._stopping.set()
        self._client.close()

    def wake(self) -> None:
        """Nothing to do: a watch tells of a new pod by itself, and a back-off is not to be shortened."""

    def health(self, now: float) -> str | None:
        return self._pulse.health(now)

    def _failed(self, error: KubeError) -> float:
        self._pulse.trouble(error)
        if error.kind == "gone":
            self._relist, self._newest = True, True
        return self._backoff.after(error)

    def _list(self, sink: Sink) -> None:
        """Read all pages and hand the pods over as the whole truth."""
        pods: list[Pod] = []
        params = {**self._selector, "limit": str(PAGE)}
        if not self._newest:
            params["resourceVersion"] = "0"  # from the API server's cache: cheap, and the watch catches up
        while True:
            body = self._client.get(PATH, params, ACCEPT_WHOLE if self._details else ACCEPT_LIST)
            try:
                page = read_list(body, self._details)
            except ValueError as e:
                raise KubeError("garbage", f"GET {self._client.url}{PATH}: {e}") from e
            self._pulse.beat()
            self._pulse.garbage(page.bad)
            self._pulse.partial(page.partial)
            pods += page.pods
            if not page.next:
                break
            params = {**self._selector, "limit": str(PAGE), "continue": page.next}
        self._version, self._relist, self._newest = page.resource_version, False, False
        self._lists.add()
        sink.replace(pods)

    def _watch(self, sink: Sink) -> None:
        """Follow one watch to its end. Raises KubeError if it failed, or was ended by an ERROR event."""
        seconds = max(1, round(self._watch_seconds * random.uniform(0.8, 1.0)))
        params = {
            **self._selector,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(seconds),
        }
        self._watches.add()
        accept = ACCEPT_WHOLE if self._details else ACCEPT_WATCH
        lines = self._client.lines(PATH, params, accept, silence=seconds + self._grace)
        with contextlib.closing(lines):
            for line in lines:
                try:
                    change = read_change(line, self._details)
                except ValueError:
                    self._pulse.garbage()
                    self._relist = True
                    continue
                self._take(change, sink)

    def _take(self, change: Change, sink: Sink) -> None:
        if change.type == "ERROR":
            kind = "gone" if change.code == 410 else "server"
            raise KubeError(kind, f"the watch of {self._client.url}{PATH} ended: {change.code} {change.message}")
        self._pulse.beat()
        self._backoff.reset()
        self._version = change.resource_version or self._version
        if change.pod is None:
            return
        self._pulse.partial(change.partial)
        if change.type == "DELETED":
            sink.remove(change.pod.uid)
        else:
            sink.put(change.pod)
