"""Queues and exchanges: which are reported, under which tags, and how many one by one."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from outrider.checks.budget import OTHER, Budget, Values
from outrider.checks.check import Reading
from outrider.checks.rabbitmq.members import Members
from outrider.model.patterns import compiled

Named = tuple[str, str]
"""A virtual host and a name in it."""
MEANS = {"queue.consumer_utilisation", "queue.head_message_timestamp"}
"""Values that have no sum."""


class Selection:
    """Which names are reported: all, or those in which one of `patterns` matches."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = [compiled(pattern) for pattern in patterns]

    def family(self, name: str, vhost: str = "") -> str | None:
        """None: not reported. What the first group of the pattern matches, or nothing."""
        if not self._patterns:
            return ""
        texts = [name.encode(), f"{vhost}/{name}".encode()] if vhost else [name.encode()]
        for pattern in self._patterns:
            for text in texts:
                match = pattern.search(text)
                if match is not None:
                    return (match.group(1) or b"").decode() if pattern.groups else ""
        return None


class ListOf:
    """The queues or the exchanges (`thing`) of a broker, of which up to `most` are reported one by one."""

    def __init__(self, thing: str, setting: str, most: int, patterns: Sequence[str], members: Members) -> None:
        self._thing, self._members = thing, members
        self._selection = Selection(patterns)
        of_thing = members.of(thing)
        counters = {key for key in of_thing if members.counts(key)}
        self._budget: Budget[Named] = Budget(
            f"{thing}s of RabbitMQ", setting, most, counters=counters, gauges=of_thing.keys() - counters - MEANS
        )

    def report(
        self,
        reading: Reading,
        items: Iterable[dict[str, Any]],
        activity: Callable[[Values], float],
        more: Mapping[Named, Values] | None = None,
    ) -> None:
        """Add what the API says of `items`, and `more` that it says elsewhere."""
        rows: dict[Named, Values] = {}
        told: dict[Named, dict[str, str]] = {}
        for item in items:
            name, vhost = str(item["name"]), str(item["vhost"])
            family = self._selection.family(name, vhost)
            values = None if family is None else self._members.values(self._thing, item)
            if values:
                named = vhost, name
                rows[named] = {**values, **(more or {}).get(named, {})}
                told[named] = self._attributes(item, name, vhost, family or "")
        for row in self._budget.rows(rows, activity, reading.time):
            attributes = {f"{self._thing}_name": OTHER} if row.key is None else told[row.key]
            for key, value in row.values.items():
                reading.add(key, value, row.start, **attributes)

    def _attributes(self, item: Mapping[str, Any], name: str, vhost: str, family: str) -> dict[str, str]:
        """What tells it apart; like the Agent without what is empty, such as the name of the default exchange."""
        attributes = {
            f"{self._thing}_name": name,
            "vhost_name": vhost,
            "node_name": item.get("node"),
            "policy": item.get("policy"),
            f"{self._thing}_family": family,
        }
        return {key: str(value) for key, value in attributes.items() if value}
