"""Where Datadog's logs land: the newest in full, all of them as counters and keys.

Datadog has no idempotency key, so a retried request is stored twice; whoever wants to recognise repeats must send a
key as an attribute. Logs that carry `outrider.id` are told apart by it, with a digest of the whole log, so that a
repeat that says something else is noticed. Repeats and dropped logs are kept too, marked; the search passes over the
dropped ones only, as Datadog would show the repeats.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from outrider.intake.arrivals import Arrivals
from outrider.intake.clock import Clock
from outrider.intake.datadog.logs import ID, Ready

_COUNTED = ("unique", "repeated", "conflicting", "without_id", "without_message", "probes", "searches")


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


class LogStore(Arrivals[Record]):
    """All logs of an intake."""

    def __init__(self, clock: Clock, keep: int) -> None:
        super().__init__(clock, keep)
        self._digests: dict[int, int] = {}
        self._dropped: Counter[str] = Counter()
        self._over: Counter[str] = Counter()
        self._services: Counter[str] = Counter()

    def add(self, logs: Iterable[Ready], now: int) -> None:
        """Keep logs received at `now` (milliseconds) and count them."""
        with self._changed:
            before = self.last_seq
            for log in logs:
                self._add(log, now)
            self._pace.arrived(self.last_seq - before, self._clock.monotonic())
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
        self.last_seq += 1
        self._records.append(Record(self.last_seq, log.timestamp, now, log.raw, repeated, log.dropped, log.over))

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

    def count(self, name: str) -> None:
        """Count one `probes` (a request that carries nothing) or `searches`."""
        with self._changed:
            self._numbers[name] += 1

    def stats(self) -> dict[str, Any]:
        """The counters. Names and meaning: docs/intake.md."""
        with self._changed:
            return {
                "accepted": self.last_seq,
                **{name: self._numbers[name] for name in _COUNTED},
                "dropped": dict(sorted(self._dropped.items())),
                "over": dict(sorted(self._over.items())),
                "services": dict(self._services.most_common()),
                "refused": self.refused,
                **self._common(),
            }

    def wait_for(self, unique: int, timeout: float) -> bool:
        """Wait until `unique` different logs were stored; False after `timeout` seconds of real time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._numbers["unique"] >= unique, timeout)
