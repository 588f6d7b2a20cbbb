"""What performance_schema tells: how long queries take, which ones, and who is connected.

Queries are told apart by their digest, which the server makes of them: the text without its literals.
"""

from typing import Any

from outrider.checks.budget import OTHER, Budget
from outrider.checks.mysql.asking import Asking, number
from outrider.checks.mysql.settings import MysqlSettings

TABLES = "performance_schema.*"
DIGESTS = "performance_schema.events_statements_summary_by_digest"
AT_MOST = 2000
"""Queries that are looked at, those that took the most time."""
TEXT = 200
"""Characters of a query's text: those that Datadog has of a tag."""

_COLUMNS = {
    "count": "COUNT_STAR",
    "errors": "SUM_ERRORS",
    "time": "SUM_TIMER_WAIT",
    "lock_time": "SUM_LOCK_TIME",
    "rows_affected": "SUM_ROWS_AFFECTED",
    "rows_sent": "SUM_ROWS_SENT",
    "rows_examined": "SUM_ROWS_EXAMINED",
    "select_scan": "SUM_SELECT_SCAN",
    "select_full_join": "SUM_SELECT_FULL_JOIN",
    "no_index_used": "SUM_NO_INDEX_USED",
    "no_good_index_used": "SUM_NO_GOOD_INDEX_USED",
}
_PICOSECONDS = ("time", "lock_time")
_EXTRA = ("query_run_time.avg", "digest_95th_percentile", "user_connections")

_AVERAGE = f"""\
SELECT SCHEMA_NAME AS `schema`, SUM(SUM_TIMER_WAIT) / SUM(COUNT_STAR) / 1000000 AS microseconds
FROM {DIGESTS} WHERE SCHEMA_NAME IS NOT NULL GROUP BY SCHEMA_NAME HAVING SUM(COUNT_STAR) > 0"""
_CLIENTS = """\
SELECT PROCESSLIST_USER AS user, PROCESSLIST_HOST AS host, PROCESSLIST_DB AS db, PROCESSLIST_STATE AS state,
COUNT(*) AS connections FROM performance_schema.threads
WHERE PROCESSLIST_USER IS NOT NULL AND PROCESSLIST_STATE IS NOT NULL GROUP BY 1, 2, 3, 4"""
_QUERIES = f"""\
SELECT SCHEMA_NAME AS `schema`, DIGEST AS digest, LEFT(DIGEST_TEXT, {TEXT}) AS text,
{", ".join(f"{column} AS {name}" for name, column in _COLUMNS.items())}
FROM {DIGESTS} ORDER BY SUM_TIMER_WAIT DESC LIMIT {AT_MOST}"""


class Performance:
    """Remembers who was reported one by one."""

    def __init__(self, settings: MysqlSettings) -> None:
        self._settings = settings
        self._schemas: Budget[str] = Budget("mysql schemas", "top", settings.top)
        self._clients: Budget[tuple[Any, ...]] = Budget(
            "combinations of user, host, schema and state", "top", settings.top, gauges={"connections"}
        )
        self._queries: Budget[tuple[str, str, str]] = Budget(
            "mysql queries", "top_queries", settings.top_queries, counters=_COLUMNS
        )

    def report(self, asking: Asking, *, performance_schema: bool) -> None:
        """Add what is asked for, if performance_schema is on."""
        queries = [f"query.{name}" for name in _COLUMNS] if self._settings.top_queries else []
        extra = _EXTRA if self._settings.extra_performance_metrics else ()
        if not performance_schema:
            for key in (*extra, *queries):
                asking.reading.lacks(key, "performance_schema is off")
            return
        if extra:
            self._times(asking)
            self._connections(asking)
        if queries:
            self._by_query(asking, queries)

    def _times(self, asking: Asking) -> None:
        key = "query_run_time.avg"
        rows = asking.rows(_AVERAGE, [key, "digest_95th_percentile"], TABLES)
        if rows is None:
            return
        times = {str(row["schema"]): {"time": number(row["microseconds"])} for row in rows}
        for found in self._schemas.rows(times, lambda values: values["time"], asking.reading.time):
            if found.key is not None:  # a mean of means would tell nothing
                asking.reading.add(key, found.values["time"], schema=found.key)
        self._percentile(asking)

    def _percentile(self, asking: Asking) -> None:
        """Of the mean times of all queries, the one that 95 % are at or below."""
        lost = ["digest_95th_percentile"]
        counted = asking.rows(f"SELECT COUNT(*) AS queries FROM {DIGESTS}", lost, TABLES)
        if not counted or not (queries := int(counted[0]["queries"])):
            return
        place = min(round(0.95 * queries), queries - 1)
        statement = f"SELECT AVG_TIMER_WAIT AS time FROM {DIGESTS} ORDER BY AVG_TIMER_WAIT LIMIT 1 OFFSET {place}"
        for row in asking.rows(statement, lost, TABLES) or ():
            asking.reading.add("digest_95th_percentile", round((number(row["time"]) or 0) / 1_000_000))

    def _connections(self, asking: Asking) -> None:
        rows = asking.rows(_CLIENTS, ["user_connections"], TABLES) or ()
        by_client = {
            (row["user"], row["host"], row["db"], row["state"]): {"connections": number(row["connections"])}
            for row in rows
        }
        for row in self._clients.rows(by_client, lambda values: values["connections"], asking.reading.time):
            user, host, db, state = row.key or (OTHER, OTHER, OTHER, OTHER)
            where = {
                "processlist_user": user,
                "processlist_host": host,
                "processlist_db": db,
                "processlist_state": state,
            }
            told: dict[str, Any] = {name: str(value) for name, value in where.items() if value}
            asking.reading.add("user_connections", row.values["connections"], **told)

    def _by_query(self, asking: Asking, keys: list[str]) -> None:
        by_query: dict[tuple[str, str, str], dict[str, int | float | None]] = {}
        for row in asking.rows(_QUERIES, keys, TABLES) or ():
            values = {name: number(row[name]) for name in _COLUMNS}
            for name in _PICOSECONDS:
                values[name] = (number(row[name]) or 0) // 1000
            by_query[str(row["schema"] or ""), str(row["digest"] or OTHER), str(row["text"] or "")] = values
        for found in self._queries.rows(by_query, lambda values: values["time"], asking.reading.time):
            schema, digest, text = found.key or (OTHER, OTHER, "")
            told: dict[str, Any] = {"schema": schema, "query_signature": digest, "query": text}
            for name in _COLUMNS:
                asking.reading.add(f"query.{name}", found.values.get(name), start=found.start, **told)
