"""Logs that come over the network: into a bounded queue in memory, and out to one exporter.

There is no file that could be read again. So whoever brings records is told that they were taken only when they are in
the queue, and that there is no room when it is full; then it is for him to keep them. What was taken is sent in order,
a batch at a time, for as long as it takes (`deliver.py`); it is lost if the program is killed, and counted as given up
if it ends in order before the destination has answered.

    offer -> queue of records -> sampled, redacted, encoded -> a batch -> delivered

Records keep an identity like those from files: of the stream, the start of this program, and the number of the record.
So a batch that is repeated is no second copy. A request that a client repeats, since it heard no answer, is one.
"""

import logging
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from outrider.exporters.block import Block, chained
from outrider.exporters.destination import LogDestination
from outrider.model.clock import Clock
from outrider.model.counters import Counters
from outrider.model.pod import Pod
from outrider.model.records import Records
from outrider.model.stream import Stream
from outrider.pipeline.deadletters import DeadLetters
from outrider.pipeline.deliver import Delivery
from outrider.pipeline.redact import Redactor
from outrider.pipeline.sampling import Sampler
from outrider.pipeline.taps import Taps

log = logging.getLogger(__name__)

EACH = 200
"""Bytes that a record takes beside its content, about."""
SLICE = 500
"""Records encoded at a time."""
LAST_ANSWER = 0.5
"""Seconds that the thread gets, at the end, to notice that it is over."""


@dataclass(slots=True)
class Arrived:
    """Records of one stream that came together."""

    stream: Stream
    pod: Pod | None
    records: Records
    generation: str
    sampler: Sampler | None = None
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = sum(map(len, self.records.contents)) + EACH * len(self.records)

    def place(self, turn: int) -> tuple[str, bytes]:
        """What an encoder asks: the generation that a position is in, and the time of its first line."""
        del turn
        return self.generation, b""


class Entrance:
    """One exporter's queue and the thread that empties it. `most` bytes are kept; what comes within `gather` seconds
    goes together. Made and started once; `stop` ends it for good.
    """

    def __init__(
        self,
        name: str,
        destination: LogDestination,
        dead_letters: DeadLetters,
        redactor: Redactor,
        batch_bytes: int,
        most: int,
        gather: float,
        clock: Clock,
        counters: Counters,
        taps: Taps | None = None,
    ) -> None:
        self.name = name
        self._abandon = threading.Event()
        self.delivery = Delivery(name, destination, dead_letters, clock, counters, self._abandon, taps)
        self._destination, self._dead_letters, self._redactor = destination, dead_letters, redactor
        self._room, self._most, self._gather = min(batch_bytes, destination.max_request), most, gather
        self._clock, self._counters = clock, counters
        self._queue: deque[Arrived] = deque()
        self._bytes = 0
        self._contexts: dict[Stream, tuple[Pod | None, Any]] = {}
        self._lock = threading.Lock()
        self._wake, self._ending = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"outrider-entrance-{name}", daemon=True)
        counters.gauge(
            "outrider_entrance_bytes", "Logs that came over OTLP and wait.", lambda: self._bytes, exporter=name
        )

    def start(self) -> None:
        self._thread.start()

    def offer(self, *some: Arrived) -> bool:
        """Take records, all or none, if there is room. Returns at once; from any thread."""
        size = sum(arrived.size for arrived in some)
        with self._lock:
            if self._ending.is_set() or (self._bytes and self._bytes + size > self._most):
                return False
            self._queue.extend(some)
            self._bytes += size
        self._wake.set()
        return True

    def health(self) -> str | None:
        """None, or why this will not go on by itself."""
        over = self._thread.is_alive() or self._ending.is_set()
        return None if over else f"{self.name}: the thread of its received logs has ended"

    def stop(self, grace: float) -> None:
        """Take nothing more, and send what is here, within `grace` seconds."""
        self._ending.set()
        self._wake.set()
        self._thread.join(grace)
        self._abandon.set()
        self._thread.join(LAST_ANSWER)

    def leave(self) -> list[Arrived]:
        """After `stop`, for a successor: what is left, oldest first."""
        with self._lock:
            left = list(self._queue)
            self._queue.clear()
            self._bytes = 0
        return left

    def give_up(self) -> None:
        """After `stop`: nobody comes after; count what is left and let go of the destination."""
        lost = sum(len(arrived.records) for arrived in self.leave())
        if lost:
            self.lose(lost, "ended")
            log.warning("%s: the end came before %d received log records could be sent", self.name, lost)
        if not self._thread.is_alive():
            self._destination.close()

    def lose(self, records: int, reason: str) -> None:
        """Count records that this exporter does not get."""
        self._counters.counter(
            "outrider_received_given_up_total",
            "Log records that came over OTLP and were not sent.",
            exporter=self.name,
            reason=reason,
        ).add(records)

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._abandon.is_set():
            self._wake.clear()
            if not self._queue:
                if self._ending.is_set():
                    return
                self._wake.wait()
                continue
            if self._bytes < self._room:
                self._clock.wait(self._ending, self._gather)
            self._send()

    def _send(self) -> None:
        """One batch: the oldest records, as many as go into a request. They stay in the queue until they are sent."""
        with self._lock:
            some: list[Arrived] = []
            size = 0
            for arrived in self._queue:
                if some and size + arrived.size > self._room:
                    break
                some.append(arrived)
                size += arrived.size
        try:
            landed = self._deliver(chained(map(self._encoded, some)))
        except Exception:  # a defect is no reason to lose what comes after
            log.exception("%s: unexpected failure with received logs", self.name)
            self.lose(sum(len(arrived.records) for arrived in some), "failure")
            landed = True
        if landed:
            with self._lock:
                for arrived in some:
                    self._queue.popleft()
                    self._bytes -= arrived.size

    def _encoded(self, arrived: Arrived) -> Block:
        records = arrived.records
        if arrived.sampler is not None:
            records = arrived.sampler.apply(records, arrived.stream.key, arrived.place)
        if self._redactor:
            records = self._redactor.apply(records)
        context = self._context(arrived)
        parts = (records.part(i, i + SLICE) for i in range(0, len(records), SLICE))
        return chained(self._encode(part, arrived, context) for part in parts)

    def _encode(self, records: Records, arrived: Arrived, context: Any) -> Block:
        """The entries of `records`. One that the encoder chokes on is found by halving and buried alone."""
        try:
            return self._destination.encode(records, context, arrived.place)
        except Exception as e:
            if len(records) > 1:
                half = len(records) // 2
                halves = records.part(0, half), records.part(half, len(records))
                return chained(self._encode(some, arrived, context) for some in halves)
            log.exception("%s: unexpected failure while encoding", self.name)
            self._dead_letters.bury_record(arrived.stream.key, records.row(0), f"{type(e).__name__}: {e}")
            return Block(b"", 0)

    def _context(self, arrived: Arrived) -> Any:
        """What is constant for the entries of the stream; made anew when its pod has changed."""
        known = self._contexts.get(arrived.stream)
        if known is None or known[0] is not arrived.pod:
            known = self._contexts[arrived.stream] = (
                arrived.pod,
                self._destination.context(arrived.stream, arrived.pod),
            )
        return known[1]

    def _deliver(self, block: Block) -> bool:
        """Deliver all entries of `block`; False if the program ended before."""
        fits = block.size <= self._room and block.count <= self._destination.max_entries
        parts = [block] if fits else block.spelled().cut(self._room, self._destination.max_entries)
        return all(self.delivery.deliver([part.data], part.count, part.common) is not None for part in parts)
