"""The stand-in of both vendors, put together: HTTP for both, gRPC of Google's APIs if a port is given.

    with Intake(grpc_port=0) as intake:
        ...                                  # write to intake.url or intake.grpc_target
        assert intake.wait_for(3, timeout=5)
        intake.entries()                     # Cloud Logging
        intake.logs()                        # Datadog
        intake.time_series()                 # Cloud Monitoring
        intake.points("redis.net.clients")   # Datadog

It may be stopped and started again: it comes back on the same ports with everything it knew, which is what an
outage looks like from outside.
"""

from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from outrider.intake import looking, plots
from outrider.intake.api import Api
from outrider.intake.clock import Clock, SystemClock
from outrider.intake.collectors import Collectors
from outrider.intake.datadog.api import Datadog
from outrider.intake.datadog.key import Key
from outrider.intake.datadog.metric_routes import routes as metric_routes
from outrider.intake.datadog.metric_store import MetricStore
from outrider.intake.datadog.metrics import Metrics
from outrider.intake.datadog.routes import routes as datadog_routes
from outrider.intake.datadog.store import LogStore
from outrider.intake.faults import Faults
from outrider.intake.monitoring.api import Monitoring
from outrider.intake.monitoring.routes import routes as monitoring_routes
from outrider.intake.monitoring.store import SeriesStore
from outrider.intake.routes import routes
from outrider.intake.routes_control import Pair, Shelf, Shown
from outrider.intake.routes_control import routes as control_routes
from outrider.intake.server_rest import Server
from outrider.intake.store import Store

if TYPE_CHECKING:
    from outrider.intake.server_grpc import GrpcServer

KEEP = 200_000
"""Entries (logs, points) kept in full by default, for each API, about 200 MB of usual log lines."""


class Intake:
    """A local Cloud Logging, Cloud Monitoring and Datadog. Use it as a context manager, or call `start` and `stop`.

    `port` 0 takes a free port; `grpc_port` None leaves gRPC off and needs nothing installed for it. `faults` are specs
    as in `Fault.parse`, drawn with `seed`. `keep` bounds the entries held in full, never the counters. `clock` replaces
    the time of receipt (`now()` and `monotonic()` in seconds). `api_key` is the only DD-API-KEY that is
    right; None takes any. `collectors` are the telemetry of collectors whose ledgers the console shows, `names`
    tells it what is one metric at Datadog and at Google. Raises ValueError for a bad fault or collector.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        grpc_port: int | None = None,
        faults: Iterable[str] = (),
        seed: int | None = None,
        keep: int = KEEP,
        clock: Clock | None = None,
        api_key: str | None = None,
        collectors: Iterable[str] = (),
        names: Callable[[], Sequence[Pair]] = tuple,
    ) -> None:
        self.host = host
        self.port = port
        self.grpc_port = grpc_port
        clock = clock or SystemClock()
        self._faults, self._collectors = Faults(faults, seed), Collectors(collectors)
        self._api = Api(Store(clock, keep), clock, self._faults)
        self._key = Key(api_key)
        self._datadog = Datadog(LogStore(clock, keep), clock, self._faults, self._key)
        self._metrics = Metrics(MetricStore(clock, keep), clock, self._faults, self._key)
        self._monitoring = Monitoring(SeriesStore(clock, keep), clock, self._faults)
        self._finds = (
            routes(self._api),
            monitoring_routes(self._monitoring),
            datadog_routes(self._datadog),
            metric_routes(self._metrics),
            control_routes(self._shown(names), self._faults, self._collectors),
        )
        self._rest: Server | None = None
        self._grpc: GrpcServer | None = None

    def _shown(self, names: Callable[[], Sequence[Pair]]) -> Shown:
        shelves = {
            "entries": Shelf(self._api.store, looking.of_cloud_logging),
            "logs": Shelf(self._datadog.store, looking.of_datadog),
            "time_series": Shelf(self._monitoring.store, looking.of_words),
            "points": Shelf(self._metrics.store, looking.of_words),
        }
        return Shown(self.stats, shelves, self._plots, names)

    def _plots(self, names: Sequence[str]) -> dict[str, plots.Plot]:
        with self._monitoring.store.lock:
            found = plots.of_monitoring(names, self._monitoring.store.all())
        return found | plots.of_datadog(names, self._metrics.store.points())

    def start(self) -> Self:
        """Listen. OSError if a port is taken, ImportError if gRPC is wanted but not installed."""
        if self._rest is not None:
            return self
        self._rest = Server((self.host, self.port), self._finds)
        self.port = self._rest.server_address[1]
        if self.grpc_port is not None:
            try:
                self._start_grpc(self.grpc_port)
            except BaseException:
                self._rest.server_close()
                self._rest = None
                raise
        self._rest.start()
        return self

    def _start_grpc(self, port: int) -> None:
        from outrider.intake.server_grpc import GrpcServer

        try:
            self._grpc = GrpcServer(self.host, port, self._api, self._monitoring)
        except RuntimeError as error:
            raise OSError(f"gRPC cannot listen on {self.host}:{port}: {error}") from None
        self._grpc.start()
        self.grpc_port = self._grpc.port

    def stop(self) -> None:
        """Stop listening and break what is connected; entries and counters stay."""
        if self._rest is None:
            return
        self._rest.stop()
        if self._grpc is not None:
            self._grpc.stop()
        self._rest = self._grpc = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The REST endpoint, such as `http://127.0.0.1:8085`."""
        return f"http://{self.host}:{self.port}"

    @property
    def grpc_target(self) -> str:
        """The gRPC endpoint, such as `127.0.0.1:8086`; ValueError if gRPC is off."""
        if self.grpc_port is None:
            raise ValueError("gRPC is off: give a grpc_port")
        return f"{self.host}:{self.grpc_port}"

    def entries(self) -> list[dict[str, Any]]:
        """The kept entries as REST JSON LogEntry, in order of arrival, each once (repeats left out)."""
        return [record.entry() for record in self._api.store.records() if not record.repeated]

    def logs(self) -> list[dict[str, Any]]:
        """The kept logs of Datadog, in order of arrival, each once (repeats and dropped ones left out)."""
        return [record.log() for record in self._datadog.store.records() if not (record.repeated or record.dropped)]

    def time_series(self, metric_type: str | None = None) -> list[dict[str, Any]]:
        """The time series of Cloud Monitoring as REST JSON TimeSeries, of one metric or of all, in the order in which
        they first came, with all kept points, oldest first.
        """
        return self._monitoring.shown(metric_type)

    def metric_descriptors(self, project: str) -> list[dict[str, Any]]:
        """The metric descriptors of a project as REST JSON, by type."""
        with self._monitoring.store.lock:
            return self._monitoring.descriptors.all(project)

    def points(self, metric: str | None = None) -> list[dict[str, Any]]:
        """The kept points of Datadog, of one metric or of all, in order of arrival (dropped ones left out).

        Each has `metric`, `type`, `value` (a distribution's is a list), `timestamp`, `host`, `tags`, `interval`, `unit`
        and `source_type_name`.
        """
        return [point.shown() for point in self._metrics.store.points() if metric in (None, point.metric)]

    def service_checks(self) -> list[dict[str, Any]]:
        """The kept service checks of Datadog, in order of arrival."""
        return self._metrics.store.service_checks()

    def events(self) -> list[dict[str, Any]]:
        """The kept events of Datadog, in order of arrival."""
        return self._metrics.store.events()

    def stats(self) -> dict[str, Any]:
        """The counters: Cloud Logging's, and under names of their own the others'; see docs/intake.md."""
        return {
            **self._api.store.stats(),
            "datadog": self._datadog.store.stats(),
            "monitoring": self._monitoring.stats(),
            "datadog_metrics": self._metrics.store.stats(),
            "faults": self._faults.specs(),
        }

    def set_faults(self, faults: Iterable[str]) -> None:
        """Replace the faults in force; ValueError for a bad one, and then nothing changes."""
        self._faults.set(faults)

    def wait_for(self, n: int, timeout: float = 5.0) -> bool:
        """Wait until `n` different entries were received; False if that took over `timeout` seconds."""
        return self._api.store.wait_for(n, timeout)

    def wait_for_logs(self, n: int, timeout: float = 5.0) -> bool:
        """Wait until `n` different logs of Datadog were stored; False if that took over `timeout` seconds."""
        return self._datadog.store.wait_for(n, timeout)

    def wait_for_time_series(self, n: int, timeout: float = 5.0) -> bool:
        """Wait until `n` points of Cloud Monitoring were written; False if that took over `timeout` seconds."""
        return self._monitoring.store.wait_for(n, timeout)

    def wait_for_points(self, n: int, timeout: float = 5.0) -> bool:
        """Wait until `n` points of Datadog were stored; False if that took over `timeout` seconds."""
        return self._metrics.store.wait_for(n, timeout)

    def set_api_key(self, api_key: str | None) -> None:
        """Change the DD-API-KEY that is right, as when a key is revoked; None takes any."""
        self._key.value = api_key
