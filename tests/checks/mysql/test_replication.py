"""The check `mysql` of a source and its replica, both real, and of what only a MySQL says, from a stand-in."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from outrider.checks.check import Reading
from outrider.checks.mysql.check import MysqlCheck
from outrider.checks.mysql.settings import MysqlSettings
from outrider.model.points import Status
from tests.checks.mysql.reading import checks, datadog
from tests.checks.product import ask
from tests.checks.products.mysql import PRODUCT, fill, read
from tests.checks.reading import google, tags
from tests.support.servers.fake_mysql import Answers, fake_mysql
from tests.support.servers.mysql import Mysql, follows, replica, shared
from tests.support.wait import until

RUNNING = "mysql.replication.replica_running"


@pytest.fixture
def follower() -> Iterator[Mysql]:
    """The replica, which follows again afterwards."""
    found = replica()
    yield found
    found.run("STOP SLAVE", "CHANGE MASTER TO MASTER_PASSWORD = 'pw'", "START SLAVE")
    until(lambda: follows(found), 20)


def test_a_source_has_replicas_and_a_replica_follows(follower: Mysql) -> None:
    fill(shared(), "followed", 3)
    until(lambda: follower.run("SHOW DATABASES LIKE 'followed'") and follows(follower), 20)
    source, behind = read(shared()), read(follower)
    assert datadog(source)["mysql.replication.replicas_connected", ""] == 1
    assert datadog(source)["mysql.replication.slaves_connected", ""] == 1
    assert {mode: (c.status, c.message) for mode, c in checks(source, RUNNING).items()} == {"source": (Status.OK, "")}
    assert datadog(behind)["mysql.replication.seconds_behind_source", "channel:default"] == 0
    assert datadog(behind)["mysql.replication.seconds_behind_master", "channel:default"] == 0
    assert google(behind)["mysql.replica.time_behind_source", ""] == 0
    assert google(behind)["mysql.replica.sql_delay", ""] == 0
    (check,) = checks(behind, RUNNING).values()
    assert (check.status, check.message, dict(check.tags)["replication_mode"]) == (Status.OK, "", "replica")
    assert dict(check.tags)["server"] == "127.0.0.1"
    assert checks(behind, "mysql.replication.slave_running")["replica"].status is Status.OK
    assert datadog(behind)["mysql.replication.slave_running", "replication_mode:replica"] == 1


def test_one_thread_that_stands_is_a_warning_and_none_that_runs_is_critical(follower: Mysql) -> None:
    follower.run("STOP SLAVE SQL_THREAD")
    half = read(follower)
    follower.run("STOP SLAVE IO_THREAD")
    none = read(follower)
    found = [checks(reading, RUNNING)["replica"] for reading in (half, none)]
    assert [check.status for check in found] == [Status.WARNING, Status.CRITICAL]
    source = f"channel default from 127.0.0.1:{shared().port}"
    assert found[0].message == f"{source}: SQL thread does not run"
    assert found[1].message == f"{source}: IO and SQL threads do not run"
    assert datadog(none)["mysql.replication.slave_running", "replication_mode:replica"] == 0
    assert not [name for name, _ in datadog(none) if "seconds_behind" in name]
    assert [c.status for c in none.service_checks if c.name == "mysql.can_connect"] == [Status.OK]


def test_why_a_replica_does_not_follow_is_told(follower: Mysql) -> None:
    follower.run("STOP SLAVE", "CHANGE MASTER TO MASTER_PASSWORD = 'wrong'", "START SLAVE")
    until(lambda: follower.run("SHOW SLAVE STATUS")[0]["Last_IO_Error"], 20)
    check = checks(read(follower), RUNNING)["replica"]
    assert check.status is Status.WARNING
    assert re.search(r"IO thread does not run \(.*Access denied for user 'follower'", check.message)


VARIABLES = {
    "version": "8.4.2",
    "version_comment": "MySQL Community Server - GPL",
    "server_uuid": "5e7e",
    "log_bin": "ON",
    "performance_schema": "ON",
}
STATUS = {
    "Uptime": "100",
    "Innodb_rows_read": "7",
    "Innodb_os_log_fsyncs": "3",
    "Innodb_page_size": "16384",
    "Locked_connects": "2",
    "Mysqlx_connections_accepted": "6",
}


def _pairs(told: dict[str, str]) -> list[dict[str, str]]:
    return [{"Variable_name": name, "Value": value} for name, value in told.items()]


def _mysql(told: Answers | None = None, version: str = "8.4.2", **variables: str) -> Answers:
    """What a MySQL answers, except for what is `told`."""
    usual: Answers = {
        "CURRENT_USER": [{"account": "monitor@%", "now": "1700000000"}],
        "SHOW GLOBAL VARIABLES": _pairs({**VARIABLES, "version": version, **variables}),
        "SHOW GLOBAL STATUS": _pairs(STATUS),
        "SHOW ENGINE INNODB STATUS": [{"Type": "InnoDB", "Name": "", "Status": ""}],
        "SHOW BINARY LOGS": [{"Log_name": "bin.1", "File_size": "100"}, {"Log_name": "bin.2", "File_size": "23"}],
        "Binlog Dump": [{"replicas": "0"}],
        "INNODB_METRICS": [{"value": "4"}],
    }
    told = {**(told or {})}
    return {**told, **{text: rows for text, rows in usual.items() if text not in told}, "SHOW": []}


def _read(answers: Answers, version: str = "8.4.2", **settings: Any) -> Reading:
    with fake_mysql(version, answers) as port:
        check = MysqlCheck(MysqlSettings(port=port, username="monitor", extra_performance_metrics=False, **settings))
        asked = ask(PRODUCT, check)
        check.close()
    assert asked.trouble is None, asked.trouble
    return asked.reading


SOURCE = {
    "Channel_Name": "",
    "Source_Host": "db-0",
    "Source_Port": "3306",
    "Source_UUID": "head",
    "Replica_IO_Running": "Yes",
    "Replica_SQL_Running": "Yes",
    "Seconds_Behind_Source": "5",
    "SQL_Delay": "3600",
}


def test_a_mysql_is_told_by_its_flavor_and_counts_what_mariadb_does_not() -> None:
    reading = _read(_mysql())
    found = datadog(reading)
    assert tags(reading, "mysql.innodb.rows_read")["dbms_flavor"] == "mysql"
    assert tags(reading, "mysql.innodb.rows_read")["server_uuid"] == "5e7e"
    assert found["mysql.innodb.os_log_fsyncs", ""] == 3
    assert found["mysql.innodb.deadlocks", ""] == 4
    assert found["mysql.binlog.disk_use", ""] == 123
    assert google(reading)["mysql.row_operations", "operation=read"] == 7
    assert google(reading)["mysql.log_operations", "operation=fsyncs"] == 3
    assert google(reading)["mysql.connection.errors", "error=locked"] == 2
    assert google(reading)["mysql.mysqlx_connections", "status=accepted"] == 6
    assert {p.start for p in reading.points if p.metric.kind == "counter"} == {1_699_999_900 * 10**9}


def test_a_report_of_innodb_that_is_empty_is_said() -> None:
    reading = _read(_mysql({"SHOW ENGINE INNODB STATUS": []}))
    assert "a reader of Aurora" in reading.missing["status.Innodb_history_list_length"]
    assert "status.Innodb_rows_read" not in reading.missing


def test_percona_server_is_one() -> None:
    comment = {"version_comment": "Percona Server (GPL), Release 25"}
    assert tags(_read(_mysql(**comment)), "mysql.innodb.rows_read")["dbms_flavor"] == "percona"


@pytest.mark.parametrize(
    ("version", "statement"),
    [
        ("5.7.44-log", "SHOW SLAVE STATUS"),
        ("8.0.21", "SHOW SLAVE STATUS"),
        ("8.0.mysql_aurora.3.04.0", "SHOW SLAVE STATUS"),
        ("8.0.22-13", "SHOW REPLICA STATUS"),
        ("8.4.2", "SHOW REPLICA STATUS"),
        ("9.1.0-cloud", "SHOW REPLICA STATUS"),
    ],
)
def test_a_replica_is_asked_in_the_words_of_its_version(version: str, statement: str) -> None:
    old = {key.replace("Source", "Master").replace("Replica", "Slave"): value for key, value in SOURCE.items()}
    row = SOURCE if "REPLICA" in statement else old
    reading = _read(_mysql({statement: [row]}, version), version)
    assert datadog(reading)["mysql.replication.seconds_behind_source", "channel:default"] == 5
    assert checks(reading, RUNNING)["replica"].status is Status.OK
    assert google(reading)["mysql.replica.sql_delay", ""] == 3600


def test_of_several_channels_the_worst_is_told() -> None:
    broken = {**SOURCE, "Channel_Name": "west", "Replica_SQL_Running": "No", "Seconds_Behind_Source": None}
    slow = {**SOURCE, "Channel_Name": "east", "Seconds_Behind_Source": "90", "SQL_Delay": "0"}
    reading = _read(_mysql({"SHOW REPLICA STATUS": [SOURCE, broken, slow]}))
    (check,) = checks(reading, RUNNING).values()
    assert check.status is Status.WARNING
    assert check.message == "channel west from db-0:3306: SQL thread does not run"
    behind = {labels: value for (name, labels), value in datadog(reading).items() if name.endswith("behind_source")}
    assert {labels.partition(" ")[0]: value for labels, value in behind.items()} == {
        "channel:default": 5,
        "channel:east": 90,
    }
    assert google(reading)["mysql.replica.time_behind_source", ""] == 90


def test_the_role_in_a_replication_is_a_tag_of_mysql() -> None:
    follows_one = tags(_read(_mysql({"SHOW REPLICA STATUS": [SOURCE]})), "mysql.innodb.rows_read")
    heads = tags(_read(_mysql({"Binlog Dump": [{"replicas": "2"}]})), "mysql.innodb.rows_read")
    alone = tags(_read(_mysql()), "mysql.innodb.rows_read")
    assert (follows_one["replication_role"], follows_one["cluster_uuid"]) == ("replica", "head")
    assert (heads["replication_role"], heads["cluster_uuid"]) == ("primary", "5e7e")
    assert not {"replication_role", "cluster_uuid"} & alone.keys()


def test_a_server_without_replicas_is_a_warning_only_if_it_should_have_some() -> None:
    assert checks(_read(_mysql()), RUNNING) == {}
    check = checks(_read(_mysql(), replication=True), RUNNING)["source"]
    assert (check.status, check.message) == (Status.WARNING, "nobody follows it")
    unlogged = _mysql({"Binlog Dump": [{"replicas": "1"}]}, log_bin="OFF")
    check = checks(_read(unlogged), RUNNING)["source"]
    assert (check.status, check.message) == (Status.WARNING, "it has replicas, and no binary log")


def test_without_performance_schema_replicas_are_counted_from_the_list_of_processes() -> None:
    counted = _read(_mysql({"information_schema.PROCESSLIST": [{"replicas": "3"}]}, performance_schema="OFF"))
    assert datadog(counted)["mysql.replication.replicas_connected", ""] == 3
    denied = (1227, "Access denied; you need (at least one of) the PROCESS privilege(s) for this operation")
    blind = _read(_mysql({"INNODB_METRICS": denied, "PROCESSLIST": denied}, performance_schema="OFF"))
    assert not [name for name, _ in datadog(blind) if "connected" in name and "replica" in name]
    assert blind.missing["replicas.connected"].endswith("lacks a right: GRANT PROCESS ON *.* TO 'monitor'@'%'")


GROUP = {"group_replication_group_name": "aaaa-bbbb"}
MEMBER = {
    "CHANNEL_NAME": "group_replication_applier",
    "MEMBER_ID": "5e7e",
    "MEMBER_STATE": "ONLINE",
    "MEMBER_ROLE": "PRIMARY",
}
STATS = {
    "CHANNEL_NAME": "group_replication_applier",
    "COUNT_TRANSACTIONS_IN_QUEUE": "1",
    "COUNT_TRANSACTIONS_CHECKED": "2",
    "COUNT_CONFLICTS_DETECTED": "3",
    "COUNT_TRANSACTIONS_ROWS_VALIDATING": "4",
    "COUNT_TRANSACTIONS_REMOTE_IN_APPLIER_QUEUE": "5",
    "COUNT_TRANSACTIONS_REMOTE_APPLIED": "6",
    "COUNT_TRANSACTIONS_LOCAL_PROPOSED": "7",
    "COUNT_TRANSACTIONS_LOCAL_ROLLBACK": "8",
}


def test_a_member_of_a_group_tells_its_state_and_counts() -> None:
    told = {"replication_group_member_stats": [STATS], "replication_group_members": [MEMBER]}
    reading = _read(_mysql(told, **GROUP))
    found = datadog(reading)
    state = "channel_name:group_replication_applier member_role:PRIMARY member_state:ONLINE"
    assert found["mysql.replication.group.member_status", state] == 1
    names = ("", "_check", "_validating", "_in_applier_queue", "_applied", "_proposed", "_rollback")
    channel = "channel_name:group_replication_applier"
    counts = [found[f"mysql.replication.group.transactions{name}", channel] for name in names]
    assert [*counts, found["mysql.replication.group.conflicts_detected", channel]] == [1, 2, 4, 5, 6, 7, 8, 3]
    (check,) = [c for c in reading.service_checks if c.name == "mysql.replication.group.status"]
    assert (check.status, dict(check.tags)["member_role"]) == (Status.OK, "PRIMARY")


@pytest.mark.parametrize(
    ("members", "words"),
    [([{**MEMBER, "MEMBER_STATE": "ERROR"}], "it is ERROR in the group"), ([], "it is no member in the group")],
)
def test_a_member_that_is_not_online_is_critical(members: list[dict[str, str]], words: str) -> None:
    told = {"replication_group_member_stats": [], "replication_group_members": members}
    reading = _read(_mysql(told, **GROUP))
    (check,) = [c for c in reading.service_checks if c.name == "mysql.replication.group.status"]
    assert (check.status, check.message) == (Status.CRITICAL, words)
