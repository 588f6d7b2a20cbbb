"""A stream that a pump follows: its reader, and what the pump remembers about it.

Lines of a pod that nobody knows yet wait; how long is for the book of pods to say. The constant parts of the entries
(the context) are made when it is known, or the wait is over, and again when what is known of the pod has changed.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from outrider.exporters.destination import LogDestination
from outrider.model.pod import Pod
from outrider.tail.reader import Reader


class PodBook(Protocol):
    """What is asked about pods (`outrider.kube.pods.Pods`)."""

    def get(self, uid: str) -> Pod | None: ...

    def want(self, uid: str) -> None: ...

    def settled(self, uid: str, since: float) -> bool: ...


@dataclass(slots=True, eq=False)
class Followed:
    """`heard`: something of it was sent. `next_look`: when to read again, in monotonic seconds; 0: at the next
    opportunity. `lively`: it grew between two looks. `asked_again`: when the watcher was asked where its file is.
    """

    reader: Reader
    context: Any = None
    pod: Pod | None = None
    asked_again: float = 0.0
    heard: bool = False
    next_look: float = 0.0
    lively: bool = False

    def ready(self, pods: PodBook, destination: LogDestination) -> bool:
        """Whether the pod is known, or has been waited for long enough; the context is then up to date."""
        stream, files = self.reader.stream, self.reader.files
        pod = pods.get(stream.uid)
        if self.context is not None and pod is self.pod:
            return True
        if pod is None and not pods.settled(stream.uid, files.born):
            return False
        if pod is not None or self.context is None:
            self.pod = pod
            self.context = destination.context(stream, pod)
        return True
