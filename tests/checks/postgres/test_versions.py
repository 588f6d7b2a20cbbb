"""Which version is asked what. Only one can be started here, so for the others the choice is what can be shown."""

import re

import pytest

from outrider.checks.postgres.groups import ACTIVITY, DATABASES, WAITING, WITHIN
from outrider.checks.postgres.queries import QUERIES, chosen, out_of_reach
from tests.checks.postgres.asking import declaration

EVERY = [*QUERIES, *(query for group in (DATABASES, ACTIVITY, WAITING, *WITHIN) for query in group.queries)]
ALWAYS = {
    *("server", "connections", "bgwriter", "archiver", "control", "snapshot", "standby", "databases"),
    *("database_sizes", "activity", "tables", "table_sizes", "indexes", "locks", "functions", "schemas", "vacuum"),
}
SINCE = {
    10: {"waldir", "wal_receiver", "replication", "standbys", "slots", "subscription", "waiting"},
    12: {"checksums", "cluster_vacuum", "create_index"},
    13: {"slru", "analyze"},
    14: {"wal", "wal_io", "sessions", "slot_statistics", "subscription_state"},
    15: {"recovery_prefetch", "subscription_errors"},
}
"""Release notes of PostgreSQL: what each version began to tell."""
UNTIL = {17: {"backend_writes"}, 18: {"wal_io"}}
"""What each version tells no more: written by backends is in pg_stat_io from 17 on, I/O of the log from 18 on."""


def _names(major: int) -> set[str]:
    since = {name for first, names in SINCE.items() if major >= first for name in names}
    return (ALWAYS | since | {"backend_writes"}) - {n for end, names in UNTIL.items() if major >= end for n in names}


@pytest.mark.parametrize("major", [9, 10, 11, 12, 13, 14, 15, 16, 17, 18])
def test_a_version_is_asked_what_it_knows(major: int) -> None:
    version = 90600 if major == 9 else major * 10000 + 3
    assert {query.name for query in chosen(EVERY, version)} == _names(major)
    assert out_of_reach(EVERY, version).keys() == {query.name for query in EVERY} - _names(major)


REASONS = [
    (90600, "waldir", "PostgreSQL 10 or later"),
    (120004, "slru", "PostgreSQL 13 or later"),
    (140000, "recovery_prefetch", "PostgreSQL 15 or later"),
    (170001, "backend_writes", "PostgreSQL before 17"),
    (180000, "wal_io", "PostgreSQL before 18"),
]


@pytest.mark.parametrize(("version", "name", "reason"), REASONS)
def test_why_a_version_does_not_tell(version: int, name: str, reason: str) -> None:
    assert out_of_reach(EVERY, version)[name] == reason


SPELLINGS = [
    (90624, "control", r"pg_xlog_location_diff\(.*pg_current_xlog_location\(\).*checkpoint_location"),
    (100000, "control", r"pg_wal_lsn_diff\(.*pg_current_wal_lsn\(\).*checkpoint_lsn"),
    (90600, "standby", r"pg_last_xlog_receive_location\(\) = pg_last_xlog_replay_location\(\)"),
    (90600, "activity", "autovacuum"),
    (100000, "activity", "backend_type = 'client backend'"),
    (120000, "snapshot", "txid_current_snapshot"),
    (130000, "snapshot", "pg_current_snapshot"),
    (160000, "bgwriter", "checkpoints_timed.*FROM pg_stat_bgwriter"),
    (170000, "bgwriter", "num_timed.*FROM pg_stat_checkpointer"),
    (170000, "bgwriter", "buffers_clean.*FROM pg_stat_bgwriter"),
    (160000, "vacuum", "max_dead_tuples, p.num_dead_tuples"),
    (170000, "vacuum", "max_dead_tuple_bytes AS max_dead_tuples"),
]


@pytest.mark.parametrize(("version", "name", "pattern"), SPELLINGS)
def test_a_version_is_asked_in_its_own_words(version: int, name: str, pattern: str) -> None:
    texts = [" ".join(query.sql.split()) for query in chosen(EVERY, version) if query.name == name]
    assert any(re.search(pattern, text) for text in texts), texts


def test_before_10_nothing_is_called_by_its_later_name() -> None:
    assert not [
        query.name for query in chosen(EVERY, 90600) if re.search(r"pg_(last|current)_wal|pg_wal_|_lsn", query.sql)
    ]


def test_every_query_is_declared_and_everything_declared_is_asked() -> None:
    declared = {key.partition(".")[0] for key in declaration().metrics}
    assert declared == {query.name for query in EVERY} | {"database"}
