"""What could not be delivered for good, kept for a person: one JSON object a line, with the destination's words.

Usually that is an entry that the destination refused; a record that could not even be encoded is kept as it was read.
The file is bounded: at MAX_BYTES it is renamed over its predecessor. A dead letter that cannot be written (full disk)
is counted and its words are logged; delivery goes on.
"""

import logging
import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import orjson

from outrider.model.clock import Clock
from outrider.model.counters import Counters
from outrider.model.records import Record

log = logging.getLogger(__name__)

MAX_BYTES = 64 << 20


class DeadLetters:
    """The dead letters of one exporter, in `<state>/dead-letters/<exporter>.ndjson`."""

    def __init__(self, directory: Path, exporter: str, clock: Clock, counters: Counters) -> None:
        self.path = directory / f"{exporter}.ndjson"
        self._clock = clock
        self._exporter = exporter
        self._lock = threading.Lock()
        self._told = ""
        self._rejected = counters.counter(
            "outrider_entries_rejected_total", "Entries that the destination refused for good.", exporter=exporter
        )
        self._failures = counters.counter(
            "outrider_state_write_errors_total", "Failed writes of state files.", file="dead-letters", exporter=exporter
        )

    def bury(self, entry: bytes, words: str) -> None:
        """Keep `entry`. Never raises."""
        self._rejected.add()
        if words != self._told:
            self._told = words
            log.error("%s refused an entry for good: %s. It is kept in %s", self._exporter, words, self.path)
        self._keep(entry, words)

    def bury_record(self, stream: str, record: Record, words: str) -> None:
        """Keep a record of `stream` (its key) that no entry could be made of. Never raises."""
        self._rejected.add()
        _, timestamp, _, content = record
        text = content.decode("utf-8", "backslashreplace")
        self._keep(orjson.dumps({"stream": stream, "timestamp": timestamp.decode("ascii"), "line": text}), words)

    def _keep(self, entry: bytes, words: str) -> None:
        when = datetime.fromtimestamp(self._clock.now(), UTC).isoformat()
        head = orjson.dumps({"time": when, "exporter": self._exporter, "error": words})
        line = b'%b,"entry":%b}\n' % (head[:-1], entry)
        try:
            with self._lock:
                self._append(line)
        except OSError as e:
            self._failures.add()
            log.error("a dead letter of %s could not be kept: %s", self._exporter, e)

    def _append(self, line: bytes) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "ab") as f:
            f.write(line)
            full = f.tell() > MAX_BYTES
        if full:
            os.replace(self.path, self.path.with_suffix(".old.ndjson"))
