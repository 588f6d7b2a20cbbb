"""What the check `mysql` may be told."""

from typing import Annotated

from outrider.checks.check import CheckSettings
from outrider.checks.tls import TlsSettings
from outrider.config import forms
from outrider.config.secrets import Secret
from outrider.config.shape import Doc, Hidden, Int, Text


class MysqlSettings(CheckSettings, frozen=True, kw_only=True):
    """A MySQL or MariaDB, and what is read of it beyond the server as a whole."""

    host: Annotated[str, Text("a host name or an address"), Doc("Where it listens.")] = "127.0.0.1"
    port: Annotated[int, Int(1, 65535), Doc("Its port.")] = 3306
    unix_socket_path: Annotated[str | None, forms.PATH, Doc("Its Unix socket, instead of a host and a port.")] = None
    username: Annotated[str, Text("the name of a user"), Doc("The user to connect as.")] = "datadog"
    password: Annotated[Secret | None, Hidden(), Doc("Its password; null: none.")] = None
    tls: Annotated[TlsSettings | None, Doc("How to speak TLS with it; null: without.")] = None
    replication: Annotated[
        bool, Doc("It has to have a source or replicas: without either the service check `replica_running` warns.")
    ] = False
    extra_performance_metrics: Annotated[
        bool, Doc("How long queries take, by schema, and connections by user: where performance_schema is on.")
    ] = True
    top_queries: Annotated[
        int,
        Int(0, 1000),
        Doc(
            "How many normalized queries are reported one by one, where performance_schema is on; the rest is `other`."
        ),
    ] = 0
    schema_size_metrics: Annotated[bool, Doc("The size of every schema.")] = False
    table_size_metrics: Annotated[bool, Doc("The size of tables and of their indexes.")] = False
    table_rows_stats_metrics: Annotated[
        bool, Doc("Rows read and changed, by table, where performance_schema is on.")
    ] = False
    index_metrics: Annotated[bool, Doc("The size of every index, and how often it is used.")] = False
    top: Annotated[
        int,
        Int(1, 10_000),
        Doc("How many tables, indexes, schemas and clients each are reported one by one; the rest is `other`."),
    ] = 100
