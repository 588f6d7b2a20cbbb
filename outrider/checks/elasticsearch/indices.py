"""Indices: all of a cluster together, and one by one within a budget, the largest first.

The table `_cat/indices` has sizes and health. It has no searches; those are in `_stats/search`.
"""

from typing import Any

from outrider.checks.budget import OTHER, Budget, Values
from outrider.checks.check import Reading
from outrider.checks.elasticsearch.api import Api
from outrider.checks.elasticsearch.members import Members, at, number, objects

COLUMNS = ("docs.count", "docs.deleted", "pri", "rep", "pri.store.size", "store.size")
SEARCHES = ("query_total", "query_time_in_millis")
COUNTED = ("indices.*.uuid", "indices.*.primaries.docs.count")
"""What every index has: the first since 6.4 (elastic/elasticsearch#31871), the second as long as it has a shard."""
HEALTHS = {"green": (0, 2), "yellow": (1, 1), "red": (2, 0)}
"""By the index's own word: the number, and the number the other way round."""


class Primaries:
    """Sums of all primary shards."""

    def __init__(self) -> None:
        self._members: Members | None = None

    def report(self, reading: Reading, api: Api, tags: dict[str, str]) -> None:
        """Raises CheckError."""
        if self._members is None:
            self._members = Members(reading.declared, "primaries")
        said = api.mapping(f"/_stats?filter_path=_all.primaries,{','.join(COUNTED)}")
        reading.add("indices.count", len(dict(objects(said, "indices"))))
        reading.instance(**tags, index_name="_all")
        self._members.report(reading, at(said, "_all", "primaries"))
        reading.instance(**tags)


class Indices:
    """Each index, up to `most` of them."""

    def __init__(self, most: int) -> None:
        self._budget: Budget[str] = Budget(
            "indices of Elasticsearch", "max_indices", most, counters=SEARCHES, gauges=COLUMNS
        )

    def report(self, reading: Reading, api: Api, tags: dict[str, str]) -> None:
        """Raises CheckError."""
        table = api.rows(f"/_cat/indices?format=json&bytes=b&h=index,health,{','.join(COLUMNS)}")
        paths = ",".join(f"indices.*.total.search.{name}" for name in SEARCHES)
        searches = api.mapping(f"/_stats/search?filter_path={paths}")
        rows = {str(row.get("index")): _row(row, searches) for row in table}
        for one in self._budget.rows(rows, lambda values: values["store.size"], reading.time):
            reading.instance(**tags, index_name=one.key or OTHER)
            for name, value in one.values.items():
                reading.add(f"index.{name}", value, one.start)
        reading.instance(**tags)


def _row(row: dict[str, Any], searches: dict[str, Any]) -> Values:
    health, reverse = HEALTHS.get(str(row.get("health")).lower(), (None, None))
    searched = at(searches, "indices", str(row.get("index")), "total", "search")
    return {
        **{column: number(row.get(column)) for column in COLUMNS},
        **{name: number(at(searched, name)) for name in SEARCHES},
        "health": health,
        "health_reverse": reverse,
    }
