"""A list, and then a watch that is taken up again where it ended: how the API server tells what there is and what
changes.

The list is paginated. The watch starts at the list's resource version, asks for bookmarks, and is given a jittered end
(`timeoutSeconds`), so that the watches of a thousand nodes do not all come back at once.

What can happen to a watch, and what follows (https://kubernetes.io/docs/reference/using-api/api-concepts/):

- the server ends it: the next one starts at the last resource version that was seen;
- it has lasted its time without a word, not even a bookmark: a new list is made, since the version will soon be
  forgotten, or is of a past that this cluster has never had;
- 410, as a status or as an ERROR event: the version is too old, a new list is made, this time of the newest state;
- nothing comes at all, not even the bookmark that is due every minute: the read timeout, a little above the watch's
  own end, breaks it off (the far end of a half-open connection never will);
- a line that cannot be read: skipped and counted; as it may have been an event, a new list follows the watch;
- 401, 403, 429, 5xx, a lost connection: a back-off, then on from the last version.
"""

import contextlib
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from outrider.kube.client import KubeClient, KubeError
from outrider.kube.source import Backoff, Pulse
from outrider.model.clock import Clock
from outrider.model.counters import Counters

PAGE = 500


class Page(NamedTuple):
    """What a page of a list says of the list. `next` is the token of the next page, "" on the last."""

    resource_version: str
    next: str


class Line(NamedTuple):
    """What a line of a watch says of the watch: its `type`, the version that the watch is at, and of an ERROR the code
    and the words of its status.
    """

    type: str
    resource_version: str = ""
    code: int = 0
    message: str = ""


class Reader(Protocol):
    """Understands what is listed and watched; called by one thread."""

    def page(self, body: bytes, first: bool) -> Page:
        """A page of a list, the `first` of a new one or a later one. Raises ValueError if it is none."""
        ...

    def listed(self, resource_version: str) -> None:
        """That was the last page: the list, made at `resource_version`, is whole."""
        ...

    def line(self, line: bytes) -> Line:
        """A line of the watch. Raises ValueError if it is none."""
        ...


@dataclass(frozen=True, slots=True)
class What:
    """What is listed and watched, and in which form."""

    path: str
    params: Mapping[str, str]
    accept_list: str = "application/json"
    accept_watch: str = "application/json"


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. A watch ends by itself after `watch` at most and is broken off `grace` later; `gap` is the least time
    between two watches; `retry` is the first back-off after a failure.
    """

    watch: float = 295.0
    grace: float = 10.0
    gap: float = 1.0
    retry: float = 1.0

    @property
    def silence(self) -> float:
        """For so long nothing at all may be heard."""
        return self.watch + 3 * self.grace


PACE = Pace()


class ListWatch:
    """Lists and watches until `stop`. `version`: begin with a watch from there, if there is one."""

    def __init__(
        self,
        client: KubeClient,
        what: What,
        reader: Reader,
        pulse: Pulse,
        pace: Pace,
        clock: Clock,
        counters: Counters,
        version: str = "",
    ) -> None:
        self._client, self._what, self._reader, self._pulse = client, what, reader, pulse
        self._pace, self._clock, self._backoff = pace, clock, Backoff(pace.retry)
        self._lists = counters.counter("outrider_kube_lists_total", "Whole lists that were read.")
        self._watches = counters.counter("outrider_kube_watches_total", "Watches that were begun.")
        self._stopping = threading.Event()
        self._version = version
        # Is a list due, and must it be of the newest state, not from a cache that may be as old as the refused version?
        self._relist, self._newest = not version, False

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                if self._relist:
                    self._list()
                self._watch()
                self._backoff.reset()
                pause = self._pace.gap * random.uniform(0.5, 1.0)
            except KubeError as error:
                if self._stopping.is_set():
                    return
                pause = self._failed(error)
            self._clock.wait(self._stopping, pause)

    def stop(self) -> None:
        """End `run` soon, also in the middle of a request; from any thread."""
        self._stopping.set()
        self._client.close()

    def _failed(self, error: KubeError) -> float:
        self._pulse.trouble(error)
        if error.kind == "gone":
            self._relist, self._newest = True, True
        return self._backoff.after(error)

    def _list(self) -> None:
        """Read all pages."""
        path, limit = self._what.path, {**self._what.params, "limit": str(PAGE)}
        params = dict(limit)
        if not self._newest:
            params["resourceVersion"] = "0"  # from the API server's cache: cheap, and the watch catches up
        first = True
        while True:
            body = self._client.get(path, params, self._what.accept_list)
            try:
                page = self._reader.page(body, first)
            except ValueError as e:
                raise KubeError("garbage", f"GET {self._client.url}{path}: {e}") from e
            self._pulse.beat()
            if not page.next or self._stopping.is_set():
                break
            params, first = {**limit, "continue": page.next}, False
        if self._stopping.is_set():
            return
        self._version, self._relist, self._newest = page.resource_version, False, False
        self._lists.add()
        self._reader.listed(page.resource_version)

    def _watch(self) -> None:
        """Follow one watch to its end. Raises KubeError if it failed, or was ended by an ERROR event."""
        seconds = max(1, round(self._pace.watch * random.uniform(0.8, 1.0)))
        path = self._what.path
        params = {
            **self._what.params,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(seconds),
        }
        self._watches.add()
        lines = self._client.lines(path, params, self._what.accept_watch, silence=seconds + self._pace.grace)
        silent, began = True, self._clock.monotonic()
        with contextlib.closing(lines):
            for line in lines:
                silent = False
                try:
                    said = self._reader.line(line)
                except ValueError:
                    self._pulse.garbage()
                    self._relist = True
                    continue
                if said.type == "ERROR":
                    kind = "gone" if said.code == 410 else "server"
                    where = f"the watch of {self._client.url}{path}"
                    raise KubeError(kind, f"{where} ended: {said.code} {said.message}")
                self._pulse.beat()
                self._backoff.reset()
                self._version = said.resource_version or self._version
        self._pulse.beat()  # it has ended as it was asked to
        if silent and self._clock.monotonic() - began > 0.9 * seconds:
            self._relist, self._newest = True, True
