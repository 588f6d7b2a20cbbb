"""The check `haproxy`: its endpoint for Prometheus and its statistics, whichever are configured.

Datadog's check reads one or the other, under names of their own; its dashboards and monitors ask for names of both. The
endpoint tells more: servers, and the process. If one cannot be read the other is asked all the same, and the trouble is
told after that.
"""

import time
from collections.abc import Callable

from outrider.checks.check import CheckError, Reading, SilentError
from outrider.checks.haproxy.exporter import Exporter
from outrider.checks.haproxy.settings import HaproxySettings
from outrider.checks.haproxy.statistics import Statistics

USUAL = "http://127.0.0.1:8404/metrics"


class HaproxyCheck:
    """Reads one process."""

    Settings = HaproxySettings
    can_connect = "haproxy.can_connect"

    def __init__(self, settings: HaproxySettings) -> None:
        self._timeout = settings.timeout
        endpoint = settings.prometheus_url or (USUAL if settings.url is None else None)
        self._exporter = None if endpoint is None else Exporter(endpoint, settings)
        self._statistics = None if settings.url is None else Statistics(settings.url, settings)
        self._where: dict[str, str | int] = {}
        if self._exporter is not None:
            self._where["endpoint"] = self._exporter.url
        if self._statistics is not None:
            self._where["instance_url"] = self._statistics.url

    def read(self, reading: Reading) -> None:
        """Everything of one process. Raises CheckError."""
        deadline = time.monotonic() + self._timeout
        if self._exporter is None:
            reading.lacks_all(("haproxy_",), "only the endpoint for Prometheus tells it: set prometheus_url")
        if self._statistics is None:
            reading.lacks_all(("frontend.", "backend.", "table."), "only the statistics tell it: set url")
        trouble: CheckError | None = None
        sources: list[Callable[[Reading, float], None]] = [s.read for s in (self._exporter, self._statistics) if s]
        for source in sources:
            try:
                source(reading, deadline)
            except SilentError:
                raise  # it has used up the time of the other too
            except CheckError as e:
                trouble = trouble or e
            finally:  # can_connect is about both, and tells one HAProxy from another
                reading.instance(**self._where)
        if trouble is not None:
            raise trouble

    def close(self) -> None:
        for source in (self._exporter, self._statistics):
            if source is not None:
                source.close()
