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
import math
import queue
import threading
from collections.abc import Callable, Iterator
from functools import partial

from outrider.exporters.destination import LogDestination
from outrider.model.clock import Clock
from outrider.model.counters import Counters
from outrider.pipeline.batch import Batch, BatchLimits
from outrider.pipeline.ceilings import Buckets, own_buckets
from outrider.pipeline.deadletters import DeadLetters
from outrider.pipeline.deliver import Delivery
from outrider.pipeline.draining import LAST_COMMITS, Ending, LastRound
from outrider.pipeline.followed import Admission, Followed, PodBook, Standing
from outrider.pipeline.ledger import Account, account_of
from outrider.pipeline.looks import PAUSE, QUIET_AFTER, Looks
from outrider.pipeline.notes import Note, Notes
from outrider.pipeline.packing import Packer
from outrider.pipeline.redact import Redactor
from outrider.pipeline.routing import Decision, Routing
from outrider.pipeline.sampling import Sampler
from outrider.pipeline.taps import Taps
from outrider.pipeline.turns import Tenant, Turns
from outrider.tail.cursors import Cursors
from outrider.tail.files import StreamFiles
from outrider.tail.reader import Reader
from outrider.tail.records import Assembler, Budget, Joining
from outrider.tail.watch import Watcher

log = logging.getLogger(__name__)

STUCK_AFTER = 120.0
"""Seconds without a sign of life after which a pump counts as stuck."""


class Pump:
    """Moves the streams handed to `follow` to `destination`. Made and started once; `stop` ends it for good."""

    def __init__(
        self,
        name: str,
        destination: LogDestination,
        dead_letters: DeadLetters,
        cursors: Cursors,
        pods: PodBook,
        routing: Routing,
        limits: BatchLimits,
        joining: Joining,
        redactor: Redactor,
        clock: Clock,
        counters: Counters,
        buckets: Buckets = own_buckets,
        taps: Taps | None = None,
    ) -> None:
        self.name = name
        self.cursors = cursors
        self._abandon = threading.Event()
        self.delivery = Delivery(name, destination, dead_letters, clock, counters, self._abandon, taps)
        self._destination, self._pods = destination, pods
        self._limits, self._joining, self._buckets = limits, joining, buckets
        self._clock, self._counters = clock, counters
        self._watcher: Watcher  # from `start` on
        self._budget = Budget()
        self._cut = counters.counter(
            "outrider_cut_records_total", "Records cut because they grew too long while being joined.", exporter=name
        )
        self._failures = counters.counter("outrider_pump_errors_total", "Unexpected failures of a pump.", exporter=name)
        blind = counters.counter("outrider_routed_blind_total", "Streams routed by their names alone.", exporter=name)
        self._admission = Admission(name, pods, routing, destination, joining, self._assembler, self._sampler, blind)
        self._packer = Packer(
            destination, dead_letters, redactor, limits.bytes, self._dispatch, self._commit, self._failed
        )
        self._notes = Notes(destination, redactor)
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._turns = Turns(clock, limits.bytes)
        self._looks = Looks(limits.wait)
        self._round_left: Iterator[Reader] | None = None
        self._followed: dict[Reader, Followed] = {}
        self._flying, self._last_dispatch, self._beat = 0, 0.0, clock.monotonic()
        self._accounts: list[Account] = []
        self._stopping, self._ending, self._drained = threading.Event(), Ending(clock), False
        self._threads = [threading.Thread(target=self._run, name=f"outrider-pump-{name}", daemon=True)]
        senders = [f"outrider-send-{name}-{i}" for i in range(limits.in_flight)]
        self._threads += [threading.Thread(target=self._send_all, name=sender, daemon=True) for sender in senders]
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
        known, places = self.cursors.knows(files.stream.key), self.cursors.get(files.stream.key)
        from_end = from_end and not known
        reader = Reader(self.name, files, self._assembler(self._joining), places, from_end, self._counters)
        if not known:  # at the next start it is none that was never seen, even if nothing is acknowledged until then
            self.cursors.set(files.stream.key, reader.places)
        self._pods.want(files.stream.uid)
        files.changed.append(lambda: self._inbox.put(lambda: self._stir(reader)))
        self._inbox.put(lambda: self._take_up(reader))

    def note(self, note: Note) -> None:
        """Send an entry that is in no file, soon (from any thread)."""
        self._inbox.put(lambda: self._notes.add(note))

    def health(self, now: float) -> str | None:
        """None, or why this pump will not go on by itself; a destination that does not take entries is no reason."""
        if not self._threads[0].is_alive():
            return f"{self.name}: the pump has ended"
        still = now - self._beat
        return f"{self.name}: the pump has stood still for {still:.0f} s" if still > STUCK_AFTER else None

    def accounts(self) -> list[Account]:
        """The books of every stream that is followed, as of one moment; those of the last time if the pump, which alone
        may look into its readers, does not answer within two seconds, or has ended. From any thread.
        """
        asked = threading.Event()
        self._inbox.put(partial(self._keep_books, asked))
        asked.wait(2.0 if self._threads[0].is_alive() else 0.0)
        return self._accounts

    def stop(self, grace: float, drain: bool = False) -> None:
        """Send what has been read, wait for answers for at most `grace` seconds, commit what was answered, and end.
        `drain`: whoever wrote has ended, so everything there is is read, and every answer gives more time (`Ending`).
        """
        self._ending, self._drained = Ending(self._clock, grace, drain), drain
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

    def _assembler(self, joining: Joining) -> Assembler:
        return Assembler(joining, self._budget, self._cut.add)

    def _sampler(self, decision: Decision) -> Sampler | None:
        return Sampler(decision.sample, self._counters, self.name) if decision.sample else None

    def _take_up(self, reader: Reader) -> None:
        self._join_round(self._followed.setdefault(reader, Followed(reader)))

    def _join_round(self, followed: Followed) -> None:
        """Until its route is known a stream waits among its namespace's, with a share of one and no limit."""
        self._looks.at_once(followed)
        decision = followed.decision
        namespace = followed.reader.stream.namespace
        if decision is None:
            self._turns.add(followed.reader, namespace, Tenant)
            return
        tenant = partial(Tenant.of, decision, namespace, self.name, self._buckets, self._counters)
        self._turns.add(followed.reader, decision.tenant, tenant)

    def _stir(self, reader: Reader) -> None:
        if (followed := self._followed.get(reader)) is not None:
            self._join_round(followed)

    def _keep_books(self, kept: threading.Event) -> None:
        wall, now = self._clock.now(), self._clock.monotonic()
        self._accounts = [account_of(followed, wall, now) for followed in self._followed.values()]
        kept.set()

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
        if self._flying >= self._limits.in_flight:
            return timeout  # nobody has a turn until a sender is free, and that is heard
        return max(min(timeout, min(self._due(), self._looks.next) - self._clock.monotonic()), 0.001)

    # -- reading ------------------------------------------------------------------------------------------------------

    def _round(self) -> bool:
        """One turn for every reader that is due for a look; True if any of them had something. While all senders are
        busy nobody has a turn, and the round goes on where it was when one is free: what is read now could only wait
        in memory.
        """
        busy, now = False, self._clock.monotonic()
        self._beat = now
        if not self._looks.begin(now, self._due(), self._round_left is not None, self._turns.indebted):
            return False
        self._round_left = self._round_left or self._turns.round(self._is_due)
        while self._flying < self._limits.in_flight and not self._stopping.is_set():
            reader = next(self._round_left, None)
            if reader is None:
                self._round_left = None
                return busy or self._turns.indebted
            try:
                busy |= self._attend(self._followed[reader], now)
            except Exception:
                self._lay_aside(reader)
        return False

    def _is_due(self, reader: Reader) -> bool:
        return self._looks.is_due(self._followed[reader])

    def _lay_aside(self, reader: Reader) -> None:
        """A stream that breaks an assumption must not take the others with it: it rests until it changes. What was
        read of it and not brought is read again after a restart, for nothing behind that is ever settled."""
        self._watcher.arm(reader.files)
        if self._followed.get(reader) in self._packer.batch.spans:
            self._dispatch()  # what comes later must not join the span of what was before
        reader.sent(0, b"")
        self._turns.remove(reader)
        self._failed()

    def _attend(self, followed: Followed, now: float) -> bool:
        """One look at a stream, if it may be read; True if it had something."""
        reader, undecided = followed.reader, followed.decision is None
        match self._admission.standing(followed):
            case Standing.WAITING:
                self._looks.not_yet(followed, now)
                return False
            case Standing.ELSEWHERE:
                self._turns.remove(reader)
                self._followed.pop(reader, None)
                self.cursors.drop(reader.stream.key)
                reader.files.leave(self.name)
                return False
            case Standing.READY:
                if undecided:
                    self._turns.remove(reader)
                    self._join_round(followed)
                    return True  # its first turn is among those of its tenant
                before = reader.bytes_read
                had = self._turn(followed)
                self._turns.charge(reader, reader.bytes_read - before)
                return had

    def _turn(self, followed: Followed) -> bool:
        """One look at a reader; True if it had something."""
        reader, now = followed.reader, self._clock.monotonic()
        taken = reader.take(now)
        if taken is not None:
            followed.lively |= followed.next_look > 0.0  # it grew between two looks
            followed.asked_again = 0.0  # what may be misplaced next is news
            self._packer.bring(followed, taken, self._looks.since(followed, now))
            if reader.at_end:
                self._looks.read_to_its_end(followed, now)
            else:
                self._looks.at_once(followed)
        elif not reader.ended:  # one that has is not armed: another stream may live under its name by now
            self._looks.in_vain(followed, now)
            self._idle(followed, now)
        if reader.ended:
            self._let_go(followed)
        return taken is not None

    def _idle(self, followed: Followed, now: float) -> None:
        """There is nothing to read of it just now: leave it to the watcher, or find out why."""
        reader = followed.reader
        if not reader.restless(now, QUIET_AFTER if followed.lively else PAUSE):
            self._rest(followed, now)
        elif reader.misplaced and now - followed.asked_again > 1.0:
            followed.asked_again = now
            self._watcher.look_again(reader.files)

    def _rest(self, followed: Followed, now: float) -> None:
        self._watcher.arm(followed.reader.files)
        if (taken := followed.reader.take(now)) is None:
            self._turns.remove(followed.reader)
            followed.lively = False
            self._looks.at_rest(followed)
        else:
            self._packer.bring(followed, taken, now)

    def _let_go(self, followed: Followed) -> None:
        """Forget a stream that is gone from the disk, once nothing of it is on its way."""
        reader = followed.reader
        self._turns.remove(reader)
        if not reader.inflight:
            self._followed.pop(reader, None)
            self.cursors.drop(reader.stream.key)

    # -- sending ------------------------------------------------------------------------------------------------------

    def _due(self) -> float:
        batch = self._packer.batch
        return batch.due(self._last_dispatch, self._limits.wait) if batch.spans else math.inf

    def _dispatch_if_due(self) -> None:
        while len(self._notes) and self._flying < self._limits.in_flight:
            self._fly(self._notes.take_batch(self._clock.monotonic()))
        if self._flying < self._limits.in_flight and self._clock.monotonic() >= self._due():
            self._dispatch()

    def _dispatch(self) -> None:
        """Give the batch to a sender; waits while all are busy, doing meanwhile what others ask for."""
        while self._flying >= self._limits.in_flight and not self._stopping.is_set():
            self._listen(1.0)
            self._beat = self._clock.monotonic()
        self._last_dispatch = self._clock.monotonic()
        self._fly(self._packer.take_batch())

    def _fly(self, batch: Batch | None) -> None:
        if batch is not None:
            self._flying += 1
            self._outbox.put(batch)

    def _send_all(self) -> None:
        while (batch := self._outbox.get()) is not None:
            try:
                batch.rejected = self.delivery.deliver(*batch.request())
            except Exception:
                log.exception("%s: unexpected failure while sending; the batch is read again next time", self.name)
            self._inbox.put(partial(self._landed, batch))

    def _landed(self, batch: Batch) -> None:
        self._flying -= 1
        if batch.rejected is None:
            return
        self._ending.answered()
        batch.account()
        for followed, span in batch.spans.items():
            span.settled = True
            self._commit(followed)
            if followed.reader.ended:
                self._let_go(followed)

    def _commit(self, followed: Followed) -> None:
        if (places := followed.reader.settle()) is not None:
            self.cursors.set(followed.reader.stream.key, places)

    def _wind_up(self) -> None:
        last_round = LastRound(self._admission, self._packer, self._may_read, self._lay_aside, self._clock)
        self._listen(0.0)
        more = True
        while more:
            more = self._drained and last_round.run([*self._followed.values()], self._ending)  # and after the answers
            if self._packer.batch.spans:
                self._dispatch()
            while (self._flying or self._notes) and (left := self._ending.left()) > 0:
                self._listen(min(left, 0.1) if self._flying else 0.0)
                try:
                    self._dispatch_if_due()
                except Exception:
                    self._failed()
        self._abandon.set()
        for _ in range(self._limits.in_flight):
            self._outbox.put(None)
        over = self._clock.monotonic() + LAST_COMMITS
        while self._flying and self._clock.monotonic() < over:
            self._listen(0.05)
        self._keep_books(threading.Event())

    def _may_read(self) -> bool:
        self._listen(0.0 if self._flying < self._limits.in_flight else 0.1)
        return self._flying < self._limits.in_flight
