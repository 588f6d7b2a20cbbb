"""Databases: dbStats of each, as long as they are few; the rest together as `other`.

Datadog gets `local` from every member and the others from the principal (see deployment.py), so that a sum over servers
counts everything once. Google, whose series are those of one server, gets all from everybody who has data.
"""

from fnmatch import fnmatchcase

from outrider.checks.budget import OTHER, Budget
from outrider.checks.mongodb.asking import Asking, number, paths
from outrider.checks.mongodb.connection import Document
from outrider.checks.mongodb.deployment import Deployment

CLUSTER, OWN = "cluster.dbStats.", "dbStats."
SUMMED = (
    "collections",
    "dataSize",
    "freeStorageSize",
    "indexes",
    "indexFreeStorageSize",
    "indexSize",
    "objects",
    "storageSize",
    "totalFreeStorageSize",
    "totalSize",
    "views",
)
"""What can be summed over databases."""


def budget(most: int) -> Budget[str]:
    return Budget(
        "mongodb databases", "max_databases", most, gauges=[p + name for p in (CLUSTER, OWN) for name in SUMMED]
    )


def names(asking: Asking) -> list[str]:
    """The databases that are wanted; all are counted."""
    found = asking.command("listDatabases", "databases", CLUSTER, OWN, nameOnly=True)
    if found is None:
        return []
    all_names = [database["name"] for database in found["databases"]]
    asking.reading.add("databases", len(all_names))
    return [name for name in all_names if any(fnmatchcase(name, glob) for glob in asking.settings.databases)]


def read_databases(
    asking: Asking, deployment: Deployment, wanted: list[str], top: dict[str, Document], of: Budget[str]
) -> None:
    """`top` are the totals of the command of that name, by namespace; they tell who is active."""
    active: dict[str, int | float] = {}
    for namespace, totals in top.items():
        database = namespace.partition(".")[0]
        active[database] = active.get(database, 0) + (number(totals, ("total", "count")) or 0)
    rows = {}
    for name in wanted:
        if name == "local" and deployment.kind == "mongos":
            continue
        stats = asking.command("dbStats", CLUSTER, OWN, database=name, freeStorage=1)
        if stats is not None:
            prefixes = [OWN, CLUSTER] if deployment.principal or name == "local" else [OWN]
            keys = [entry for prefix in prefixes for entry in paths(asking.reading.declared, prefix)]
            rows[name] = {key: number(stats, path) for key, path in keys} | {"activity": active.get(name, 0)}
    for row in of.rows(rows, lambda values: values["activity"], asking.reading.time):
        name = row.key or OTHER
        for key, value in row.values.items():
            told = {"dbstats": f"db:{name}"} if key.startswith(CLUSTER) else {}
            asking.reading.add(key, value, row.start, db=name, **told)
