"""What the check of MongoDB may be told."""

from typing import Annotated, Literal

import msgspec

from outrider.checks.check import CheckSettings
from outrider.checks.tls import TlsSettings
from outrider.config import forms
from outrider.config.secrets import Secret
from outrider.config.shape import Doc, Hidden, Int, Members, Text

PORT = 27017
HOST = Text("host:port", r"^([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$")
USER = Text("a user name")
Additional = Literal["collection", "indexes", "top", "metrics.commands", "tcmalloc"]


class MongodbSettings(CheckSettings, frozen=True, kw_only=True):
    """MongoDB."""

    hosts: Annotated[
        list[Annotated[str, HOST]],
        Members(at_least=1, unique=True, single=True),
        Doc("One server, which is read whatever its role. Several are addresses of one cluster (see `replica_set`)."),
    ] = msgspec.field(default_factory=lambda: [f"127.0.0.1:{PORT}"])
    replica_set: Annotated[
        str | None,
        forms.NAME,
        Doc("Read the primary of this replica set, which `hosts` lead to, instead of one server; null: do not."),
    ] = None
    username: Annotated[str | None, USER, Doc("User to log in as; null: nobody.")] = None
    password: Annotated[Secret | None, Hidden(), Doc("The user's password.")] = None
    auth_source: Annotated[
        str | None,
        forms.NAME,
        Doc("Database that knows the user.", default="`admin`, or `$external` if `auth_mechanism` wants it"),
    ] = None
    auth_mechanism: Annotated[
        Literal["SCRAM-SHA-256", "SCRAM-SHA-1", "MONGODB-X509", "PLAIN"] | None,
        Doc("How to log in.", default="the better SCRAM of those that the server knows for the user"),
    ] = None
    tls: Annotated[TlsSettings | None, Doc("TLS with the server; null: none.")] = None
    databases: Annotated[forms.Globs, Doc("Databases whose own metrics are reported.")] = msgspec.field(
        default_factory=lambda: ["*"]
    )
    max_databases: Annotated[
        int, Int(0, 10_000), Doc("The most active ones are reported by themselves, the rest together as `other`.")
    ] = 50
    collections: Annotated[forms.Globs, Doc("The same of collections, as `database.collection`.")] = msgspec.field(
        default_factory=lambda: ["*"]
    )
    max_collections: Annotated[int, Int(0, 10_000), Doc("The same of collections.")] = 20
    additional_metrics: Annotated[
        list[Additional],
        Members(unique=True),
        Doc(
            "What Datadog's check reports on demand only: sizes and latencies of collections, uses of each index, time "
            "and operations by collection, commands by name, the memory allocator."
        ),
    ] = []  # noqa: RUF012 - msgspec copies it

    @property
    def leads_on(self) -> str:
        """A replica set is found through its members."""
        return "replica_set" if self.replica_set is not None else "hosts" if len(self.hosts) > 1 else ""

    @property
    def server(self) -> str:
        """The value of the tag `server`, as Datadog's check composes it from the same settings: a URI without the
        password, and with TLS without the user.
        """
        user = ""
        if self.username is not None:
            user = "*****" if self.tls and self.password else "" if self.tls else self.username
            user += ":*****" if self.password and not self.tls else ""
            user += "@" if user else ""
        source = f"?authSource={self.auth_source}" if self.auth_source else ""
        return f"mongodb://{user}{','.join(self.hosts)}/{source}"


def host_and_port(address: str) -> tuple[str, int]:
    """Of one of `hosts`."""
    host, colon, port = address.rpartition(":")
    if not colon or address.endswith("]"):
        return address.strip("[]"), PORT
    return host.strip("[]"), int(port)
