"""MySQL and MariaDB, read: a dozen statements over one connection, which is kept from run to run.

    SHOW GLOBAL VARIABLES, STATUS     most of it, and anybody may
    SHOW ENGINE INNODB STATUS         what MySQL has as no variable (innodb.py)
    SHOW REPLICA STATUS and the like  whom it follows, and who follows it (replication.py)
    performance_schema                how long queries take, who is connected (performance.py)
    information_schema                sizes of tables and indexes, if asked for (tables.py)
    /proc                             processor time, where the process can be seen (process.py)

A statement for which a right is missing costs what it would have told, and nothing else: the reason has the GRANT that
cures it. Names and tags are those of Datadog's check `mysql`.

The server's start, since which it counts, is told by its own clock: the same in every run and after a restart of ours.
"""

import socket

from outrider.checks.check import AnswerError, CheckError, Reading
from outrider.checks.mysql import process, replication, status
from outrider.checks.mysql.asking import Asking, account
from outrider.checks.mysql.connection import Connection, Row
from outrider.checks.mysql.errors import QueryError
from outrider.checks.mysql.performance import Performance
from outrider.checks.mysql.settings import MysqlSettings
from outrider.checks.mysql.tables import Tables
from outrider.checks.stream import CLOCK

_WHO = "SELECT CURRENT_USER() AS account, UNIX_TIMESTAMP() AS now"
_VARIABLES = f"SHOW GLOBAL VARIABLES WHERE Variable_name IN {status.VARIABLES}"
_CPU = ("cpu.user", "cpu.system", "cpu.both")


class MysqlCheck:
    """Reads one server."""

    Settings = MysqlSettings
    can_connect = "mysql.can_connect"

    def __init__(self, settings: MysqlSettings) -> None:
        self._settings = settings
        path = settings.unix_socket_path
        self._here = path is not None or settings.host in process.HERE
        name = socket.gethostname() if self._here else settings.host
        self._tags: replication.Attributes = {
            "port": "unix_socket" if path else settings.port,
            "database_hostname": name,
            "database_instance": name,
        }
        self._of_service_check: replication.Attributes = {**self._tags, "server": path or settings.host}
        self._name = path or f"{settings.host}:{settings.port}"
        self._connection: Connection | None = None
        self._start = 0
        self._performance, self._tables = Performance(settings), Tables(settings)

    def read(self, reading: Reading) -> None:
        """Everything of one server. Raises CheckError."""
        reading.instance(**self._tags)
        try:
            self._read(reading, *self._connected(CLOCK.monotonic() + self._settings.timeout))
        except (LookupError, TypeError, ValueError) as e:
            self.close()
            raise AnswerError(f"{self._name}: an answer that makes no sense ({e!r})") from e
        except BaseException:
            self.close()
            raise
        finally:
            reading.instance(**self._of_service_check)
            for key in {point.metric.key for point in reading.points}:
                reading.missing.pop(key, None)  # there is some of it, if not of everything

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self, deadline: float) -> tuple[Connection, Row]:
        """The connection that was kept, if it is still one, or a new one; and who we are at its other end."""
        if self._connection is not None:
            self._connection.bounds.until(deadline)
            try:
                return self._connection, _one(self._connection, _WHO)
            except CheckError:
                self.close()
        self._connection = Connection(self._settings, deadline)
        return self._connection, _one(self._connection, _WHO)

    def _read(self, reading: Reading, connection: Connection, who: Row) -> None:
        asking = Asking(connection, reading, account(str(who["account"])))
        server = self._server(reading, connection, who)
        channels, follow = replication.channels(asking, server), replication.replicas(asking, server)
        tags = {**self._tags, "dbms_flavor": server.flavor}
        uuid = "" if server.flavor == "mariadb" else server.variables.get("server_uuid", "")
        if uuid:
            tags |= {"server_uuid": uuid, **replication.role(channels, follow, uuid)}
        reading.instance(**tags)
        status.report(asking, server)
        self._processor(reading, server.variables.get("pid_file", ""))
        replication.report(reading, channels, follow)
        extra = {"server": self._of_service_check["server"]}
        logs, wanted = server.binary_log, self._settings.replication
        replication.judge(reading, extra, channels, follow, logs=logs, wanted=wanted)
        if server.group:
            replication.group(asking, extra)
        self._performance.report(asking, performance_schema=server.performance_schema)
        self._tables.report(asking, performance_schema=server.performance_schema)

    def _server(self, reading: Reading, connection: Connection, who: Row) -> status.Server:
        """Its variables, its status, and since when it counts. `Uptime` is in whole seconds of its clock, so the time
        has to be asked for in the same one.
        """
        try:
            variables = _pairs(connection.rows(_VARIABLES))
            for _ in range(3):
                told = _pairs(connection.rows("SHOW GLOBAL STATUS"))
                then, who = who, _one(connection, _WHO)
                start = int(who["now"]) - int(told["Uptime"])
                if then["now"] == who["now"] or abs(start - self._start) <= 1:
                    break
            self._start = self._start if abs(start - self._start) <= 1 else start
        except QueryError as e:
            raise AnswerError(f"{connection.name} answers with error {e.code}: {e.words[:200]}") from None
        reading.start = self._start * 1_000_000_000
        return status.Server(variables, told)

    def _processor(self, reading: Reading, pid_file: str) -> None:
        if not self._here:
            why = "the server is on another host"
        elif isinstance(found := process.times(pid_file), process.Times):
            for key, value in zip(_CPU, (found.user, found.system, found.user + found.system), strict=True):
                reading.add(key, value)
            return
        else:
            why = found
        for key in _CPU:
            reading.lacks(key, why)


def _one(connection: Connection, statement: str) -> Row:
    """The only row. Raises CheckError."""
    try:
        (row,) = connection.rows(statement)
    except (QueryError, ValueError) as e:
        raise AnswerError(f"{connection.name} is no MySQL: it cannot tell the time ({str(e)[:100]})") from None
    return row


def _pairs(rows: list[Row]) -> dict[str, str]:
    return {str(row["Variable_name"]): str(row["Value"]) for row in rows}
