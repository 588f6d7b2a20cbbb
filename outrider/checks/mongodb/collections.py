"""Collections: how often their indexes are used, and on demand their sizes, latencies and operations.

One command, `top`, tells of all collections how many operations there were and how long they took. Everything else
takes a command for each collection. So `top` decides who is active, and the less active are not even asked.
"""

from collections.abc import Iterator
from fnmatch import fnmatchcase

from outrider.checks.budget import OTHER, Budget, Number
from outrider.checks.mongodb.asking import Asking, number, paths
from outrider.checks.mongodb.connection import Document
from outrider.checks.mongodb.deployment import Deployment

Namespace = tuple[str, str, str]
"""Database, collection, and the shard if mongos tells it."""

KINDS = ("commands", "getmore", "insert", "queries", "readLock", "remove", "total", "update", "writeLock")
TIMED = ("commands", "getmore", "insert", "queries", "remove", "update")
"""What of `top` Google's operation.time is made of; the locks and the total would count everything again."""
LATENCIES = ("reads", "writes", "commands", "transactions")
COUNTERS = (
    "indexAccesses",
    *(f"top.{kind}.{what}" for kind in KINDS for what in ("count", "time")),
    *(f"collStats.latencyStats.{kind}.{what}" for kind in LATENCIES for what in ("latency", "ops")),
    *(f"collStats.queryExecStats.collectionScans.{what}" for what in ("total", "nonTailable")),
)
GAUGES = tuple(
    f"collStats.storageStats.{name}" for name in ("size", "count", "storageSize", "nindexes", "totalIndexSize")
)
SERVERS_OWN = ("config", "local")
"""Databases that servers keep for themselves: of sharding, sessions, the oplog."""
ASKED = 5
"""How many times `max_collections` are asked, so that `other` is more than nothing and the server has a rest."""


def budget(most: int) -> Budget[Namespace]:
    return Budget("mongodb collections", "max_collections", most, COUNTERS, GAUGES)


class Growth:
    """The time of operations over all collections, which never falls, though collections are dropped."""

    def __init__(self) -> None:
        self._before: dict[tuple[str, str], Number] = {}
        self.total: dict[str, Number] = dict.fromkeys(TIMED, 0)

    def add(self, top: dict[str, Document]) -> None:
        now = {(ns, kind): number(totals, (kind, "time")) or 0 for ns, totals in top.items() for kind in TIMED}
        for key, value in now.items():
            before = self._before.get(key, 0)
            self.total[key[1]] += value - before if value >= before else value
        self._before = now


def read_top(asking: Asking, growth: Growth) -> dict[str, Document]:
    """The totals of `top`, by namespace."""
    answer = asking.command("top", "operationTime.", "top.")
    if answer is None:
        return {}
    top = {ns: totals for ns, totals in answer["totals"].items() if "." in ns}  # beside them stands a note
    growth.add(top)
    for kind, time in growth.total.items():
        asking.reading.add(f"operationTime.{kind}", time)
    return top


def read_collections(
    asking: Asking, deployment: Deployment, databases: list[str], top: dict[str, Document], of: Budget[Namespace]
) -> None:
    """The collections in `databases` that are wanted."""
    rows: dict[Namespace, dict[str, Number | None]] = {}
    indexes: list[tuple[Namespace, str, str, Number | None]] = []
    for database, collection in _asked(asking, databases, top):
        totals = top.get(f"{database}.{collection}", {})
        shared: dict[str, Number | None] = {"activity": number(totals, ("total", "count")) or 0}
        if asking.wants("top") and totals:
            shared |= {key: number(totals, path) for key, path in paths(asking.reading.declared, "top.")}
            rows[database, collection, ""] = dict(shared)
        for shard, values, found in _read(asking, deployment, database, collection):
            namespace = (database, collection, shard)
            rows.setdefault(namespace, dict(shared)).update(values)
            indexes += [(namespace, *of_index) for of_index in found]
    alone = set()
    for row in of.rows(rows, lambda values: values["activity"], asking.reading.time):
        if row.key is not None:
            alone.add(row.key)
        for key, value in row.values.items():
            asking.reading.add(key, value, row.start, **_attributes(row.key or (OTHER, OTHER, "")))
    for namespace, key, index, value in indexes:
        if namespace in alone:
            old = {"name": index} if key.startswith("indexStats.") else {}  # as Datadog's check still has it
            asking.reading.add(key, value, None, **_attributes(namespace), index=index, **old)


def _attributes(namespace: Namespace) -> dict[str, str]:
    db, collection, shard = namespace
    return {"db": db, "collection": collection, **({"shard": shard} if shard else {})}


def _asked(asking: Asking, databases: list[str], top: dict[str, Document]) -> list[tuple[str, str]]:
    """The wanted collections, those with most operations first."""
    wanted = []
    for database in databases:
        if database in SERVERS_OWN:
            continue
        found = asking.command(
            "listCollections",
            "indexAccesses",
            database=database,
            nameOnly=True,
            authorizedCollections=True,
            filter={"type": "collection"},
        )
        listed = found["cursor"]["firstBatch"] if found is not None else []
        names = [c["name"] for c in listed if not c["name"].startswith("system.")]
        globs = asking.settings.collections
        wanted += [(database, name) for name in names if any(fnmatchcase(f"{database}.{name}", g) for g in globs)]
    wanted.sort(key=lambda pair: -(number(top.get(".".join(pair), {}), ("total", "count")) or 0))
    return wanted[: ASKED * asking.settings.max_collections]


def _read(
    asking: Asking, deployment: Deployment, database: str, collection: str
) -> Iterator[tuple[str, dict[str, Number | None], list[tuple[str, str, Number | None]]]]:
    """By shard: values by key, and those of single indexes (key, index, value)."""
    name = f"{database}.{collection}"
    accesses: dict[str, int] = {}
    found: dict[str, list[tuple[str, str, Number | None]]] = {}
    for row in asking.aggregate(f"indexStats of {name}", database, collection, [{"$indexStats": {}}], "index") or []:
        shard, uses = row.get("shard", ""), int(row["accesses"]["ops"])
        accesses[shard] = accesses.get(shard, 0) + uses
        if asking.wants("indexes") and deployment.principal:
            found.setdefault(shard, []).append(("indexStats.accesses.ops", row["name"], uses))
    for shard, uses in accesses.items():
        yield shard, {"indexAccesses": uses}, found.get(shard, [])
    if asking.wants("collection") and deployment.principal:
        stats: Document = {"$collStats": {"storageStats": {}, "latencyStats": {}, "queryExecStats": {}}}
        for row in asking.aggregate(f"collStats of {name}", database, collection, [stats], "collStats.") or []:
            values = {key: number(row, path) for key, path in paths(asking.reading.declared, "collStats.")}
            for kind in LATENCIES:
                spent, operations = (number(row, ("latencyStats", kind, what)) for what in ("latency", "ops"))
                if spent is not None and operations:
                    values[f"collStats.latency.{kind}"] = round(spent / operations, 1)
            sizes = row.get("storageStats", {}).get("indexSizes", {})
            yield row.get("shard", ""), values, [("collStats.indexSizes", i, size) for i, size in sizes.items()]
