"""What the check `openmetrics` may be told. The keys are those of the Datadog Agent's check where it has them."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from outrider.checks.check import CheckSettings
from outrider.checks.tls import TlsSettings
from outrider.config import forms
from outrider.config.secrets import Secret
from outrider.config.shape import Choice, Doc, Hidden, Int, Members, Pairs, Text


def _url(text: str) -> None:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as e:
        raise ValueError(f"is not a URL: {e}") from None
    if not parts.hostname or port == 0:
        raise ValueError("names no host and port that could be asked")
    if not (parts.path + parts.query).isascii():
        raise ValueError("has a path with signs that no URL has: write them as %C3%A9")


ENDPOINT = Text("a URL such as http://127.0.0.1:9090/metrics", r"^https?://[^\s/?#]+(/[^\s#]*)?$", _url)
"""A URL that may carry a query, such as `/federate?match[]=up`."""
NAME = Text("the name of a metric", r"^[a-zA-Z_:][a-zA-Z0-9_:.]*$")
LABEL = Text("the name of a label", r"^[a-zA-Z_][a-zA-Z0-9_]*$")
PREFIX = Text("letters, digits, '_' and '.'", r"^[a-zA-Z][a-zA-Z0-9_.]*$")
HEADER = Text("the name of a header", r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
LINE = Text("a text of one line", r"^[^\r\n]+$")

Patterns = list[Annotated[str, forms.REGEX]]


class OpenmetricsSettings(CheckSettings, frozen=True, kw_only=True):
    """Any endpoint that answers in the Prometheus text format or in OpenMetrics."""

    url: Annotated[str, ENDPOINT, Doc("Where the metrics are.")]
    namespace: Annotated[
        str | None, PREFIX, Doc("What stands before every name at Datadog: `<namespace>.<name>`.", default="nothing")
    ] = None
    metrics: Annotated[
        Patterns,
        Doc(
            "Which metrics are reported: names (of a counter without `_total`), and regular expressions, which match "
            "anywhere in a name.",
            default="all",
        ),
    ] = msgspec.field(default_factory=list)
    exclude_metrics: Annotated[Patterns, Doc("Which of them are not; names and regular expressions as above.")] = (
        msgspec.field(default_factory=list)
    )
    rename_metrics: Annotated[
        dict[str, str],
        Pairs(NAME, NAME),
        Doc("What some are called at Datadog, behind the namespace. Cloud Monitoring keeps the endpoint's name."),
    ] = msgspec.field(default_factory=dict)
    metric_types: Annotated[
        dict[str, Literal["counter", "gauge"]],
        Pairs(NAME, Choice(("counter", "gauge"))),
        Doc("What some are that the endpoint gives no type, or a wrong one. Without a type a metric is not reported."),
    ] = msgspec.field(default_factory=dict)
    rename_labels: Annotated[dict[str, str], Pairs(LABEL, LABEL), Doc("What some labels are called.")] = msgspec.field(
        default_factory=dict
    )
    exclude_labels: Annotated[
        list[Annotated[str, LABEL]],
        Members(unique=True),
        Doc("Labels that are left out. Values that nothing tells apart any more are added up."),
    ] = msgspec.field(default_factory=list)
    max_series: Annotated[
        int,
        Int(1, 1_000_000),
        Doc("How many series (lines of the endpoint) are reported at most."),
    ] = 2000
    max_series_per_metric: Annotated[int, Int(1, 1_000_000), Doc("How many of one metric.")] = 1000
    username: Annotated[str | None, LINE, Doc("User of HTTP basic authentication.")] = None
    password: Annotated[Secret | None, Hidden(), Doc("Password of that user.")] = None
    token: Annotated[Secret | None, Hidden(), Doc("Bearer token; takes the place of user and password.")] = None
    headers: Annotated[dict[str, str], Pairs(HEADER, LINE), Doc("More headers of the request.")] = msgspec.field(
        default_factory=dict
    )
    tls: Annotated[TlsSettings, Doc("TLS, if the URL begins with https.")] = TlsSettings()
