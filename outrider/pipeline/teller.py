"""One exporter's way for Kubernetes events: from the watch through a small queue to the destination, with a mark.

    watch -> hand -> queue -> redacted, encoded -> requests -> every answer is there -> the mark moves

The API server keeps events for an hour, so it is the queue that counts: `hand` waits when the queue here is full, and
then the watch is not read. The mark, a resource version, says that everything up to it was acknowledged (or refused for
good, and buried). It moves only when all requests of a batch have had their answer, and it is what is written down; so
after a restart, or in another replica, events may be told twice, and none is left out.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice

from outrider.config import Batch
from outrider.exporters.event_destination import EventDestination
from outrider.model.clock import Clock
from outrider.model.counters import Counters
from outrider.model.happening import Happening
from outrider.model.records import Records
from outrider.pipeline.deadletters import DeadLetters
from outrider.pipeline.deliver import Delivery
from outrider.pipeline.entering import LAST_ANSWER
from outrider.pipeline.redact import Redactor
from outrider.pipeline.taps import Taps

log = logging.getLogger(__name__)

EACH = 500
"""Bytes that an event takes beside its content, about."""
MOST = 1000
"""Events of a batch."""

_Waiting = tuple[Happening | None, int | None]


class Teller:
    """Tells `destination` of the events that are `wanted`. Made and started once; `stop` ends it for good. `mark` is
    where somebody else has ended; None if nothing was ever told.
    """

    def __init__(
        self,
        name: str,
        destination: EventDestination,
        dead_letters: DeadLetters,
        redactor: Redactor,
        wanted: Callable[[Happening], bool],
        batch: Batch,
        mark: int | None,
        clock: Clock,
        counters: Counters,
        taps: Taps | None = None,
    ) -> None:
        self.name, self.mark = name, mark
        self._abandon = threading.Event()
        self.delivery = Delivery(name, destination.to, dead_letters, clock, counters, self._abandon, taps)
        self._destination, self._dead_letters, self._redactor = destination, dead_letters, redactor
        self._wanted, self._batch, self._clock = wanted, batch, clock
        self._most = batch.bytes
        self._queue: deque[_Waiting] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"outrider-events-{name}", daemon=True)
        self._told = counters.counter(
            "outrider_events_told_total", "Kubernetes events that the destination has answered for.", exporter=name
        )
        counters.gauge(
            "outrider_events_waiting",
            "Kubernetes events that were read and wait.",
            lambda: len(self._queue),
            exporter=name,
        )

    def start(self) -> None:
        self._thread.start()

    def hand(self, happening: Happening | None, mark: int | None) -> None:
        """Take an event, and the mark that it sets once it is told. Waits for room; after `stop` it is dropped."""
        size = _size(happening)
        with self._changed:
            self._changed.wait_for(lambda: self._ending.is_set() or not self._bytes or self._bytes + size <= self._most)
            if not self._ending.is_set():
                self._queue.append((happening, mark))
                self._bytes += size
                self._changed.notify_all()

    def health(self) -> str | None:
        """None, or why this will not go on by itself."""
        over = self._thread.is_alive() or self._ending.is_set()
        return None if over else f"{self.name}: the thread of its events has ended"

    def stop(self, grace: float) -> None:
        """Take nothing more, and tell what is here, within `grace` seconds."""
        if not grace:
            self._abandon.set()
        with self._changed:
            self._ending.set()
            self._changed.notify_all()
        self._thread.join(grace)
        self._abandon.set()
        self._thread.join(LAST_ANSWER)
        if not self._thread.is_alive():
            self._destination.to.close()

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while self._turn():
            pass

    def _turn(self) -> bool:
        """Wait for events and tell them; False at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._ending.is_set())
            if not self._queue or self._abandon.is_set():
                return False
            full = self._bytes >= self._most // 2
        if not full:
            self._clock.wait(self._ending, self._batch.wait)
        with self._changed:
            some = list(islice(self._queue, MOST))
        if not self._tell([happening for happening, _ in some if happening is not None]):
            return False
        with self._changed:
            for happening, mark in some:
                self._queue.popleft()
                self._bytes -= _size(happening)
                self.mark = self.mark if mark is None else mark
            self._changed.notify_all()
        return True

    def _tell(self, some: list[Happening]) -> bool:
        """Tell them all; False if the end came before."""
        entries = [entry for happening in some if self._wanted(happening) for entry in self._entries(happening)]
        done = self._deliver(list(self._requests(entries)))
        if done:
            self._told.add(len(entries))
        return done

    def _entries(self, happening: Happening) -> Iterator[bytes]:
        content = happening.content
        try:
            if self._redactor:
                [content] = self._redactor.apply(Records.of([(0, b"", b"", content)])).contents
            entry = self._destination.entry(happening.saying(content))
        except Exception as e:  # whatever is wrong with one event is no reason to keep all others
            log.exception("%s: no entry can be made of an event", self.name)
            self._dead_letters.bury_record(
                "events", (0, happening.time.encode(), b"", content), f"{type(e).__name__}: {e}"
            )
            return
        if entry is not None:
            yield entry

    def _requests(self, entries: list[bytes]) -> Iterator[list[bytes]]:
        to = self._destination.to
        room = min(self._batch.bytes, to.max_request)
        some: list[bytes] = []
        size = 0
        for entry in entries:
            if some and (size + len(entry) >= room or len(some) == to.max_entries):
                yield some
                some, size = [], 0
            some.append(entry)
            size += len(entry) + 1
        if some:
            yield some

    def _deliver(self, requests: list[list[bytes]]) -> bool:
        """Send them, as many at a time as the exporter may have in flight; False if the end came before."""
        todo, lock, unsaid = iter(requests), threading.Lock(), threading.Event()

        def work() -> None:
            while not unsaid.is_set():
                with lock:
                    request = next(todo, None)
                if request is None:
                    return
                if self.delivery.deliver(request, len(request)) is None:
                    unsaid.set()

        others = [threading.Thread(target=work, daemon=True) for _ in requests[1 : self._batch.in_flight]]
        for other in others:
            other.start()
        work()
        for other in others:
            other.join()
        return not unsaid.is_set()


def _size(happening: Happening | None) -> int:
    return EACH + (0 if happening is None else len(happening.content))
