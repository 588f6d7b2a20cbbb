"""What the check `redis` may be told."""

from typing import Annotated

import msgspec

from outrider.checks.check import CheckSettings
from outrider.checks.tls import TlsSettings
from outrider.config import forms
from outrider.config.secrets import Secret
from outrider.config.shape import Doc, Hidden, Int, Members, Text


class RedisSettings(CheckSettings, frozen=True, kw_only=True):
    """A Redis, and what is read of it beyond what it tells by itself."""

    host: Annotated[str, Text("a host name or an address"), Doc("Where it listens.")] = "127.0.0.1"
    port: Annotated[int, Int(1, 65535), Doc("Its port.")] = 6379
    unix_socket_path: Annotated[str | None, forms.PATH, Doc("Its Unix socket, instead of a host and a port.")] = None
    username: Annotated[str | None, forms.NAME, Doc("User of its access control list; null: `default`.")] = None
    password: Annotated[Secret | None, Hidden(), Doc("Password of the user; null: none is asked for.")] = None
    tls: Annotated[TlsSettings | None, Doc("How to speak TLS with it; null: without.")] = None
    db: Annotated[int | None, Int(0, 1 << 20), Doc("The database that `keys` are looked for in; null: in all.")] = None
    keys: Annotated[
        list[Annotated[str, Text("a key, or a pattern such as jobs:*")]],
        Members(unique=True),
        Doc("Keys to report the length of: how many elements, 1 of a string. A pattern has all keys looked through."),
    ] = msgspec.field(default_factory=list)
    command_stats: Annotated[bool, Doc("Calls and microseconds by command.")] = False
    collect_client_metrics: Annotated[bool, Doc("Connections by the name that clients give themselves.")] = False
    slowlog_max_len: Annotated[int, Int(1, 100_000), Doc("How many entries of the slow log are read at most.")] = 128
    top: Annotated[
        int, Int(1, 10_000), Doc("How many keys, and names of clients, are reported one by one; the rest is `other`.")
    ] = 100
