"""What the check `haproxy` may be told."""

from typing import Annotated

from outrider.checks.check import CheckSettings
from outrider.checks.openmetrics.settings import ENDPOINT, LINE
from outrider.checks.tls import TlsSettings
from outrider.config.secrets import Secret
from outrider.config.shape import Doc, Hidden, Int, Text

STATISTICS = Text(
    "a URL such as http://127.0.0.1:8404/stats, unix:///run/haproxy/admin.sock or tcp://127.0.0.1:9999",
    r"^(https?://[^\s/?#]+(/[^\s#]*)?|unix:///\S+|tcp://([^\s/:]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5})$",
)


class HaproxySettings(CheckSettings, frozen=True, kw_only=True):
    """A HAProxy: its endpoint for Prometheus, its statistics, or both."""

    prometheus_url: Annotated[
        str | None,
        ENDPOINT,
        Doc(
            "Where its metrics are (`http-request use-service prometheus-exporter`); a query such as "
            "`?scope=frontend&scope=backend` tells it to leave out the others.",
            default="`http://127.0.0.1:8404/metrics` without `url`, and else not asked",
        ),
    ] = None
    url: Annotated[
        str | None,
        STATISTICS,
        Doc("Where its statistics are: the page of `stats uri`, or the runtime API (`stats socket`); null: not asked."),
    ] = None
    username: Annotated[str | None, LINE, Doc("User of the page and of the metrics, if they ask for one.")] = None
    password: Annotated[Secret | None, Hidden(), Doc("Password of that user.")] = None
    tls: Annotated[TlsSettings, Doc("TLS, if a URL begins with https.")] = TlsSettings()
    top: Annotated[
        int,
        Int(1, 100_000),
        Doc("How many frontends, backends, servers, listeners are reported one by one: those with most sessions."),
    ] = 100
