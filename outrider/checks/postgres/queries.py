"""What is asked of the server as a whole, and which versions are asked what.

A query is declared with the versions that understand it, several under one name if they differ. Each column that it
selects is reported under `<name of the query>.<column>`, which is what `metrics.yaml` declares; the columns in `labels`
tell its rows apart, and `since` (seconds since 1970) is when the counters of a row were last reset. A column that is
NULL is not there.

Versions are as `server_version_num` has them: 90600 is 9.6, 150018 is 15.18. Before 10 the write-ahead log went under
another name (`xlog`) in every function; `chosen` puts the names back. The views are described in PostgreSQL's
manual, chapters "The Cumulative Statistics System" and "System Administration Functions"; what is new in a version
stands in its release notes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

V9_6, V10, V12, V13, V14, V15, V17, V18 = 90600, 100000, 120000, 130000, 140000, 150000, 170000, 180000
NEVER = 2**31

Right = Literal["", "statistics", "waldir"]
"""What the role has to be allowed: to see what others do (pg_read_all_stats), to list the log's files (pg_monitor)."""


@dataclass(frozen=True, slots=True)
class Query:
    """One question, for versions from `low` to below `high`."""

    name: str
    sql: str
    labels: tuple[str, ...] = ()
    low: int = V9_6
    high: int = NEVER
    right: Right = ""


BEFORE_10 = (
    ("pg_wal_lsn_diff", "pg_xlog_location_diff"),
    ("pg_current_wal_lsn", "pg_current_xlog_location"),
    ("pg_last_wal_receive_lsn", "pg_last_xlog_receive_location"),
    ("pg_last_wal_replay_lsn", "pg_last_xlog_replay_location"),
    ("checkpoint_lsn", "checkpoint_location"),
    ("redo_lsn", "redo_location"),
)

SERVER = """
SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number,
       current_setting('cluster_name') AS cluster_name, pg_is_in_recovery() AS standby,
       (SELECT system_identifier FROM pg_control_system())::text AS system_identifier,
       (SELECT bool_or(pg_has_role(oid, 'USAGE')) FROM pg_roles
         WHERE rolname = 'pg_read_all_stats' OR rolname = current_user AND rolsuper) AS statistics,
       coalesce(has_function_privilege(to_regprocedure('pg_ls_waldir()'), 'EXECUTE'), false) AS waldir
"""
"""Who answers, and what it lets the role do."""

_WAL_END = "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END"
_HERE = "p.relid AND p.datname = current_database()"
"""Another database has other tables under the same numbers."""

QUERIES: tuple[Query, ...] = (
    Query("server", "SELECT 1 AS running, floor(extract(epoch FROM now() - pg_postmaster_start_time())) AS uptime"),
    Query(
        "connections",
        """SELECT m.most AS max, sum(s.numbackends) / m.most AS used
             FROM pg_stat_database s, (SELECT current_setting('max_connections')::float8 AS most) m GROUP BY m.most""",
    ),
    Query(
        "bgwriter",
        """SELECT checkpoints_timed, checkpoints_req AS checkpoints_requested, checkpoint_write_time AS write_time,
                  checkpoint_sync_time AS sync_time, buffers_checkpoint, buffers_clean, maxwritten_clean,
                  buffers_alloc, extract(epoch FROM stats_reset) AS since
             FROM pg_stat_bgwriter""",
        high=V17,
    ),
    Query(
        "backend_writes",
        """SELECT buffers_backend AS buffers, buffers_backend_fsync AS fsyncs, extract(epoch FROM stats_reset) AS since
             FROM pg_stat_bgwriter""",
        high=V17,
    ),
    Query(
        "bgwriter",
        """SELECT num_timed AS checkpoints_timed, num_requested AS checkpoints_requested, write_time, sync_time,
                  buffers_written AS buffers_checkpoint, extract(epoch FROM stats_reset) AS since
             FROM pg_stat_checkpointer""",
        low=V17,
    ),
    Query(
        "bgwriter",
        """SELECT buffers_clean, maxwritten_clean, buffers_alloc, extract(epoch FROM stats_reset) AS since
             FROM pg_stat_bgwriter""",
        low=V17,
    ),
    Query(
        "archiver",
        """SELECT archived_count, failed_count, floor(extract(epoch FROM now() - last_archived_time)) AS last_age,
                  extract(epoch FROM stats_reset) AS since FROM pg_stat_archiver""",
    ),
    Query(
        "control",
        f"""SELECT timeline_id, extract(epoch FROM now() - checkpoint_time) AS checkpoint_delay,
                   pg_wal_lsn_diff({_WAL_END}, checkpoint_lsn) AS checkpoint_delay_bytes,
                   pg_wal_lsn_diff({_WAL_END}, redo_lsn) AS redo_delay_bytes FROM pg_control_checkpoint()""",
    ),
    Query(
        "slru",
        """SELECT name AS slru_name, blks_zeroed, blks_hit, blks_read, blks_written, blks_exists, flushes, truncates,
                  extract(epoch FROM stats_reset) AS since FROM pg_stat_slru""",
        labels=("slru_name",),
        low=V13,
    ),
    Query(
        "wal",
        """SELECT wal_records AS records, wal_fpi AS full_page_images, wal_bytes AS bytes,
                  wal_buffers_full AS buffers_full, extract(epoch FROM stats_reset) AS since FROM pg_stat_wal""",
        low=V14,
    ),
    Query(
        "wal_io",
        """SELECT wal_write AS write, wal_sync AS sync, wal_write_time AS write_time, wal_sync_time AS sync_time,
                  extract(epoch FROM stats_reset) AS since FROM pg_stat_wal""",
        low=V14,
        high=V18,
    ),
    Query(
        "waldir",
        """SELECT count(*) AS count, sum(size) AS size, extract(epoch FROM now() - min(modification)) AS age
             FROM pg_ls_waldir()""",
        low=V10,
        right="waldir",
    ),
    Query(
        "snapshot",
        """SELECT pg_snapshot_xmin(s)::text::bigint AS xmin, pg_snapshot_xmax(s)::text::bigint AS xmax,
                  (SELECT count(*) FROM pg_snapshot_xip(s)) AS xip_count FROM pg_current_snapshot() s""",
        low=V13,
    ),
    Query(
        "snapshot",
        """SELECT txid_snapshot_xmin(s) AS xmin, txid_snapshot_xmax(s) AS xmax,
                  (SELECT count(*) FROM txid_snapshot_xip(s)) AS xip_count FROM txid_current_snapshot() s""",
        high=V13,
    ),
    # A standby: how far behind it is. One that has replayed all that it received is not behind, however long ago
    # that was.
    Query(
        "standby",
        """SELECT CASE WHEN EXISTS (SELECT FROM pg_stat_wal_receiver) AND coalesce(
                           pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn(), pg_last_wal_receive_lsn() IS NULL)
                       THEN 0
                       ELSE greatest(0, extract(epoch FROM now() - pg_last_xact_replay_timestamp())) END AS delay,
                  abs(pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())) AS delay_bytes
            WHERE pg_is_in_recovery()""",
    ),
    Query(
        "wal_receiver",
        """SELECT coalesce(r.status, 'disconnected') AS status, 1 AS connected, r.received_tli AS received_timeline,
                  extract(epoch FROM clock_timestamp() - r.last_msg_send_time) AS last_msg_send_age,
                  extract(epoch FROM clock_timestamp() - r.last_msg_receipt_time) AS last_msg_receipt_age,
                  extract(epoch FROM clock_timestamp() - r.latest_end_time) AS latest_end_age
             FROM (SELECT 1) AS always LEFT JOIN pg_stat_wal_receiver r ON true""",
        labels=("status",),
        low=V10,
        right="statistics",
    ),
    Query(
        "replication",
        """SELECT r.application_name AS wal_app_name, r.state AS wal_state, r.sync_state AS wal_sync_state,
                  host(r.client_addr) AS wal_client_addr, s.slot_name, s.slot_type,
                  greatest(0, age(r.backend_xmin)) AS backend_xmin_age,
                  greatest(0, extract(epoch FROM r.write_lag)) AS wal_write_lag,
                  greatest(0, extract(epoch FROM r.flush_lag)) AS wal_flush_lag,
                  greatest(0, extract(epoch FROM r.replay_lag)) AS wal_replay_lag
             FROM pg_stat_replication r LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid""",
        labels=("wal_app_name", "wal_state", "wal_sync_state", "wal_client_addr", "slot_name", "slot_type"),
        low=V10,
        right="statistics",
    ),
    # Google knows standbys by their address alone, of which two may have the same.
    Query(
        "standbys",
        """SELECT coalesce(host(client_addr), 'unix') AS replication_client,
                  max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)) AS data_delay,
                  max(floor(extract(epoch FROM write_lag))) AS write_lag,
                  max(floor(extract(epoch FROM flush_lag))) AS flush_lag,
                  max(floor(extract(epoch FROM replay_lag))) AS replay_lag
             FROM pg_stat_replication WHERE NOT pg_is_in_recovery() GROUP BY 1""",
        labels=("replication_client",),
        low=V10,
        right="statistics",
    ),
    Query(
        "slots",
        f"""SELECT slot_name, slot_type, CASE WHEN temporary THEN 'temporary' ELSE 'permanent' END AS slot_persistence,
                   CASE WHEN active THEN 'active' ELSE 'inactive' END AS slot_state, age(xmin) AS xmin_age,
                   age(catalog_xmin) AS catalog_xmin_age,
                   pg_wal_lsn_diff({_WAL_END}, restart_lsn) AS restart_delay_bytes,
                   pg_wal_lsn_diff({_WAL_END}, confirmed_flush_lsn) AS confirmed_flush_delay_bytes
              FROM pg_replication_slots""",
        labels=("slot_name", "slot_type", "slot_persistence", "slot_state"),
        low=V10,
    ),
    Query(
        "slot_statistics",
        """SELECT t.slot_name, s.slot_type, CASE WHEN s.active THEN 'active' ELSE 'inactive' END AS slot_state,
                  spill_txns, spill_count, spill_bytes, stream_txns, stream_count, stream_bytes, total_txns,
                  total_bytes,
                  extract(epoch FROM t.stats_reset) AS since
             FROM pg_stat_replication_slots t JOIN pg_replication_slots s ON s.slot_name = t.slot_name""",
        labels=("slot_name", "slot_type", "slot_state"),
        low=V14,
    ),
    Query(
        "recovery_prefetch",
        """SELECT prefetch, hit, skip_init, skip_new, skip_fpw, skip_rep, wal_distance, block_distance, io_depth,
                  extract(epoch FROM stats_reset) AS since FROM pg_stat_recovery_prefetch""",
        low=V15,
    ),
    Query(
        "subscription",
        """SELECT subname AS subscription_name, extract(epoch FROM now() - last_msg_send_time) AS last_msg_send_age,
                  extract(epoch FROM now() - last_msg_receipt_time) AS last_msg_receipt_age,
                  extract(epoch FROM now() - latest_end_time) AS latest_end_age FROM pg_stat_subscription""",
        labels=("subscription_name",),
        low=V10,
    ),
    Query(
        "subscription_state",
        """SELECT s.subname AS subscription_name, r.srrelid::regclass::text AS relation,
                  CASE r.srsubstate WHEN 'i' THEN 'initialize' WHEN 'd' THEN 'data_copy' WHEN 'f' THEN 'finished_copy'
                                    WHEN 's' THEN 'synchronized' WHEN 'r' THEN 'ready' END AS state, 1 AS present
             FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid""",
        labels=("subscription_name", "relation", "state"),
        low=V14,
    ),
    Query(
        "subscription_errors",
        """SELECT subname AS subscription_name, apply_error_count AS apply_error, sync_error_count AS sync_error,
                  extract(epoch FROM stats_reset) AS since FROM pg_stat_subscription_stats""",
        labels=("subscription_name",),
        low=V15,
    ),
    Query(
        "vacuum",
        f"""SELECT p.datname AS db, c.relname AS table, p.phase, p.heap_blks_total, p.heap_blks_scanned,
                   p.heap_blks_vacuumed, p.index_vacuum_count, p.max_dead_tuples, p.num_dead_tuples
              FROM pg_stat_progress_vacuum p LEFT JOIN pg_class c ON c.oid = {_HERE}""",
        labels=("db", "table", "phase"),
        high=V17,
        right="statistics",
    ),
    Query(
        "vacuum",
        f"""SELECT p.datname AS db, c.relname AS table, p.phase, p.heap_blks_total, p.heap_blks_scanned,
                   p.heap_blks_vacuumed, p.index_vacuum_count, p.max_dead_tuple_bytes AS max_dead_tuples,
                   p.num_dead_item_ids AS num_dead_tuples
              FROM pg_stat_progress_vacuum p LEFT JOIN pg_class c ON c.oid = {_HERE}""",
        labels=("db", "table", "phase"),
        low=V17,
        right="statistics",
    ),
    Query(
        "cluster_vacuum",
        f"""SELECT p.datname AS db, c.relname AS table, p.command, p.phase, i.relname AS index, p.heap_tuples_scanned,
                   p.heap_tuples_written, p.heap_blks_total, p.heap_blks_scanned, p.index_rebuild_count
              FROM pg_stat_progress_cluster p LEFT JOIN pg_class c ON c.oid = {_HERE}
              LEFT JOIN pg_class i ON i.oid = p.cluster_index_relid AND c.oid IS NOT NULL""",
        labels=("db", "table", "command", "phase", "index"),
        low=V12,
        right="statistics",
    ),
    Query(
        "create_index",
        f"""SELECT p.datname AS db, c.relname AS table, i.relname AS index, p.command, p.phase, p.lockers_total,
                   p.lockers_done, p.blocks_total, p.blocks_done, p.tuples_total, p.tuples_done, p.partitions_total,
                   p.partitions_done
              FROM pg_stat_progress_create_index p LEFT JOIN pg_class c ON c.oid = {_HERE}
              LEFT JOIN pg_class i ON i.oid = p.index_relid AND c.oid IS NOT NULL""",
        labels=("db", "table", "index", "command", "phase"),
        low=V12,
        right="statistics",
    ),
    Query(
        "analyze",
        f"""SELECT p.datname AS db, c.relname AS table, i.relname AS child_relation, p.phase, p.sample_blks_total,
                   p.sample_blks_scanned, p.ext_stats_total, p.ext_stats_computed, p.child_tables_total,
                   p.child_tables_done
              FROM pg_stat_progress_analyze p LEFT JOIN pg_class c ON c.oid = {_HERE}
              LEFT JOIN pg_class i ON i.oid = p.current_child_table_relid AND c.oid IS NOT NULL""",
        labels=("db", "table", "child_relation", "phase"),
        low=V13,
        right="statistics",
    ),
)


def chosen(queries: Sequence[Query], version: int) -> list[Query]:
    """Those that this version understands, in its own words."""
    return [
        query if version >= V10 else replace(query, sql=_before_10(query.sql))
        for query in queries
        if query.low <= version < query.high
    ]


def out_of_reach(queries: Sequence[Query], version: int) -> dict[str, str]:
    """Which names nobody answers in this version, with the versions that do."""
    names = {query.name: query for query in queries}  # a name has one range; the last of its variants reaches furthest
    for query in chosen(queries, version):
        names.pop(query.name, None)
    return {
        name: f"PostgreSQL {_major(query.low)} or later"
        if version < query.low
        else f"PostgreSQL before {_major(query.high)}"
        for name, query in names.items()
    }


def _major(version: int) -> str:
    return "9.6" if version < V10 else str(version // 10000)


def _before_10(sql: str) -> str:
    for new, old in BEFORE_10:
        sql = sql.replace(new, old)
    return sql
