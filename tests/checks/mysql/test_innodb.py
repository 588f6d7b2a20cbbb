"""InnoDB's own report, in the forms that it has had: what is read from it, and that statements of users are not."""

import time
from typing import Any

import pytest

from outrider.checks.mysql.innodb import parsed


def _section(heading: str, body: str) -> str:
    return f"{'-' * len(heading)}\n{heading}\n{'-' * len(heading)}\n{body}\n"


def _report(*sections: tuple[str, str]) -> str:
    rule = "=" * 37
    text = "".join(_section(heading, body) for heading, body in sections)
    return f"\n{rule}\n2026-01-01 00:00:00 0x7f INNODB MONITOR OUTPUT\n{rule}\n{text}{rule}\nEND OF INNODB"


CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "spins of locks": (
        "SEMAPHORES",
        "RW-shared spins 604733, rounds 8107431, OS waits 241268\nRW-excl spins 1, rounds 2, OS waits 3",
        {"s_lock_spin_waits": 604733, "s_lock_spin_rounds": 8107431, "s_lock_os_waits": 241268, "x_lock_os_waits": 3},
    ),
    "mutexes of 5.6": (
        "SEMAPHORES",
        "Mutex spin waits 79626940, rounds 157459864, OS waits 698719",
        {"mutex_spin_waits": 79626940, "mutex_spin_rounds": 157459864, "mutex_os_waits": 698719},
    ),
    "nobody waits": ("SEMAPHORES", "OS WAIT ARRAY INFO: reservation count 2", {"semaphore_waits": 0}),
    "two threads wait": (
        "SEMAPHORES",
        "--Thread 9 has waited at a.cc line 1 for 1.00 seconds the semaphore:\n"
        "--Thread 8 has waited at b.cc line 2 for 2.50 seconds the semaphore:",
        {"semaphore_waits": 2, "semaphore_wait_time": 3500},
    ),
    "transactions": (
        "TRANSACTIONS",
        "Trx id counter 15\nHistory list length 132\n"
        "---TRANSACTION 421, not started\n0 lock struct(s), heap size 1128\n"
        "---TRANSACTION 7, ACTIVE 3 sec starting index read\nmysql tables in use 2, locked 1\n"
        "LOCK WAIT 4 lock struct(s), heap size 1128, 2 row lock(s)",
        {
            "history_list_length": 132,
            "current_transactions": 2,
            "active_transactions": 1,
            "locked_transactions": 1,
            "lock_structs": 4,
            "tables_in_use": 2,
            "locked_tables": 1,
        },
    ),
    "files of 8.0": (
        "FILE I/O",
        "Pending normal aio reads: [1, 2, 0, 0] , aio writes: [0, 0, 4, 0] ,\n ibuf aio reads:, log i/o's:\n"
        "Pending flushes (fsync) log: 5; buffer pool: 6\n"
        "8782182 OS file reads, 15635445 OS file writes, 947800 OS fsyncs",
        {
            "pending_normal_aio_reads": 3,
            "pending_normal_aio_writes": 4,
            "pending_ibuf_aio_reads": 0,
            "pending_aio_log_ios": 0,
            "pending_log_flushes": 5,
            "pending_buffer_pool_flushes": 6,
            "os_file_reads": 8782182,
            "os_file_writes": 15635445,
            "os_file_fsyncs": 947800,
        },
    ),
    "files of 5.6": (
        "FILE I/O",
        "Pending normal aio reads: 7 [7, 0] , aio writes: 0 [0, 0] ,\n ibuf aio reads: 1, log i/o's: 2, sync i/o's: 3",
        {
            "pending_normal_aio_reads": 7,
            "pending_normal_aio_writes": 0,
            "pending_ibuf_aio_reads": 1,
            "pending_aio_log_ios": 2,
            "pending_aio_sync_ios": 3,
        },
    ),
    "files of MariaDB": ("FILE I/O", "Pending flushes (fsync): 9", {"pending_buffer_pool_flushes": 9}),
    "the change buffer": (
        "INSERT BUFFER AND ADAPTIVE HASH INDEX",
        "Ibuf: size 1, free list len 4634, seg size 4636, 77 merges\n"
        "merged operations:\n insert 3, delete mark 2, delete 1\n"
        "discarded operations:\n insert 9, delete mark 9, delete 9\n"
        "Hash table size 100, node heap has 0 buffer(s)\nHash table size 200, node heap has 1 buffer(s)",
        {
            "ibuf_size": 1,
            "ibuf_free_list": 4634,
            "ibuf_segment_size": 4636,
            "ibuf_merges": 77,
            "ibuf_merged_inserts": 3,
            "ibuf_merged_delete_marks": 2,
            "ibuf_merged_deletes": 1,
            "hash_index_cells_total": 300,
        },
    ),
    "the log": (
        "LOG",
        "Log sequence number          272588624\nLog flushed up to            272588600\n"
        "Last checkpoint at           272588000\n1 pending log flushes, 2 pending chkp writes\n"
        "3430041 log i/o's done, 17.44 log i/o's/second",
        {
            "lsn_current": 272588624,
            "lsn_flushed": 272588600,
            "lsn_last_checkpoint": 272588000,
            "pending_log_writes": 1,
            "pending_checkpoint_writes": 2,
            "log_writes": 3430041,
        },
    ),
    "memory of 5.5": (
        "BUFFER POOL AND MEMORY",
        "Total memory allocated 29642194944; in additional pool allocated 5\nDictionary memory allocated 88\n"
        "    Adaptive hash index 1538240664 \t(186998824 + 1351241840)\n    Lock system         29232616 \t(1 + 2)",
        {
            "mem_total": 29642194944,
            "mem_additional_pool": 5,
            "mem_dictionary": 88,
            "mem_adaptive_hash": 1538240664,
            "mem_lock_system": 29232616,
        },
    ),
    "memory of 8.0": ("BUFFER POOL AND MEMORY", "Total large memory allocated 137363456", {"mem_total": 137363456}),
    "rows": (
        "ROW OPERATIONS",
        "1 queries inside InnoDB, 2 queries in queue\n3 read views open inside InnoDB\n"
        "Number of rows inserted 4, updated 5, deleted 6, read 7\n"
        "Number of system rows inserted 9, updated 9, deleted 9, read 9",
        {
            "queries_inside": 1,
            "queries_queued": 2,
            "read_views": 3,
            "rows_inserted": 4,
            "rows_updated": 5,
            "rows_deleted": 6,
            "rows_read": 7,
        },
    ),
}


@pytest.mark.parametrize(("heading", "body", "expected"), CASES.values(), ids=CASES.keys())
def test_what_a_section_tells(heading: str, body: str, expected: dict[str, Any]) -> None:
    found = parsed(_report(("BACKGROUND THREAD", "srv_master_thread loops: 1"), (heading, body)))
    assert {name: found.get(f"Innodb_{name}") for name in expected} == expected


def test_what_a_statement_of_a_user_says_counts_nowhere_else() -> None:
    statement = "SELECT '\nLog sequence number 5\nHistory list length 9\n---TRANSACTION 1, ACTIVE'"
    found = parsed(
        _report(
            ("LATEST DETECTED DEADLOCK", f"---TRANSACTION 9, ACTIVE\n5 lock struct(s)\n{statement}"),
            ("TRANSACTIONS", f"History list length 1\n0 lock struct(s)\n{statement}"),
            ("LOG", "Log sequence number 100"),
        )
    )
    assert found["Innodb_lsn_current"] == 100
    assert found["Innodb_history_list_length"] == 1
    assert found["Innodb_lock_structs"] == 0


@pytest.mark.parametrize(
    ("heading", "body"),
    [
        ("BUFFER POOL AND MEMORY", "\n" * 500_000),
        ("BUFFER POOL AND MEMORY", " \n" * 300_000),
        ("FILE I/O", " " * 500_000),
        ("SEMAPHORES", "a has waited at b " * 30_000),
        ("SEMAPHORES", "a has waited at b for 1" * 30_000),
        ("INSERT BUFFER AND ADAPTIVE HASH INDEX", "Ibuf: " + ", 1" * 200_000),
        ("TRANSACTIONS", "---TRANSACTION " + "ACTIV " * 100_000),
    ],
)
def test_a_report_that_is_made_to_keep_us_busy_does_not(heading: str, body: str) -> None:
    began = time.thread_time()
    found = parsed(_report((heading, body), ("LOG", "Log sequence number 7")))
    assert time.thread_time() - began < 5.0
    assert found.get("Innodb_lsn_current") in (7, None)


@pytest.mark.parametrize("text", ["", "nothing", _report(), _report(("LOG", "Log sequence number many"))])
def test_a_report_without_numbers_has_none(text: str) -> None:
    assert parsed(text) == {}
