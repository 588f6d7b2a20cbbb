"""Where entries land: the newest in full, all of them as counters and keys.

Cloud Logging takes two entries of the same project, timestamp and insertId for one, in the results of a query. The
store therefore remembers a 64-bit key of every entry it ever saw (with a digest of its text, so that a repeat that
says something else is noticed), and keeps the newest `keep` entries as bytes. A repeat is kept too, marked, because
whoever tests an exporter wants to see it; queries pass over it, as they pass over entries older than the retention
period, which the API accepts and does not store.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from outrider.intake.arrivals import Arrivals
from outrider.intake.clock import Clock
from outrider.intake.timestamps import SECOND, format_timestamp
from outrider.intake.validate import Ready

RETENTION = 30 * 24 * 3600 * SECOND  # the _Default bucket keeps entries for 30 days
_COUNTED = ("unique", "repeated", "conflicting", "rejected", "too_old", "lists")


@dataclass(slots=True, frozen=True)
class Record:
    """One entry as it was received. `seq` counts from 1; times are nanoseconds since the epoch."""

    seq: int
    parent: str
    log_name: str
    timestamp: int
    received: int
    insert_id: str
    raw: bytes
    repeated: bool
    too_old: bool

    def entry(self) -> dict[str, Any]:
        """The LogEntry, as REST JSON with `receiveTimestamp`."""
        entry: dict[str, Any] = orjson.loads(self.raw)
        entry["receiveTimestamp"] = format_timestamp(self.received)
        return entry

    def line(self) -> bytes:
        """The LogEntry as JSON text, with `seq`, and with `repeated` or `tooOld` where true."""
        marks = (b'"repeated":true,' if self.repeated else b"") + (b'"tooOld":true,' if self.too_old else b"")
        received = format_timestamp(self.received).encode()
        return b'{"seq":%d,"receiveTimestamp":"%b",%b%b' % (self.seq, received, marks, self.raw[1:])


class Store(Arrivals[Record]):
    """All entries of an intake."""

    def __init__(self, clock: Clock, keep: int) -> None:
        super().__init__(clock, keep)
        self._digests: dict[int, int] = {}
        self._log_names: set[str] = set()
        self._namespaces: Counter[str] = Counter()
        self.deletions = 0

    def add(self, entries: Iterable[Ready], now: int) -> None:
        """Keep entries received at `now` (nanoseconds) and count them."""
        with self._changed:
            before = self.last_seq
            for entry in entries:
                self._add(entry, now)
            self._pace.arrived(self.last_seq - before, self._clock.monotonic())
            self._changed.notify_all()

    def _add(self, entry: Ready, now: int) -> None:
        numbers = self._numbers
        insert_id = entry.fields["insertId"]
        key = hash((entry.parent, entry.timestamp, insert_id))
        digest = hash(entry.raw)
        known = self._digests.get(key)
        repeated = known is not None
        too_old = entry.timestamp < now - RETENTION
        if repeated:
            numbers["repeated"] += 1
            numbers["conflicting"] += known != digest
        else:
            self._digests[key] = digest
            numbers["unique"] += 1
            numbers["too_old"] += too_old
            namespace = entry.fields["resource"].get("labels", {}).get("namespace_name", "")
            self._namespaces[namespace] += 1
        self._lag = (now - entry.timestamp) / SECOND
        self.last_seq += 1
        log_name = entry.fields["logName"]
        self._log_names.add(log_name)
        self._records.append(
            Record(
                self.last_seq,
                entry.parent,
                log_name,
                entry.timestamp,
                now,
                insert_id,
                entry.raw,
                repeated,
                too_old,
            )
        )

    def count_rejected(self, entries: int) -> None:
        """Count entries which were refused."""
        with self._changed:
            self._numbers["rejected"] += entries

    def count_list(self) -> None:
        """Count a list request."""
        with self._changed:
            self._numbers["lists"] += 1

    def stats(self) -> dict[str, Any]:
        """The counters. Names and meaning: docs/intake.md."""
        with self._changed:
            return {
                "received": self.last_seq,
                **{name: self._numbers[name] for name in _COUNTED},
                "namespaces": dict(self._namespaces.most_common()),
                **self._common(),
            }

    def queryable(self) -> Iterator[Record]:
        """The kept records a query may return: each entry once, and none older than the retention period."""
        return (record for record in self.records() if not record.repeated and not record.too_old)

    def log_names(self, parent: str) -> list[str]:
        """Names of the logs of a project that hold entries, sorted."""
        with self._changed:
            return sorted(name for name in self._log_names if name.startswith(parent + "/logs/"))

    def delete_log(self, log_name: str) -> bool:
        """Forget the entries of a log (their keys stay); False if there is no such log."""
        with self._changed:
            if log_name not in self._log_names:
                return False
            self._log_names.remove(log_name)
            kept = [record for record in self._records if record.log_name != log_name]
            self._records = deque(kept, self._records.maxlen)
            self.deletions += 1
            return True

    def wait_for(self, unique: int, timeout: float) -> bool:
        """Wait until `unique` different entries were received; False after `timeout` seconds of real time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._numbers["unique"] >= unique, timeout)
