"""Records become batches: sampled, redacted, encoded, and gathered until a batch is full.

What a reader brings is encoded a slice at a time, so that neither a chunk of ten thousand tiny lines takes all of the
memory nor a batch grows beyond its limit: a slice that has no room in it begins the next one. Each slice tells its
reader how far the stream is accounted for once the batch has landed; lines that made no entry, because a rule left them
out or they are part of something unfinished, are accounted for all the same.
"""

from collections.abc import Callable

from outrider.exporters.block import Block, chained
from outrider.exporters.destination import LogDestination
from outrider.model.records import Records
from outrider.pipeline.batch import Batch
from outrider.pipeline.deadletters import DeadLetters
from outrider.pipeline.followed import Followed
from outrider.pipeline.redact import Redactor
from outrider.tail.positions import Taken

SLICE = 500
"""Records encoded at a time, at most: what they become should fit into the processor's cache."""


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
        dispatch: Callable[[], None],
        commit: Callable[[Followed], None],
        failed: Callable[[], None],
    ) -> None:
        self.batch = Batch(0.0)
        self._since = 0.0
        self._destination, self._dead_letters, self._redactor = destination, dead_letters, redactor
        self._room = min(batch_bytes, destination.max_request)
        self._dispatch, self._commit, self._failed = dispatch, commit, failed

    def take_batch(self) -> Batch:
        """The batch as it is; the next one begins."""
        batch, self.batch = self.batch, Batch(0.0)
        return batch

    def bring(self, followed: Followed, taken: Taken, since: float) -> None:
        """Encode what the reader of `followed` brought into the batch, dispatching it as often as it fills up. None of
        it is older than `since` (monotonic seconds), as far as is known.
        """
        self._since = since
        records, reader = taken.records, followed.reader
        if records and followed.sampler is not None:
            kept = followed.sampler.apply(records, reader.stream.key, reader.generation_at)
            followed.left_out += len(records) - len(kept)
            records = kept
        if self._redactor:
            records = self._redactor.apply(records)
        if not records:
            self._pass_over(followed, taken)
            return
        begin, n = 0, len(records)
        while begin < n:
            end = min(n, begin + min(SLICE, self._destination.max_entries - self.batch.count))
            part = records if end - begin == n else records.part(begin, end)
            before = followed.rejected
            block = self._encode(part, followed)
            followed.left_out += max(0, len(part) - block.count - (followed.rejected - before))
            if end < n:
                self._gather(followed, block, min(taken.boundary, records.least(end)), part.row(-1)[1])
            else:
                self._gather(followed, block, taken.boundary, taken.timestamp)
            begin = end

    def _encode(self, records: Records, followed: Followed) -> Block:
        """The entries of `records`. One that the encoder chokes on is found by halving and buried alone."""
        try:
            return self._destination.encode(records, followed.context, followed.reader.generation_at)
        except Exception as e:
            if len(records) > 1:
                half = len(records) // 2
                halves = records.part(0, half), records.part(half, len(records))
                return chained(self._encode(some, followed) for some in halves)
            self._failed()
            followed.made += 1
            followed.rejected += 1
            self._dead_letters.bury_record(followed.reader.stream.key, records.row(0), f"{type(e).__name__}: {e}")
            return Block(b"", 0)

    def _gather(self, followed: Followed, block: Block, boundary: int, timestamp: bytes) -> None:
        reader = followed.reader
        if self.batch.blocks and not (self._fits(block) and self._goes_with(block)):
            self._dispatch()
        parts = [block] if self._fits(block) else block.spelled().cut(self._room, self._destination.max_entries)
        for part in parts[:-1]:  # several batches have some of it; until all have landed the cursor stays where it is
            self._add(followed, part)
            if followed not in self.batch.spans:
                self.batch.spans[followed] = reader.sent(0, timestamp)
            self._dispatch()
        self._add(followed, parts[-1])
        self.batch.hurried |= not followed.heard and block.count > 0
        followed.heard |= block.count > 0
        span = self.batch.spans.get(followed)
        if span is None:
            self.batch.spans[followed] = reader.sent(boundary, timestamp)
        else:
            reader.extend(span, boundary, timestamp)
        if self.batch.size >= self._room - self._room // 64 or self.batch.count >= self._destination.max_entries:
            self._dispatch()

    def _add(self, followed: Followed, block: Block) -> None:
        self.batch.born = min(self.batch.born, self._since) if self.batch.spans else self._since
        self.batch.add(followed, block)

    def _fits(self, block: Block) -> bool:
        size, count = self.batch.size + block.size, self.batch.count + block.count
        return size <= self._room and count <= self._destination.max_entries

    def _goes_with(self, block: Block) -> bool:
        """Whether the batch would not rather go now: it is large, and what all its entries have in common would have to
        be put into every one if those of another stream came along.
        """
        return self.batch.size < self._room // 4 or self.batch.common in (b"", block.common)

    def _pass_over(self, followed: Followed, taken: Taken) -> None:
        """Lines that made no record (yet): the cursor may move all the same."""
        reader = followed.reader
        span = self.batch.spans.get(followed)
        if span is not None:
            reader.extend(span, taken.boundary, taken.timestamp)
        elif reader.advances(taken.boundary):
            reader.sent(taken.boundary, taken.timestamp).settled = True
            self._commit(followed)
