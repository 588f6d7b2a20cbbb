"""What the check `rabbitmq` may be told."""

from typing import Annotated

import msgspec

from outrider.checks.check import CheckSettings
from outrider.checks.openmetrics.settings import ENDPOINT, LINE
from outrider.checks.tls import TlsSettings
from outrider.config import forms
from outrider.config.secrets import Secret
from outrider.config.shape import Doc, Hidden, Int, Text

PLUGIN = Text("none, or a URL such as http://127.0.0.1:15692/metrics", rf"^none$|{ENDPOINT.pattern}")

Patterns = list[Annotated[str, forms.REGEX]]


class RabbitmqSettings(CheckSettings, frozen=True, kw_only=True):
    """A RabbitMQ broker: its management API, its Prometheus plugin, or both."""

    url: Annotated[str | None, forms.URL, Doc("Where the management API is; null: it is not asked.")] = (
        "http://127.0.0.1:15672"
    )
    prometheus_url: Annotated[
        str | None,
        PLUGIN,
        Doc(
            "Where the Prometheus plugin is: `/metrics`, `/metrics/per-object` or `/metrics/detailed?family=...`; "
            "`none`: it is not asked.",
            default="`/metrics` on port 15692 of the same host, if it answers there",
        ),
    ] = None
    username: Annotated[str, LINE, Doc("User of the management API, with the tag `monitoring`.")] = "guest"
    password: Annotated[Secret, Hidden(), Doc("Password of that user.", default="`guest`")] = Secret("guest")
    vhosts: Annotated[
        Patterns, Doc("Virtual hosts whose queues, exchanges and connections are reported.", default="all")
    ] = msgspec.field(default_factory=list)
    queues: Annotated[
        Patterns,
        Doc(
            "Queues that are reported: expressions that match anywhere in the name, or in `vhost/name`. What the first "
            "group of one matches becomes the tag `rabbitmq_queue_family`.",
            default="all",
        ),
    ] = msgspec.field(default_factory=list)
    exchanges: Annotated[
        Patterns,
        Doc("Exchanges that are reported, in the same way; the tag is `rabbitmq_exchange_family`.", default="all"),
    ] = msgspec.field(default_factory=list)
    max_queues: Annotated[
        int, Int(1, 100_000), Doc("How many queues are reported one by one: the most active. The rest are `other`.")
    ] = 200
    max_exchanges: Annotated[int, Int(1, 100_000), Doc("How many exchanges, in the same way.")] = 50
    tls: Annotated[TlsSettings, Doc("TLS, if a URL begins with https.")] = TlsSettings()
