"""One exporter's way through one stream.

A reader stands at an offset of a generation. Each `take` reads a chunk, cuts it at the last newline, and returns the
records that it completes; at the end of a closed generation it goes on with the next one that it has not finished. A
program may write to a file that was rotated, so one that was finished can have more: at the end of what there is in the
growing file the reader goes back for it.
Nothing is carried over between chunks but offsets, so what a pod writes cannot fill the memory.

What was sent is a queue of `Span`s; they may be settled in any order, and the cursor moves over the settled ones at
the head of the queue only. A generation that was read to its end is let go when the cursor has passed that end.
"""

import logging
from collections import deque

from outrider.model.counters import Counters
from outrider.model.records import Records
from outrider.tail.books import Balance, Books
from outrider.tail.counts import Counts
from outrider.tail.cursors import Place
from outrider.tail.files import StreamFiles
from outrider.tail.generation import Generation, GivenUp, Shrunk, Truncated
from outrider.tail.gunzip import Damaged
from outrider.tail.losses import Losses
from outrider.tail.positions import OFFSET_MASK, TURN_BITS, Span, Taken, seconds_of
from outrider.tail.records import MAX_RECORD, PARTS_PATIENCE, Assembler

log = logging.getLogger(__name__)

CHUNK = 256 * 1024
"""Bytes read at a time; a line longer than that makes the reader look further, up to MAX_RECORD."""
LATE_WRITES = 0.2
"""Seconds for which a rotated file may still be written to: a runtime that is told to reopen its log has lines on the
way.
"""
HALF_LINE_PATIENCE = 60.0
"""Seconds after which a last line without a newline in a live file is delivered as it is."""
READ_PATIENCE = 60.0
"""Seconds for which a closed file that the disk does not give is tried again."""
FAR = 4 << 20
_KEPT = 64


class Reader:
    """See the module. Used by one thread, its exporter's pump."""

    def __init__(
        self,
        name: str,
        files: StreamFiles,
        assembler: Assembler,
        places: dict[str, Place],
        from_end: bool,
        counters: Counters,
    ) -> None:
        self.name = name
        self.files = files
        self.stream = files.stream
        self.assembler = assembler
        self.last_data = 0.0
        self.ended = False
        self.at_end = False
        """The last `take` read all that there was of a file that grows."""
        self._to_the_end = False
        self.inflight: deque[Span] = deque()
        self._places = dict(places)
        self._generation: Generation | None = None
        self._turn = -1
        self._entered: dict[int, Generation] = {}
        self._ends: dict[int, int] = {}
        self._finished: dict[str, tuple[Generation, float | None, int]] = {}
        self._offset = 0
        self._want = CHUNK
        self._stuck_at: float | None = None
        self._sent, self._sent_time = 0, b""
        self._settled, self._settled_time = 0, b""
        self._books = Books()
        self._caught_up, self._fell_behind = False, float("-inf")
        self._looked_at = files.born
        self._owing: deque[tuple[int, Generation]] = deque()
        self._half_line = (0, 0, 0.0)
        self._called_back: float | None = None
        self._joined_before = 0
        self._counts = Counts(counters, name)
        self._losses = Losses(counters, name, self.stream)
        if places:
            newest = max(places)
            self.assembler.timestamp = places[newest][1].encode()
        elif from_end:
            self._places = {g.key: (g.left(0), "") for g in files.generations}

    # -- reading ------------------------------------------------------------------------------------------------------

    def drain(self, now: float) -> Taken | None:
        """As `take`, but nobody will write any more: a last line without a newline is whole, and so is what waits for
        its continuation once there is nothing to read. None: all of it was said.
        """
        self._to_the_end = True
        return self.take(now)

    def take(self, now: float) -> Taken | None:
        """The next records, or None if there is nothing to say now. Never raises for what a file does."""
        # The watching thread may say at any moment that a file is closed, or all are gone. It is asked before the read,
        # for what is written and closed right after it was not read.
        over, gone = self.files.over, self.files.gone
        generation = self._generation or self._enter_next()
        self._looked_at, self.at_end = now, False
        if generation is None:
            return self._ended(gone, now) if over else self._ripe(now)
        closed_at = generation.closed_at
        try:
            data = generation.read(self.name, self._offset, self._want)
        except Truncated:
            return self._truncated(generation, now)
        except GivenUp as e:
            return self._give_up(generation, str(e)) if generation.gone else self._ripe(now)
        except Shrunk as e:
            # A program's own file was truncated, and begins as before.
            size = generation.head.at if self.files.form.by_time else e.size
            log.warning("%s is shorter than what was read of it: going on at byte %d", generation.path, size)
            self._ends[self._turn] = self._offset
            self._books.end(self._turn, self._offset)
            self._enter(generation, size)
            return self._ripe(now)
        except OSError as e:
            return self._unreadable(generation, e, now)
        self._stuck_at = None
        self.at_end = len(data) < self._want and closed_at is None
        end = data.rfind(b"\n") + 1
        if end == 0:
            if len(data) == self._want:
                return self._look_further(data, now)
            return self._at_end(generation, closed_at, data, now)
        self.last_data = now
        if self._caught_up and len(data) == self._want:  # there is more than one chunk to be read
            self._caught_up, self._fell_behind = False, now
        self._want = CHUNK
        return self._consume(data if end == len(data) else data[:end], end, now)

    def _consume(self, chunk: bytes, length: int, now: float) -> Taken:
        lines = self.files.form.cut(chunk, self._position, self.assembler.screen)
        records = self.assembler.feed(lines, self._position, now)
        self._offset += length
        self._books.read += length
        self._counts.lines.add(lines.number)
        if self._left_behind():
            records.extend(self.assembler.expire(now))
        return self._taken(records)

    def _taken(self, records: Records) -> Taken:
        self._counts.joined.add(self.assembler.joined - self._joined_before)
        self._joined_before = self.assembler.joined
        unfinished = self.assembler.unfinished
        boundary = self._position if unfinished is None else min(unfinished, self._position)
        return Taken(records, boundary, self.assembler.timestamp)

    def _left_behind(self) -> bool:
        """Whether something unfinished lies far back: stdout is busy, say, and a trace on stderr has ended. Nearer
        ones wait until there is nothing to read, for what they wait for may be on the disk already.
        """
        unfinished = self.assembler.unfinished
        if unfinished is None:
            return False
        since = unfinished & OFFSET_MASK if unfinished >> TURN_BITS == self._turn else 0
        return self._offset - since > FAR

    def _ripe(self, now: float) -> Taken | None:
        """Nothing new to read: the records whose rest has been waited for long enough."""
        records = self.assembler.finish(now) if self._to_the_end else self.assembler.expire(now)
        return self._taken(records) if records else None

    def _look_further(self, data: bytes, now: float) -> Taken | None:
        if self._want < MAX_RECORD:
            self._want = min(self._want * 4, MAX_RECORD)
            return self.take(now)
        self._counts.cut.add()
        self.last_data = now
        return self._consume(data + b"\n", len(data), now)

    def _at_end(self, generation: Generation, closed_at: float | None, rest: bytes, now: float) -> Taken | None:
        closed = closed_at is not None and (now - closed_at >= LATE_WRITES or self._to_the_end)
        if (self._position, len(rest)) != self._half_line[:2]:
            self._half_line = (self._position, len(rest), now)
        if rest:
            if self._to_the_end or self._half_line_is_ripe(closed, now):
                self._counts.half.add()
                return self._consume(rest + b"\n", len(rest), now)
            return self._ripe(now)
        self._caught_up |= not closed
        if closed:
            return self._finish(generation, closed_at)
        return self._ripe(now) or (self._go_back(generation, now) if closed_at is None else None)

    def _go_back(self, generation: Generation, now: float) -> Taken | None:
        """If there is something to read in another file than the growing one, read that, and then go on here. What is
        unfinished here must not be continued there: it has time to be finished.
        """
        if all(other is generation or self._through(other) for other in self.files.generations):
            self._called_back = None
            return None
        self._called_back = now if self._called_back is None else self._called_back
        patience = self.assembler.joining.wait * PARTS_PATIENCE
        if self.assembler.unfinished is not None and now - self._called_back < patience and not self._to_the_end:
            return None
        taken = self._taken(self.assembler.finish(now))
        self._called_back, self.at_end = None, False
        self._leave(generation, None)
        return taken

    def _ended(self, gone: bool, now: float) -> Taken | None:
        """No file is left but those that wait for the destination, and all are read: what is unfinished stays so."""
        self.ended = gone
        records = self.assembler.finish(now)
        return self._taken(records) if records else None

    def _half_line_is_ripe(self, closed: bool, now: float) -> bool:
        return now - self._half_line[2] >= (self.assembler.joining.wait if closed else HALF_LINE_PATIENCE)

    def _truncated(self, generation: Generation, now: float) -> Taken | None:
        """Its bytes are in a copy, which a look at the directory will find, or nowhere."""
        if generation.gone:
            return self._give_up(generation, "truncated")
        self._stuck_at = self._stuck_at or now
        return self._ripe(now)

    def _unreadable(self, generation: Generation, error: OSError, now: float) -> Taken | None:
        if self._stuck_at is None:
            self._stuck_at = now
            self._counts.read_errors.add()
            log.warning("cannot read %s: %s", generation.path, error.strerror or error)
        tried_enough = generation.closed_at is not None and now - self._stuck_at >= READ_PATIENCE
        if isinstance(error, Damaged):
            return self._give_up(generation, "damaged", known=not error.cut)
        if generation.gone or tried_enough:
            return self._give_up(generation, "deleted" if generation.gone else "unreadable")
        return self._ripe(now)

    def _give_up(self, generation: Generation, cause: str, known: bool = True) -> Taken:
        left = generation.left(self._offset) if known else 0
        if left or generation.given_up is None:  # what was given up may have been read to its end just before
            self._losses.add(generation, self._offset, cause, left)
        return self._finish(generation, generation.closed_at)

    @property
    def misplaced(self) -> bool:
        """The current file does not hold what it should, or not at all: somebody should look at the directory."""
        return self._generation is not None and self._stuck_at is not None

    def restless(self, now: float, quiet_after: float) -> bool:
        """Whether time alone may bring something: data came lately, or something is unfinished or on the move."""
        generation = self._generation
        return (
            now - self.last_data < quiet_after
            or self._half_line[1] > 0
            or self.misplaced
            or self.assembler.unfinished is not None
            or (generation is not None and generation.closed_at is not None)
        )

    @property
    def bytes_read(self) -> int:
        return self._books.read

    @property
    def places(self) -> dict[str, Place]:
        """Where a reader taken up now would begin."""
        return dict(self._places)

    # -- generations --------------------------------------------------------------------------------------------------

    @property
    def _position(self) -> int:
        return self._turn << TURN_BITS | self._offset

    def _enter_next(self) -> Generation | None:
        """The first generation that this reader is not through with, or that came back or grew again since then."""
        for generation in self.files.generations:
            if not self._through(generation):
                generation.hold(self.name)
                offset, skipped = self._start_of(generation)
                self._books.skipped += skipped
                self._enter(generation, offset)
                return generation
        return None

    def _through(self, generation: Generation) -> bool:
        finished, closed_at, _ = self._finished.get(generation.key, (None, None, 0))
        return finished is generation and closed_at is not None and closed_at == generation.closed_at

    def _start_of(self, generation: Generation) -> tuple[int, int]:
        """Where a generation would be entered now, and how much before that this reader has not read."""
        place = self._places.get(generation.key, (generation.head.at, ""))[0]
        if generation.key not in self._finished:
            return place, place
        return max(self._finished[generation.key][2], place), 0

    def _enter(self, generation: Generation, offset: int) -> None:
        self._generation = generation
        self._turn += 1
        self._entered[self._turn] = generation
        self._books.begin(self._turn, offset)
        self._offset = offset
        if self._turn == 0:
            self._sent, self._sent_time = offset, self.assembler.timestamp
            self._settled, self._settled_time = offset, self.assembler.timestamp or generation.head.timestamp

    def _finish(self, generation: Generation, closed_at: float | None) -> Taken:
        self._leave(generation, closed_at)
        generation.release(self.name)
        self._owing.append((self._position, generation))
        self._want = CHUNK
        self._stuck_at = None
        self._half_line = (0, 0, 0.0)
        self._let_off()
        return self._taken(Records())

    def _leave(self, generation: Generation, closed_at: float | None) -> None:
        """Go on with another one. In this one everything was read that there is, if it is still closed since
        `closed_at`.
        """
        self._finished[generation.key] = (generation, closed_at, self._offset)
        while len(self._finished) > _KEPT + len(self.files.generations):
            del self._finished[next(iter(self._finished))]
        self._ends[self._turn] = self._offset
        self._books.end(self._turn, self._offset)
        self._generation = None

    def generation_at(self, turn: int) -> tuple[str, bytes]:
        """The key of the generation entered as number `turn`, and the time of its first line."""
        head = self._entered[turn].head
        return head.key, head.timestamp

    # -- acknowledgement ----------------------------------------------------------------------------------------------

    def sent(self, boundary: int, timestamp: bytes) -> Span:
        """Everything before `boundary` is on its way (or needs no way). A boundary that lies behind what was sent
        before marks entries that hold the cursor where it is.
        """
        span = Span(self._sent, self._sent_time, self._looked_at)
        self.inflight.append(span)
        self.extend(span, boundary, timestamp)
        return span

    def extend(self, span: Span, boundary: int, timestamp: bytes) -> None:
        """The last span sent covers more now."""
        if boundary > self._sent:
            self._sent, self._sent_time = boundary, timestamp
        span.boundary, span.timestamp = self._sent, self._sent_time

    def advances(self, boundary: int) -> bool:
        return boundary > self._sent

    def settle(self) -> dict[str, Place] | None:
        """Move the cursor over the settled spans at the head; the places to commit, or None if it did not move."""
        last: Span | None = None
        while self.inflight and self.inflight[0].settled:
            last = self.inflight.popleft()
        if last is None:
            return None
        self._settled, self._settled_time = last.boundary, last.timestamp
        self._let_off()
        turn, offset = last.boundary >> TURN_BITS, last.boundary & OFFSET_MASK
        self._books.settle(turn, offset)
        for past in [t for t in self._entered if t < turn]:
            self._places[self._entered.pop(past).key] = (self._ends.pop(past), "")
        self._places[self._entered[turn].key] = (offset, last.timestamp.decode("ascii", "replace"))
        present = {g.key for g in self.files.generations}
        self._places = {k: p for k, p in self._places.items() if k in present or k == self._entered[turn].key}
        return dict(self._places)

    # -- the ledger ---------------------------------------------------------------------------------------------------

    def balance(self) -> Balance:
        """What became of the bytes of this stream, as of now."""
        waiting = [
            (g.left(0), *self._start_of(g))
            for g in self.files.generations
            if g is not self._generation and not self._through(g)
        ]
        current = self._generation
        offset = None if current is None else self._offset
        left = 0 if current is None else current.left(self._offset)
        return self._books.balance(self._turn, offset, left, waiting, self._losses.bytes)

    def lag(self, wall: float, now: float) -> float:
        """Age in seconds of the oldest line that is not acknowledged, if there is one. While the stream is being caught
        up with, the line before it tells by its time, but not more than since it was caught up with last; otherwise
        it is as old as its reading.
        """
        if not self._caught_up and (written := seconds_of(self._settled_time)) is not None:
            return max(0.0, min(wall - written, now - self._fell_behind))
        return now - (self.inflight[0].born if self.inflight else self._looked_at)

    def _let_off(self) -> None:
        """Files that the cursor has passed need not be kept for this reader. One that grew again is passed later."""
        while self._owing and self._owing[0][0] <= self._settled:
            _, generation = self._owing.popleft()
            if generation is not self._generation and all(later is not generation for _, later in self._owing):
                generation.settle(self.name)
