"""How large schemas, tables and indexes are, and how much they are used: each of it if asked for."""

from collections.abc import Callable

from outrider.checks.budget import OTHER, Budget, Number, Values
from outrider.checks.mysql.asking import Asking, number
from outrider.checks.mysql.connection import Row
from outrider.checks.mysql.settings import MysqlSettings

AT_MOST = 2000
"""Tables or indexes that are looked at: the largest, or the most used."""

_OWN = "('mysql', 'performance_schema', 'information_schema', 'sys')"
"""Schemas that are the server's."""

_SCHEMAS = """\
SELECT TABLE_SCHEMA AS `schema`, SUM(DATA_LENGTH + INDEX_LENGTH) AS size
FROM information_schema.TABLES GROUP BY TABLE_SCHEMA"""
_TABLES = f"""\
SELECT TABLE_SCHEMA AS `schema`, TABLE_NAME AS `table`, DATA_LENGTH AS data_size,
INDEX_LENGTH AS index_size FROM information_schema.TABLES
WHERE TABLE_SCHEMA NOT IN {_OWN} AND DATA_LENGTH IS NOT NULL
ORDER BY DATA_LENGTH + INDEX_LENGTH DESC LIMIT {AT_MOST}"""
_ROWS = f"""\
SELECT OBJECT_SCHEMA AS `schema`, OBJECT_NAME AS `table`, COUNT_READ AS `read`, COUNT_WRITE AS changed
FROM performance_schema.table_io_waits_summary_by_table WHERE OBJECT_SCHEMA NOT IN {_OWN}
ORDER BY COUNT_STAR DESC LIMIT {AT_MOST}"""
_INDEX_SIZES = f"""\
SELECT database_name AS db, table_name AS `table`, index_name AS `index`,
stat_value * @@innodb_page_size AS size FROM mysql.innodb_index_stats
WHERE stat_name = 'size' AND index_name != 'PRIMARY' ORDER BY stat_value DESC LIMIT {AT_MOST}"""
_INDEX_USE = f"""\
SELECT OBJECT_SCHEMA AS db, OBJECT_NAME AS `table`, INDEX_NAME AS `index`, COUNT_READ AS `reads`,
COUNT_UPDATE AS updates, COUNT_DELETE AS deletes FROM performance_schema.table_io_waits_summary_by_index_usage
WHERE INDEX_NAME IS NOT NULL AND INDEX_NAME != 'PRIMARY' AND OBJECT_SCHEMA NOT IN {_OWN}
ORDER BY COUNT_STAR DESC LIMIT {AT_MOST}"""

Key = tuple[str, ...]


class _Kind:
    """Things that are reported by `labels`, the first columns of a `statement`, with the values of other columns, each
    under a key `<prefix>.<column>`. `tables`: which it reads, as GRANT names them; none, if it is those of
    information_schema, which shows everybody what they have a right to.
    """

    def __init__(
        self, statement: str, tables: str, labels: Key, prefix: str, columns: Key, top: int, *, counters: bool = False
    ) -> None:
        self._statement, self._tables, self._labels, self._columns = statement, tables, labels, columns
        self.keys = {column: f"{prefix}.{column}" for column in columns}
        what = f"mysql {prefix.partition('.')[0]}s"
        self._budget: Budget[Key] = Budget(
            what, "top", top, counters=columns if counters else (), gauges=() if counters else columns
        )

    def report(self, asking: Asking) -> None:
        rows = asking.rows(self._statement, list(self.keys.values()), self._tables)
        if rows is None:
            return
        if not rows and not self._tables:
            for key in self.keys.values():
                cure = f"GRANT SELECT ON `<schema>`.* TO {asking.account}"
                asking.reading.lacks(key, f"{asking.account} may see no table: {cure}")
        found = {self._key(row): {column: number(row[column]) for column in self._columns} for row in rows}
        for row in self._budget.rows(found, self._most_active(), asking.reading.time):
            where = dict(zip(self._labels, row.key or (OTHER,) * len(self._labels), strict=True))
            for column, key in self.keys.items():
                asking.reading.add(key, row.values.get(column), start=row.start, **where)

    def _key(self, row: Row) -> Key:
        return tuple(str(row[label]) for label in self._labels)

    def _most_active(self) -> Callable[[Values], Number]:
        return lambda values: sum(values.get(column) or 0 for column in self._columns)


class Tables:
    """Remembers which were reported one by one."""

    def __init__(self, settings: MysqlSettings) -> None:
        top, table, index = settings.top, ("schema", "table"), ("db", "table", "index")
        self._kinds = []
        if settings.schema_size_metrics:
            self._kinds.append(_Kind(_SCHEMAS, "", ("schema",), "schema", ("size",), top))
        if settings.table_size_metrics:
            sizes = ("data_size", "index_size")
            self._kinds.append(_Kind(_TABLES, "", table, "table", sizes, top))
        if settings.index_metrics:
            self._kinds.append(_Kind(_INDEX_SIZES, "mysql.innodb_index_stats", index, "index", ("size",), top))
        self._where_on = []
        if settings.table_rows_stats_metrics:
            counts = ("read", "changed")
            kind = _Kind(_ROWS, "performance_schema.*", table, "table.rows", counts, top, counters=True)
            self._where_on.append(kind)
        if settings.index_metrics:
            counts3 = ("reads", "updates", "deletes")
            kind = _Kind(_INDEX_USE, "performance_schema.*", index, "index", counts3, top, counters=True)
            self._where_on.append(kind)

    def report(self, asking: Asking, *, performance_schema: bool) -> None:
        """Add what is asked for, and what of it there is where performance_schema is on."""
        for kind in self._kinds:
            kind.report(asking)
        for kind in self._where_on:
            if performance_schema:
                kind.report(asking)
            else:
                for key in kind.keys.values():
                    asking.reading.lacks(key, "performance_schema is off")
