"""Standard output as whoever answers: what is written there is written whole, by one at a time, or it is to be written
again. Nothing of a write that failed is kept back: what a buffer holds would come a second time with the next try.
"""

import io
import sys
import threading
from typing import BinaryIO

from outrider.exporters.answer import Answer, Verdict

_TURN = threading.Lock()
"""There is one standard output, for entries and for metrics."""


class StandardOutput:
    """Writes to `out`, which must not buffer, or to the standard output of the process."""

    def __init__(self, out: BinaryIO | None = None) -> None:
        self._out = out

    def write(self, data: bytes) -> Answer:
        """Never raises OSError."""
        left = memoryview(data)
        try:
            with _TURN:
                out = self._out or io.FileIO(sys.stdout.fileno(), "wb", closefd=False)
                while left:
                    left = left[out.write(left) :]
        except OSError as e:
            return Answer(Verdict.HOLD, f"standard output: {e}")
        return Answer(Verdict.ACCEPTED)
