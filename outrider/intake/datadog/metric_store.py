"""Where points, service checks and events land: the newest of each in full, all of them as counters."""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from outrider.intake.arrivals import Arrivals
from outrider.intake.clock import Clock
from outrider.intake.datadog.points import Point


@dataclass(frozen=True, slots=True)
class Record:
    """One point as it was received, at `received` (milliseconds)."""

    seq: int
    received: int
    point: Point

    def line(self) -> bytes:
        """The point as JSON text, wrapped in `seq`, the time of receipt and marks."""
        marks: dict[str, Any] = {"seq": self.seq, "received": self.received}
        if self.point.dropped:
            marks["dropped"] = self.point.dropped
        return orjson.dumps({**marks, "point": self.point.shown()})


class MetricStore(Arrivals[Record]):
    """All points, service checks and events of an intake."""

    def __init__(self, clock: Clock, keep: int) -> None:
        super().__init__(clock, keep)
        self._checks: deque[dict[str, Any]] = deque(maxlen=keep)
        self._events: deque[dict[str, Any]] = deque(maxlen=keep)
        self._paths: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._over: Counter[str] = Counter()
        self._metrics: dict[str, set[object]] = {}

    def add_points(self, points: Iterable[Point], now: float) -> None:
        """Keep points received at `now` (seconds) and count them."""
        with self._changed:
            before = self.last_seq
            for point in points:
                self._over.update(point.over)
                self.last_seq += 1
                self._records.append(Record(self.last_seq, int(now * 1000), point))
                self._lag = now - point.timestamp
                if point.dropped:
                    self._dropped[point.dropped] += 1
                else:
                    self._numbers["stored"] += 1
                    self._metrics.setdefault(point.metric, set()).add(point.series)
            self._pace.arrived(self.last_seq - before, self._clock.monotonic())
            self._changed.notify_all()

    def add_checks(self, checks: Iterable[tuple[dict[str, Any], str]]) -> None:
        """Keep service checks, but those that are dropped."""
        with self._changed:
            for check, dropped in checks:
                if dropped:
                    self._dropped[dropped] += 1
                else:
                    self._numbers["service_checks"] += 1
                    self._checks.append(check)
            self._changed.notify_all()

    def add_event(self, event: dict[str, Any], dropped: str, over: Iterable[str]) -> dict[str, Any]:
        """Keep an event, unless it is dropped; the event with its id."""
        with self._changed:
            self._numbers["events"] += not dropped
            self._numbers["ids"] += 1
            self._over.update(over)
            whole = {"id": self._numbers["ids"], **event}
            if dropped:
                self._dropped[dropped] += 1
            else:
                self._events.append(whole)
            self._changed.notify_all()
            return whole

    def count_at(self, path: str, outcome: str, compressed: int, uncompressed: int) -> None:
        """As `count_request`, of a request to `path`."""
        self.count_request(outcome, compressed, uncompressed)
        with self._changed:
            self._paths[path] += 1

    def stats(self) -> dict[str, Any]:
        """The counters. Names and meaning: docs/intake.md."""
        with self._changed:
            by_metric = {name: len(series) for name, series in self._metrics.items()}
            return {
                "accepted": self.last_seq,
                **{name: self._numbers[name] for name in ("stored", "service_checks", "events")},
                "dropped": dict(sorted(self._dropped.items())),
                "over": dict(sorted(self._over.items())),
                "series": sum(by_metric.values()),
                "metrics": dict(sorted(by_metric.items(), key=lambda item: (-item[1], item[0]))),
                "paths": dict(sorted(self._paths.items())),
                "refused": self.refused,
                **self._common(),
            }

    def points(self) -> list[Point]:
        """The kept points, in order of arrival, but those that were dropped."""
        return [record.point for record in self.records() if not record.point.dropped]

    def service_checks(self) -> list[dict[str, Any]]:
        """The kept service checks, in order of arrival."""
        with self._changed:
            return list(self._checks)

    def events(self) -> list[dict[str, Any]]:
        """The kept events, in order of arrival."""
        with self._changed:
            return list(self._events)

    def wait_for(self, points: int, timeout: float) -> bool:
        """Wait until `points` were stored; False after `timeout` seconds of real time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._numbers["stored"] >= points, timeout)
