"""What a reader could not deliver: counted, said, and never guessed.

Bytes are uncompressed and count from where the reader stood to the end of the file. Where nobody can know the end (a
file truncated before it was looked at again, a gzip that is cut off) what is known is counted, which may be nothing;
the file counts in any case.
"""

import logging

from outrider.model.counters import Counters
from outrider.model.stream import Stream
from outrider.tail.generation import Generation

log = logging.getLogger(__name__)


class Losses:
    """The losses of one reader. `bytes` sums them by cause: budget, disk, descriptors (the hold let the file go),
    deleted, truncated, damaged, unreadable.
    """

    def __init__(self, counters: Counters, exporter: str, stream: Stream) -> None:
        self.bytes: dict[str, int] = {}
        self._counters, self._exporter, self._stream = counters, exporter, stream
        self._files = counters.counter(
            "outrider_lost_generations_total",
            "Log files that went away before they were read to their end.",
            exporter=exporter,
        )

    def add(self, generation: Generation, offset: int, cause: str, size: int) -> None:
        """The `size` bytes behind `offset` are lost."""
        log.warning(
            "%s: whatever stood behind byte %d is lost to %s (%s, %d bytes)",
            *(generation.path, offset, self._exporter, cause, size),
        )
        self._files.add()
        self.bytes[cause] = self.bytes.get(cause, 0) + size
        self._counters.counter(
            "outrider_lost_bytes_total",
            "Bytes of log files that went away before they were read.",
            exporter=self._exporter,
            namespace=self._stream.namespace,
            pod=self._stream.pod,
            container=self._stream.container,
            cause=cause,
        ).add(size)
