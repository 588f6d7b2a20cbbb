"""The one typed model of the configuration file, for all three programs.

Structs and attributes mirror the YAML. Each annotation carries the shape of the value and its meaning; the check of a
file, the JSON schema and the reference page are all derived from here. Durations are seconds, sizes are bytes. A
`Config()` without a file is valid: it is what an empty mapping loads as.
"""

from typing import Annotated, Any, ClassVar, Literal

import msgspec

from outrider.config import forms
from outrider.config.destinations import EXPORTERS, Exporter, LogExporter, Stackdriver, Wait
from outrider.config.forms import Glob, Globs, Path
from outrider.config.secrets import Secret, redacted
from outrider.config.shape import (
    CheckEntry,
    Choice,
    Doc,
    Duration,
    Fraction,
    Hidden,
    Int,
    Members,
    Pairs,
    Rate,
    Size,
)
from outrider.model.patterns import PatternError, compiled

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
"""Where kubelet mounts a pod's own token and the cluster's certificate authority."""
SETS = ("keys", "tokens", "cards", "emails")
"""Ready sets of things to redact (outrider.pipeline.redact)."""
SEVERITIES = ("DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY")
"""google.logging.type.LogSeverity."""


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
    lease: Annotated[
        str,
        forms.OBJECT_NAME,
        Doc("Cluster: name of the Lease, in its own namespace, by which one of the replicas leads."),
    ] = "outrider-cluster"


class Join(msgspec.Struct, frozen=True):
    """How lines become records."""

    partials: Annotated[bool, Doc("Join lines that the container runtime split at 16 KiB (P and F parts).")] = True
    exceptions: Annotated[bool, Doc("Join the lines of a stack trace.")] = True
    pattern: Annotated[
        str | None,
        forms.REGEX,
        Doc("A line that matches starts a record, and lines that do not match are added to the one before."),
    ] = None
    wait: Annotated[Wait, Doc("How long an unfinished record waits for its next line before it is sent as it is.")] = (
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
    """What is replaced in every record before it leaves the node: what a pattern matches, or what a ready set knows."""

    either: ClassVar = (("pattern", "with"), ("set",))

    pattern: Annotated[
        str,
        forms.REGEX,
        Doc(
            "What is replaced (RE2). In a line that is a JSON object a pattern looks at each string and number, so "
            "that the object stays one; a match across several of them is replaced in the line as it is written, "
            'and so is every match of a pattern with a `"` in it.',
            default="this or `set` is required",
        ),
    ] = ""
    with_: Annotated[
        str, forms.Text("a string", pattern=""), Doc("The replacement; `\\1` or `\\g<name>` inserts a group.")
    ] = msgspec.field(name="with", default="[redacted]")
    set: Annotated[
        str,
        Choice(SETS),
        Doc(
            "A ready set: `keys` (private keys, API keys of clouds), `tokens` (JWT, Authorization values, tokens of "
            "GitHub, GitLab, Slack, Stripe, Datadog), `cards` (payment card numbers with a right check digit), "
            "`emails`.",
            default="this or `pattern` is required",
        ),
    ] = ""

    def __post_init__(self) -> None:
        """Raises ValueError if the replacement refers to a group that the pattern does not have. A set needs none."""
        if not self.pattern:
            return
        try:
            compiled(self.pattern).template(self.with_)
        except PatternError as e:
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
    """One check of third-party software: its name and its settings, a struct of the check's own type; None if whoever
    read the file did not say which checks there are.
    """

    name: str
    settings: Any = None

    def __repr__(self) -> str:
        return f"Check({self.name!r}, {_plain(self.settings)!r})"

    def __rich_repr__(self) -> Any:
        yield self.name
        yield _plain(self.settings)


class KubeletMetrics(msgspec.Struct, frozen=True):
    """Node: what the node, its pods and their containers use, from the kubelet."""

    enabled: Annotated[
        bool,
        Doc("Read it, every `metrics.every`, at the address and with the token of `kube`, whose source has to be it."),
    ] = False
    cadvisor: Annotated[
        bool,
        Doc("Also read `/metrics/cadvisor`, some 100 KB a pod: throttling, I/O, dropped packets, counted OOM kills."),
    ] = False


class Metrics(msgspec.Struct, frozen=True):
    """Metrics of third-party software, and of the node."""

    every: Annotated[float, Duration(above=0, high=86400), Doc("Time between two runs of a check.")] = 15.0
    discover: Annotated[
        bool,
        Doc(
            "Node: run the checks that pods ask for by annotation (`outrider.io/checks`, "
            "`ad.datadoghq.com/<container>.checks`, `prometheus.io/*`)."
        ),
    ] = True
    kubelet: KubeletMetrics = KubeletMetrics()
    checks: Annotated[
        list[Annotated[Check, CheckEntry(forms.CHECK_NAME)]],
        Members(unique=True),
        Doc("Checks to run here, each `{name: {settings}}`."),
    ] = []


class DogStatsd(msgspec.Struct, frozen=True):
    """A DogStatsD server: what programs measure by themselves, added up every ten seconds."""

    listen: Annotated[
        list[Annotated[str, forms.STATSD_LISTEN]],
        Members(unique=True),
        Doc(
            "Addresses to listen at: `udp://127.0.0.1:8125`, `unix:///var/run/datadog/dsd.socket` (datagrams), "
            "`unixstream:///var/run/datadog/dsd.stream`."
        ),
    ] = []


class Otlp(msgspec.Struct, frozen=True):
    """Sidecar: metrics and logs of programs that use OpenTelemetry, by OTLP over HTTP."""

    listen: Annotated[
        str | None,
        forms.LISTEN,
        Doc("Address of `/v1/metrics` and `/v1/logs`, usually `127.0.0.1:4318`; null: nothing is listened at."),
    ] = None


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """The first route that matches is taken: of every key that is given, and of every label and annotation in it."""

    name: Annotated[
        str | None,
        forms.ROUTE_NAME,
        Doc("Pods of these namespaces may choose the route by this name (annotation `outrider.io/route`)."),
    ] = None
    namespaces: Annotated[
        list[Glob], Members(at_least=1, unique=True), Doc("Globs of the namespaces that this route is for.")
    ] = msgspec.field(default_factory=lambda: ["*"])
    containers: Annotated[list[Glob], Members(at_least=1, unique=True), Doc("Globs of container names.")] = (
        msgspec.field(default_factory=lambda: ["*"])
    )
    labels: Annotated[
        dict[str, str],
        Pairs(forms.LABEL_KEY, forms.GLOB),
        Doc("Globs of values by label of the pod; a label that the pod does not have matches none."),
    ] = {}
    annotations: Annotated[
        dict[str, str], Pairs(forms.LABEL_KEY, forms.GLOB), Doc("The same of the pod's annotations.")
    ] = {}
    to: Annotated[
        list[Annotated[str, forms.EXPORTER]],
        Members(at_least=1, unique=True),
        Doc("Names of the exporters that get these records."),
    ]
    share: Annotated[int, Int(1, 1000), Doc("Weight of each of its tenants when they take turns.")] = 1
    limit: Annotated[
        int | None,
        Rate(low=1024),
        Doc("Bytes per second that each of its tenants may have read, on this node and for each exporter."),
    ] = None
    sample: Annotated[
        dict[str, float],
        Pairs(Choice(SEVERITIES), Fraction()),
        Doc("Fraction of the records that is kept, by severity: `{DEBUG: 0.1}` keeps a tenth of the DEBUG records."),
    ] = {}


class Events(msgspec.Struct, frozen=True):
    """Cluster: what Kubernetes tells of its objects."""

    enabled: Annotated[bool, Doc("Tell them to the exporters that the route of their namespace names.")] = True


class Telemetry(msgspec.Struct, frozen=True):
    """The program's own state."""

    listen: Annotated[
        str,
        forms.LISTEN,
        Doc("Address of `/metrics`, `/healthz`, `/readyz`, `/ledger` and `/tap`; port 0 takes a free one."),
    ] = "0.0.0.0:9464"
    tap: Annotated[
        Literal["loopback", "anybody", "nobody"],
        Doc(
            "Who may follow what is shipped (`outrider tap`): who asks from inside the pod, as `kubectl exec` and "
            "`kubectl port-forward` do; anybody who reaches the port; or nobody."
        ),
    ] = "loopback"


class Config(msgspec.Struct, frozen=True):
    """The whole file."""

    cluster: ClusterConfig = ClusterConfig()
    state: Annotated[
        Path, Doc("Directory of the cursors, the pod metadata snapshot and dead letters. It has to survive restarts.")
    ] = "/var/lib/outrider"
    kube: Kube = Kube()
    workers: Annotated[
        int,
        Int(1, 64),
        Doc(
            "Processes that share the streams among them, a container's logs always in one; as many as cores that the "
            "collector may use. More than one need about 35 MB each, and 30 MB for the one that sees to them."
        ),
    ] = 1
    logs: Logs = Logs()
    metrics: Metrics = Metrics()
    dogstatsd: DogStatsd = DogStatsd()
    otlp: Otlp = Otlp()
    events: Events = Events()
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
            take_logs = [name for name, e in exporters.items() if isinstance(e, LogExporter)]
            msgspec.structs.force_setattr(self, "routes", [Route(to=take_logs)] if take_logs else [])


def dump(config: Config) -> dict[str, Any]:
    """The configuration in effect as plain data under the file's names, with every secret left out."""
    plain = _plain(config)
    assert isinstance(plain, dict)
    return plain


def _plain(struct: Any) -> Any:
    return redacted(msgspec.to_builtins(struct, enc_hook=redacted))
