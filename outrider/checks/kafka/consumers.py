"""Groups of consumers: how many members they have, and how far behind the ends of partitions they are."""

from collections import defaultdict
from dataclasses import dataclass, field

from outrider.checks.budget import OTHER, Budget, Values
from outrider.checks.check import Reading
from outrider.checks.kafka.lag import Ends
from outrider.checks.kafka.messages import Group, Spot
from outrider.checks.kafka.settings import KafkaSettings

UNTOLD = "Dead"
"""The state of a group that is gone, and of one of the kind that came with Kafka 4, whose members are told in another
way.
"""

Place = tuple[str, Spot]
"""A group, and a partition that it reads."""


@dataclass
class Consumed:
    """What the coordinators said: of each group its state and coordinator, and what it has committed."""

    groups: dict[str, tuple[Group | None, int]] = field(default_factory=dict)
    offsets: dict[Place, int] = field(default_factory=dict)


class Consumers:
    """Reports them within their budgets."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._ends = Ends()
        most = settings.max_offsets
        self._groups: Budget[str] = Budget("groups of Kafka", "max_groups", settings.max_groups, gauges={"members"})
        self._sums: Budget[tuple[str, str]] = Budget(
            "topics of Kafka's groups", "max_offsets", most, gauges={"lag_sum"}
        )
        self._places: Budget[Place] = Budget("offsets of Kafka's groups", "max_offsets", most, gauges={"lag"})

    def report(self, reading: Reading, consumed: Consumed, ends: dict[Spot, int]) -> None:
        """`ends` are the latest offsets of those partitions whose leaders told them."""
        reading.add("groups", len(consumed.groups))
        self._each_group(reading, consumed)
        now = reading.time / 1e9
        rows: dict[Place, Values] = {}
        sums: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: {"offset_sum": 0, "lag_sum": 0})
        for (group, spot), offset in consumed.offsets.items():
            end = ends.get(spot)
            rows[group, spot] = {"offset": offset, "lag": None if end is None else max(end - offset, 0)}
            if end is not None:
                sums[group, spot.topic]["offset_sum"] += offset
                sums[group, spot.topic]["lag_sum"] += max(end - offset, 0)
        told = self._places.rows(rows, lambda values: values["lag"], reading.time)
        read = {row.key[1] for row in told if row.key is not None}
        self._ends.see({spot: end for spot, end in ends.items() if spot in read}, now)
        for row in told:
            group, spot = row.key or (OTHER, Spot(OTHER, -1))
            where = {"consumer_group": group, "topic": spot.topic}
            where["partition"] = str(spot.partition) if row.key else OTHER
            for name, value in row.values.items():
                reading.add(f"group.{name}", value, None, **where)
            if row.key and row.values["lag"] is not None:
                behind = self._ends.seconds_behind(spot, int(row.values["offset"] or 0))
                reading.add("group.seconds_behind", behind, None, **where)
        for summed in self._sums.rows(sums, lambda values: values["lag_sum"], reading.time):
            group, topic = summed.key or (OTHER, OTHER)
            for name, value in summed.values.items():
                reading.add(f"group.{name}", value, None, consumer_group=group, topic=topic)

    def _each_group(self, reading: Reading, consumed: Consumed) -> None:
        known = {
            name: (group, node)
            for name, (group, node) in consumed.groups.items()
            if group is not None and group.state != UNTOLD
        }
        rows: dict[str, Values] = {name: {"members": group.members} for name, (group, _) in known.items()}
        for row in self._groups.rows(rows, lambda values: values["members"], reading.time):
            told = {"consumer_group": row.key or OTHER}
            if row.key is not None:
                group, node = known[row.key]
                told |= {"consumer_group_state": group.state, "coordinator": str(node)}
            reading.add("group.members", row.values["members"], None, **told)
