"""Where a server stands in a replication: whom it follows, who follows it, how far it is behind.

MySQL and MariaDB have renamed masters and slaves to sources and replicas at different times, and not everywhere. Here
they are sources and replicas, whatever the server says:

    Seconds_Behind_Master: 3, Slave_IO_Running: Yes    ->    Seconds_Behind_Source: 3, Replica_IO_Running: Yes

A replica may follow several sources, each over a channel (a `Connection_name` in MariaDB).
"""

from collections.abc import Sequence
from typing import Any

from outrider.checks.check import Reading
from outrider.checks.mysql.asking import Asking, number
from outrider.checks.mysql.connection import Row
from outrider.checks.mysql.status import Server
from outrider.model.points import Status

RUNNING = "mysql.replication.replica_running"
RUNNING_BEFORE = "mysql.replication.slave_running"
"""The same under its old name."""
OF_CHANNELS = (
    "replica.seconds_behind",
    "replica.seconds_behind_worst",
    "replica.sql_delay",
    "replica.running",
)
TABLES = "performance_schema.*"
GROUP = "mysql.replication.group.status"

Attributes = dict[str, Any]


def channels(asking: Asking, server: Server) -> list[Row] | None:
    """What it says of each source that it follows; None if it does not say."""
    if server.flavor == "mariadb":
        statement = "SHOW ALL SLAVES STATUS"
    else:
        statement = "SHOW REPLICA STATUS" if server.version >= (8, 0, 22) else "SHOW SLAVE STATUS"
    rows = asking.rows(statement, OF_CHANNELS)
    return None if rows is None else [{_renamed(key): value for key, value in row.items()} for row in rows]


def replicas(asking: Asking, server: Server) -> int | None:
    """How many follow it; None if that is not known."""
    told = number(server.status.get("Slaves_connected"))  # MariaDB
    if told is not None:
        return int(told)
    if server.performance_schema:
        table, column = "performance_schema.threads", "PROCESSLIST_COMMAND"
    else:
        # Without PROCESS it has our own connection alone, without an error; of INNODB_METRICS that is one.
        if asking.rows("SELECT 1 FROM information_schema.INNODB_METRICS LIMIT 1", ["replicas.connected"]) is None:
            return None
        table, column = "information_schema.PROCESSLIST", "COMMAND"
    statement = f"SELECT COUNT(*) AS replicas FROM {table} WHERE {column} LIKE 'Binlog Dump%'"
    rows = asking.rows(statement, ["replicas.connected"], TABLES)
    return int(rows[0]["replicas"]) if rows else None


def report(reading: Reading, rows: Sequence[Row] | None, follow: int | None) -> None:
    """Add how far each channel is behind, and how many follow."""
    reading.add("replicas.connected", follow)
    behind, delays = [], []
    for row in rows or ():
        seconds = number(row.get("Seconds_Behind_Source"))
        reading.add("replica.seconds_behind", seconds, channel=_channel(row))
        behind.append(seconds)
        delays.append(number(row.get("SQL_Delay")))
    for key, values in (("replica.seconds_behind_worst", behind), ("replica.sql_delay", delays)):
        reading.add(key, max((value for value in values if value is not None), default=None))


def judge(
    reading: Reading, tags: Attributes, rows: Sequence[Row] | None, follow: int | None, *, logs: bool, wanted: bool
) -> None:
    """Add the service checks. `tags`: those of can_connect; `logs`: it has a binary log; `wanted`: that it is part of a
    replication is expected.
    """
    if follow or (wanted and not rows and rows is not None and follow is not None):
        fine = bool(follow) and logs
        words = "" if fine else "nobody follows it" if not follow else "it has replicas, and no binary log"
        _say(reading, tags, "source", Status.OK if fine else Status.WARNING, words)
    if rows:
        status, words = Status.OK, ""
        for row in rows:
            parts = {"IO": row.get("Replica_IO_Running"), "SQL": row.get("Replica_SQL_Running")}
            stopped = [part for part, running in parts.items() if str(running).lower() != "yes"]
            found = (Status.OK, Status.WARNING, Status.CRITICAL)[len(stopped)]
            if found > status:
                status, words = found, _reason(row, stopped)
        _say(reading, tags, "replica", status, words)


def group(asking: Asking, tags: Attributes) -> None:
    """Add what a member of a group (MySQL Group Replication) tells of itself."""
    reading, keys = asking.reading, [key for key in asking.reading.declared.metrics if key.startswith("group.")]
    of_us = "WHERE MEMBER_ID = @@server_uuid"
    members = asking.rows(f"SELECT * FROM performance_schema.replication_group_members {of_us}", keys, TABLES)
    if members is None:
        return
    told: Attributes = {}
    for row in members:
        upper = {key.upper(): value for key, value in row.items()}
        names = ("CHANNEL_NAME", "MEMBER_STATE", "MEMBER_ROLE")
        told = {name.lower(): str(upper[name]) for name in names if upper.get(name)}
        reading.add("group.member", 1, **told)
    fine = told.get("member_state") == "ONLINE"
    words = "" if fine else f"it is {told.get('member_state', 'no member')} in the group"
    _add_check(reading, GROUP, tags, Status.OK if fine else Status.CRITICAL, words, told)
    statement = f"SELECT * FROM performance_schema.replication_group_member_stats {of_us}"
    for row in asking.rows(statement, keys, TABLES) or ():
        upper = {key.upper(): value for key, value in row.items()}
        for name, value in upper.items():
            reading.add(f"group.{name.lower()}", number(value), channel_name=str(upper.get("CHANNEL_NAME", "")))


def _say(reading: Reading, tags: Attributes, mode: str, status: Status, words: str) -> None:
    reading.add("replica.running", int(status is Status.OK), replication_mode=mode)
    for name in (RUNNING, RUNNING_BEFORE):
        _add_check(reading, name, tags, status, words, {"replication_mode": mode})


def _add_check(
    reading: Reading, name: str, tags: Attributes, status: Status, words: str, attributes: Attributes
) -> None:
    reading.service_check(name, status, words, **{**tags, **attributes})


def _reason(row: Row, stopped: Sequence[str]) -> str:
    errors = [str(row[key]) for key in ("Last_IO_Error", "Last_SQL_Error", "Last_Error") if row.get(key)]
    said = f" ({errors[0][:300]})" if errors else ""
    source = f"{row.get('Source_Host', '?')}:{row.get('Source_Port', '?')}"
    threads = "threads do" if len(stopped) > 1 else "thread does"
    return f"channel {_channel(row)} from {source}: {' and '.join(stopped)} {threads} not run{said}"


def _channel(row: Row) -> str:
    return str(row.get("Channel_Name") or row.get("Connection_name") or "default")


def _renamed(key: str) -> str:
    return key.replace("Master", "Source").replace("Slave", "Replica")


def role(rows: Sequence[Row] | None, follow: int | None, uuid: str) -> dict[str, Any]:
    """The tags that the Agent gives to a MySQL in a replication: who is at the head of it, and what this one is."""
    if rows:
        head = rows[0].get("Source_UUID")
        return {"cluster_uuid": str(head), "replication_role": "replica"} if head else {}
    return {"cluster_uuid": uuid, "replication_role": "primary"} if follow and uuid else {}
