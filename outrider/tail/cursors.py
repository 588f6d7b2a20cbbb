"""How far each exporter has got, on disk.

One file per exporter: stream -> generation -> (offset, time of the line before the offset). Everything before the
offset was acknowledged by the destination, or given up with a count. A generation that is finished stays listed, at
its end, as long as its file is on the disk: so a file is never taken for unread, or read, because of its name, age or
place in an order.

Pumps change the picture in memory; a saver writes it whole and atomically, at most once a second, so `kill -9` costs
a second of repeats. If it cannot be written (full disk, read-only), delivery goes on and the counter and the log say
so; if it cannot be read, streams are taken up as never seen, and the repeats carry the insertIds they had.
"""

import logging
import threading
from pathlib import Path
from typing import Annotated

import msgspec

from outrider.model.counters import Counters
from outrider.model.files import CorruptStateError, read_state, set_aside, write_state

log = logging.getLogger(__name__)

Place = tuple[int, str]
"""(offset in uncompressed bytes, timestamp of the last line before it)."""
_Stored = dict[str, dict[str, tuple[Annotated[int, msgspec.Meta(ge=0, lt=1 << 48)], str]]]


class Cursors:
    """The cursors of one exporter. Safe to use from its pump and the saver at once."""

    def __init__(self, path: Path, counters: Counters, exporter: str) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._streams: dict[str, dict[str, Place]] = {}
        self._touched: set[str] = set()
        self._dirty = False
        self._failing: str | None = None
        self._failures = counters.counter(
            "outrider_state_write_errors_total", "Failed writes of state files.", file="cursors", exporter=exporter
        )
        self._corrupt = counters.counter(
            "outrider_state_corrupt_total", "State files that could not be read.", file="cursors", exporter=exporter
        )

    def load(self) -> None:
        """Read the file. Whatever is wrong with it is counted and said, never raised."""
        try:
            body = read_state(self.path)
            if body is not None:
                self._streams = msgspec.convert(body, _Stored)
        except msgspec.ValidationError as e:
            self._say(CorruptStateError(self.path, f"does not hold cursors ({e})", set_aside(self.path)))
        except (CorruptStateError, OSError) as e:
            self._say(e)

    def _say(self, error: Exception) -> None:
        self._corrupt.add()
        log.error("cursors could not be read: %s. Logs are read again; repeats carry the same insertIds", error)

    def take_over(self, before: "Cursors") -> None:
        """Go on in memory where those of the same exporter were that nobody uses any more: instead of `load`."""
        with before._lock:
            streams = {stream: dict(places) for stream, places in before._streams.items()}
        with self._lock:
            self._streams, self._dirty = streams, True

    def get(self, stream: str) -> dict[str, Place]:
        """The places of a stream by generation; empty if it was never seen."""
        with self._lock:
            self._touched.add(stream)
            return dict(self._streams.get(stream, {}))

    def knows(self, stream: str) -> bool:
        """Whether the stream was followed before, though nothing of it may have been acknowledged."""
        with self._lock:
            return stream in self._streams

    def set(self, stream: str, places: dict[str, Place]) -> None:
        with self._lock:
            self._streams[stream] = places
            self._dirty = True

    def drop(self, stream: str) -> None:
        """The stream is gone from the disk and nothing of it is in flight."""
        with self._lock:
            self._touched.discard(stream)
            self._dirty |= self._streams.pop(stream, None) is not None

    def drop_untouched(self) -> None:
        """Drop the streams that nobody has asked for since the start: their pods are long gone."""
        with self._lock:
            for stream in self._streams.keys() - self._touched:
                del self._streams[stream]
                self._dirty = True

    def save(self) -> bool:
        """Write the file if anything changed; False if that failed (it will be tried again)."""
        with self._lock:
            if not self._dirty:
                return True
            self._dirty = False
            snapshot = {stream: dict(places) for stream, places in self._streams.items()}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_state(self.path, snapshot)
        except OSError as e:
            self._dirty = True
            self._failures.add()
            if self._failing != str(e):
                self._failing = str(e)
                log.error("cursors cannot be saved: %s. Delivery goes on; a restart now would repeat lines", e)
            return False
        if self._failing is not None:
            log.warning("cursors are saved again")
        self._failing = None
        return True
