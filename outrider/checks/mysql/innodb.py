"""InnoDB's own report (SHOW ENGINE INNODB STATUS), taken apart.

MariaDB and Percona Server have as status variables much of what MySQL tells only here, as text for people. Both come
under the names of the status variables:

    History list length 132      ->    Innodb_history_list_length 132

The text has sections with headings. A pattern is looked for in its own section only, since the section of transactions
quotes the statements of users.

Patterns take long over long lines, and over many lines without anything in them. So the former are cut, and the latter
left out.
"""

import re
from collections.abc import Iterator

LARGEST, LONGEST = 1 << 20, 500
"""Characters of the text, which MySQL cuts there itself, and of a line: 64 threads for reads and as many for writes."""

_HEADING = re.compile(r"^-{3,}\n([A-Z][A-Z /]+)\n-{3,}$", re.MULTILINE)


def _lines(*pairs: tuple[str, str]) -> list[tuple[re.Pattern[str], tuple[str, ...]]]:
    return [(re.compile(rf"^{pattern}", re.MULTILINE), tuple(names.split())) for pattern, names in pairs]


_ONE = {
    "SEMAPHORES": _lines(
        (r"Mutex spin waits (\d+), rounds (\d+), OS waits (\d+)", "mutex_spin_waits mutex_spin_rounds mutex_os_waits"),
        (
            r"RW-shared spins (\d+), rounds (\d+), OS waits (\d+)",
            "s_lock_spin_waits s_lock_spin_rounds s_lock_os_waits",
        ),
        (r"RW-excl spins (\d+), rounds (\d+), OS waits (\d+)", "x_lock_spin_waits x_lock_spin_rounds x_lock_os_waits"),
    ),
    "TRANSACTIONS": _lines((r"History list length (\d+)", "history_list_length")),
    "FILE I/O": _lines(
        (r"(\d+) OS file reads, (\d+) OS file writes, (\d+) OS fsyncs", "os_file_reads os_file_writes os_file_fsyncs"),
        (r"\s*ibuf aio reads:\s*(\d*), log i/o's:\s*(\d*)", "pending_ibuf_aio_reads pending_aio_log_ios"),
        (r".*sync i/o's:\s*(\d*)", "pending_aio_sync_ios"),
        (
            r"Pending flushes \(fsync\) log: (\d+); buffer pool: (\d+)",
            "pending_log_flushes pending_buffer_pool_flushes",
        ),
        (r"Pending flushes \(fsync\): (\d+)", "pending_buffer_pool_flushes"),
    ),
    "INSERT BUFFER AND ADAPTIVE HASH INDEX": _lines(
        (r"Ibuf: size (\d+), free list len (\d+), seg size (\d+)", "ibuf_size ibuf_free_list ibuf_segment_size"),
        (r"Ibuf: .*, (\d+) merges", "ibuf_merges"),
        (r"Hash table size \d+, used cells (\d+)", "hash_index_cells_used"),
        (
            r"merged operations:\n\s*insert (\d+), delete mark (\d+), delete (\d+)",
            "ibuf_merged_inserts ibuf_merged_delete_marks ibuf_merged_deletes",
        ),
    ),
    "LOG": _lines(
        (r"Log sequence number\s+(\d+)", "lsn_current"),
        (r"Log flushed up to\s+(\d+)", "lsn_flushed"),
        (r"Last checkpoint at\s+(\d+)", "lsn_last_checkpoint"),
        (
            r"(\d+) pending log (?:writes|flushes), (\d+) pending chkp writes",
            "pending_log_writes pending_checkpoint_writes",
        ),
        (r"(\d+) log i/o's done", "log_writes"),
    ),
    "BUFFER POOL AND MEMORY": _lines(
        (r"Total (?:large )?memory allocated (\d+)", "mem_total"),
        (r"Total memory allocated \d+; in additional pool allocated (\d+)", "mem_additional_pool"),
        (r"Dictionary memory allocated (\d+)", "mem_dictionary"),
        (r"\s*Adaptive hash index (\d+)", "mem_adaptive_hash"),
        (r"\s*Page hash\s+(\d+)", "mem_page_hash"),
        (r"\s*Dictionary cache\s+(\d+)", "mem_dictionary"),
        (r"\s*File system\s+(\d+)", "mem_file_system"),
        (r"\s*Lock system\s+(\d+)", "mem_lock_system"),
        (r"\s*Recovery system\s+(\d+)", "mem_recovery_system"),
        (r"\s*Threads\s+(\d+)", "mem_thread_hash"),
    ),
    "ROW OPERATIONS": _lines(
        (r"(\d+) queries inside InnoDB, (\d+) queries in queue", "queries_inside queries_queued"),
        (r"(\d+) read views open inside InnoDB", "read_views"),
        (
            r"Number of rows inserted (\d+), updated (\d+), deleted (\d+), read (\d+)",
            "rows_inserted rows_updated rows_deleted rows_read",
        ),
    ),
}
"""Numbers of which there is one. Of several lines that match it is the first."""

_SUMS = {
    "SEMAPHORES": _lines((r".* has waited at .* for ([\d.]+) seconds the semaphore", "semaphore_wait_time")),
    "TRANSACTIONS": _lines(
        (r"mysql tables in use (\d+), locked (\d+)", "tables_in_use locked_tables"),
        (r"(?:LOCK WAIT |ROLLING BACK )?(\d+) lock struct\(s\)", "lock_structs"),
    ),
    "INSERT BUFFER AND ADAPTIVE HASH INDEX": _lines((r"Hash table size (\d+)", "hash_index_cells_total")),
}
"""Numbers that are added up."""

_COUNTS = {
    "SEMAPHORES": _lines((r".* seconds the semaphore", "semaphore_waits")),
    "TRANSACTIONS": _lines(
        (r"---TRANSACTION", "current_transactions"),
        (r"---TRANSACTION .*\bACTIVE\b", "active_transactions"),
        (r"LOCK WAIT \d+ lock struct\(s\)", "locked_transactions"),
    ),
}
"""Lines that are counted."""

_PENDING = re.compile(r"^Pending normal aio reads:(.*), aio writes:(.*)", re.MULTILINE)

NAMES = sorted(
    f"Innodb_{name}"
    for tables in (_ONE, _SUMS, _COUNTS)
    for patterns in tables.values()
    for _, names in patterns
    for name in names
)
"""Every name that may come of it."""


def parsed(text: str) -> dict[str, int | float]:
    """Numbers by the names of status variables."""
    text = "\n".join(line[:LONGEST] for line in text[:LARGEST].splitlines() if line.strip())
    found: dict[str, int | float] = {}
    for heading, body in _sections(text):
        for pattern, names in _ONE.get(heading, ()):
            if (match := pattern.search(body)) is not None:
                for name, value in zip(names, match.groups(), strict=True):
                    found.setdefault(f"Innodb_{name}", int(value or 0))
        for pattern, names in _SUMS.get(heading, ()):
            columns = list(zip(*(match.groups() for match in pattern.finditer(body)), strict=True))
            for i, name in enumerate(names):
                found[f"Innodb_{name}"] = sum(map(_plain, columns[i])) if columns else 0
        for pattern, (name,) in _COUNTS.get(heading, ()):
            found[f"Innodb_{name}"] = sum(1 for _ in pattern.finditer(body))
        if heading == "FILE I/O" and (pending := _PENDING.search(body)) is not None:
            found["Innodb_pending_normal_aio_reads"] = _pending(pending[1])
            found["Innodb_pending_normal_aio_writes"] = _pending(pending[2])
    if "Innodb_semaphore_wait_time" in found:
        found["Innodb_semaphore_wait_time"] *= 1000  # milliseconds, as the Agent has them
    return found


def _sections(text: str) -> Iterator[tuple[str, str]]:
    marks = list(_HEADING.finditer(text))
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    for mark, end in zip(marks, ends, strict=False):
        yield mark[1], text[mark.end() : end]


def _plain(text: str) -> int | float:
    return float(text) if "." in text else int(text)


def _pending(text: str) -> int:
    """Of `0`, `0 [0, 0]` or `[0, 0, 0, 0]`, one for each thread, the sum."""
    whole, bracket, threads = text.partition("[")
    if whole.strip(" ,").isdigit():
        return int(whole.strip(" ,"))
    return sum(int(number) for number in re.findall(r"\d+", threads.partition("]")[0])) if bracket else 0
