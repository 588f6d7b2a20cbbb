"""How long keys are: what the user names, in every database or in one.

A pattern has the whole keyspace looked through, a thousand keys at a time (SCAN), and of those that match come the type
and the length, again a thousand at a time. Both are bounded: MOST keys are looked at, and the run's deadline holds.

    jobs:*    ->    key:jobs:mail key_type:list redis_db:db0   17

A key that is nowhere has the length 0, as a queue has that nobody filled.
"""

import re
from typing import Any

from outrider.checks.budget import OTHER, Budget
from outrider.checks.check import AnswerError, Reading
from outrider.checks.redis.resp import Connection, Reply, ServerError

MOST = 10_000
"""Keys that patterns may match; more would take memory that a sidecar has not got."""
PAGE = 1000

_PATTERN = re.compile(r"(?<!\\)[*?\[]")
_LENGTH = {b"list": "LLEN", b"set": "SCARD", b"zset": "ZCARD", b"hash": "HLEN", b"stream": "XLEN"}

Found = dict[tuple[int, str, str], dict[str, int | float | None]]
"""Lengths by database, key and type."""


class KeyLengths:
    """Of `wanted` keys and patterns, in the database `db` or in all; `top` of them are reported one by one."""

    def __init__(self, wanted: list[str], db: int | None, top: int) -> None:
        self._wanted, self._db = wanted, db
        self._budget: Budget[tuple[int, str, str]] = Budget("redis keys", "top", top, gauges={"length"})
        self.command = ""
        """What was asked last, for whoever has to explain a refusal."""

    def report(self, reading: Reading, connection: Connection, databases: list[int]) -> None:
        """Add them. `databases` are those that hold anything. Raises ServerError, CheckError."""
        found: Found = {}
        for db in databases if self._db is None else [self._db]:
            self._call(connection, "SELECT", str(db))
            for key in self._wanted:
                if _PATTERN.search(key):
                    self._matching(reading, connection, db, key, found)
                else:
                    self._look(connection, db, [key.encode()], found)
        there = {key for _, key, _ in found}
        target: dict[str, Any] = {} if self._db is None else {"redis_db": f"db{self._db}"}
        for key in self._wanted:
            if key not in there and not (databases and _PATTERN.search(key)):
                reading.add("key.length", 0, key=key, **target)
        for row in self._budget.rows(found, lambda values: values["length"], reading.time):
            if row.key is None:
                reading.add("key.length", row.values["length"], key=OTHER)
            else:
                db, key, kind = row.key
                reading.add("key.length", row.values["length"], key=key, key_type=kind, redis_db=f"db{db}")

    def _matching(self, reading: Reading, connection: Connection, db: int, pattern: str, found: Found) -> None:
        cursor = b"0"
        while True:
            said = self._call(connection, "SCAN", cursor, "MATCH", pattern, "COUNT", str(PAGE))
            match said:
                case [bytes(cursor), list(page)]:
                    self._look(connection, db, [key for key in page if isinstance(key, bytes)], found)
                case _:
                    raise AnswerError(f"{connection.name} answered SCAN with {str(said)[:40]}")
            if len(found) >= MOST:
                reading.lacks("key.length", f"patterns match more than {MOST} keys: the others are not looked at")
                return
            if cursor == b"0":
                return

    def _look(self, connection: Connection, db: int, keys: list[bytes], found: Found) -> None:
        """Add types and lengths of `keys`; not of those that are gone by now, or on another server of a cluster."""
        kinds = [
            reply if isinstance(reply, bytes) else b"" for reply in self._all(connection, ["TYPE"] * len(keys), keys)
        ]
        counted = [(key, _LENGTH[kind]) for key, kind in zip(keys, kinds, strict=True) if kind in _LENGTH]
        counts = self._all(connection, [command for _, command in counted], [key for key, _ in counted])
        lengths = {key: count for (key, _), count in zip(counted, counts, strict=True) if isinstance(count, int)}
        for key, kind in zip(keys, kinds, strict=True):
            length = 1 if kind == b"string" else lengths.get(key, 0)
            if length:
                found[db, key.decode("utf-8", "replace"), kind.decode()] = {"length": length}

    def _all(self, connection: Connection, commands: list[str], keys: list[bytes]) -> list[Reply | ServerError]:
        """The answers to each command with its key. Raises ServerError if a right is missing."""
        replies = connection.calls(list(zip(commands, keys, strict=True)))
        for command, reply in zip(commands, replies, strict=True):
            if isinstance(reply, ServerError) and reply.code == "NOPERM":
                self.command = command.lower()
                raise reply
        return replies

    def _call(self, connection: Connection, command: str, *words: str | bytes) -> Reply:
        self.command = command.lower()
        return connection.call(command, *words)
