"""The one typed model of the configuration file, for all three programs.

Structs and attributes mirror the YAML. Each annotation carries the shape of the value and its meaning; the check of a
file, the JSON schema and the reference page are all derived from here. Durations are seconds, sizes are bytes. A
`Config()` without a file is valid: it is what an empty mapping loads as.
"""

import re
from typing import Annotated, Any, Literal

import msgspec

from outrider.config import forms
from outrider.config.secrets import Secret, redacted
from outrider.config.shape import (
    CheckEntry,
    Doc,
    Duration,
    Hidden,
    Int,
    Members,
    Size,
    variants_of,
)

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
"""Where kubelet mounts a pod's own token and the cluster's certificate authority."""

Name = Annotated[str, forms.NAME]
Path = Annotated[str, forms.PATH]
File = Annotated[str, forms.EXISTING_FILE]
Glob = Annotated[str, forms.GLOB]
Regex = Annotated[str, forms.REGEX]
Url = Annotated[str, forms.URL]
Globs = Annotated[list[Glob], Members(at_least=1, unique=True, single=True)]

_Wait = Annotated[float, Duration(above=0, high=60)]


class ClusterConfig(msgspec.Struct, frozen=True):
    """Where the program runs. On GKE all four are found by themselves; elsewhere Cloud Logging needs them."""

    project: Annotated[str | None, forms.NAME, Doc("Google Cloud project.", default="found on GKE")] = None
    name: Annotated[str | None, forms.NAME, Doc("Cluster name.", default="found on GKE")] = None
    location: Annotated[str | None, forms.NAME, Doc("Region or zone of the cluster.", default="found on GKE")] = None
    node: Annotated[
        str | None,
        forms.NAME,
        Doc("Name of this node, usually `${NODE_NAME}` from the downward API.", default="found on GKE"),
    ] = None


class Kube(msgspec.Struct, frozen=True):
    """Where pod labels, annotations and owners come from."""

    source: Annotated[
        Literal["kubelet", "api", "none"],
        Doc(
            "Who is asked: `kubelet` asks this node's kubelet for its pods, `api` lists and watches the node's pods at "
            "the API server, `none` goes without: entries then carry only what the log path says."
        ),
    ] = "kubelet"
    url: Annotated[
        str | None,
        forms.URL,
        Doc(
            "Base URL of the kubelet or the API server.",
            default="kubelet: `https://${NODE_IP:-127.0.0.1}:10250`; api: the in-cluster address",
        ),
    ] = None
    token: Annotated[Secret, Hidden(), Doc("Bearer token.")] = Secret(file=f"{SERVICE_ACCOUNT}/token")
    ca: Annotated[
        str | None,
        forms.EXISTING_FILE,
        Doc("Certificate authority (PEM) that signed the server's certificate; null: those of the system."),
    ] = f"{SERVICE_ACCOUNT}/ca.crt"


class Join(msgspec.Struct, frozen=True):
    """How lines become records."""

    partials: Annotated[bool, Doc("Join lines that the container runtime split at 16 KiB (P and F parts).")] = True
    exceptions: Annotated[bool, Doc("Join the lines of a stack trace.")] = True
    pattern: Annotated[
        str | None,
        forms.REGEX,
        Doc("A line that matches starts a record, and lines that do not match are added to the one before."),
    ] = None
    wait: Annotated[_Wait, Doc("How long an unfinished record waits for its next line before it is sent as it is.")] = (
        1.0
    )


class Hold(msgspec.Struct, frozen=True):
    """Rotated files that were not read yet are kept alive by hard links."""

    budget: Annotated[int, Size(), Doc("Bytes that may be kept in this way; 0 switches it off.")] = 0
    path: Annotated[Path, Doc("Directory of the links, on the file system of `logs.pods`.")] = "/var/log/outrider"


class Selector(msgspec.Struct, frozen=True):
    """A stream is selected if every key that is given has a glob that matches. No globs: any."""

    namespace: Annotated[Globs, Doc("Namespace globs.", default="any")] = []
    pod: Annotated[Globs, Doc("Pod name globs.", default="any")] = []
    container: Annotated[Globs, Doc("Container name globs.", default="any")] = []


_Selectors = list[Annotated[Selector, Members(at_least=1)]]


class Select(msgspec.Struct, frozen=True):
    """Which streams are read at all."""

    include: Annotated[_Selectors, Doc("If given, only streams that one of these selects are read.")] = []
    exclude: Annotated[_Selectors, Doc("Streams that one of these selects are not read, even if included.")] = []


class Redact(msgspec.Struct, frozen=True):
    """What is replaced in every record before it leaves the node."""

    pattern: Annotated[Regex, Doc("What is replaced, as a regular expression of Python's `re`.")]
    with_: Annotated[
        str, forms.Text("a string", pattern=""), Doc("The replacement; `\\1` inserts the first group.")
    ] = msgspec.field(name="with", default="[redacted]")

    def __post_init__(self) -> None:
        """Raises ValueError if the replacement refers to a group that the pattern does not have."""
        try:
            re.compile(self.pattern).sub(self.with_, "")
        except (re.error, IndexError) as e:
            raise ValueError(f'"with" does not fit "pattern": {e}') from None


class Logs(msgspec.Struct, frozen=True):
    """Log files: where they are and what becomes of their lines."""

    pods: Annotated[Path, Doc("Node: kubelet's tree of container logs.")] = "/var/log/pods"
    files: Annotated[
        list[Glob], Members(unique=True), Doc("Sidecar: globs of files in a shared volume, one record a line.")
    ] = []
    join: Join = Join()
    start: Annotated[Literal["beginning", "end"], Doc("Where a stream that was never seen before is taken up.")] = (
        "beginning"
    )
    hold: Hold = Hold()
    select: Select = Select()
    redact: Annotated[list[Redact], Doc("Replacements, applied in this order.")] = []


class Check(msgspec.Struct, frozen=True):
    """One check of third-party software: its name and its own settings (secrets in them are `Secret`)."""

    name: str
    settings: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"Check({self.name!r}, {redacted(self.settings)!r})"

    def __rich_repr__(self) -> Any:
        yield self.name
        yield redacted(self.settings)


class Metrics(msgspec.Struct, frozen=True):
    """Metrics of third-party software."""

    every: Annotated[float, Duration(above=0, high=86400), Doc("Time between two runs of a check.")] = 15.0
    discover: Annotated[
        bool,
        Doc(
            "Node: run the checks that pods ask for by annotation (`outrider.io/checks`, "
            "`ad.datadoghq.com/<container>.checks`, `prometheus.io/*`)."
        ),
    ] = True
    checks: Annotated[
        list[Annotated[Check, CheckEntry(forms.CHECK_NAME)]],
        Members(unique=True),
        Doc("Checks to run here, each `{name: {settings}}`."),
    ] = []


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
    wait: Annotated[_Wait, Doc("How long a batch that is not full waits for more records.")] = 1.0
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
        Doc("Send metrics to the DogStatsD server of an Agent instead (`udp://host:8125`, `unix:///path`)."),
    ] = None
    compress: Annotated[Literal["gzip", "zstd", "none"], Doc("Compression of request bodies.")] = "gzip"
    batch: Batch = Batch()

    def __post_init__(self) -> None:
        if not self.logs_endpoint:
            msgspec.structs.force_setattr(self, "logs_endpoint", f"https://http-intake.logs.{self.site}")
        if not self.metrics_endpoint:
            msgspec.structs.force_setattr(self, "metrics_endpoint", f"https://api.{self.site}")


class Console(msgspec.Struct, frozen=True):
    """Standard output, for people."""

    kind: Annotated[Literal["console"], Doc("Chooses this kind of exporter.")] = "console"
    batch: Batch = Batch()


Exporter = Stackdriver | Datadog | Console
EXPORTERS = variants_of(forms.EXPORTER_NAME, Exporter)


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """The first route whose namespaces match is taken."""

    namespaces: Annotated[
        list[Glob], Members(at_least=1, unique=True), Doc("Globs of the namespaces that this route is for.")
    ] = msgspec.field(default_factory=lambda: ["*"])
    to: Annotated[
        list[Annotated[str, forms.EXPORTER]],
        Members(at_least=1, unique=True),
        Doc("Names of the exporters that get these records."),
    ]
    share: Annotated[int, Int(1, 1000), Doc("Weight of each of its tenants when they take turns.")] = 1


class Telemetry(msgspec.Struct, frozen=True):
    """The program's own state."""

    listen: Annotated[
        str, forms.LISTEN, Doc("Address of `/metrics`, `/healthz`, `/readyz` and `/ledger`; port 0 takes a free one.")
    ] = "0.0.0.0:9464"


class Config(msgspec.Struct, frozen=True):
    """The whole file."""

    cluster: ClusterConfig = ClusterConfig()
    state: Annotated[
        Path, Doc("Directory of the cursors, the pod metadata snapshot and dead letters. It has to survive restarts.")
    ] = "/var/lib/outrider"
    kube: Kube = Kube()
    workers: Annotated[int, Int(1, 64), Doc("Processes that share the streams among them.")] = 1
    logs: Logs = Logs()
    metrics: Metrics = Metrics()
    exporters: Annotated[
        dict[str, Exporter],
        EXPORTERS,
        Doc("Destinations by name.", default="one, called `google`, of kind `stackdriver`"),
    ] = msgspec.field(default_factory=lambda: {"google": Stackdriver()})
    routes: Annotated[
        list[Route],
        Members(at_least=1),
        Doc("Which pods go to which exporters.", default="everything to every exporter"),
    ] = []
    telemetry: Telemetry = Telemetry()

    def __post_init__(self) -> None:
        """Fill in what follows from other keys: the exporters' project, and the route when there is none."""
        exporters = {
            name: msgspec.structs.replace(e, project=self.cluster.project)
            if isinstance(e, Stackdriver) and e.project is None
            else e
            for name, e in self.exporters.items()
        }
        msgspec.structs.force_setattr(self, "exporters", exporters)
        if not self.routes:
            msgspec.structs.force_setattr(self, "routes", [Route(to=list(exporters))])


def dump(config: Config) -> dict[str, Any]:
    """The configuration in effect as plain data under the file's names, with every secret left out."""
    plain = redacted(msgspec.to_builtins(config, enc_hook=redacted))
    assert isinstance(plain, dict)
    return plain
