"""Entries that nobody has written to a log: what a pod's owner has to know, beside the pod's own lines.

A note is a JSON line with a severity, as a program in the pod could have written it, and takes the way of one:
redacted, encoded for the stream's resource with its labels, sent and answered for like any batch. Only no file is
behind it, so no cursor moves. In its identity a hash stands where generation and offset do otherwise:

    <stream>-note-<hash of the words>

Notes wait until a sender is free, as lines do, and are sent before the pump ends, as far as there is time.
"""

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b

import orjson

from outrider.exporters.destination import LogDestination
from outrider.model.pod import Pod
from outrider.model.records import Records
from outrider.model.stream import Stream
from outrider.pipeline.batch import Batch
from outrider.pipeline.redact import Redactor

GENERATION = "note"
MOST_WAITING = 1000
"""Notes that wait for a sender; beyond, the oldest is given up: it is in the collector's own log too."""


@dataclass(frozen=True, slots=True)
class Note:
    """A warning for the log of `stream`. `time` is seconds since 1970; `more` goes beside the message."""

    stream: Stream
    pod: Pod | None
    time: float
    message: str
    more: tuple[tuple[str, str], ...] = ()

    def record(self) -> Records:
        """Both vendors take the severity from where it stands in a JSON line."""
        line = {"severity": "WARNING", "status": "warning", "message": self.message, **dict(self.more)}
        place = int.from_bytes(blake2b(self.message.encode(), digest_size=5).digest(), "big")
        moment = datetime.fromtimestamp(self.time, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        return Records.of([(place, moment.encode(), b"stdout", orjson.dumps(line))])


class Notes:
    """Those of one exporter that have not been given to a sender. For one thread."""

    def __init__(self, destination: LogDestination, redactor: Redactor) -> None:
        self._destination, self._redactor = destination, redactor
        self._waiting: deque[Note] = deque(maxlen=MOST_WAITING)

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, note: Note) -> None:
        self._waiting.append(note)

    def take_batch(self, now: float) -> Batch | None:
        """The oldest one as a request of its own; None if the destination makes no entry of it."""
        note = self._waiting.popleft()
        context = self._destination.context(note.stream, note.pod)
        records = note.record()
        if self._redactor:
            records = self._redactor.apply(records)
        block = self._destination.encode(records, context, lambda _: (GENERATION, b"")).spelled()
        return Batch(now, [block], block.size, block.count) if block.count else None
