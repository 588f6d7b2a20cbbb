"""A stream that a pump follows: its reader, its route, and what became of its records.

Three things are decided before the first byte is read, and none of them blocks. *Is it ours?* Routes may hang on the
labels of the pod, and then the stream waits for them (`routing.py` says why for so long). *What is constant?* Lines of
a pod that nobody knows yet wait a moment; the constant parts of the entries (the context) are made when it is known,
and again when what is known of it has changed. *How are lines joined?* The pod's annotations may say that too.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from outrider.exporters.destination import LogDestination
from outrider.model.counters import Counter
from outrider.model.pod import Pod
from outrider.pipeline.routing import NOBODY, Decision, Routing
from outrider.pipeline.sampling import Sampler
from outrider.tail.reader import Reader
from outrider.tail.records import Assembler, Joining

log = logging.getLogger(__name__)

ROUTE_PATIENCE = 300.0
"""Seconds for which a stream whose route hangs on its pod's labels waits for them."""
ESCAPED_NEWLINE = rb"\n"
"""What the Datadog Agent puts between the lines of a record that a `multi_line` rule has joined."""


class PodBook(Protocol):
    """What is asked about pods (`outrider.kube.pods.Pods`)."""

    def get(self, uid: str) -> Pod | None: ...

    def want(self, uid: str) -> None: ...

    def settled(self, uid: str, since: float, bound: float = ...) -> bool: ...


class Standing(Enum):
    """Whether a stream may be read now."""

    WAITING = "its pod is not known yet"
    READY = "everything about it is known"
    ELSEWHERE = "its route leads to other exporters"


@dataclass(slots=True, eq=False)
class Followed:
    """`heard`: something of it was sent. `next_look`: when to read again, in monotonic seconds; 0: at the next
    opportunity. `empty_at`: when it was last seen that there was no more to read; 0: not known. `lively`: it grew
    between two looks. `asked_again`: when the watcher was asked where its file is.

    The last five count entries, for the ledger; `left_out` are records that made none.
    """

    reader: Reader
    decision: Decision | None = None
    context: Any = None
    pod: Pod | None = None
    sampler: Sampler | None = None
    asked_again: float = 0.0
    heard: bool = False
    next_look: float = 0.0
    empty_at: float = 0.0
    lively: bool = False
    made: int = 0
    in_flight: int = 0
    accepted: int = 0
    rejected: int = 0
    left_out: int = 0


@dataclass(slots=True)
class Admission:
    """Prepares streams for one exporter. `assembler` makes the part of a reader that joins lines."""

    exporter: str
    pods: PodBook
    routing: Routing
    destination: LogDestination
    joining: Joining
    assembler: Callable[[Joining], Assembler]
    sampler: Callable[[Decision], Sampler | None]
    blind: Counter
    _samplers: dict[tuple[str, int], Sampler | None] = field(default_factory=dict)

    def standing(self, followed: Followed) -> Standing:
        """Whether `followed` may be read; if so, its context is up to date."""
        stream, files = followed.reader.stream, followed.reader.files
        pod = self.pods.get(stream.uid)
        if followed.context is not None and pod is followed.pod:
            return Standing.READY
        if pod is None and not self.pods.settled(stream.uid, files.born):
            return Standing.WAITING
        if followed.decision is None and not self._decide(followed, pod):
            return Standing.WAITING
        if followed.decision is NOBODY:
            return Standing.ELSEWHERE
        if pod is not None or followed.context is None:
            followed.pod = pod
            followed.context = self.destination.context(stream, pod)
            self._join_as_asked(followed)
        return Standing.READY

    def _decide(self, followed: Followed, pod: Pod | None) -> bool:
        """Find the route, for good; False if the pod has to be known for that and may still come to be."""
        stream, files = followed.reader.stream, followed.reader.files
        if pod is None and self.routing.asks_the_pod(stream):
            if not self.pods.settled(stream.uid, files.born, ROUTE_PATIENCE):
                return False
            self.blind.add()
            log.warning("%s: nothing is known of its pod; it is routed by its names alone", stream.key)
        decision = self.routing.decide(stream, pod)
        followed.decision = decision if self.exporter in decision.exporters else NOBODY
        if decision.tenant not in self._samplers:
            self._samplers[decision.tenant] = self.sampler(decision)
        followed.sampler = self._samplers[decision.tenant]
        return True

    def _join_as_asked(self, followed: Followed) -> None:
        """Join lines as the pod's annotations ask, unless the joining of something else is under way."""
        pattern = self.destination.multi_line(followed.context)
        joining = self.joining
        if pattern is not None:
            joining = _by_pattern(joining, pattern)
        reader = followed.reader
        if reader.assembler.joining != joining and reader.assembler.unfinished is None:
            assembler = self.assembler(joining)
            assembler.timestamp, assembler.joined = reader.assembler.timestamp, reader.assembler.joined
            reader.assembler = assembler


def _by_pattern(joining: Joining, pattern: str) -> Joining:
    return Joining(joining.partials, exceptions=False, pattern=pattern, wait=joining.wait, separator=ESCAPED_NEWLINE)
