"""What the check of PostgreSQL may be told."""

from ssl import SSLContext
from typing import Annotated, Literal

import msgspec

from outrider.checks.check import CheckSettings
from outrider.checks.tls import TlsSettings
from outrider.config import forms
from outrider.config.secrets import Secret
from outrider.config.shape import Doc, Duration, Hidden, Int, Members

OF_THE_HOUSE = ("template*", "rdsadmin", "azure_maintenance", "cloudsqladmin", "alloydbadmin", "alloydbmetadata")
"""Databases that belong to PostgreSQL itself or to a cloud that runs it, and have nothing of the user's."""

Patterns = list[Annotated[str, forms.GLOB]]


class PostgresTls(msgspec.Struct, frozen=True, kw_only=True):
    """TLS with the server."""

    mode: Annotated[
        Literal["disable", "prefer", "require", "verify-ca", "verify-full"],
        Doc(
            "Whether it is spoken, and what is verified, in libpq's words: `prefer` takes what the server offers, "
            "`require` insists and verifies nothing, `verify-ca` verifies who signed the certificate, `verify-full` "
            "also the name in it."
        ),
    ] = "prefer"
    ca: Annotated[str | None, forms.EXISTING_FILE, Doc("Certificate authorities (PEM); null: those of the system.")] = (
        None
    )
    cert: Annotated[
        str | None, forms.EXISTING_FILE, Doc("Certificate of the client (PEM), if the server asks for one.")
    ] = None
    key: Annotated[str | None, forms.EXISTING_FILE, Doc("Its key (PEM); null: it is in the file of `cert`.")] = None

    def context(self) -> SSLContext:
        """For one connection. Raises CheckError if a file cannot be used."""
        verify = self.mode in ("verify-ca", "verify-full")
        context = TlsSettings(ca=self.ca, cert=self.cert, key=self.key, verify=verify).context()
        if self.mode == "verify-ca":
            context.check_hostname = False
        return context


class PostgresSettings(CheckSettings, frozen=True, kw_only=True):
    """One server, and which of its databases and tables are looked at."""

    host: Annotated[
        str, forms.Text("a host name, an address, or the directory of a unix socket"), Doc("Where the server listens.")
    ] = "127.0.0.1"
    port: Annotated[int, Int(1, 65535), Doc("Its port; of a unix socket, the number in the name of the file.")] = 5432
    username: Annotated[str, forms.Text("the name of a role"), Doc("The role to connect as.")] = "datadog"
    password: Annotated[Secret | None, Hidden(), Doc("Its password.", default="none")] = None
    dbname: Annotated[
        str, forms.Text("the name of a database"), Doc("The database to connect to; the others are found from there.")
    ] = "postgres"
    tls: Annotated[PostgresTls, Doc("How to speak TLS with it.")] = PostgresTls()
    query_timeout: Annotated[
        float, Duration(above=0, high=60), Doc("How long one query may take. The server ends it, and the others go on.")
    ] = 2.0
    databases: Annotated[Patterns, Members(at_least=1, unique=True), Doc("Databases to report, as globs.")] = (
        msgspec.field(default_factory=lambda: ["*"])
    )
    ignore_databases: Annotated[
        Patterns, Members(unique=True), Doc("Databases to leave out, as globs, even if `databases` has them.")
    ] = msgspec.field(default_factory=lambda: list(OF_THE_HOUSE))
    max_databases: Annotated[
        int, Int(1, 10000), Doc("How many databases are reported one by one; the rest are summed as `other`.")
    ] = 100
    relations: Annotated[
        Patterns,
        Members(unique=True),
        Doc(
            "Tables to report, with their indexes and locks: globs (`*`, `?`) of `table` or `schema.table`. Without "
            "any, no table or function is looked at, and there are no connections to databases other than `dbname`."
        ),
    ] = msgspec.field(default_factory=lambda: ["*"])
    max_relations: Annotated[
        int,
        Int(1, 10000),
        Doc(
            "How many tables are reported one by one, over all databases; the rest are summed as `other`. The same for "
            "indexes, for functions and for locks."
        ),
    ] = 100
    max_clients: Annotated[
        int,
        Int(1, 10000),
        Doc(
            "How many combinations of application, user and database (and what they wait for) are reported one by one; "
            "the rest are summed as `other`."
        ),
    ] = 100

    @property
    def where(self) -> str:
        """The server, for messages."""
        return self.unix_socket or f"{self.host}:{self.port}"

    @property
    def unix_socket(self) -> str | None:
        """The path of the unix socket, as PostgreSQL names it, if `host` is a directory."""
        return f"{self.host.rstrip('/')}/.s.PGSQL.{self.port}" if self.host.startswith("/") else None
