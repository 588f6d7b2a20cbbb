"""Redis, read: nearly everything is in one INFO, which the server tells without stopping for it.

    PING                       is the connection that was kept still one? and how long does an answer take
    INFO all                   the counters, gauges, databases, replicas and command statistics, with a time of its own
    SLOWLOG GET n              what was slow since the run before, by command
    CLIENT LIST, CLUSTER INFO  if asked for; if there is a cluster
    SCAN, TYPE, LLEN, ...      how long keys are, if asked for (keys.py)

`metrics.yaml` names fields of INFO as `info.<field>`, so that one which a newer server adds needs only a line there. A
command that is refused costs what it would have told, and nothing else (`Reading.lacks`); without INFO there is nothing
to be had. Names and tags are those of Datadog's check `redisdb`.

The server's start, since which it counts, is told from its own clock (`server_time_usec`, since 7.0): the same in every
run and after a restart of ours.
"""

from collections import Counter
from typing import Any

from outrider.checks.budget import OTHER, Budget
from outrider.checks.check import AnswerError, CheckError, DeniedError, Reading
from outrider.checks.numbers import number
from outrider.checks.redis.errors import trouble, turned_away
from outrider.checks.redis.info import DATABASE, REPLICA, fields, parsed
from outrider.checks.redis.keys import KeyLengths
from outrider.checks.redis.resp import Connection, Reply, ServerError
from outrider.checks.redis.settings import RedisSettings
from outrider.checks.redis.slowlog import SlowLog
from outrider.checks.stream import CLOCK
from outrider.config.secrets import SecretError
from outrider.model.points import Status


class RedisCheck:
    """Reads one server."""

    Settings = RedisSettings
    can_connect = "redis.can_connect"

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        self._user = settings.username or "default"
        self._where = settings.unix_socket_path or (settings.host, settings.port)
        self._tags: dict[str, str | int] = (
            {"redis_host": settings.unix_socket_path, "redis_port": "unix_socket"}
            if settings.unix_socket_path
            else {"redis_host": settings.host, "redis_port": settings.port}
        )
        self._connection: Connection | None = None
        self._slow_log = SlowLog()
        self._keys = KeyLengths(settings.keys, settings.db, settings.top)
        self._clients: Budget[str] = Budget("names of redis clients", "top", settings.top, gauges={"connections"})
        self._started = ("", 0)

    def read(self, reading: Reading) -> None:
        """Everything of one server. Raises CheckError."""
        reading.instance(**self._tags)
        try:
            self._read(reading, self._connected(CLOCK.monotonic() + self._settings.timeout))
        except BaseException:
            self.close()
            raise
        finally:
            reading.instance(**self._tags)  # can_connect is not about the role

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _read(self, reading: Reading, connection: Connection) -> None:
        info, taken = self._info(connection)
        before = CLOCK.monotonic()
        answered = self._optional(reading, connection, "ping.latency_ms", "ping")
        pinged = CLOCK.monotonic() - before
        reading.start = self._start(info, reading)
        entries = self._optional(reading, connection, "slowlog.", "slowlog|get", self._settings.slowlog_max_len)
        self._slow_log.report(reading, entries, info.get("run_id", ""))
        if role := info.get("role"):  # of everything but the slow log
            reading.instance(**self._tags, redis_role=role)
        reading.add("info.latency_ms", round(taken * 1000, 2))
        reading.add("ping.latency_ms", None if answered is None else round(pinged * 1000, 2))
        self._whole_server(reading, connection, info)
        self._databases(reading, info)
        self._replication(reading, info)
        if self._settings.command_stats:
            self._commands(reading, info)
        if self._settings.collect_client_metrics:
            self._client_names(reading, connection)
        if info.get("cluster_enabled") == "1":
            self._cluster(reading, connection)
        if self._settings.keys:
            self._key_lengths(reading, connection, info)

    def _connected(self, deadline: float) -> Connection:
        """The connection that was kept, if it is still one, or a new one."""
        if self._connection is not None:
            self._connection.deadline = deadline
            try:
                self._connection.calls([["PING"]])
                return self._connection
            except CheckError:
                self.close()
        connection = self._connection = Connection(self._where, deadline, self._settings.tls)
        self._log_in(connection)
        (greeting,) = connection.calls([["PING"]])
        if isinstance(greeting, ServerError) and turned_away(greeting):
            raise trouble(greeting, connection.name, self._user, "ping")
        return connection

    def _log_in(self, connection: Connection) -> None:
        if self._settings.password is None:
            return
        try:
            password = self._settings.password.read()
        except SecretError as e:
            raise DeniedError(f"no password for {connection.name}", str(e)) from None
        names = [self._settings.username] if self._settings.username else []
        try:
            connection.call("AUTH", *names, password)
        except ServerError as e:
            raise trouble(e, connection.name, self._user, "auth") from None

    def _info(self, connection: Connection) -> tuple[dict[str, str], float]:
        """What INFO says, and how many seconds it took."""
        before = CLOCK.monotonic()
        try:
            said = connection.call("INFO", "all")
        except ServerError as e:
            raise trouble(e, connection.name, self._user, "info") from None
        taken = CLOCK.monotonic() - before
        if not isinstance(said, bytes):
            raise AnswerError(f"{connection.name} is no Redis: its INFO is no text")
        return parsed(said, connection.name), taken

    def _start(self, info: dict[str, str], reading: Reading) -> int | None:
        """Since when the server runs. Without a clock of its own in INFO it is reckoned once for each of its runs, from
        ours: the same start has to come out every time.
        """
        uptime = number(info.get("uptime_in_seconds"))
        if not isinstance(uptime, int):
            return None
        if told := number(info.get("server_time_usec")):
            return (int(told) // 1_000_000 - uptime) * 1_000_000_000
        run = info.get("run_id", "")
        if run != self._started[0]:
            self._started = run, reading.time - uptime * 1_000_000_000
        return self._started[1]

    def _whole_server(self, reading: Reading, connection: Connection, info: dict[str, str]) -> None:
        if "maxclients" not in info:  # it is there since 6.2
            answer = self._optional(reading, connection, "info.maxclients", "config|get", "maxclients")
            if isinstance(answer, list) and len(answer) == 2 and isinstance(answer[1], bytes):
                info["maxclients"] = answer[1].decode("ascii", "replace")
        for name, value in info.items():
            key = f"info.{name}"
            if key in reading.declared.metrics:
                reading.add(key, number(value))

    def _databases(self, reading: Reading, info: dict[str, str]) -> None:
        for name, value in info.items():
            if not DATABASE.match(name):
                continue
            told = fields(value)
            keys, expires = number(told.get("keys")), number(told.get("expires"))
            where: dict[str, Any] = {"redis_db": name, "db": name.removeprefix("db")}
            reading.add("db.keys", keys, **where)
            reading.add("db.expires", expires, **where)
            reading.add("db.avg_ttl", number(told.get("avg_ttl")), **where)
            if keys and expires is not None:
                reading.add("db.persist", keys - expires, **where)
                reading.add("db.persist.percent", 100 * (keys - expires) / keys, **where)
                reading.add("db.expires.percent", 100 * expires / keys, **where)

    def _replication(self, reading: Reading, info: dict[str, str]) -> None:
        ours = number(info.get("master_repl_offset")) or 0
        for name, value in info.items():
            found = REPLICA.match(name)
            if found is None:
                continue
            told = fields(value)
            delay = ours - (number(told.get("offset")) or 0)
            where: dict[str, Any] = {f"slave_{key}": told[key] for key in ("ip", "port") if key in told}
            if delay >= 0:
                reading.add("replication.delay", delay, slave_id=found[1], **where)
        link = info.get("master_link_status")
        if link is not None:
            up = link == "up"
            down_since = 0 if up else number(info.get("master_link_down_since_seconds"))
            reading.add("replication.master_link_down_since_seconds", down_since)
            primary = f"{info.get('master_host', '?')}:{info.get('master_port', '?')}"
            reading.service_check(
                "redis.replication.master_link_status",
                Status.OK if up else Status.CRITICAL,
                "" if up else f"the link to the primary at {primary} is {link}",
            )

    def _commands(self, reading: Reading, info: dict[str, str]) -> None:
        for name, value in info.items():
            command = name.removeprefix("cmdstat_")
            if command != name:
                told = fields(value)
                reading.add("command.calls", number(told.get("calls")), command=command)
                reading.add("command.usec_per_call", number(told.get("usec_per_call")), command=command)

    def _client_names(self, reading: Reading, connection: Connection) -> None:
        said = self._optional(reading, connection, "client.connections", "client|list")
        if not isinstance(said, bytes):
            return
        clients = (line.split() for line in said.decode("utf-8", "replace").splitlines())
        names = (word[5:] for words in clients for word in words if word.startswith("name="))
        rows = {name: {"connections": count} for name, count in Counter(name or "unknown" for name in names).items()}
        for row in self._clients.rows(rows, lambda values: values["connections"], reading.time):
            reading.add("client.connections", row.values["connections"], source=row.key or OTHER)

    def _cluster(self, reading: Reading, connection: Connection) -> None:
        said = self._optional(reading, connection, "cluster.", "cluster|info")
        if isinstance(said, bytes):
            told = (line.partition(":") for line in said.decode("utf-8", "replace").splitlines())
            for name, _, value in told:
                key = "cluster." + name.removeprefix("cluster_")
                reading.add(key, int(value == "ok") if name == "cluster_state" else number(value))

    def _key_lengths(self, reading: Reading, connection: Connection, info: dict[str, str]) -> None:
        try:
            self._keys.report(reading, connection, [int(name[2:]) for name in info if DATABASE.match(name)])
        except ServerError as e:
            reading.lacks("key.length", str(trouble(e, connection.name, self._user, self._keys.command)))
        except CheckError as e:  # what was read before stands, but where this answer ends nobody knows
            reading.lacks("key.length", str(e))
            self.close()

    def _optional(self, reading: Reading, connection: Connection, key: str, command: str, *words: str | int) -> Reply:
        """The answer to `command` (`slowlog|get`). None if it is refused, and then whatever is declared under keys that
        begin with `key` is missing.
        """
        try:
            return connection.call(*command.upper().split("|"), *map(str, words))
        except ServerError as e:
            for declared in reading.declared.metrics:
                if declared.startswith(key):
                    reading.lacks(declared, str(trouble(e, connection.name, self._user, command)))
            return None
