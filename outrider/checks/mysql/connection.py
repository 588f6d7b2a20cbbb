"""How the check talks with a server: pymysql, over a socket of ours.

pymysql waits for every single packet as long as it is told to, and takes whatever comes. So it gets a socket that knows
until when all of it has to be over, and how much the server may say: a server that lets an answer drip takes no longer
than one that is silent, and one that never stops talking is cut off. Packets are counted as well, since a row of five
bytes is three hundred in memory.

A server may ask for whatever it likes. Files of ours (LOAD DATA LOCAL INFILE) pymysql keeps to itself unless it is told
otherwise; a password as it is, it gives away without being told, which is for connections with TLS only.
"""

import contextlib
import ssl
import struct
from socket import socket
from typing import Any

import pymysql
from pymysql.cursors import DictCursor

from outrider.checks.check import AnswerError, DeniedError
from outrider.checks.mysql.errors import FATAL, QueryError, trouble
from outrider.checks.mysql.settings import MysqlSettings
from outrider.checks.stream import CLOCK, called, connect
from outrider.config.secrets import SecretError

Row = dict[str, Any]

MOST = 64 << 20
"""Bytes that a server may say in one run. The status and the variables take 40 kB, 2,000 normalized queries 3 MB."""

MOST_PACKETS = 50_000
"""Packets in one run: each row is one, and each column."""
IN_CLEAR = ("mysql_clear_password", "dialog")
"""Ways to log in that send the password as it is."""

_NONSENSE = (LookupError, TypeError, ValueError, AttributeError, AssertionError, struct.error, OverflowError)
"""What pymysql raises at bytes that are not MySQL's."""


class Bounds:
    """Until when (seconds of CLOCK), and how many more bytes are taken."""

    def __init__(self, deadline: float) -> None:
        self.until(deadline)

    def until(self, deadline: float) -> None:
        """The next run begins."""
        self.deadline, self._room, self._packets = deadline, MOST, MOST_PACKETS

    def left(self) -> float:
        """Seconds. Raises TimeoutError if there are none."""
        left = self.deadline - CLOCK.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def took(self, count: int) -> int:
        self._room -= count
        if self._room < 0:
            raise OSError(f"more than {MOST >> 20} MiB in one run")
        return count

    def took_packet(self) -> None:
        self._packets -= 1
        if self._packets < 0:
            raise OSError(f"more than {MOST_PACKETS:,} rows and columns in one run")


def _sockets(bounds: Bounds) -> tuple[type[socket], type[ssl.SSLSocket]]:
    """Kinds of sockets that keep within `bounds`: without and with TLS."""

    class Plain(socket):
        def recv_into(self, *args: Any, **kwargs: Any) -> int:
            self.settimeout(bounds.left())
            return bounds.took(super().recv_into(*args, **kwargs))

    class Secured(ssl.SSLSocket):
        def recv_into(self, *args: Any, **kwargs: Any) -> int:
            self.settimeout(bounds.left())
            return bounds.took(super().recv_into(*args, **kwargs))

    return Plain, Secured


def _client(bounds: Bounds) -> type[pymysql.Connection]:
    """The kind of pymysql's connections that keeps within `bounds`."""

    class Client(pymysql.Connection):  # type: ignore[misc]  # it has no types
        def _read_packet(self, *args: Any, **kwargs: Any) -> Any:
            bounds.took_packet()
            return super()._read_packet(*args, **kwargs)

    return Client


class _Discreet:
    """Answers a server that wants the password as it is, without TLS."""

    def __init__(self, connection: object) -> None:
        del connection

    def authenticate(self, packet: object) -> None:
        """Raises DeniedError."""
        del packet
        raise DeniedError("the server wants the password as it is", "set tls: {}, or have it know the user otherwise")


class Connection:
    """One connection, logged in. Raises CheckError."""

    def __init__(self, settings: MysqlSettings, deadline: float) -> None:
        self._settings, self.bounds = settings, Bounds(deadline)
        self._where = settings.unix_socket_path or (settings.host, settings.port)
        self.name = called(self._where)
        self._client = self._made()
        try:
            self._set_limits()
        except BaseException:
            self.close()
            raise

    def rows(self, statement: str) -> list[Row]:
        """What the server answers. Raises QueryError if it refuses, CheckError if there is no answer."""
        try:
            with self._client.cursor(DictCursor) as cursor:
                cursor.execute(statement)
                return list(cursor.fetchall())
        except pymysql.MySQLError as e:
            code = e.args[0] if e.args else None
            if isinstance(code, int) and not 2000 <= code < 3000 and code not in FATAL:
                raise QueryError(code, str(e.args[-1])) from None
            raise self._trouble(e) from None
        except OSError as e:
            raise self._trouble(e) from None
        except (*_NONSENSE, RuntimeError) as e:
            raise self._strange(e) from None

    def close(self) -> None:
        with contextlib.suppress(pymysql.MySQLError, OSError):  # it is gone already
            self._client.close()

    def _made(self) -> Any:
        settings = self._settings
        try:
            password = b"" if settings.password is None else settings.password.read().encode()
        except SecretError as e:
            raise DeniedError(f"no password for {self.name}", str(e)) from None
        plain, secured = _sockets(self.bounds)
        context = None if settings.tls is None else settings.tls.context()
        if context is not None:
            context.sslsocket_class = secured
        client = _client(self.bounds)(
            user=settings.username,
            password=password,
            host=settings.host,
            ssl=context,
            ssl_disabled=context is None,
            charset="utf8mb4",
            autocommit=True,
            write_timeout=settings.timeout,
            program_name="outrider",
            local_infile=False,
            auth_plugin_map=dict.fromkeys(IN_CLEAR, _Discreet) if context is None else {},
            defer_connect=True,
        )
        try:
            found = connect(self._where, self.bounds.left())
            client.connect(plain(found.family, found.type, found.proto, found.detach()))
        except (pymysql.MySQLError, OSError) as e:
            raise self._trouble(e) from None
        except RuntimeError as e:  # a way to log in for which a library is missing
            raise DeniedError(f"{self.name}: {e}", "set tls: {}, or install outrider[mysql]") from None
        except _NONSENSE as e:
            raise self._strange(e) from None
        return client

    def _set_limits(self) -> None:
        """Have the server give up what nobody waits for any more. Only one of the two knows each of these."""
        seconds = self._settings.timeout
        for limit in (f"max_statement_time = {seconds:g}", f"max_execution_time = {int(seconds * 1000)}"):
            try:
                self.rows(f"SET SESSION {limit}")
                return
            except QueryError:
                continue

    def _trouble(self, e: Exception) -> Exception:
        late = self.bounds.deadline <= CLOCK.monotonic()
        return trouble(e, self.name, self._settings.username, late=late, tls=self._settings.tls is not None)

    def _strange(self, e: Exception) -> AnswerError:
        return AnswerError(f"{self.name} does not speak MySQL's protocol ({type(e).__name__}: {str(e)[:80]})")
