"""Entries and points asked back from Google with its own clients, `google-cloud-logging` over REST and
`google-cloud-monitoring` over gRPC, which is all that it speaks.

Clients that share nothing with the exporter judge what it wrote. They need rights of their own
(`logging.logEntries.list` and `monitoring.timeSeries.list`, in the roles Logs Viewer and Monitoring Viewer) and so get
tokens of their own, by the same credentials.

A stand-in has gRPC on another port than HTTP; that is what `grpc` is for, its address, without TLS.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from outrider.config.secrets import without_password
from outrider.exporters.reading import Reader, ReadError
from outrider.exporters.stackdriver.auth import AuthError, token_source
from outrider.exporters.stackdriver.series import metric_type

SCOPES = ("https://www.googleapis.com/auth/logging.read", "https://www.googleapis.com/auth/monitoring.read")
EXTRA = "install the extra that has the client: pip install 'outrider[intake]'"
TIMEOUT = 30.0
"""Seconds for an answer."""
_DOMAIN = "workload.googleapis.com"


class Clients:
    """Reads in `project`. `credentials` are those of the configuration: `adc`, `none` or the path of a file."""

    def __init__(self, project: str, credentials: str, ca: str | None) -> None:
        self._project, self._credentials, self._ca = project, credentials, ca

    def entry(self, endpoint: str, entry: Mapping[str, Any]) -> Reader:
        """A reader of the log entry that was sent as `entry` to the Logging API at `endpoint`. Raises ReadError."""
        try:
            from google.auth.transport.requests import AuthorizedSession
            from google.cloud.logging import Client
        except ImportError as e:
            raise ReadError(f"{e}; {EXTRA}") from e
        session = AuthorizedSession(self._signing())
        session.trust_env = False  # the exporter asks no proxy either
        if self._ca is not None:
            session.verify = self._ca
        options = {"api_endpoint": endpoint.rstrip("/")}
        client = Client(
            project=self._project,
            credentials=session.credentials,
            client_options=options,
            _http=session,
            _use_grpc=False,
        )
        # Without a bound on the time the API looks at the last 24 hours only.
        since = (datetime.fromisoformat(entry["timestamp"]) - timedelta(minutes=1)).isoformat()
        wanted = f'insertId="{entry["insertId"]}" AND timestamp>="{since}"'
        project = f"projects/{self._project}"

        def ask() -> Any:
            found = client.list_entries(resource_names=[project], filter_=wanted, max_results=1, page_size=1)
            return next((one.to_api_repr() for one in found), None)

        return _telling(without_password(endpoint), ask)

    def point(self, endpoint: str, name: str, time: int, grpc: str | None) -> Reader:
        """A reader of the point of `workload.googleapis.com/<name>` at `time`, in seconds since 1970, at the Monitoring
        API at `endpoint`, or at the plain gRPC address `grpc`. Raises ReadError.
        """
        if grpc is None and not endpoint.startswith("https:"):
            raise ReadError(
                "Google's client of Cloud Monitoring speaks gRPC only, and a stand-in has that on a port of its own: "
                "start it by `outrider intake --grpc-port 8086`, and say --grpc 127.0.0.1:8086"
            )
        try:
            from google.cloud import monitoring_v3
            from google.cloud.monitoring_v3.services.metric_service.transports import MetricServiceGrpcTransport
        except ImportError as e:
            raise ReadError(f"{e}; {EXTRA}") from e
        transport = MetricServiceGrpcTransport(channel=self._channel(MetricServiceGrpcTransport, endpoint, grpc))
        client = monitoring_v3.MetricServiceClient(transport=transport)
        type_ = metric_type(f"{_DOMAIN}/{name}")
        request = {
            "name": f"projects/{self._project}",
            "filter": f'metric.type="{type_}"',
            "interval": {"start_time": {"seconds": time - 1}, "end_time": {"seconds": time}},
            "view": "FULL",
        }

        def ask() -> Any:
            for series in client.list_time_series(request, retry=None, timeout=TIMEOUT):
                if any(int(point.interval.end_time.timestamp()) == time for point in series.points):
                    return monitoring_v3.TimeSeries.to_dict(series, use_integers_for_enums=False)
            return None

        return _telling(grpc or without_password(endpoint), ask)

    def _channel(self, transport: Any, endpoint: str, plain: str | None) -> Any:
        import grpc

        direct = [("grpc.enable_http_proxy", 0)]
        if plain is not None:
            return grpc.insecure_channel(plain, direct)
        roots = None
        if self._ca is not None:
            with open(self._ca, "rb") as f:
                roots = f.read()
        parts = urlsplit(endpoint)
        tls = grpc.ssl_channel_credentials(roots)
        where = f"{parts.hostname}:{parts.port or 443}"
        return transport.create_channel(where, self._signing(), ssl_credentials=tls, options=direct)

    def _signing(self) -> Any:
        """What signs a client's requests. Raises ReadError."""
        from google.auth.credentials import Credentials

        tokens = token_source(self._credentials, scopes=SCOPES)
        try:
            tokens.headers()  # now, since the clients tell less of what is wrong
        except AuthError as e:
            raise ReadError(f"there are no credentials to read with: {e}", e.retryable) from e

        class Signing(Credentials):  # type: ignore[misc]  # of a library without types
            """Our tokens for the clients."""

            def before_request(self, request: Any, method: str, url: str, headers: Any) -> None:
                del request, method, url
                headers.update({name.lower(): value for name, value in tokens.headers().items()})  # as gRPC wants them

            def refresh(self, request: Any) -> None:
                del request
                tokens.invalidate()

        return Signing()


def _telling(where: str, ask: Callable[[], Any]) -> Reader:
    """`ask`, with what the clients raise as ReadError."""
    from google.api_core.exceptions import GoogleAPICallError, RetryError

    def told() -> Any:
        try:
            return ask()
        except GoogleAPICallError as e:
            code = int(e.code or 0)
            way = "; it takes the roles Logs Viewer and Monitoring Viewer" if code in (401, 403) else ""
            # 404: of a metric that is new, for up to ten minutes.
            raise ReadError(f"{where}: {e}{way}", passing=code in (0, 404, 408, 429) or code >= 500) from e
        except (RetryError, OSError) as e:  # what the client's HTTP library raises is an OSError
            raise ReadError(f"no answer from {where}: {e}", passing=True) from e
        except AuthError as e:
            raise ReadError(f"there are no credentials to read with: {e}", e.retryable) from e

    return told
