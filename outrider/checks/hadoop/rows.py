"""Applications, nodes, queues and jobs: the most active one by one, and the rest as one, by what has a sum."""

from collections.abc import Callable, Collection, Mapping

from outrider.checks.budget import OTHER, Budget, Values
from outrider.checks.check import Reading

Key = tuple[str, ...]


class Rows:
    """Things of one kind, of which `most` are reported one by one. `told` are the attributes that tell them apart;
    `sums` the members that have a sum.
    """

    def __init__(self, what: str, most: int, told: tuple[str, ...], sums: Collection[str]) -> None:
        self._budget: Budget[Key] = Budget(f"{what} of Hadoop", "top", most, gauges=sums)
        self._told = told

    def report(
        self, reading: Reading, rows: Mapping[Key, Values], activity: Callable[[Values], int | float | None]
    ) -> None:
        for row in self._budget.rows(rows, activity, reading.time):
            names = (OTHER,) * len(self._told) if row.key is None else row.key
            attributes = dict(zip(self._told, names, strict=True))
            for key, value in row.values.items():
                reading.add(key, value, None, **attributes)
