"""Memcached, read: `stats` tells nearly everything, and costs the server next to nothing.

    stats          the server as a whole
    stats items    what is stored, by slab class, if asked for
    stats slabs    memory, by slab class, if asked for

`metrics.yaml` names numbers of these as `stats.<name>`, `items.<name>` and `slabs.<name>`. Names and tags are those of
Datadog's check `mcache`.
"""

import re
from typing import Any

from outrider.checks.check import AnswerError, CheckError, DeniedError, Reading
from outrider.checks.memcached.protocol import Connection, ServerError, trouble
from outrider.checks.memcached.settings import MemcachedSettings
from outrider.checks.numbers import Number, number
from outrider.checks.stream import CLOCK
from outrider.config.secrets import SecretError

_SLAB = re.compile("[0-9]{1,3}")


class MemcachedCheck:
    """Reads one server."""

    Settings = MemcachedSettings
    can_connect = "memcache.can_connect"

    def __init__(self, settings: MemcachedSettings) -> None:
        self._settings = settings
        path = settings.unix_socket_path
        self._where = path or (settings.host, settings.port)
        host, port = ("unix", path) if path else (settings.host, str(settings.port))
        self._url, self._tags = f"{host}:{port}", {"host": host, "port": port}
        self._connection: Connection | None = None

    def read(self, reading: Reading) -> None:
        """Everything of one server. Raises CheckError."""
        reading.instance(url=self._url)
        try:
            connection, stats = self._asked(CLOCK.monotonic() + self._settings.timeout)
            self._server(reading, stats, connection.name)
            for about, wanted in (("items", self._settings.items), ("slabs", self._settings.slabs)):
                if wanted:
                    self._by_class(reading, connection, about)
        except BaseException:
            self.close()
            raise
        finally:
            reading.instance(**self._tags)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _asked(self, deadline: float) -> tuple[Connection, dict[str, str]]:
        """What the server says of itself, over the connection that was kept, if it is still one, or a new one."""
        if self._connection is not None:
            self._connection.deadline = deadline
            try:
                return self._connection, self._stats(self._connection)
            except CheckError:
                self.close()
        connection = self._connection = Connection(self._where, deadline, self._settings.tls)
        self._log_in(connection)
        return connection, self._stats(connection)

    def _log_in(self, connection: Connection) -> None:
        username, password = self._settings.username, self._settings.password
        if username is None:
            return
        try:
            connection.log_in(username, "" if password is None else password.read())
        except SecretError as e:
            raise DeniedError(f"no password for {connection.name}", str(e)) from None

    def _stats(self, connection: Connection) -> dict[str, str]:
        try:
            stats = connection.stats()
        except ServerError as e:
            raise trouble(e, connection.name) from None
        if "pid" not in stats:
            raise AnswerError(f"{connection.name} is no memcached: its stats have no pid")
        return stats

    def _server(self, reading: Reading, stats: dict[str, str], name: str) -> None:
        told = {key: found for key, value in stats.items() if (found := number(value)) is not None}
        try:  # both by the server's clock, so that the start is the same in every run
            reading.start = (int(told["time"]) - int(told["uptime"])) * 1_000_000_000
        except KeyError:
            raise AnswerError(f"{name} is no memcached: its stats have no time and uptime") from None
        for key, value in told.items():
            reading.add(f"stats.{key}", value)
        reading.add("get_hit_percent", _ratio(told.get("get_hits"), told.get("cmd_get"), 100))
        reading.add("fill_percent", _ratio(told.get("bytes"), told.get("limit_maxbytes"), 100))
        reading.add("avg_item_size", _ratio(told.get("bytes"), told.get("curr_items")))
        for operation in ("get", "incr", "decr"):
            hits, misses = told.get(f"{operation}_hits"), told.get(f"{operation}_misses")
            if hits is not None and misses is not None:
                reading.add(f"hit_ratio.{operation}", _ratio(hits, hits + misses, 100))

    def _by_class(self, reading: Reading, connection: Connection, about: str) -> None:
        """`items:1:number 5` and `1:chunk_size 96` are of the slab class 1; `total_malloced 1048576` is of all."""
        try:
            stats = connection.stats(about)
        except ServerError as e:
            reading.lacks_all(f"{about}.", str(trouble(e, connection.name)))
            return
        for name, value in stats.items():
            slab, _, key = name.removeprefix("items:").rpartition(":")
            if slab and not _SLAB.fullmatch(slab):
                continue
            where: dict[str, Any] = {"slab": slab} if slab else {}
            reading.add(f"{about}.{key}", number(value), **where)


def _ratio(part: Number | None, whole: Number | None, of: int = 1) -> float | None:
    return of * part / whole if part is not None and whole else None
