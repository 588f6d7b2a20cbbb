"""The destinations of the configuration file: one struct for each kind of exporter."""

from typing import Annotated, Literal

import msgspec

from outrider.config import forms
from outrider.config.forms import Regex, Url
from outrider.config.secrets import Secret
from outrider.config.shape import Doc, Duration, Hidden, Int, Members, Size, variants_of

Wait = Annotated[float, Duration(above=0, high=60)]


class Tls(msgspec.Struct, frozen=True):
    """How the server is verified."""

    ca: Annotated[str | None, forms.EXISTING_FILE, Doc("Certificate authorities (PEM); null: those of the system.")] = (
        None
    )


class Batch(msgspec.Struct, frozen=True):
    """What one request carries. Memory is bounded by `bytes` times `in_flight` per exporter."""

    bytes: Annotated[
        int, Size(64 * 1024, 9 * 1024 * 1024), Doc("Size of a request body before compression, at most.")
    ] = 4 * 1024 * 1024
    wait: Annotated[Wait, Doc("How long a batch that is not full waits for more records.")] = 1.0
    in_flight: Annotated[int, Int(1, 64), Doc("Requests under way at the same time.")] = 4


class Stackdriver(msgspec.Struct, frozen=True):
    """Google Cloud Logging and Monitoring."""

    kind: Annotated[Literal["stackdriver"], Doc("Chooses this kind of exporter.")] = "stackdriver"
    project: Annotated[str | None, forms.NAME, Doc("Project to write to.", default="`cluster.project`")] = None
    credentials: Annotated[
        Literal["adc", "none"] | Secret,
        Hidden(("adc", "none"), only_file=True),
        Doc(
            "Identity to write with: `adc` takes Application Default Credentials, `none` sends no token (for the "
            "intake), a file holds the JSON of a service account or of Workload Identity Federation."
        ),
    ] = "adc"
    logs_endpoint: Annotated[Url, Doc("Base URL of the Logging API.")] = "https://logging.googleapis.com"
    metrics_endpoint: Annotated[Url, Doc("Base URL of the Monitoring API.")] = "https://monitoring.googleapis.com"
    tls: Tls = Tls()
    compress: Annotated[Literal["gzip", "none"], Doc("Compression of request bodies.")] = "gzip"
    batch: Batch = Batch()
    strict: Annotated[bool, Doc("Write exactly what GKE's own agent writes today: nothing is joined.")] = False


class ProcessingRule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule of the Datadog Agent (`log_processing_rules`), under the Agent's own names."""

    type: Annotated[
        Literal["exclude_at_match", "include_at_match", "mask_sequences", "multi_line"],
        Doc(
            "What a match does: `exclude_at_match` leaves the record out, `include_at_match` leaves out those without "
            "a match, `mask_sequences` replaces it, `multi_line` begins a record with it."
        ),
    ]
    name: Annotated[str, forms.RULE_NAME, Doc("What the rule is called in messages.")]
    pattern: Annotated[Regex, Doc("The pattern (RE2).")]
    replace_placeholder: Annotated[
        str,
        forms.Text("a string", pattern="", role="verbatim"),
        Doc("mask_sequences: the replacement; `$1` or `${1}` inserts the first group, `$$` is a dollar sign."),
    ] = ""


class Datadog(msgspec.Struct, frozen=True):
    """Datadog Logs and Metrics. The endpoints follow from `site` unless they are given."""

    kind: Annotated[Literal["datadog"], Doc("Chooses this kind of exporter.")] = "datadog"
    site: Annotated[str, forms.HOST, Doc("Datadog site.")] = "datadoghq.eu"
    api_key: Annotated[Secret, Hidden(), Doc("API key.")] = Secret(env="DD_API_KEY")
    logs_endpoint: Annotated[Url, Doc("Base URL of the log intake.", default="`https://http-intake.logs.<site>`")] = ""
    metrics_endpoint: Annotated[Url, Doc("Base URL of the metrics API.", default="`https://api.<site>`")] = ""
    statsd: Annotated[
        str | None,
        forms.STATSD,
        Doc(
            "Send metrics to the DogStatsD server of an Agent instead: `udp://host:8125`, `unix:///path`, or "
            "`unixgram://`, `unixstream://` for one kind of socket. Needs `outrider[statsd]`."
        ),
    ] = None
    tls: Tls = Tls()
    compress: Annotated[Literal["gzip", "deflate", "zstd", "none"], Doc("Compression of request bodies.")] = "gzip"
    batch: Batch = Batch()
    tags: Annotated[
        list[Annotated[str, forms.TAG]],
        Members(unique=True),
        Doc("Tags of every log entry and metric, such as `env:prod`."),
    ] = []
    processing_rules: Annotated[
        list[ProcessingRule], Doc("The Agent's log processing rules, applied in this order to what goes here.")
    ] = []

    def __post_init__(self) -> None:
        if not self.logs_endpoint:
            msgspec.structs.force_setattr(self, "logs_endpoint", f"https://http-intake.logs.{self.site}")
        if not self.metrics_endpoint:
            msgspec.structs.force_setattr(self, "metrics_endpoint", f"https://api.{self.site}")


class Console(msgspec.Struct, frozen=True):
    """Standard output, for people, or for the collector of the node."""

    kind: Annotated[Literal["console"], Doc("Chooses this kind of exporter.")] = "console"
    logs: Annotated[
        Literal["entries", "lines"],
        Doc(
            "`entries`: what would be sent to Cloud Logging. `lines`: JSON lines of which GKE's collector, or "
            "`outrider node`, makes the same entries, so that a sidecar's files go the way of its container's log."
        ),
    ] = "entries"
    batch: Batch = Batch()


class OpenTelemetry(msgspec.Struct, frozen=True):
    """Any metric exporter of the OpenTelemetry SDK (extra `otlp`). It gets metrics alone: no route can lead to it."""

    kind: Annotated[Literal["opentelemetry"], Doc("Chooses this kind of exporter.")] = "opentelemetry"
    exporter: Annotated[
        str,
        forms.NAME,
        Doc(
            "Its name, as packages register it (entry points `opentelemetry_metrics_exporter`). Its settings are the "
            "environment variables that it reads, such as `OTEL_EXPORTER_OTLP_ENDPOINT`."
        ),
    ] = "otlp_proto_http"


LogExporter = Stackdriver | Datadog | Console
"""Those that routes may lead to."""
Exporter = LogExporter | OpenTelemetry
EXPORTERS = variants_of(forms.EXPORTER_NAME, Exporter)
