"""The events of the whole cluster, from where they were told to last: a list and a watch (`listwatch.py`) that go on
where somebody else has ended.

Resource versions of one resource grow, and may be compared as numbers (Kubernetes promises it since 1.35, and etcd has
always had it so). So a `mark` says all there is to say: every event up to this version was told. With a mark the watch
begins there, and nothing is listed. Without one, or when the API server has forgotten it (410, usually after five
minutes), the list tells what there is, and what is newer than the mark is handed on; events are in there for an hour.
API servers keep no cache of events, and so send no bookmarks: in a quiet cluster a list every five minutes is usual.

A list comes in the order of names, and may break off half way. So the mark stays where it is until all of it was
handed on, and what was handed on beyond the mark is remembered by its version.

A mark that is *above* the version of the list comes from another history: the cluster was restored from a backup. It
says nothing then, and everything is handed on.

Kubernetes' own client for Python is not used for any of this. Its watch goes on from the first version if it is not to
make objects, asks for no bookmarks and has no end to its patience; the objects that it makes take a hundred times
as long, and the client 68 MB of memory where the whole program needs half of it.
"""

import logging
from collections.abc import Callable

from outrider.kube.client import KubeClient
from outrider.kube.listwatch import PACE, Line, ListWatch, Pace, Page, What
from outrider.kube.source import Pulse
from outrider.kube.wire import read_items, read_line
from outrider.model.clock import Clock
from outrider.model.counters import Counters
from outrider.model.happening import Happening, read_happening

log = logging.getLogger(__name__)

PATH = "/api/v1/events"

Hand = Callable[[Happening | None, int | None], None]
"""(an event, the mark once that is told); either may be missing. It may take its time."""


class Events:
    """Hands on the events after `mark`, one after the other; with None, all that there are, or those from now on if
    `from_end`. `hand` is called by the thread of `run`.
    """

    def __init__(
        self,
        client: KubeClient,
        mark: int | None,
        from_end: bool,
        hand: Hand,
        clock: Clock,
        counters: Counters,
        pace: Pace = PACE,
    ) -> None:
        self._mark, self._skips, self._hand = mark, from_end and mark is None, hand
        self._waits = False  # for room, so that nothing is read
        self._beyond: set[int] = set()  # versions above the mark that were handed on from a list
        self._pulse = Pulse(f"events of {client.url}", pace.silence, clock, counters)
        self._listwatch = ListWatch(
            client, What(PATH, {}), self, self._pulse, pace, clock, counters, str(mark) if mark else ""
        )

    def run(self) -> None:
        """Until `stop`; failures are counted, waited out and never raised."""
        self._listwatch.run()

    def stop(self) -> None:
        self._listwatch.stop()

    def health(self, now: float) -> str | None:
        """None if alive at `now` (monotonic seconds), else the reason in words. Whoever waits for room lives."""
        return None if self._waits else self._pulse.health(now)

    # -- what ListWatch asks ------------------------------------------------------------------------------------------

    def page(self, body: bytes, first: bool) -> Page:
        items = read_items(body)
        version = _number(items.resource_version)
        if first and self._mark is not None:
            self._look_back(self._mark, version)
        for item in items.items:
            try:
                happening = read_happening(item)
            except ValueError:
                self._pulse.garbage()
                continue
            if not self._skips and happening.version > (self._mark or 0) and happening.version not in self._beyond:
                self._give(happening, None)
                self._beyond.add(happening.version)
        return Page(items.resource_version, items.next)

    def listed(self, resource_version: str) -> None:
        self._skips = False
        self._move(_number(resource_version), None)

    def line(self, line: bytes) -> Line:
        said, item = read_line(line)
        if said.type == "ERROR":
            return said
        version = _number(said.resource_version)
        happening = None
        if said.type in ("ADDED", "MODIFIED"):
            try:
                happening = read_happening(item)
            except ValueError:
                self._pulse.garbage()
        if version > (self._mark or 0):
            self._move(version, happening)
        return said

    def _look_back(self, mark: int, version: int) -> None:
        """There is a mark, and a list all the same."""
        if mark <= version:
            log.info("events: listed anew; those that are newer than version %d are told", mark)
            return
        log.warning("events: told up to version %d, and the cluster is at %d: its past is another one", mark, version)
        self._mark = 0
        self._beyond.clear()

    def _move(self, mark: int, happening: Happening | None) -> None:
        self._give(happening, mark)
        self._mark = mark
        self._beyond.clear()

    def _give(self, happening: Happening | None, mark: int | None) -> None:
        self._waits = True
        self._hand(happening, mark)
        self._pulse.beat()
        self._waits = False


def _number(version: str) -> int:
    """Raises ValueError for what is no number."""
    if not version.isdecimal():
        raise ValueError(f"the resource version {version!r} is no number")
    return int(version)
