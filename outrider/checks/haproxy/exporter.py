"""The endpoint for Prometheus that HAProxy has built in since 2.0.

What is told of each frontend, backend, server and listener has labels that say of which, and often one more (the class
of a status, a state). The rows of each kind have a budget of their own: the servers of a large backend are thousands,
with seventy series each.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from outrider.checks.budget import OTHER, Budget, Number
from outrider.checks.check import AnswerError, CheckError, Reading
from outrider.checks.declared import Declared
from outrider.checks.haproxy.settings import HaproxySettings
from outrider.checks.http import HttpServer, authorization
from outrider.checks.openmetrics.declared import Found, found, report
from outrider.model.points import Attributes, Histogram, Status

HEALTH = "haproxy.openmetrics.health"
START = "haproxy_process_start_time_seconds"
KINDS = {
    "haproxy_frontend_": ("proxy",),
    "haproxy_backend_": ("proxy",),
    "haproxy_server_": ("proxy", "server"),
    "haproxy_listener_": ("proxy", "listener"),
}
"""Labels that say of which one, by what names begin with."""
CODES = ("1xx", "2xx", "3xx", "4xx", "5xx", "other")
SETUP = "http-request use-service prometheus-exporter if { path /metrics }, in a frontend with `mode http`"

MOST = 200_000
"""Series: of two thousand servers."""

Part = tuple[str, Attributes]
"""A key, and the labels that are not about which one."""


class Exporter:
    """Reads the endpoint at `url`."""

    def __init__(self, url: str, settings: HaproxySettings) -> None:
        self._settings = settings
        self._server = HttpServer(url, settings.timeout, settings.tls)
        self.url = self._server.url
        self._budgets: dict[str, Budget[Attributes]] = {}

    def read(self, reading: Reading, deadline: float) -> None:
        """Raises CheckError."""
        reading.instance(endpoint=self.url)
        try:
            values = self._values(reading, deadline)
        except CheckError as e:
            reading.service_check(HEALTH, Status.CRITICAL, str(e))
            raise
        reading.service_check(HEALTH, Status.OK)
        start = next((one.value for one in values if one.key == START), None)
        if isinstance(start, float):
            reading.start = min(int(start * 1e9), reading.time)
        rows: dict[str, list[Found]] = {}
        for one in values:
            kind = next((kind for kind in KINDS if one.key.startswith(kind)), None)
            if kind is None:
                report(reading, one)
            else:
                rows.setdefault(kind, []).append(one)
        for kind, told in rows.items():
            self._report(kind, told, reading)

    def close(self) -> None:
        self._server.close()

    def _values(self, reading: Reading, deadline: float) -> list[Found]:
        headers = authorization(self._settings.username, self._settings.password)
        try:
            values = list(found(self._server, deadline, headers, reading.declared.metrics, MOST))
        except AnswerError as e:
            raise AnswerError(e.words, SETUP) from None
        if not values:
            raise AnswerError(f"{self.url} has no metrics of HAProxy", SETUP)
        return values

    def _report(self, kind: str, told: Iterable[Found], reading: Reading) -> None:
        rows: dict[Attributes, dict[str, Number]] = {}
        parts: dict[str, Part] = {}
        for key, value, labels in told:
            if isinstance(value, Histogram):
                continue
            which = tuple(label for label in labels if label[0] in KINDS[kind])
            rest = tuple(label for label in labels if label[0] not in KINDS[kind])
            name = _name(key, rest)
            parts[name] = key, rest
            rows.setdefault(which, {})[name] = value
        sessions = f"{kind}sessions_total"
        for row in self._budget(kind, reading.declared).rows(rows, lambda values: values.get(sessions), reading.time):
            which = tuple((label, OTHER) for label in KINDS[kind]) if row.key is None else row.key
            for name, number in row.values.items():
                if name in parts and number is not None:
                    key, rest = parts[name]
                    report(reading, Found(key, number, (*which, *rest)), row.start)

    def _budget(self, kind: str, declared: Declared) -> Budget[Attributes]:
        if kind not in self._budgets:
            keys = {key: metrics[0].kind for key, metrics in declared.metrics.items() if key.startswith(kind)}
            counters = [
                _name(key, rest)
                for key, of in keys.items()
                if of == "counter"
                for rest in ((), *((("code", code),) for code in CODES))
            ]
            gauges = [key for key in keys if "_current" in key and keys[key] == "gauge" and "throttle" not in key]
            what = f"{kind.removeprefix('haproxy_').rstrip('_')}s of HAProxy at {urlsplit(self.url).netloc}"
            self._budgets[kind] = Budget(what, "top", self._settings.top, counters, gauges)
        return self._budgets[kind]


def _name(key: str, rest: Attributes) -> str:
    return key + "".join(f" {label}={value}" for label, value in rest)
