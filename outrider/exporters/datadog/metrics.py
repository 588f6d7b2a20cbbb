"""The Datadog metrics exporter, for one entry of the configuration's `exporters`: what is to be stored
(`conversion.py`), and how it gets there: over the API (`metrics_api.py`), or through the DogStatsD server of an Agent
(`statsd.py`) if one is configured.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from outrider.config.secrets import Secret
from outrider.exporters.answer import Answer
from outrider.exporters.datadog.conversion import Conversion, Series, Told
from outrider.exporters.datadog.metrics_api import MetricsApi
from outrider.exporters.metric_destination import Payload
from outrider.model.clock import Clock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.points import Report


class _Way(Protocol):
    """How payloads are made and sent."""

    def of_series(self, series: Sequence[Series]) -> Iterator[Payload]: ...

    def of_service_checks(self, checks: Sequence[Told]) -> Iterator[Payload]: ...

    def of_events(self, events: Sequence[Told]) -> Iterator[Payload]: ...

    def send(self, payload: Payload) -> Answer: ...

    def close(self) -> None: ...


class DatadogMetrics:
    """A `MetricDestination` that sends to Datadog. `tags` are of everything that it sends. `statsd` is the address of a
    DogStatsD server, as the configuration has it; `endpoint` and `key` are not used then. Raises ImportError if that
    is asked for and the package `datadog` is not there.
    """

    def __init__(
        self,
        name: str,
        cluster: Cluster,
        endpoint: str,
        key: Secret,
        clock: Clock,
        counters: Counters,
        *,
        tags: Sequence[str] = (),
        statsd: str | None = None,
        compress: str = "gzip",
        ca: str | None = None,
    ) -> None:
        self._conversion = Conversion(name, cluster, tags, clock, counters)
        if statsd is None:
            self._way: _Way = MetricsApi(endpoint, key, clock, compress=compress, ca=ca)
        else:
            self._way = _statsd(name, statsd)

    def encode(self, reports: Sequence[Report]) -> list[Payload]:
        return [
            *self._way.of_series(self._conversion.series(reports)),
            *self._way.of_service_checks(self._conversion.service_checks(reports)),
            *self._way.of_events(self._conversion.events(reports)),
        ]

    def send(self, payload: Payload) -> Answer:
        return self._way.send(payload)

    def refresh(self) -> None:
        """Nothing is kept: the key is read for every request."""

    def close(self) -> None:
        self._way.close()


def _statsd(name: str, address: str) -> _Way:
    """The way through an Agent; what it needs is loaded only if it is taken."""
    try:
        from outrider.exporters.datadog.statsd import Statsd
    except ImportError as e:
        raise ImportError(f"exporters.{name}.statsd: {e}; install the extra: pip install 'outrider[statsd]'") from None
    return Statsd(address)
