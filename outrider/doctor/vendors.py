"""The exporters: credentials, the way to each endpoint, and whether what is sent there would be taken.

Whether it would be is asked by the exporter itself, as it asks for itself when something was refused: by a dry run at
Cloud Logging, by an empty object at Datadog's logs. Nothing is stored. For metrics there is no dry run: Google is sent
a request without a series, which it cannot take, but refuses for another reason whom it does not let write; and Datadog
is asked whether it knows the key.
"""

import errno
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from outrider.config import Config, Datadog, OpenTelemetry, SecretError, Stackdriver
from outrider.config.problems import UnusableError
from outrider.doctor.finding import Finding, Probe, fail, ok, warn
from outrider.doctor.look import Clocks, UnseenError, look, reached, trust
from outrider.exporters.answer import Answer, Verdict
from outrider.exporters.destination import LogDestination
from outrider.exporters.http import NoAnswerError
from outrider.exporters.stackdriver import metric_answers
from outrider.exporters.stackdriver.auth import METADATA_HOST, SCOPES, AuthError, key_path, token_source
from outrider.exporters.stackdriver.client import Method
from outrider.model.clock import Clock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.pipeline.destinations import key_file, log_destination, metric_destination

METADATA_SCOPES = "/computeMetadata/v1/instance/service-accounts/default/scopes"
EVERYTHING = "https://www.googleapis.com/auth/cloud-platform"
BROADER = dict(
    zip(SCOPES, (f"https://www.googleapis.com/auth/{it}" for it in ("logging.admin", "monitoring")), strict=True)
)
"""By the scope that is needed, the next broader one."""
WRITERS = {"logging": "roles/logging.logWriter", "monitoring": "roles/monitoring.metricWriter"}
PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


def probes(
    config: Config, name: str, metrics: bool, cluster: Cluster, clock: Clock, clocks: Clocks, env: Mapping[str, str]
) -> Iterator[Probe]:
    """Those of `exporters.<name>`; those of its metrics only if there are `metrics` to send."""
    exporter, subject = config.exporters[name], f"exporters.{name}"
    if isinstance(exporter, Stackdriver):
        google = _Google(name, exporter, cluster, clock, clocks, env)
        yield Probe(subject, google.credentials)
        yield Probe(f"{subject}: logs", google.logs)
        if metrics:
            yield Probe(f"{subject}: metrics", google.metrics)
    elif isinstance(exporter, Datadog):
        datadog = _Datadog(name, exporter, cluster, clock, clocks)
        yield Probe(subject, datadog.credentials)
        yield Probe(f"{subject}: logs", datadog.logs)
        if metrics:
            yield Probe(f"{subject}: metrics", datadog.metrics if exporter.statsd is None else datadog.agent)
    elif isinstance(exporter, OpenTelemetry):
        yield Probe(subject, lambda: _made(name, exporter, cluster, clock))


def proxy(env: Mapping[str, str]) -> Iterator[Finding]:
    """Is there a proxy that others use?"""
    found = next((name for name in PROXIES if env.get(name)), None)
    if found is not None:
        cure = "allow egress to the vendors, or let the exporters' endpoints lead to a gateway that passes on"
        yield warn("proxy", f"{found} is set, and outrider goes by no proxy", cure)


def _made(name: str, exporter: OpenTelemetry, cluster: Cluster, clock: Clock) -> Iterator[Finding]:
    subject = f"exporters.{name}"
    try:
        metric_destination(name, exporter, cluster, clock, Counters()).close()
    except UnusableError as e:
        yield fail(
            subject, str(e).removeprefix(f"{subject}: "), "install its package, and set the variables that it reads"
        )
    else:
        yield ok(
            subject, f"the OpenTelemetry exporter {exporter.exporter} is there; where it sends to is its own affair"
        )


class _Google:
    def __init__(
        self, name: str, exporter: Stackdriver, cluster: Cluster, clock: Clock, clocks: Clocks, env: Mapping[str, str]
    ) -> None:
        self._name, self._exporter, self._cluster, self._clock = name, exporter, cluster, clock
        self._clocks, self._env = clocks, env
        self._project = exporter.project or cluster.project
        self._credentials = exporter.credentials if isinstance(exporter.credentials, str) else key_file(exporter) or ""
        self._tokens = token_source(self._credentials, env, clock)

    def credentials(self) -> Iterator[Finding]:
        subject = f"exporters.{self._name}"
        if self._credentials == "none":
            yield self._without(subject)
            return
        path = key_path(None if self._credentials == "adc" else Path(self._credentials), self._env)
        try:
            self._tokens.headers()
        except AuthError as e:
            yield fail(subject, f"no token: {e}", _token_cure(e, path is not None))
            return
        yield ok(subject, f"a token is to be had, by {path or 'the metadata server'}")
        if path is None:
            yield from self._scopes(subject)

    def _without(self, subject: str) -> Finding:
        hosts = [
            urlsplit(url).hostname or "" for url in (self._exporter.logs_endpoint, self._exporter.metrics_endpoint)
        ]
        if any(host.endswith(".googleapis.com") for host in hosts):
            return fail(
                subject, "credentials: none, and Google takes nothing without a token", "credentials: adc, or a file"
            )
        return ok(subject, "no token is sent (credentials: none)")

    def _scopes(self, subject: str) -> Iterator[Finding]:
        """What a node's service account may be used for was decided when the node was made."""
        host = self._env.get("GCE_METADATA_HOST") or METADATA_HOST
        try:
            seen = look(f"http://{host}{METADATA_SCOPES}", self._clock, None, headers={"Metadata-Flavor": "Google"})
        except UnseenError:
            return
        granted = set(seen.body.decode("utf-8", "replace").split())
        missing = [scope for scope in SCOPES if not granted & {scope, BROADER[scope], EVERYTHING}]
        if seen.status == 200 and missing:
            words = f"the node's token has not the scopes {', '.join(missing)}"
            yield fail(subject, words, "make the node pool anew with --scopes=cloud-platform, or use Workload Identity")

    def logs(self) -> Iterator[Finding]:
        subject, exporter = f"exporters.{self._name}: logs", self._exporter
        yield (way := _way(subject, exporter.logs_endpoint, exporter.tls.ca, self._clock, self._clocks))
        if way.status == "fail" or not self._may_sign():
            return
        answer = _probed(log_destination(self._name, exporter, self._cluster, self._clock, Counters()))
        if answer.verdict is Verdict.ACCEPTED:
            yield ok(subject, f"a dry run of a write to the project {self._project} is accepted")
        else:
            yield self._refused(subject, "logging", answer)

    def metrics(self) -> Iterator[Finding]:
        subject, exporter = f"exporters.{self._name}: metrics", self._exporter
        yield (way := _way(subject, exporter.metrics_endpoint, exporter.tls.ca, self._clock, self._clocks))
        if way.status == "fail" or not self._may_sign():
            return
        url = f"{exporter.metrics_endpoint.rstrip('/')}/v3/projects/{self._project}/timeSeries"
        method = Method(url, self._tokens, 1, exporter.compress == "gzip", exporter.tls.ca)
        try:
            response = method.call(b'{"timeSeries":[', [], b"]}")
        except NoAnswerError as e:
            yield self._refused(subject, "monitoring", Answer(Verdict.RETRY, str(e)))
            return
        finally:
            method.close()
        if response.status in (200, 400):
            yield ok(subject, f"a write to the project {self._project} is not denied")
        else:
            answer = metric_answers.read(response.status, response.headers, response.body, self._clock.now(), 0)
            yield self._refused(subject, "monitoring", answer)

    def _may_sign(self) -> bool:
        """If not, `credentials` has said so."""
        try:
            self._tokens.headers()
        except AuthError:
            return False
        return True

    def _refused(self, subject: str, api: str, answer: Answer) -> Finding:
        words, project = answer.words, self._project
        if answer.verdict is Verdict.RETRY:
            return warn(subject, words, "it may pass: nothing is lost meanwhile; is a quota used up?")
        if "scope" in words:
            cure = "the token lacks a scope: make the node pool with --scopes=cloud-platform, or use Workload Identity"
        elif "HTTP 401" in words:
            cure = "the key is revoked, or the clock of this machine is wrong"
        elif "has not been used" in words or "is disabled" in words:
            cure = f"gcloud services enable {api}.googleapis.com --project {project}"
        elif "HTTP 403" in words:
            cure = (
                f"gcloud projects add-iam-policy-binding {project} --member serviceAccount:NAME --role {WRITERS[api]}"
            )
        else:
            cure = f"is `{'logs' if api == 'logging' else 'metrics'}_endpoint` Google's, and {project} the project?"
        return fail(subject, words, cure)


def _token_cure(error: AuthError, has_file: bool) -> str:
    if "timeframe" in str(error):  # Google's words for an assertion that was not signed just now
        return "have NTP set this machine's clock (chronyc tracking, timedatectl)"
    if not error.retryable:
        return "replace the file, or have its key renewed"
    if has_file:
        return "wait, or look at the way to where tokens are made: a firewall, a proxy, name resolution"
    return "on Google Cloud, let the pod reach the metadata server; elsewhere, give a key: credentials: {file: PATH}"


class _Datadog:
    def __init__(self, name: str, exporter: Datadog, cluster: Cluster, clock: Clock, clocks: Clocks) -> None:
        self._name, self._exporter, self._cluster, self._clock, self._clocks = name, exporter, cluster, clock, clocks

    def _key(self) -> str:
        """Raises SecretError."""
        return self._exporter.api_key.read().strip()

    def credentials(self) -> Iterator[Finding]:
        subject = f"exporters.{self._name}"
        try:
            self._key()
        except SecretError as e:
            yield fail(subject, f"no API key: {e}", "mount the Secret, or set the variable, that api_key names")
        else:
            yield ok(subject, f"there is an API key ({self._exporter.api_key.source})")

    def logs(self) -> Iterator[Finding]:
        subject, exporter = f"exporters.{self._name}: logs", self._exporter
        yield (way := _way(subject, exporter.logs_endpoint, exporter.tls.ca, self._clock, self._clocks))
        if way.status == "fail" or not self._has_key():
            return
        answer = _probed(log_destination(self._name, exporter, self._cluster, self._clock, Counters()))
        yield ok(subject, "the key is taken") if answer.verdict is Verdict.ACCEPTED else self._refused(subject, answer)

    def metrics(self) -> Iterator[Finding]:
        subject, exporter = f"exporters.{self._name}: metrics", self._exporter
        yield (way := _way(subject, exporter.metrics_endpoint, exporter.tls.ca, self._clock, self._clocks))
        if way.status == "fail" or not self._has_key():
            return
        url = exporter.metrics_endpoint.rstrip("/") + "/api/v1/validate"
        try:
            seen = look(url, self._clock, trust(exporter.tls.ca), headers={"DD-API-KEY": self._key()})
        except UnseenError as e:
            yield fail(subject, str(e), e.cure)
            return
        if seen.status == 200:
            yield ok(subject, "the key is valid")
        else:
            again = seen.status in (408, 429) or seen.status >= 500
            words = f"HTTP {seen.status} when asked whether the key is valid"
            yield self._refused(subject, Answer(Verdict.RETRY if again else Verdict.HOLD, words))

    def agent(self) -> Iterator[Finding]:
        """The DogStatsD server that `statsd` names: a socket that is read, or a name that can be resolved."""
        subject, address = f"exporters.{self._name}: metrics", self._exporter.statsd or ""
        parts = urlsplit(address)
        kinds = (socket.SOCK_STREAM,) if parts.scheme == "unixstream" else (socket.SOCK_DGRAM, socket.SOCK_STREAM)
        try:
            if parts.scheme == "udp":
                socket.getaddrinfo(parts.hostname, parts.port)
                yield ok(subject, f"{address}: whether somebody listens there, UDP does not tell")
                return
            _connect(parts.path, kinds)
        except OSError as e:
            cure = "mount the directory of the Agent's socket, and switch it on there (dogstatsd_socket)"
            yield fail(subject, f"no DogStatsD server at {address}: {e.strerror or e}", cure)
        else:
            yield ok(subject, f"a DogStatsD server listens at {address}")

    def _has_key(self) -> bool:
        """If not, `credentials` has said so."""
        try:
            return bool(self._key())
        except SecretError:
            return False

    def _refused(self, subject: str, answer: Answer) -> Finding:
        if answer.verdict is Verdict.RETRY:
            return warn(subject, answer.words, "it may pass: nothing is lost meanwhile")
        if "HTTP 401" in answer.words or "HTTP 403" in answer.words:
            return fail(
                subject, answer.words, f"the API key is not one of {self._exporter.site}: right key, right `site`?"
            )
        return fail(subject, answer.words, "is the endpoint Datadog's?")


def _connect(path: str, kinds: tuple[socket.SocketKind, ...]) -> None:
    """Raises OSError if a server has none of these kinds of socket there."""
    for i, kind in enumerate(kinds):
        with socket.socket(socket.AF_UNIX, kind) as sock:
            sock.settimeout(2.0)
            try:
                sock.connect(path)
                return
            except OSError as e:
                if e.errno != errno.EPROTOTYPE or i + 1 == len(kinds):
                    raise


def _probed(destination: LogDestination) -> Answer:
    """The answer to a request that writes nothing."""
    try:
        return destination.probe()
    finally:
        destination.close()


def _way(subject: str, endpoint: str, ca: str | None, clock: Clock, clocks: Clocks) -> Finding:
    """Whether the endpoint can be reached."""
    try:
        seen = look(endpoint, clock, trust(ca) if endpoint.startswith("https:") else None)
    except UnseenError as e:
        return fail(subject, str(e), e.cure)
    clocks.add(endpoint, seen)
    return reached(subject, endpoint, seen, clock)
