"""PostgreSQL: what its statistics views say of the server, of each database, and of the tables in it.

One connection to `dbname` is kept from run to run. It is asked for what concerns the server as a whole (queries.py) and
each database (groups.py); then each database is looked into for its tables, indexes and functions, one after the other
and each over a connection of that moment, since one that stayed would keep anybody from dropping the database.

    who answers?         version, role, rights       -> tags; what cannot be had is noted, with the reason
    server, databases    one query after the other   -> one that fails costs its own metrics
    each database        tables, indexes, ...        -> until the time of the run is over

What PostgreSQL counts is not reset by a restart, but by pg_stat_reset() and the like; most views say when.
"""

import logging
import socket
from fnmatch import fnmatchcase

from outrider.checks.check import AnswerError, CheckError, DeniedError, Reading, RefusedError, SilentError
from outrider.checks.postgres.connection import Connection, Deadline, QueryError, States, no_postgres
from outrider.checks.postgres.groups import ACTIVITY, DATABASES, OPEN, TABLES_OF_DATABASE, WAITING, WITHIN
from outrider.checks.postgres.queries import QUERIES, SERVER, V9_6, chosen
from outrider.checks.postgres.run import Found, Groups, Run, Server
from outrider.checks.postgres.settings import PostgresSettings

log = logging.getLogger(__name__)

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class PostgresCheck:
    """Reads one server. Raises CheckError if there is no way in; what else cannot be read is noted."""

    Settings = PostgresSettings
    can_connect = "postgres.can_connect"

    def __init__(self, settings: PostgresSettings) -> None:
        self._settings = settings
        self._connection: Connection | None = None
        self._groups = Groups()
        self._said: set[str] = set()
        host = socket.gethostname() if settings.host in LOOPBACK or settings.unix_socket else settings.host
        self._tags = {
            "server": settings.host,
            "port": str(settings.port),
            "database_hostname": host,
            "database_instance": host,
        }

    def read(self, reading: Reading) -> None:
        deadline = Deadline(self._settings.timeout, self._settings.where)
        try:
            connection, server = self._connected(deadline)
            reading.instance(**self._tags, **server.tags)
            run = Run(self._settings, reading, server, self._groups, deadline)
            self._read(reading, run, connection)
        except (RefusedError, SilentError, AnswerError):
            self.close()
            raise
        finally:
            # The service check is of this database, and looks the same whether there is an answer or not.
            reading.instance(**self._tags, db=self._settings.dbname)
            for key in {point.metric.key for point in reading.points}:
                reading.missing.pop(key, None)  # there is some of it, if not of everything

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connected(self, deadline: Deadline) -> tuple[Connection, Server]:
        """The connection and who is at its other end; a new one if the server has dropped it meanwhile."""
        if self._connection is not None:
            try:
                return self._connection, self._asked(self._connection, deadline)
            except RefusedError:
                self.close()
        self._connection = Connection(self._settings, self._settings.dbname, deadline)
        return self._connection, self._asked(self._connection, deadline)

    def _asked(self, connection: Connection, deadline: Deadline) -> Server:
        """Who answers."""
        where = self._settings.where
        try:
            (said,) = connection.rows("SHOW server_version_num", deadline)
            version = int(said["server_version_num"])
            if version < V9_6:
                words = f"{where} is PostgreSQL {version // 10000}.{version // 100 % 100}"
                raise AnswerError(words, "9.6 is the oldest version that can be read")
            (said,) = connection.rows(SERVER, deadline)
        except QueryError as e:
            if e.state == States.CANCELLED:
                raise SilentError(f"{where} did not say who it is within `query_timeout`") from None
            raise no_postgres(where) from None
        except (ValueError, LookupError):
            raise no_postgres(where) from None
        tags = {
            "postgresql_version": str(said["version"]),
            "replication_role": "standby" if said["standby"] else "master",
            "system_identifier": str(said["system_identifier"]),
        }
        if said["cluster_name"]:
            tags["postgresql_cluster_name"] = str(said["cluster_name"])
        return Server(version, frozenset(right for right in ("statistics", "waldir") if said[right]), tags)

    def _read(self, reading: Reading, run: Run, connection: Connection) -> None:
        groups = (DATABASES, ACTIVITY, WAITING, *(WITHIN if self._settings.relations else ()))
        run.note_versions([*QUERIES, *(query for group in groups for query in group.queries)])
        for query in chosen(QUERIES, run.server.version):
            run.report(connection, query)
        for group in (ACTIVITY, WAITING):
            rows = run.collect(connection, group)
            if rows is not None:
                run.report_group(group, rows)
        rows = run.collect(connection, DATABASES)
        if rows is None:
            return
        rows = {key: row for key, row in rows.items() if self._wanted(key[0])}
        reading.add("server.databases", len(rows))
        alone = run.report_group(DATABASES, rows)
        if self._settings.relations:
            self._look_into(run, connection, [key[0] for key in alone if key[0]], {key[0] for key in rows if key[0]})

    def _wanted(self, db: str | None) -> bool:
        if db is None:
            return False
        names, ignored = self._settings.databases, self._settings.ignore_databases
        return any(fnmatchcase(db, glob) for glob in names) and not any(fnmatchcase(db, glob) for glob in ignored)

    def _look_into(self, run: Run, main: Connection, databases: list[str], known: set[str]) -> None:
        """Report the tables, and what else is in each of `databases`, which are among those that are `known`."""
        found = {group.name: Found() for group in WITHIN}
        may_connect = {row["db"] for row in run.rows(main, OPEN) or ()}
        try:
            for db in databases:
                try:
                    if db not in may_connect:
                        cure = f'GRANT CONNECT ON DATABASE "{db}" TO "{self._settings.username}"'
                        raise DeniedError("the role may not connect to it", cure)
                    self._look_into_one(run, main, db, found)
                except CheckError as e:
                    run.note([group.name for group in WITHIN], f"the database {db}: {e}")
                    self._say(db, e)
                    if isinstance(e, SilentError):
                        self.close()  # its answer may still come
                        break
                    if db == main.dbname and not isinstance(e, DeniedError):
                        raise
        finally:
            for group in WITHIN:
                one = found[group.name]
                run.report_group(group, one.rows, frozenset(known - one.databases))

    def _look_into_one(self, run: Run, main: Connection, db: str, found: dict[str, Found]) -> None:
        connection = main if db == main.dbname else Connection(self._settings, db, run.deadline)
        try:
            for group in WITHIN:
                rows = run.collect(connection, group, db)
                if rows is not None:
                    found[group.name].rows.update(rows)
                    found[group.name].databases.add(db)
            run.report(connection, TABLES_OF_DATABASE)
        finally:
            if connection is not main:
                connection.close()

    def _say(self, db: str, trouble: CheckError) -> None:
        """Once."""
        words = f"the tables of the database {db} of {self._settings.where} are not reported: {trouble}"
        if words not in self._said:
            self._said.add(words)
            log.warning(words)
