"""Records become batches: sampled, redacted, encoded, and gathered until a batch is full.

What a reader brings is encoded a slice at a time, so that a batch never grows much beyond its limit whatever a chunk
holds. Each slice tells its reader how far the stream is accounted for once the batch has landed; lines that made no
entry, because a rule left them out or they are part of something unfinished, are accounted for all the same.
"""

from collections.abc import Callable

from outrider.exporters.destination import LogDestination
from outrider.model.clock import Clock
from outrider.pipeline.batch import Batch
from outrider.pipeline.deadletters import DeadLetters
from outrider.pipeline.followed import Followed
from outrider.pipeline.redact import Redactor
from outrider.tail.positions import Taken
from outrider.tail.records import Record

SLICE = 500
"""Records encoded between two looks at the size of the batch."""


class Packer:
    """Fills `batch` and calls `dispatch` whenever it is full, `commit` for a stream that needs no request to go on,
    and `failed` (inside an exception handler) for a record that cannot be encoded.
    """

    def __init__(
        self,
        destination: LogDestination,
        dead_letters: DeadLetters,
        redactor: Redactor,
        batch_bytes: int,
        clock: Clock,
        dispatch: Callable[[], None],
        commit: Callable[[Followed], None],
        failed: Callable[[], None],
    ) -> None:
        self.batch = Batch(0.0)
        self._destination, self._dead_letters, self._redactor = destination, dead_letters, redactor
        self._room, self._clock = min(batch_bytes, destination.max_request), clock
        self._dispatch, self._commit, self._failed = dispatch, commit, failed

    def take_batch(self) -> Batch:
        """The batch as it is; the next one begins."""
        batch, self.batch = self.batch, Batch(0.0)
        return batch

    def bring(self, followed: Followed, taken: Taken) -> None:
        """Encode what the reader of `followed` brought into the batch, dispatching it as often as it fills up."""
        records, reader = taken.records, followed.reader
        if records and followed.sampler is not None:
            kept = followed.sampler.apply(records, reader.stream.key, reader.generation_at)
            followed.left_out += len(records) - len(kept)
            records = kept
        if self._redactor:
            records = self._redactor.apply(records)
        for i in range(0, len(records), SLICE):
            part = records[i : i + SLICE]
            before = followed.rejected
            entries = self._encode(part, followed)
            followed.left_out += max(0, len(part) - len(entries) - (followed.rejected - before))
            rest = records[i + SLICE :]
            if rest:
                self._gather(followed, entries, min(taken.boundary, min(r[0] for r in rest)), part[-1][1])
            else:
                self._gather(followed, entries, taken.boundary, taken.timestamp)
        if not records:
            self._pass_over(followed, taken)

    def _encode(self, records: list[Record], followed: Followed) -> list[bytes]:
        """The entries of `records`. One that the encoder chokes on is found by halving and buried alone."""
        try:
            return self._destination.encode(records, followed.context, followed.reader.generation_at)
        except Exception as e:
            if len(records) > 1:
                half = len(records) // 2
                return self._encode(records[:half], followed) + self._encode(records[half:], followed)
            self._failed()
            followed.made += 1
            followed.rejected += 1
            self._dead_letters.bury_record(followed.reader.stream.key, records[0], f"{type(e).__name__}: {e}")
            return []

    def _gather(self, followed: Followed, entries: list[bytes], boundary: int, timestamp: bytes) -> None:
        reader = followed.reader
        while (n := self._fitting(entries)) < len(entries):
            if n:  # the rest goes with the next batch; until both have landed the cursor stays where it is
                self._add(followed, entries[:n])
                if followed not in self.batch.spans:
                    self.batch.spans[followed] = reader.sent(0, timestamp)
            self._dispatch()
            entries = entries[n:]
        self._add(followed, entries)
        self.batch.hurried |= not followed.heard and bool(entries)
        followed.heard |= bool(entries)
        span = self.batch.spans.get(followed)
        if span is None:
            self.batch.spans[followed] = reader.sent(boundary, timestamp)
        else:
            reader.extend(span, boundary, timestamp)
        if self.batch.size >= self._room - self._room // 64:
            self._dispatch()

    def _add(self, followed: Followed, entries: list[bytes]) -> None:
        if not self.batch.spans:
            self.batch.born = self._clock.monotonic()
        self.batch.add(followed, entries, _size(entries))

    def _fitting(self, entries: list[bytes]) -> int:
        """How many of the first entries the batch still has room for; at least one if it has none."""
        room, count = self._room - self.batch.size, self._destination.max_entries - len(self.batch.entries)
        if len(entries) <= count and _size(entries) <= room:
            return len(entries)
        total = 0
        for n, entry in enumerate(entries[:count]):
            total += len(entry) + 1
            if total > room:
                return n if n or self.batch.entries else 1
        return count

    def _pass_over(self, followed: Followed, taken: Taken) -> None:
        """Lines that made no record (yet): the cursor may move all the same."""
        reader = followed.reader
        span = self.batch.spans.get(followed)
        if span is not None:
            reader.extend(span, taken.boundary, taken.timestamp)
        elif reader.advances(taken.boundary):
            reader.sent(taken.boundary, taken.timestamp).settled = True
            self._commit(followed)


def _size(entries: list[bytes]) -> int:
    return sum(map(len, entries)) + len(entries)
