"""The check of MongoDB: one server at a time, as its sidecar sees it.

A run asks what the server is (`deployment.py`), then what such a server can be asked: serverStatus of everybody, the
state of the replica set and the oplog of its members, databases and collections of those who hold data. A right that is
missing costs what it is needed for and nothing else; without serverStatus the run counts as failed. The whole run has
one deadline, which the server is told of, so that it drops what nobody waits for any more.
"""

from typing import ClassVar

import pymongo
from bson.errors import BSONError
from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, PyMongoError

from outrider.checks.check import AnswerError, CheckSettings, DeniedError, Reading
from outrider.checks.mongodb import collections, databases, replication, server
from outrider.checks.mongodb.asking import Asking
from outrider.checks.mongodb.connection import Document, client, knock, trouble
from outrider.checks.mongodb.deployment import PRIMARY, Deployment, deployment
from outrider.checks.mongodb.settings import MongodbSettings, host_and_port
from outrider.model.clock import SystemClock

_CLOCK = SystemClock()


class MongodbCheck:
    """Reads one server, or the primary of a replica set."""

    Settings: ClassVar[type[CheckSettings]] = MongodbSettings
    can_connect: ClassVar[str] = "mongodb.can_connect"

    def __init__(self, settings: MongodbSettings) -> None:
        self._settings = settings
        self._client: MongoClient[Document] | None = None
        self._login = True
        self._start = server.Start()
        self._host = ""
        self._states: dict[str, int] = {}
        self._databases = databases.budget(settings.max_databases)
        self._collections = collections.budget(settings.max_collections)
        self._growth = collections.Growth()

    def read(self, reading: Reading) -> None:
        try:
            with pymongo.timeout(self._settings.timeout):
                self._read(reading)
        except PyMongoError as e:
            self.close()
            raise trouble(e, self._settings) from None
        except (LookupError, TypeError, ValueError, BSONError) as e:
            raise AnswerError(f"{', '.join(self._settings.hosts)}: an answer that makes no sense: {e!r}") from e
        finally:
            reading.instance(**self._of_service_check())

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _of_service_check(self) -> dict[str, str]:
        host, port = host_and_port(self._settings.hosts[0])
        told = {"host": host, "port": str(port), "db": "admin", "server": self._settings.server}
        return told | ({"database_instance": self._host} if self._host else {})

    def _connect(self) -> tuple[MongoClient[Document], Document]:
        """A client, and what the server says to `isMaster`. A connection that was cut is made anew."""
        if self._client is not None:
            try:
                return self._client, self._client.admin.command("isMaster")
            except ConnectionFailure as e:
                if e.timeout:
                    raise
                self.close()
        hello = knock(self._settings)
        wanted, name = self._settings.replica_set, hello.get("setName")
        if wanted is not None and name != wanted:
            what = f"is of the replica set {name}" if name else "is of no replica set"
            raise AnswerError(f"{', '.join(self._settings.hosts)}: {what}, not of {wanted} (`replica_set`)")
        self._login = not (hello.get("arbiterOnly") and self._settings.replica_set is None)
        self._client = client(self._settings, login=self._login)
        return self._client, self._client.admin.command("isMaster")

    def _read(self, reading: Reading) -> None:
        connection, hello = self._connect()
        asking = Asking(connection, reading, self._settings, login=self._login)
        asked = _CLOCK.monotonic()
        status = asking.command("serverStatus", *server.LOST_WITH_STATUS, tcmalloc=asking.wants("tcmalloc"))
        self._host = str((status or {}).get("host") or hello.get("me", ""))
        options = asking.command("getCmdLineOpts")
        replicates = "setName" in hello or hello.get("isreplicaset")
        members = asking.command("replSetGetStatus", "replSet.") if replicates else None
        here = deployment(hello, (options or {}).get("parsed"), members, self._host)
        reading.instance(**here.attributes(self._settings.server))
        if status is not None:
            if self._start.see(status, asked, _CLOCK.monotonic()):
                self._growth = collections.Growth()  # what was counted of another process is over
            reading.start = self._start.value
            server.read_status(asking, status)
        if members is not None:
            self._read_set(asking, here, members)
        elif here.state is not None:
            reading.add("replSet.state", here.state)
        if not here.arbiter:
            self._read_more(asking, here)
        if "serverStatus" in asking.denied and not here.arbiter:
            raise DeniedError(asking.denied["serverStatus"])

    def _read_set(self, asking: Asking, here: Deployment, members: Document) -> None:
        replication.read_member(asking, members)
        states = replication.states(members)
        if here.state == PRIMARY:
            replication.read_changes(asking, here.set_name, self._states, states)
        self._states = states

    def _read_more(self, asking: Asking, here: Deployment) -> None:
        server.read_host(asking)
        if here.role:
            server.read_pools(asking)
        if here.kind == "mongos":
            server.read_chunks(asking)
        else:
            server.read_lock(asking)
        if not here.readable:
            return
        if here.principal:
            server.read_sessions(asking)
        if here.kind == "replset":
            replication.read_oplog(asking)
        top = collections.read_top(asking, self._growth) if here.mongod else {}
        names = databases.names(asking)
        databases.read_databases(asking, here, names, top, self._databases)
        collections.read_collections(asking, here, names, top, self._collections)
