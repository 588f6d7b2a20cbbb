"""One connection to a PostgreSQL server: opened, asked, and waited for no longer than agreed.

`pg8000` speaks the protocol. The socket is made here, since libpq's ways with TLS are part of what users know
(`prefer`, `verify-ca`), and since whoever answers the request for TLS with anything but yes or no is no PostgreSQL.

    8 bytes "may we speak TLS?"   ->  S  yes: handshake       N  no: in the clear, unless TLS is required
    startup, authentication       ->  ready, or an error with a SQLSTATE that says what is wrong
    SELECT ...                    ->  rows; or an error, after which the connection goes on

Two clocks run: the server ends a query after `query_timeout` (statement_timeout), and every read of the socket has what
is left of the time of the whole run, so that an answer that drips does not take longer than one that never comes. A
query that failed raises QueryError, and the next one can be asked. Whatever else goes wrong raises a CheckError, and
the connection is of no more use.
"""

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ssl import SSLCertVerificationError, SSLError, SSLSocket
from typing import Any

from pg8000.exceptions import DatabaseError, InterfaceError
from pg8000.native import Connection as Protocol
from scramp import ScramException

from outrider.checks.check import AnswerError, CheckError, DeniedError, RefusedError, SilentError
from outrider.checks.postgres.settings import PostgresSettings
from outrider.config.secrets import SecretError

NUMERIC, INET = 1700, 869
"""Types that pg8000 would make objects of: `pg_type.oid`."""
TLS_REQUEST = struct.pack("!ii", 8, 80877103)
"""SSLRequest: https://www.postgresql.org/docs/current/protocol-message-formats.html"""
GONE = ("08", "57P")
"""How the SQLSTATE begins after which the server hangs up: connection exceptions, and shutdowns."""

Row = dict[str, Any]


class States:
    """SQLSTATEs, as PostgreSQL's appendix A names them."""

    INVALID_PASSWORD = "28P01"
    INVALID_AUTHORIZATION = "28000"
    NO_SUCH_DATABASE = "3D000"
    DENIED = "42501"
    TOO_MANY_CONNECTIONS = "53300"
    CANCELLED = "57014"


class QueryError(Exception):
    """The server did not answer one query. `state` is the SQLSTATE (PostgreSQL's appendix A), `words` its message."""

    def __init__(self, state: str, words: str) -> None:
        super().__init__(words)
        self.state, self.words = state, words


class Deadline:
    """When a run has to be over, `seconds` from now."""

    def __init__(self, seconds: float, where: str) -> None:
        self._seconds, self._where, self._end = seconds, where, time.monotonic() + seconds

    def left(self) -> float:
        """Seconds. Raises SilentError if there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise self.missed()
        return left

    def missed(self) -> SilentError:
        return SilentError(f"{self._where} did not answer within {self._seconds:g} s")


class _Timed(socket.socket):
    """Reads until `deadline`. A class for each kind of socket, since pg8000 reads from it by itself."""

    deadline: Deadline

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        self.settimeout(self.deadline.left())
        return super().recv_into(buffer, nbytes, flags)


class _TimedTls(SSLSocket):
    deadline: Deadline

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        self.settimeout(self.deadline.left())
        return super().recv_into(buffer, nbytes, flags)


class Connection:
    """To the database `dbname`. Raises CheckError if there is no way in."""

    def __init__(self, settings: PostgresSettings, dbname: str, deadline: Deadline) -> None:
        self._settings, self.dbname = settings, dbname
        self._socket = _connected(settings, deadline)
        try:
            with self._watched(deadline):
                self._protocol = Protocol(
                    settings.username,
                    host=settings.host,
                    database=dbname,
                    password=_password(settings),
                    sock=self._socket,
                    ssl_context=False,
                    application_name="outrider",
                    startup_params={"client_encoding": "UTF8"},
                )
            self._protocol.register_in_adapter(NUMERIC, _number)
            self._protocol.register_in_adapter(INET, str)
            self.rows(
                f"SET statement_timeout = {max(1, round(settings.query_timeout * 1000))};"
                "SET default_transaction_read_only = on;"
                # compiling a query over the catalog takes longer than running it
                "SELECT set_config(name, 'off', false) FROM pg_settings WHERE name = 'jit'",
                deadline,
            )
        except QueryError as e:
            self.close()
            raise refusal(e, settings, dbname) from None
        except BaseException:
            self.close()
            raise

    def rows(self, sql: str, deadline: Deadline) -> list[Row]:
        """What `sql` selects, by column. Raises QueryError; SilentError, RefusedError or AnswerError when this
        connection is no more.
        """
        with self._watched(deadline):
            rows = self._protocol.run(sql)
            names = [column["name"] for column in self._protocol.columns or ()]
            return [dict(zip(names, row, strict=True)) for row in rows or ()]

    @contextmanager
    def _watched(self, deadline: Deadline) -> Iterator[None]:
        where = self._settings.where
        self._socket.deadline = deadline
        self._socket.settimeout(deadline.left())
        try:
            yield
        except DatabaseError as e:
            said = e.args[0]
            error = QueryError(said.get("C", ""), said.get("M", ""))
            if error.state.startswith(GONE):
                raise RefusedError(f"{where} ended the connection ({error.words})") from None
            raise error from None
        except (InterfaceError, OSError) as e:
            if isinstance(e, TimeoutError) or isinstance(e.__cause__, TimeoutError):
                raise deadline.missed() from None
            if "uthentication method" in str(e):
                raise _unknown_method(where, e) from None
            raise RefusedError(f"{where} cut the connection") from None
        except ScramException as e:
            raise _unknown_method(where, e) from None
        except (LookupError, ValueError, AttributeError, struct.error, MemoryError, OverflowError):
            raise no_postgres(where) from None  # pg8000 has no error of its own for messages it does not know

    def close(self) -> None:
        """Hang up."""
        with suppress(OSError, InterfaceError, AttributeError):
            self._socket.settimeout(1.0)
            self._protocol.close()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def no_postgres(where: str) -> AnswerError:
    return AnswerError(f"{where} answers, but not as a PostgreSQL does", "look at `host` and `port`")


def _unknown_method(where: str, error: Exception) -> DeniedError:
    words = f"{where} wants to authenticate in a way that is not known here ({error})"
    return DeniedError(words, "let the role in with scram-sha-256 or md5 in pg_hba.conf")


def refusal(error: QueryError, settings: PostgresSettings, dbname: str) -> CheckError:
    """Why there is no way in, from the SQLSTATE."""
    role, password, words = settings.username, settings.password, f"{settings.where}: {error.words}"
    match error.state:
        case States.INVALID_PASSWORD:
            if password is None:
                return DeniedError(f"{settings.where} asks for a password, and there is none", "set `password`")
            return DeniedError(words, f"look at `password` ({password.source})")
        case States.INVALID_AUTHORIZATION:
            return DeniedError(
                words, f'pg_hba.conf has to let it in; CREATE ROLE "{role}" LOGIN if there is no such role'
            )
        case States.NO_SUCH_DATABASE:
            return CheckError(words, "set `dbname` to a database that there is")
        case States.DENIED:
            return DeniedError(words, f'GRANT CONNECT ON DATABASE "{dbname}" TO "{role}"')
        case States.TOO_MANY_CONNECTIONS:
            return RefusedError(words, "raise max_connections, or let the programs that connect use fewer")
    return CheckError(words or f"{settings.where} refused the connection (SQLSTATE {error.state})")


def _password(settings: PostgresSettings) -> str:
    try:
        return "" if settings.password is None else settings.password.read()
    except SecretError as e:
        raise CheckError(f"`password`: {e}") from None


def _connected(settings: PostgresSettings, deadline: Deadline) -> _Timed | _TimedTls:
    """The socket, with TLS on it as `tls` says."""
    try:
        plain = _plain(settings, deadline)
    except TimeoutError:
        raise deadline.missed() from None
    except OSError as e:
        raise RefusedError(f"{settings.where}: {e.strerror or e}") from None
    if settings.tls.mode == "disable" or settings.unix_socket is not None:
        return plain
    try:
        return _secured(plain, settings, deadline)
    except BaseException:
        plain.close()
        raise


def _plain(settings: PostgresSettings, deadline: Deadline) -> _Timed:
    if settings.unix_socket is None:
        return _Timed(fileno=socket.create_connection((settings.host, settings.port), deadline.left()).detach())
    plain = _Timed(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        plain.settimeout(deadline.left())
        plain.connect(settings.unix_socket)
    except BaseException:
        plain.close()
        raise
    return plain


def _secured(plain: _Timed, settings: PostgresSettings, deadline: Deadline) -> _Timed | _TimedTls:
    where = settings.where
    try:
        plain.settimeout(deadline.left())
        plain.sendall(TLS_REQUEST)
        answer = plain.recv(1)
        if answer == b"S":
            plain.settimeout(deadline.left())
            context = settings.tls.context()
            context.sslsocket_class = _TimedTls
            secured = context.wrap_socket(plain, server_hostname=settings.host)
            assert isinstance(secured, _TimedTls)
            return secured
    except SSLCertVerificationError as e:
        words = f"the certificate of {where} cannot be trusted ({e.verify_message})"
        raise CheckError(words, "look at `tls.ca`") from None
    except TimeoutError:
        raise deadline.missed() from None
    except SSLError as e:
        raise CheckError(f"no TLS with {where} ({e.reason or e})") from None
    except OSError:
        answer = b""
    if answer == b"":
        raise RefusedError(f"{where} cut the connection")
    if answer != b"N":
        raise no_postgres(where)
    if settings.tls.mode != "prefer":
        raise CheckError(
            f"{where} does not speak TLS", "set ssl = on in postgresql.conf, or say `tls: {mode: prefer}` here"
        )
    return plain


def _number(text: str) -> int | float:
    """A `numeric`, which is what sums and seconds come as."""
    return int(text) if text.lstrip("-").isdecimal() else float(text)
