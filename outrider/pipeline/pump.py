"""One exporter's engine: a thread that reads, encodes and batches, and a few that send.

The pump gives its readers turns, encodes what they bring and closes a batch when it is full or old enough. Senders
take batches, at most `in_flight` at a time; when all are busy the pump simply stops reading, for the log files are
the queue. What a sender has delivered comes back to the pump, which alone moves readers and cursors, so none of that
needs a lock.

A reader that has had nothing for a while leaves the round and arms its file with the watcher; whoever has been
written to comes back through the inbox. A lively file is polled instead, which costs less than an event a line.

A batch that is not full goes when `Batch.due` says so, as long as a sender is free.
"""

import logging
import queue
import threading
from collections.abc import Callable
from functools import partial

from outrider.exporters.destination import LogDestination
from outrider.model.clock import Clock
from outrider.model.counters import Counters
from outrider.pipeline.batch import Batch, BatchLimits
from outrider.pipeline.deadletters import DeadLetters
from outrider.pipeline.deliver import Delivery
from outrider.pipeline.followed import Followed, PodBook
from outrider.pipeline.redact import Redactor
from outrider.pipeline.turns import Turns
from outrider.tail.cursors import Cursors
from outrider.tail.files import StreamFiles
from outrider.tail.reader import Reader, Taken
from outrider.tail.records import Assembler, Budget, Joining, Record
from outrider.tail.watch import Watcher

log = logging.getLogger(__name__)

PAUSE = 0.2
"""Seconds between two looks at a file that had nothing new."""
QUIET_AFTER = 3.0
"""Seconds without data after which the reader of a lively file leaves the round; others leave after one look in vain.
"""
SLICE = 500
"""Records encoded between two looks at the size of the batch."""
LAST_COMMITS = 1.0
"""Seconds that senders get, at the end, to notice that it is over."""


class Pump:
    """Moves the streams handed to `follow` to `destination`. Made and started once; `stop` ends it for good."""

    def __init__(
        self,
        name: str,
        destination: LogDestination,
        dead_letters: DeadLetters,
        cursors: Cursors,
        pods: PodBook,
        limits: BatchLimits,
        joining: Joining,
        redactor: Redactor,
        clock: Clock,
        counters: Counters,
    ) -> None:
        self.name = name
        self.cursors = cursors
        self._abandon = threading.Event()
        self.delivery = Delivery(name, destination, dead_letters, clock, counters, self._abandon)
        self._destination, self._pods, self._dead_letters = destination, pods, dead_letters
        self._limits, self._joining, self._redactor = limits, joining, redactor
        self._clock, self._counters = clock, counters
        self._watcher: Watcher | None = None
        self._budget = Budget()
        self._cut = counters.counter(
            "outrider_cut_records_total", "Records cut because they grew too long while being joined.", exporter=name
        )
        self._failures = counters.counter("outrider_pump_errors_total", "Unexpected failures of a pump.", exporter=name)
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._turns = Turns()
        self._followed: dict[Reader, Followed] = {}
        self._batch = Batch(0.0)
        self._flying = 0
        self._last_dispatch = 0.0
        self._stopping = threading.Event()
        self._grace = 0.0
        self._threads = [threading.Thread(target=self._run, name=f"outrider-pump-{name}", daemon=True)]
        self._threads += [
            threading.Thread(target=self._send_all, name=f"outrider-send-{name}-{i}", daemon=True)
            for i in range(limits.in_flight)
        ]
        counters.gauge("outrider_batches_in_flight", "Requests being sent.", lambda: self._flying, exporter=name)
        counters.gauge(
            "outrider_streams_behind", "Streams that are being read.", lambda: len(self._turns), exporter=name
        )

    def start(self, watcher: Watcher) -> None:
        """Begin to move. Never waits for the destination."""
        self._watcher = watcher
        for thread in self._threads:
            thread.start()

    def follow(self, files: StreamFiles, from_end: bool) -> None:
        """Take up a stream (from any thread): where the cursor is, else at its beginning, or at its end as it is
        now.
        """
        assembler = Assembler(self._joining, self._budget, self._cut.add)
        places = self.cursors.get(files.stream.key)
        reader = Reader(self.name, files, assembler, places, from_end, self._counters)
        if from_end and not places:
            self.cursors.set(files.stream.key, reader.places)
        self._pods.want(files.stream.uid)
        files.changed.append(lambda: self._inbox.put(lambda: self._stir(reader)))
        self._inbox.put(lambda: self._take_up(reader))

    def stop(self, grace: float) -> None:
        """Send what has been read, wait for answers for at most `grace` seconds, commit what was answered, and end."""
        self._grace = grace
        self._stopping.set()
        self._inbox.put(lambda: None)
        pump, *senders = self._threads
        pump.join()
        for sender in senders:
            # One may hang in a request for as long as the destination does; what it carries is sent again next time.
            sender.join(0.1)
        self._destination.close()

    # -- the pump's thread --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                busy = self._round()
                self._dispatch_if_due()
                self._listen(0.0 if busy else self._patience())
            except Exception:
                self._failed()
                self._clock.wait(self._stopping, PAUSE)
        self._wind_up()

    def _failed(self) -> None:
        log.exception("%s: unexpected failure", self.name)
        self._failures.add()

    def _take_up(self, reader: Reader) -> None:
        self._followed[reader] = Followed(reader)
        self._turns.add(reader)

    def _stir(self, reader: Reader) -> None:
        if (followed := self._followed.get(reader)) is not None:
            followed.next_look = 0.0
            self._turns.add(reader)

    def _listen(self, timeout: float) -> None:
        """Do what others asked for: everything that is waiting, or the first thing within `timeout` seconds."""
        try:
            if timeout > 0:
                self._inbox.get(timeout=timeout)()
            while True:
                self._inbox.get_nowait()()
        except queue.Empty:
            return

    def _patience(self) -> float:
        timeout = PAUSE if len(self._turns) else 1.0
        if self._batch.spans and self._flying < self._limits.in_flight:
            timeout = min(timeout, self._due() - self._clock.monotonic())
        return max(timeout, 0.001)

    # -- reading ------------------------------------------------------------------------------------------------------

    def _round(self) -> bool:
        """One turn for every reader that is due for a look; True if any of them had something."""
        busy, now = False, self._clock.monotonic()
        for reader in self._turns.round():
            if self._stopping.is_set():
                return False
            followed = self._followed[reader]
            if followed.next_look > now:
                continue
            try:
                if followed.ready(self._pods, self._destination):
                    busy |= self._turn(followed)
                else:
                    followed.next_look = now + PAUSE
            except Exception:
                # A stream that breaks an assumption must not take the others with it: it rests until it changes.
                self._failed()
                self._turns.remove(reader)
        return busy

    def _turn(self, followed: Followed) -> bool:
        """One look at a reader; True if it had something."""
        reader, now = followed.reader, self._clock.monotonic()
        taken = reader.take(now)
        if taken is not None:
            followed.lively |= followed.next_look > 0.0  # it grew between two looks
            self._bring(followed, taken)
        elif not reader.ended:  # one that has is not armed: another stream may live under its name by now
            followed.next_look = now + PAUSE
            self._idle(followed, now)
        if reader.ended:
            self._let_go(reader)
        return taken is not None

    def _idle(self, followed: Followed, now: float) -> None:
        """There is nothing to read of it just now: leave it to the watcher, or find out why."""
        reader = followed.reader
        if not reader.restless(now, QUIET_AFTER if followed.lively else PAUSE):
            self._rest(followed, now)
        elif reader.misplaced and now - followed.asked_again > 1.0:
            followed.asked_again = now
            self._require_watcher().look_again(reader.files)

    def _rest(self, followed: Followed, now: float) -> None:
        self._require_watcher().arm(followed.reader.files)
        taken = followed.reader.take(now)
        if taken is None:
            self._turns.remove(followed.reader)
            followed.lively, followed.next_look = False, 0.0
        else:
            self._bring(followed, taken)

    def _let_go(self, reader: Reader) -> None:
        """Forget a stream that is gone from the disk, once nothing of it is on its way."""
        self._turns.remove(reader)
        if not reader.inflight:
            self._followed.pop(reader, None)
            self.cursors.drop(reader.stream.key)

    def _require_watcher(self) -> Watcher:
        assert self._watcher is not None, "started"
        return self._watcher

    # -- batching -----------------------------------------------------------------------------------------------------

    def _bring(self, followed: Followed, taken: Taken) -> None:
        """Encode what a reader brought into the batch, dispatching it as often as it fills up."""
        records, reader = taken.records, followed.reader
        if self._redactor:
            records = self._redactor.apply(records)
        for i in range(0, len(records), SLICE):
            part = records[i : i + SLICE]
            entries = self._encode(part, followed)
            rest = records[i + SLICE :]
            if rest:
                self._gather(followed, entries, min(taken.boundary, min(r[0] for r in rest)), part[-1][1])
            else:
                self._gather(followed, entries, taken.boundary, taken.timestamp)
        if not records:
            self._pass_over(reader, taken)

    def _encode(self, records: list[Record], followed: Followed) -> list[bytes]:
        """The entries of `records`. One that the encoder chokes on is found by halving and buried alone."""
        try:
            return self._destination.encode(records, followed.context, followed.reader.generation_at)
        except Exception as e:
            if len(records) > 1:
                half = len(records) // 2
                return self._encode(records[:half], followed) + self._encode(records[half:], followed)
            self._failed()
            self._dead_letters.bury_record(followed.reader.stream.key, records[0], f"{type(e).__name__}: {e}")
            return []

    def _gather(self, followed: Followed, entries: list[bytes], boundary: int, timestamp: bytes) -> None:
        reader = followed.reader
        size = sum(map(len, entries)) + len(entries)
        if self._batch.entries and self._batch.size + size > self._destination.max_request:
            self._dispatch()
        while size > self._destination.max_request:
            # More than one request holds, of one slice: the first parts hold the cursor where it is until they land.
            n = _fitting(entries, self._destination.max_request)
            self._begin_batch()
            self._batch.add(entries[:n], sum(map(len, entries[:n])) + n)
            self._batch.spans[reader] = reader.sent(0, timestamp)
            self._dispatch()
            entries = entries[n:]
            size = sum(map(len, entries)) + len(entries)
        self._begin_batch()
        self._batch.add(entries, size)
        self._batch.hurried |= not followed.heard
        followed.heard = True
        span = self._batch.spans.get(reader)
        if span is None:
            self._batch.spans[reader] = reader.sent(boundary, timestamp)
        else:
            reader.extend(span, boundary, timestamp)
        if self._batch.size >= self._limits.bytes:
            self._dispatch()

    def _pass_over(self, reader: Reader, taken: Taken) -> None:
        """Lines that made no record (yet): the cursor may move all the same."""
        span = self._batch.spans.get(reader)
        if span is not None:
            reader.extend(span, taken.boundary, taken.timestamp)
        elif reader.advances(taken.boundary):
            reader.sent(taken.boundary, taken.timestamp).settled = True
            self._commit(reader)

    def _begin_batch(self) -> None:
        if not self._batch.entries:
            self._batch.born = self._clock.monotonic()

    def _due(self) -> float:
        return self._batch.due(self._last_dispatch, self._limits.wait)

    def _dispatch_if_due(self) -> None:
        if self._batch.spans and self._flying < self._limits.in_flight and self._clock.monotonic() >= self._due():
            self._dispatch()

    def _dispatch(self) -> None:
        """Give the batch to a sender; waits while all are busy, doing meanwhile what others ask for."""
        while self._flying >= self._limits.in_flight and not self._stopping.is_set():
            self._listen(1.0)
        batch, self._batch = self._batch, Batch(0.0)
        self._last_dispatch = self._clock.monotonic()
        self._flying += 1
        self._outbox.put(batch)

    # -- sending ------------------------------------------------------------------------------------------------------

    def _send_all(self) -> None:
        while (batch := self._outbox.get()) is not None:
            try:
                batch.delivered = self.delivery.deliver(batch.entries)
            except Exception:
                log.exception(
                    "%s: unexpected failure while sending; the batch is read again after a restart", self.name
                )
            batch.entries = []
            self._inbox.put(partial(self._landed, batch))

    def _landed(self, batch: Batch) -> None:
        self._flying -= 1
        if batch.delivered:
            for reader, span in batch.spans.items():
                span.settled = True
                self._commit(reader)
                if reader.ended:
                    self._let_go(reader)

    def _commit(self, reader: Reader) -> None:
        places = reader.settle()
        if places is not None:
            self.cursors.set(reader.stream.key, places)

    def _wind_up(self) -> None:
        deadline = self._clock.monotonic() + self._grace
        if self._batch.entries:
            self._dispatch()
        while self._flying and (left := deadline - self._clock.monotonic()) > 0:
            self._listen(min(left, 0.1))
        self._abandon.set()
        for _ in range(self._limits.in_flight):
            self._outbox.put(None)
        while self._flying and self._clock.monotonic() < deadline + LAST_COMMITS:
            self._listen(0.05)


def _fitting(entries: list[bytes], size: int) -> int:
    """How many of the first entries fit into `size` bytes; at least one."""
    total = 0
    for n, entry in enumerate(entries):
        total += len(entry) + 1
        if total > size:
            return max(n, 1)
    return len(entries)
