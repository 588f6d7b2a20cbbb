"""How many things of a kind a check reports one by one: the most active, and the rest as one, called `other`.

A broker with ten thousand queues would be ten thousand times every series of a queue, and both vendors charge by the
series. So a check gives the rows that it read (queues, tables, databases: keys, and numbers by name) to a `Budget`, and
reports what comes back.

    budget = Budget("rabbitmq queues", "max_queues", 200, counters={"published"}, gauges={"messages"})
    for row in budget.rows({"jobs": {"published": 7, "messages": 1}, ...}, lambda row: row["published"], reading.time):
        reading.add("queue.messages", row.values.get("messages"), queue=row.key or OTHER)
        reading.add("queue.published", row.values.get("published"), start=row.start, queue=row.key or OTHER)

Who is among the most active changes, and rows of the rest come and go. A sum over whoever is in the rest would fall and
rise with that. So the counters of `other` are growth: of each row, since the run before, as long as it is in the rest.
They count from the first run of the budget, whatever the server counts from. A row that is reported by itself
gives way only to one that is more than twice as active, so that the series do not flap.
"""

import logging
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

OTHER = "other"
"""What the rest is called."""
STAY = 2.0
"""How many times as active as a reported row another one has to be to take its place."""

Number = int | float
Key = TypeVar("Key", bound=Hashable)
Values = Mapping[str, Number | None]


@dataclass(frozen=True, slots=True)
class Row(Generic[Key]):
    """What is reported of one row, or of the rest (`key` is None). `start`, of the rest, is since when its counters
    count: nanoseconds since 1970.
    """

    key: Key | None
    values: Values
    start: int | None = None


class Budget(Generic[Key]):
    """Reports up to `most` rows by themselves. Of the rest come only the sums of `gauges` and the growth of `counters`,
    by name: the mean of a mean means nothing. `what` (the product and the things) and `setting` (which raises `most`)
    are for the log, which says once that there is a rest.
    """

    def __init__(
        self, what: str, setting: str, most: int, counters: Collection[str] = (), gauges: Collection[str] = ()
    ) -> None:
        self._what, self._setting, self._most = what, setting, most
        self._counters, self._gauges = tuple(counters), tuple(gauges)
        self._chosen: set[Key] = set()
        self._before: dict[Key, Values] | None = None
        self._grown: dict[str, Number] = dict.fromkeys(self._counters, 0)
        self._start = 0
        self._said = False

    def rows(
        self, rows: Mapping[Key, Values], activity: Callable[[Values], Number | None], time: int
    ) -> list[Row[Key]]:
        """The most active of `rows` as they are, and one row for the rest if there is one. `time`: of this run."""
        chosen = self._choose(rows, activity)
        rest = {key: values for key, values in rows.items() if key not in chosen}
        first = self._before is None
        if first:
            self._start = time
        elif rest:
            self._grow(rest)
        if len(rows) > self._most:
            self._say(len(rows))
        self._before = {key: {name: values.get(name) for name in self._counters} for key, values in rows.items()}
        reported: list[Row[Key]] = [Row(key, rows[key]) for key in rows if key in chosen]
        if rest:
            sums = {name: sum(values.get(name) or 0 for values in rest.values()) for name in self._gauges}
            reported.append(Row(None, sums if first else {**sums, **self._grown}, self._start))
        return reported

    def _choose(self, rows: Mapping[Key, Values], activity: Callable[[Values], Number | None]) -> set[Key]:
        """The keys of the most active rows; those with equal activity in the order of `rows`."""
        if len(rows) <= self._most:
            self._chosen = set(rows)
        else:
            weights = {k: (activity(v) or 0) * (STAY if k in self._chosen else 1) for k, v in rows.items()}
            ranked = sorted(rows, key=lambda key: (-weights[key], key not in self._chosen))
            self._chosen = set(ranked[: self._most])
        return self._chosen

    def _grow(self, rest: Mapping[Key, Values]) -> None:
        """Add what the rows of the rest grew by. One that is new began at nothing, one that fell began anew."""
        before = self._before or {}
        for key, values in rest.items():
            known = before.get(key, {})
            for name in self._counters:
                now, was = values.get(name) or 0, known.get(name) or 0
                self._grown[name] += now - was if now >= was else now

    def _say(self, count: int) -> None:
        if not self._said:
            self._said = True
            log.warning(
                "%d %s are more than %s (%d): the less active are reported together as %r",
                count,
                self._what,
                self._setting,
                self._most,
                OTHER,
            )
