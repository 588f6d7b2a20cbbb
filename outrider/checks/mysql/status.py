"""What a server tells about itself as a whole: its status and its variables, by name, and what follows from them.

    status.Com_select              SHOW GLOBAL STATUS
    variable.max_connections       SHOW GLOBAL VARIABLES
    status.Innodb_mem_total        ... or, of servers that have no such status variable, SHOW ENGINE INNODB STATUS

A few numbers exist in newer or other servers only as a sum or a difference of others; those are reckoned here.
"""

import re
from collections.abc import Mapping

from outrider.checks.mysql import innodb
from outrider.checks.mysql.asking import Asking, Number, number

VARIABLES = (
    "group_replication_group_name",
    "innodb_buffer_pool_size",
    "key_buffer_size",
    "key_cache_block_size",
    "log_bin",
    "max_connections",
    "max_prepared_stmt_count",
    "performance_schema",
    "pid_file",
    "query_cache_size",
    "server_uuid",
    "table_open_cache",
    "thread_cache_size",
    "version",
    "version_comment",
    "wsrep_on",
    "wsrep_provider",
)
"""Those that anything depends on."""


_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")
"""How a version begins: `8.0.36-28.1`, `10.11.6-MariaDB-log`, and of Aurora `8.0.mysql_aurora.3.04.0`."""


class Server:
    """Who answers: its variables, its status, and what follows from these."""

    def __init__(self, variables: Mapping[str, str], status: Mapping[str, str]) -> None:
        self.variables, self.status = variables, status
        told = f"{variables.get('version', '')} {variables.get('version_comment', '')}".lower()
        self.flavor = next((name for name in ("mariadb", "percona") if name in told), "mysql")
        found = _VERSION.match(variables.get("version", ""))
        self.version = tuple(int(part or 0) for part in found.groups()) if found else (0,)
        self.binary_log = self._on("log_bin")
        self.performance_schema = self._on("performance_schema")
        self.galera = self._on("wsrep_on") and variables.get("wsrep_provider", "none") != "none"
        self.group = bool(variables.get("group_replication_group_name"))

    def _on(self, variable: str) -> bool:
        return self.variables.get(variable, "").upper() in ("ON", "1", "YES")


def report(asking: Asking, server: Server) -> None:
    """Add everything that is of the server as a whole."""
    told = {name: found for name, value in server.status.items() if (found := number(value)) is not None}
    told = {**_of_innodb(asking, told), **told}
    _complete(told)
    if "Innodb_deadlocks" not in told:
        _deadlocks(asking, told)
    for name, value in told.items():
        if server.galera or not name.startswith("wsrep_"):
            asking.reading.add(f"status.{name}", value)
    for name, text in server.variables.items():
        asking.reading.add(f"variable.{name}", number(text))
    _buffer_pool(asking, told)
    _key_cache(asking, told, {name: number(text) for name, text in server.variables.items()})
    _query_cache(asking, told)
    if server.binary_log:
        rows = asking.rows("SHOW BINARY LOGS", ["binlog.disk_use"])
        if rows is not None:
            asking.reading.add("binlog.disk_use", sum(number(row.get("File_size")) or 0 for row in rows))


def _of_innodb(asking: Asking, told: Mapping[str, Number]) -> dict[str, Number]:
    lost = [f"status.{name}" for name in innodb.NAMES if name not in told]
    rows = asking.rows("SHOW ENGINE INNODB STATUS", lost)
    if rows is not None and not rows:
        for key in lost:
            asking.reading.lacks(key, "SHOW ENGINE INNODB STATUS is empty, as that of a reader of Aurora is")
    found = innodb.parsed(str(rows[0].get("Status", ""))) if rows else {}
    return {name: value for name, value in found.items() if number(value) is not None}


def _complete(told: dict[str, Number]) -> None:
    """Add what some servers have as a number of its own."""
    if {"Innodb_lsn_current", "Innodb_lsn_last_checkpoint"} <= told.keys():
        told.setdefault("Innodb_checkpoint_age", told["Innodb_lsn_current"] - told["Innodb_lsn_last_checkpoint"])
    merged = [f"Innodb_ibuf_merged_{what}" for what in ("inserts", "deletes", "delete_marks")]
    if all(name in told for name in merged):
        told.setdefault("Innodb_ibuf_merged", sum(told[name] for name in merged))
    if "Innodb_page_size" in told:
        for what in ("data", "dirty"):
            pages = told.get(f"Innodb_buffer_pool_pages_{what}")
            if pages is not None:
                told.setdefault(f"Innodb_buffer_pool_bytes_{what}", pages * told["Innodb_page_size"])


def _deadlocks(asking: Asking, told: dict[str, Number]) -> None:
    statement = "SELECT COUNT AS value FROM information_schema.INNODB_METRICS WHERE NAME = 'lock_deadlocks'"
    for row in asking.rows(statement, ["status.Innodb_deadlocks"]) or ():
        found = number(row["value"])
        if found is not None:
            told["Innodb_deadlocks"] = found


def _buffer_pool(asking: Asking, told: Mapping[str, Number]) -> None:
    names = ("total", "free", "data", "dirty")
    total, free, data, dirty = (told.get(f"Innodb_buffer_pool_pages_{name}") for name in names)
    size = told.get("Innodb_page_size")
    if total is None or free is None or not total or size is None:
        return
    add = asking.reading.add
    add("buffer_pool.bytes_total", total * size)
    add("buffer_pool.bytes_free", free * size)
    add("buffer_pool.bytes_used", (total - free) * size)
    add("buffer_pool.utilization", (total - free) / total)
    if data is not None and dirty is not None:
        add("buffer_pool.pages_clean", max(data - dirty, 0))
        clean = told["Innodb_buffer_pool_bytes_data"] - told["Innodb_buffer_pool_bytes_dirty"]
        add("buffer_pool.bytes_clean", max(clean, 0))


def _key_cache(asking: Asking, told: Mapping[str, Number], variables: Mapping[str, Number | None]) -> None:
    block, size = variables.get("key_cache_block_size"), variables.get("key_buffer_size")
    if block is None:
        return
    add = asking.reading.add
    for name, key in (("used", "key_cache.bytes_used"), ("not_flushed", "key_cache.bytes_unflushed")):
        blocks = told.get(f"Key_blocks_{name}")
        add(key, None if blocks is None else blocks * block)
    unused = told.get("Key_blocks_unused")
    add("key_cache.utilization", 1 - unused * block / size if size and unused is not None else None)


def _query_cache(asking: Asking, told: Mapping[str, Number]) -> None:
    hits, *others = (told.get(f"Qcache_{name}") for name in ("hits", "inserts", "not_cached"))
    if hits is None or None in others:
        return
    asked = hits + sum(other or 0 for other in others)
    asking.reading.add("query_cache.utilization", 100 * hits / asked if asked else 0)
