"""What there may be thousands of: databases, tables, indexes, functions, locks, clients.

Such rows are gathered from several queries into one row for each thing, whose columns are called as in `metrics.yaml`,
and go through a budget (checks/budget.py): the most active are reported by themselves, the rest is summed. Tables,
indexes and functions are only seen from within their database, so these queries are asked in each of them.

Of the tables of a database the 2,000 most active are read at most, which bounds what a run takes in memory; the others
are in no sum.
"""

from dataclasses import dataclass

from outrider.checks.budget import Values
from outrider.checks.postgres.queries import V10, V12, V14, Query


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that `labels` tell apart. `sums` are the gauges that can be added up for the rest, `activity` are the
    columns whose sum says how active a row is; `setting` bounds how many rows are reported.
    """

    name: str
    labels: tuple[str, ...]
    setting: str
    queries: tuple[Query, ...]
    sums: tuple[str, ...]
    activity: tuple[str, ...]

    def active(self, values: Values) -> float:
        return sum(values.get(column) or 0 for column in self.activity)


_DATABASES = (
    Query(
        "databases",
        """SELECT d.datname AS db, s.numbackends AS connections, s.xact_commit AS commits, s.xact_rollback AS rollbacks,
                  s.blks_read AS disk_read, s.blks_hit AS buffer_hit, s.tup_returned AS rows_returned,
                  s.tup_fetched AS rows_fetched, s.tup_inserted AS rows_inserted, s.tup_updated AS rows_updated,
                  s.tup_deleted AS rows_deleted, 2147483648 - age(d.datfrozenxid) AS before_xid_wraparound, s.deadlocks,
                  s.temp_bytes, s.temp_files, s.blk_read_time, s.blk_write_time, c.confl_tablespace, c.confl_lock,
                  c.confl_snapshot, c.confl_bufferpin, c.confl_deadlock, extract(epoch FROM s.stats_reset) AS since
             FROM pg_database d JOIN pg_stat_database s ON s.datid = d.oid
             LEFT JOIN pg_stat_database_conflicts c ON c.datid = d.oid""",
    ),
    Query(
        "checksums",
        "SELECT datname AS db, checksum_failures FROM pg_stat_database WHERE datname IS NOT NULL",
        low=V12,
    ),
    Query(
        "sessions",
        """SELECT datname AS db, session_time, active_time, idle_in_transaction_time, sessions AS count,
                  sessions_abandoned AS abandoned, sessions_fatal AS fatal, sessions_killed AS killed
             FROM pg_stat_database WHERE datname IS NOT NULL""",
        low=V14,
    ),
    # pg_database_size() raises an error over a database that the role may neither connect to nor see statistics of
    Query(
        "database_sizes",
        """SELECT datname AS db, CASE WHEN {statistics} OR has_database_privilege(oid, 'CONNECT')
                                      THEN pg_database_size(oid) END AS size FROM pg_database""",
    ),
)
DATABASES = Group(
    "databases",
    ("db",),
    "max_databases",
    _DATABASES,
    ("databases.connections", "database_sizes.size"),
    ("databases.commits", "databases.rollbacks"),
)

OPEN = Query(
    "open",
    "SELECT datname AS db FROM pg_database WHERE datallowconn AND has_database_privilege(oid, 'CONNECT')",
)
"""Which databases the role can look into."""

_ACTIVITY = """
SELECT application_name AS app, datname AS db, usename AS user, count(xact_start) AS open,
       count(*) FILTER (WHERE state = 'idle in transaction') AS idle_in_transaction,
       count(*) FILTER (WHERE state = 'active' AND usename NOT IN ('postgres', current_user)) AS active_queries,
       count(wait_event) AS waiting_queries,
       count(wait_event) FILTER (WHERE state = 'active') AS active_waiting_queries,
       max(extract(epoch FROM clock_timestamp() - xact_start)) AS xact_start_age,
       max(age(backend_xid)) AS backend_xid_age, max(age(backend_xmin)) AS backend_xmin_age
  FROM pg_stat_activity WHERE datid IS NOT NULL AND query !~* '^vacuum ' AND {clients}
 GROUP BY application_name, datname, usename"""

ACTIVITY = Group(
    "activity",
    ("app", "db", "user"),
    "max_clients",
    (
        Query(
            "activity",
            _ACTIVITY.replace("{clients}", "backend_type = 'client backend'"),
            low=V10,
            right="statistics",
        ),
        Query("activity", _ACTIVITY.replace("{clients}", "query !~ '^autovacuum:'"), high=V10, right="statistics"),
    ),
    (
        *("activity.open", "activity.idle_in_transaction", "activity.active_queries", "activity.waiting_queries"),
        "activity.active_waiting_queries",
    ),
    ("activity.open", "activity.waiting_queries"),
)
WAITING = Group(
    "waiting",
    ("app", "db", "user", "wait_event", "backend_type"),
    "max_clients",
    (
        Query(
            "waiting",
            """SELECT application_name AS app, datname AS db, usename AS user,
                      coalesce(wait_event, 'NoWaitEvent') AS wait_event, backend_type, count(*) AS clients
                 FROM pg_stat_activity GROUP BY application_name, datname, usename, wait_event, backend_type""",
            low=V10,
            right="statistics",
        ),
    ),
    ("waiting.clients",),
    ("waiting.clients",),
)

_TABLES = """
WITH tables AS (
    SELECT c.oid, n.nspname AS schema, c.relname AS table, c.reltoastrelid, c.relpages, c.reltuples, c.relallvisible,
           c.relhasindex, c.xmin
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
       AND ({relations})
       AND NOT EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'relation' AND l.relation = c.oid AND l.granted
                                                AND l.mode = 'AccessExclusiveLock')
     ORDER BY pg_stat_get_tuples_returned(c.oid) + pg_stat_get_tuples_inserted(c.oid)
              + pg_stat_get_tuples_updated(c.oid) + pg_stat_get_tuples_deleted(c.oid) DESC, c.oid
     LIMIT 2000)
"""
"""Whoever asks for the size of a table that somebody has to himself waits for him."""

_INDEXES_OF = """LATERAL (
    SELECT sum(pg_stat_get_numscans(indexrelid))::bigint AS scans,
           sum(pg_stat_get_tuples_fetched(indexrelid))::bigint AS fetched,
           sum(pg_stat_get_blocks_fetched(indexrelid) - pg_stat_get_blocks_hit(indexrelid))::bigint AS read,
           sum(pg_stat_get_blocks_hit(indexrelid))::bigint AS hit
      FROM pg_index WHERE indrelid = {table})"""

_STATISTICS = f"""
{_TABLES}
SELECT t.schema, t.table, pg_stat_get_numscans(t.oid) AS seq_scans, pg_stat_get_tuples_returned(t.oid) AS seq_rows_read,
       i.scans AS index_rel_scans, i.fetched AS index_rel_rows_fetched,
       pg_stat_get_tuples_inserted(t.oid) AS rows_inserted, pg_stat_get_tuples_updated(t.oid) AS rows_updated,
       pg_stat_get_tuples_deleted(t.oid) AS rows_deleted, pg_stat_get_tuples_hot_updated(t.oid) AS rows_hot_updated,
       pg_stat_get_live_tuples(t.oid) AS live_rows, pg_stat_get_dead_tuples(t.oid) AS dead_rows,
       pg_stat_get_vacuum_count(t.oid) AS vacuumed, pg_stat_get_autovacuum_count(t.oid) AS autovacuumed,
       pg_stat_get_analyze_count(t.oid) AS analyzed, pg_stat_get_autoanalyze_count(t.oid) AS autoanalyzed,
       extract(epoch FROM now() - pg_stat_get_last_vacuum_time(t.oid)) AS last_vacuum_age,
       extract(epoch FROM now() - pg_stat_get_last_autovacuum_time(t.oid)) AS last_autovacuum_age,
       extract(epoch FROM now() - pg_stat_get_last_analyze_time(t.oid)) AS last_analyze_age,
       extract(epoch FROM now() - pg_stat_get_last_autoanalyze_time(t.oid)) AS last_autoanalyze_age,
       x.scans AS toast_index_scans, x.fetched AS toast_rows_fetched,
       pg_stat_get_tuples_inserted(t.reltoastrelid) AS toast_rows_inserted,
       pg_stat_get_tuples_deleted(t.reltoastrelid) AS toast_rows_deleted,
       pg_stat_get_live_tuples(t.reltoastrelid) AS toast_live_rows,
       pg_stat_get_dead_tuples(t.reltoastrelid) AS toast_dead_rows,
       pg_stat_get_vacuum_count(t.reltoastrelid) AS toast_vacuumed,
       pg_stat_get_autovacuum_count(t.reltoastrelid) AS toast_autovacuumed,
       extract(epoch FROM now() - pg_stat_get_last_vacuum_time(t.reltoastrelid)) AS toast_last_vacuum_age,
       extract(epoch FROM now() - pg_stat_get_last_autovacuum_time(t.reltoastrelid)) AS toast_last_autovacuum_age,
       t.xmin::text::bigint AS xmin,
       pg_stat_get_blocks_fetched(t.oid) - pg_stat_get_blocks_hit(t.oid) AS heap_blocks_read,
       pg_stat_get_blocks_hit(t.oid) AS heap_blocks_hit, i.read AS index_blocks_read, i.hit AS index_blocks_hit,
       pg_stat_get_blocks_fetched(o.oid) - pg_stat_get_blocks_hit(o.oid) AS toast_blocks_read,
       pg_stat_get_blocks_hit(o.oid) AS toast_blocks_hit,
       x.read AS toast_index_blocks_read, x.hit AS toast_index_blocks_hit
  FROM tables t LEFT JOIN pg_class o ON o.oid = t.reltoastrelid
  LEFT JOIN {_INDEXES_OF.replace("{table}", "t.oid")} i ON true
  LEFT JOIN {_INDEXES_OF.replace("{table}", "o.oid")} x ON true
"""

_SIZES = f"""
{_TABLES}
SELECT s.schema, s.table, s.partition_of, s.relpages AS pages, s.reltuples AS tuples, s.relallvisible AS all_visible,
       s.own + s.toast_own AS data, s.own AS relation, s.index_own AS indexes, s.toast_own AS toast,
       s.own + s.index_own + s.toast_own AS total
  FROM (SELECT t.*, (SELECT min(inhparent::regclass::text) FROM pg_inherits WHERE inhrelid = t.oid) AS partition_of,
               pg_relation_size(t.oid) AS own,
               CASE WHEN t.relhasindex THEN pg_indexes_size(t.oid) ELSE 0 END AS index_own,
               CASE WHEN t.reltoastrelid > 0 THEN pg_relation_size(t.reltoastrelid) ELSE 0 END AS toast_own
          FROM tables t) s
"""

_INDEXES = f"""
{_TABLES}
SELECT t.schema, t.table, c.relname AS index, pg_stat_get_numscans(c.oid) AS scans,
       pg_stat_get_tuples_returned(c.oid) AS rows_read, pg_stat_get_tuples_fetched(c.oid) AS rows_fetched,
       pg_relation_size(c.oid) AS size
  FROM tables t JOIN pg_index i ON i.indrelid = t.oid JOIN pg_class c ON c.oid = i.indexrelid ORDER BY size DESC
"""

_LOCKS = """
SELECT l.mode AS lock_mode, l.locktype AS lock_type, n.nspname AS schema, c.relname AS table, l.granted, l.fastpath,
       count(*) AS count
  FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.mode IS NOT NULL
   AND c.relname NOT LIKE 'pg\\_%' AND ({relations})
 GROUP BY l.mode, l.locktype, n.nspname, c.relname, l.granted, l.fastpath"""

_FUNCTIONS = """
SELECT f.schemaname AS schema, f.name AS function, sum(f.calls) AS calls, sum(f.total_time) AS total_time,
       sum(f.self_time) AS self_time
  FROM (SELECT s.schemaname, s.calls, s.total_time, s.self_time,
               CASE WHEN count(*) OVER (PARTITION BY s.funcname) > 1 AND p.proargnames IS NOT NULL
                    THEN p.proname || '_' || array_to_string(p.proargnames, '_') ELSE p.proname END AS name
          FROM pg_stat_user_functions s JOIN pg_proc p ON p.oid = s.funcid) f
 GROUP BY f.schemaname, f.name"""

_SCHEMAS = """
SELECT n.nspname AS schema, count(*) AS tables
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') GROUP BY n.nspname"""

TABLES_OF_DATABASE = Query(
    "database",
    """SELECT current_database() AS db, count(*) AS tables
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')""",
    labels=("db",),
)
"""What pg_stat_user_tables has a row of."""

WITHIN = (
    Group(
        "tables",
        ("db", "schema", "table"),
        "max_relations",
        (Query("tables", _STATISTICS), Query("table_sizes", _SIZES, labels=("partition_of",))),
        (
            *("tables.live_rows", "tables.dead_rows", "tables.toast_live_rows", "tables.toast_dead_rows"),
            *("table_sizes.pages", "table_sizes.tuples", "table_sizes.all_visible", "table_sizes.data"),
            *("table_sizes.relation", "table_sizes.indexes", "table_sizes.toast", "table_sizes.total"),
        ),
        (
            *("tables.seq_rows_read", "tables.index_rel_rows_fetched", "tables.live_rows"),
            *("tables.rows_inserted", "tables.rows_updated", "tables.rows_deleted"),
        ),
    ),
    Group(
        "indexes",
        ("db", "schema", "table", "index"),
        "max_relations",
        (Query("indexes", _INDEXES),),
        ("indexes.size",),
        ("indexes.scans", "indexes.rows_read"),
    ),
    Group(
        "locks",
        ("db", "schema", "table", "lock_mode", "lock_type", "granted", "fastpath"),
        "max_relations",
        (Query("locks", _LOCKS),),
        ("locks.count",),
        ("locks.count",),
    ),
    Group(
        "functions",
        ("db", "schema", "function"),
        "max_relations",
        (Query("functions", _FUNCTIONS),),
        (),
        ("functions.calls",),
    ),
    Group(
        "schemas",
        ("db", "schema"),
        "max_relations",
        (Query("schemas", _SCHEMAS),),
        ("schemas.tables",),
        ("schemas.tables",),
    ),
)
"""What is asked within each database."""


def like(patterns: list[str]) -> str:
    """The condition that a table (`c`) or its schema and it (`n`) match one of these globs."""

    def quoted(glob: str) -> str:
        escaped = glob.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return "'" + escaped.replace("*", "%").replace("?", "_").replace("'", "''") + "'"

    return " OR ".join(
        f"n.nspname || '.' || c.relname LIKE {quoted(p)}" if "." in p else f"c.relname LIKE {quoted(p)}"
        for p in patterns
    )
