"""Where Datadog's logs land: the newest in full, all of them as counters and keys.

Datadog has no idempotency key, so a retried request is stored twice; whoever wants to recognise repeats must send a
key as an attribute. Logs that carry `outrider.id` are told apart by it, with a digest of the whole log, so that a
repeat that says something else is noticed. Repeats and dropped logs are kept too, marked; the search passes over the
dropped ones only, as Datadog would show the repeats.
"""

import itertools
import threading
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from outrider.intake.clock import Clock
from outrider.intake.datadog.logs import ID, Ready
from outrider.intake.tally import Pace


@dataclass(slots=True, frozen=True)
class Record:
    """One log as it was received. `seq` counts from 1; times are milliseconds since the epoch."""

    seq: int
    timestamp: int
    received: int
    raw: bytes
    repeated: bool
    dropped: str
    over: tuple[str, ...]

    def log(self) -> dict[str, Any]:
        """The log as it is kept."""
        log: dict[str, Any] = orjson.loads(self.raw)
        return log

    def line(self) -> bytes:
        """The log as JSON text, wrapped in `seq`, times and marks."""
        marks: dict[str, Any] = {"seq": self.seq, "received": self.received, "timestamp": self.timestamp}
        if self.repeated:
            marks["repeated"] = True
        if self.dropped:
            marks["dropped"] = self.dropped
        if self.over:
            marks["over"] = self.over
        return b'%b,"log":%b}' % (orjson.dumps(marks)[:-1], self.raw)


class LogStore:
    """All logs of an intake. Safe to use from many threads."""

    def __init__(self, clock: Clock, keep: int) -> None:
        self._clock = clock
        self._records: deque[Record] = deque(maxlen=keep)
        self._digests: dict[int, int] = {}
        self._changed = threading.Condition()
        self._numbers: Counter[str] = Counter()
        self._requests: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._over: Counter[str] = Counter()
        self._services: Counter[str] = Counter()
        self._pace = Pace(clock.monotonic())
        self._lag = 0.0
        self._last_seq = 0

    def add(self, logs: Iterable[Ready], now: int) -> None:
        """Keep logs received at `now` (milliseconds) and count them."""
        with self._changed:
            before = self._last_seq
            for log in logs:
                self._add(log, now)
            self._pace.arrived(self._last_seq - before, self._clock.monotonic())
            self._changed.notify_all()

    def _add(self, log: Ready, now: int) -> None:
        self._over.update(log.over)
        self._numbers["without_message"] += "message" not in log.fields
        repeated = False
        if log.dropped:
            self._dropped[log.dropped] += 1
        else:
            repeated = self._known(log)
            self._numbers["repeated" if repeated else "unique"] += 1
            self._services[log.fields.get("service", "")] += not repeated
        self._lag = (now - log.timestamp) / 1000
        self._last_seq += 1
        self._records.append(Record(self._last_seq, log.timestamp, now, log.raw, repeated, log.dropped, log.over))

    def _known(self, log: Ready) -> bool:
        if ID not in log.fields:
            self._numbers["without_id"] += 1
            return False
        key, digest = hash(str(log.fields[ID])), hash(log.raw)
        known = self._digests.get(key)
        if known is None:
            self._digests[key] = digest
            return False
        self._numbers["conflicting"] += known != digest
        return True

    def count_request(self, outcome: str, compressed: int, uncompressed: int) -> None:
        """Count a request by its HTTP status or the name of its fault, and its size in bytes."""
        with self._changed:
            self._requests[outcome] += 1
            self._pace.asked(self._clock.monotonic())
            self._numbers["compressed"] += compressed
            self._numbers["uncompressed"] += uncompressed

    def count_refused(self, reason: str) -> None:
        """Count a request that was refused, by the reason."""
        with self._changed:
            self._refused[reason] += 1

    def count(self, name: str) -> None:
        """Count one `probes` (a request that carries nothing) or `searches`."""
        with self._changed:
            self._numbers[name] += 1

    def stats(self) -> dict[str, Any]:
        """The counters. Names and meaning: docs/intake.md."""
        with self._changed:
            numbers = self._numbers
            return {
                "accepted": self._last_seq,
                "unique": numbers["unique"],
                "repeated": numbers["repeated"],
                "conflicting": numbers["conflicting"],
                "without_id": numbers["without_id"],
                "without_message": numbers["without_message"],
                "dropped": dict(sorted(self._dropped.items())),
                "over": dict(sorted(self._over.items())),
                "requests": dict(sorted(self._requests.items())),
                "refused": dict(sorted(self._refused.items())),
                "probes": numbers["probes"],
                "searches": numbers["searches"],
                "bytes": {"compressed": numbers["compressed"], "uncompressed": numbers["uncompressed"]},
                "services": dict(self._services.most_common()),
                **self._pace.snapshot(self._clock.monotonic()),
                "lag": self._lag,
                "kept": len(self._records),
                "last_seq": self._last_seq,
            }

    def records(self, since: int = 0, limit: int | None = None) -> list[Record]:
        """The kept records with a `seq` over `since`, oldest first, at most `limit`."""
        with self._changed:
            newer = list(itertools.takewhile(lambda record: record.seq > since, reversed(self._records)))
        newer.reverse()
        return newer[:limit]

    def wait_for(self, unique: int, timeout: float) -> bool:
        """Wait until `unique` different logs were stored; False after `timeout` seconds of real time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._numbers["unique"] >= unique, timeout)
