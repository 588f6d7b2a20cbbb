"""A way to the server, and what is wrong if there is none.

pymongo looks for a server that suits it until a timeout, and then says only that it found none. So before it is asked,
the check knocks itself: one connection, TLS if it is wanted, one `isMaster`, which every version answers to anybody.
Whether nobody listens, the certificate is not trusted, somebody else answers or the server hangs is known at once, and
so is whether it is an arbiter, where nobody can log in since it holds no users.

    knock() -> {"setName": "rs0", "arbiterOnly": True, ...}
    client() -> a MongoClient, for that server alone unless a set or several hosts are configured
    trouble(exception) -> what an exception of pymongo means, as a CheckError

The format of messages: mongodb.com/docs/manual/reference/mongodb-wire-protocol (OP_MSG).
"""

import contextlib
import os
import socket
import ssl
import struct
from collections.abc import Iterator
from typing import Any

import bson
from pymongo import MongoClient
from pymongo.errors import ConfigurationError, ConnectionFailure, ExecutionTimeout, OperationFailure, PyMongoError

from outrider.checks.check import AnswerError, CheckError, DeniedError, RefusedError, SilentError
from outrider.checks.mongodb.settings import MongodbSettings, host_and_port
from outrider.config.secrets import SecretError
from outrider.model.clock import SystemClock

Document = dict[str, Any]

OP_MSG = 2013
LONGEST = 48_000_000
"""Bytes of a message (maxMessageSizeBytes)."""
UNAUTHORIZED, AUTHENTICATION_FAILED = 13, 18
"""Codes of errors (src/mongo/base/error_codes.yml of the server)."""
_HEADER = struct.Struct("<iiii")
_CLOCK = SystemClock()


def knock(settings: MongodbSettings) -> Document:
    """What the first host that answers says to `isMaster`. Raises CheckError, OSError."""
    failures: list[CheckError] = []
    for address in settings.hosts:
        try:
            return _hello(settings, address)
        except CheckError as e:
            failures.append(e)
    raise failures[0]


def _hello(settings: MongodbSettings, address: str) -> Document:
    try:
        plain = socket.create_connection(host_and_port(address), settings.timeout)
    except TimeoutError:
        raise SilentError(f"{address}: no connection within {settings.timeout:g} s") from None
    except OSError as e:
        raise RefusedError(f"{address}: {(e.strerror or str(e)).lower()}") from None
    with plain:
        try:
            with _secured(plain, settings, address) as connection:
                body = b"\0\0\0\0\0" + bson.encode({"isMaster": 1, "helloOk": True, "$db": "admin"})
                connection.sendall(_HEADER.pack(_HEADER.size + len(body), 1, 0, OP_MSG) + body)
                return _answer(connection, address, _CLOCK.monotonic() + settings.timeout)
        except TimeoutError:
            raise SilentError(f"{address}: connected, but no answer within {settings.timeout:g} s") from None
        except ssl.SSLError as e:
            reason = getattr(e, "verify_message", "") or e.reason or str(e)
            cure = "see `tls` of the check, and whether the server takes TLS"
            raise RefusedError(f"{address}: no TLS ({reason})", cure) from None
        except ConnectionError:
            cure = "" if settings.tls else "if it takes TLS only, give the check `tls: {}`"
            raise RefusedError(f"{address}: hung up without an answer", cure) from None


def _secured(plain: socket.socket, settings: MongodbSettings, address: str) -> socket.socket:
    if settings.tls is None:
        return plain
    return settings.tls.context().wrap_socket(plain, server_hostname=host_and_port(address)[0])


def _answer(connection: socket.socket, address: str, deadline: float) -> Document:
    header = _receive(connection, _HEADER.size, deadline)
    if not header:
        raise ConnectionResetError
    length, _, _, code = _HEADER.unpack(header) if len(header) == _HEADER.size else (0, 0, 0, 0)
    if code != OP_MSG or not _HEADER.size < length <= LONGEST:
        raise AnswerError(f"{address}: what answers is no MongoDB server")
    body = _receive(connection, length - _HEADER.size, deadline)
    try:
        document: Document = bson.decode(body[5:])
    except bson.errors.BSONError as e:
        raise AnswerError(f"{address}: what answers is no MongoDB server ({e})") from None
    return document


def _receive(connection: socket.socket, count: int, deadline: float) -> bytes:
    """So many bytes, or those before the connection ended. Raises TimeoutError at the deadline."""
    received = bytearray()
    while len(received) < count:
        connection.settimeout(max(deadline - _CLOCK.monotonic(), 0.001))
        more = connection.recv(min(count - len(received), 65536))
        if not more:
            break
        received += more
    return bytes(received)


def client(settings: MongodbSettings, *, login: bool) -> MongoClient[Document]:
    """A client, which has not connected yet. Raises CheckError for settings that cannot be used."""
    alone = settings.replica_set is None and len(settings.hosts) == 1
    milliseconds = int(settings.timeout * 1000)
    with contextlib.ExitStack() as files:
        options: Document = {
            "connectTimeoutMS": milliseconds,
            "serverSelectionTimeoutMS": milliseconds,
            "socketTimeoutMS": milliseconds,
            "serverMonitoringMode": "poll",  # no connection that is held open to be told of changes
            "maxPoolSize": 1,
            "readPreference": "primaryPreferred",
            "replicaSet": settings.replica_set,
            "directConnection": alone,
            "appname": "outrider",
            **(_login(settings) if login else {}),
            **files.enter_context(_tls(settings)),
        }
        try:
            return MongoClient(settings.hosts, connect=False, **{k: v for k, v in options.items() if v is not None})
        except (PyMongoError, ValueError, TypeError) as e:
            raise CheckError(f"these settings cannot be used: {e}") from None


def _login(settings: MongodbSettings) -> Document:
    try:
        password = settings.password.read() if settings.password is not None else None
    except SecretError as e:
        raise DeniedError(f"no password for {settings.username}: {e}") from None
    return {
        "username": settings.username,
        "password": password,
        "authSource": settings.auth_source,
        "authMechanism": settings.auth_mechanism,
    }


@contextlib.contextmanager
def _tls(settings: MongodbSettings) -> Iterator[Document]:
    """pymongo's options. It takes a certificate and its key from one file only: if they are in two, they are put
    together in memory for the moment in which pymongo reads them.
    """
    tls = settings.tls
    if tls is None:
        yield {}
        return
    options: Document = {"tls": True, "tlsCAFile": tls.ca, "tlsAllowInvalidCertificates": not tls.verify}
    if tls.cert is None or tls.key is None:
        yield {**options, "tlsCertificateKeyFile": tls.cert}
        return
    fd = os.memfd_create("certificate")
    try:
        for path in (tls.cert, tls.key):
            with open(path, "rb") as file:
                os.write(fd, file.read() + b"\n")
        yield {**options, "tlsCertificateKeyFile": f"/proc/self/fd/{fd}"}
    finally:
        os.close(fd)


def trouble(e: PyMongoError, settings: MongodbSettings) -> CheckError:
    """What an exception of pymongo means."""
    where, said = ", ".join(settings.hosts), str(e).partition(" (configured timeouts:")[0].partition(", full error:")[0]
    if isinstance(e, OperationFailure) and e.code == AUTHENTICATION_FAILED:
        source = settings.auth_source or "admin"
        return DeniedError(
            f"{where}: wrong user name or password for {settings.username}",
            f"`username` and `password` have to be those of a user of the database {source} (`auth_source`)",
        )
    if isinstance(e, OperationFailure) and e.code == UNAUTHORIZED:
        return DeniedError(f"{where}: {said}", cure(settings))
    if isinstance(e, ExecutionTimeout):
        return SilentError(f"{where}: {said}")
    if isinstance(e, ConnectionFailure):
        silent = e.timeout and "refused" not in said
        return SilentError(f"{where}: no answer in time") if silent else RefusedError(f"{where}: {said}")
    if isinstance(e, ConfigurationError):  # such as a version that pymongo does not speak with any more
        return AnswerError(said)
    return AnswerError(f"{where}: {said}")


def cure(settings: MongodbSettings) -> str:
    """What gives the check every right that it needs."""
    if settings.username is None and settings.auth_mechanism is None:
        return "the server wants a login: give the check `username` and `password`"
    source = settings.auth_source or ("$external" if settings.auth_mechanism in ("MONGODB-X509", "PLAIN") else "admin")
    grant = f'grantRolesToUser("{settings.username}", [{{role: "clusterMonitor", db: "admin"}}])'
    return f'run db.getSiblingDB("{source}").{grant}'
