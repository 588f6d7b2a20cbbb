"""What a family of samples becomes under both vendors' names.

    http_requests_total (counter)     Datadog  app.http_requests.count, the growth since the point before
                                      Google   workload.googleapis.com/http_requests_total, CUMULATIVE
    queue_length (gauge)                       app.queue_length
                                               workload.googleapis.com/queue_length, GAUGE
    request_seconds (histogram)                app.request_seconds.bucket with the tag upper_bound, .sum and .count
                                               workload.googleapis.com/request_seconds, a DISTRIBUTION
    rpc_seconds (summary)                      app.rpc_seconds.quantile with the tag quantile, .sum and .count
                                               workload.googleapis.com/rpc_seconds with the label quantile,
                                               rpc_seconds_sum, rpc_seconds_count

Datadog's are those of the Agent's OpenMetrics check (version 2): a bucket has all values up to its bound, and the last
one, without bound, is not sent since it is the count.
"""

import re

from outrider.checks.declared import WORKLOAD
from outrider.checks.openmetrics.exposition import Family
from outrider.model.points import DatadogName, GoogleName, Kind, Metric

ENDPOINT = "outrider.endpoint"
"""The attribute with the URL. No label can be called so, and a label `endpoint` stands beside it."""
_DATADOG_SPELLING = {ENDPOINT: "endpoint"}
_GOOGLE_SPELLING = {ENDPOINT: "endpoint", "endpoint": "exported_endpoint"}
"""As Prometheus has it with a label that is called like one of the target's."""
_UNITS = {"seconds": ("second", "s"), "bytes": ("byte", "By")}
"""Units by what names end with, as Datadog and as UCUM have them."""
_REMEMBERED = 20_000
"""Metrics. An endpoint that goes on making up names would fill the memory with those that it has left behind."""
_STRANGE = re.compile(r"[^a-zA-Z0-9_.]")


class Names:
    """The metrics of one endpoint, made when they are first seen. `renames` and `namespace` are of the settings."""

    def __init__(self, namespace: str | None, renames: dict[str, str]) -> None:
        self._prefix, self._renames = f"{namespace}." if namespace else "", renames
        self._made: dict[tuple[str, str, str], Metric] = {}

    def gauge(self, family: Family, name: str) -> Metric:
        return self._metric(family, "gauge", name, self._datadog(family, name), google=name)

    def counter(self, family: Family, name: str) -> Metric:
        return self._metric(family, "counter", name, self._datadog(family, family.name) + ".count", google=name)

    def part(self, family: Family, of: str, google: bool) -> Metric:
        """The sum or the count (`of`) of a summary, or of a histogram: Google has those in the distribution."""
        datadog = f"{self._datadog(family, family.name)}.{of}"
        return self._metric(family, "counter", of, datadog, f"{family.name}_{of}" if google else None)

    def bucket(self, family: Family) -> Metric:
        return self._metric(family, "counter", "bucket", self._datadog(family, family.name) + ".bucket", None)

    def quantile(self, family: Family) -> Metric:
        return self._metric(
            family, "gauge", "quantile", self._datadog(family, family.name) + ".quantile", google=family.name
        )

    def distribution(self, family: Family) -> Metric:
        return self._metric(family, "histogram", "", None, google=family.name)

    def _datadog(self, family: Family, name: str) -> str:
        return _STRANGE.sub("_", self._prefix + self._renames.get(family.name, name))

    def _metric(self, family: Family, kind: Kind, part: str, datadog: str | None, google: str | None) -> Metric:
        key = (family.name, family.type, f"{kind} {part}")
        made = self._made.get(key)
        if made is None:
            if len(self._made) >= _REMEMBERED:
                self._made.clear()
            counted = part in ("count", "bucket")
            units = ("", "1") if counted else _units(family)
            made = self._made[key] = Metric(
                family.name if datadog is None else datadog,
                kind,
                family.help,
                None if datadog is None else _datadog_name(datadog, kind, units[0]),
                None if google is None else _google_name(google, kind, units[1]),
            )
        return made


def _datadog_name(name: str, kind: Kind, unit: str) -> DatadogName:
    if kind == "gauge":
        return DatadogName(name, "gauge", "gauge", unit, spelling=_DATADOG_SPELLING)
    return DatadogName(name, "monotonic_count", "count", unit, spelling=_DATADOG_SPELLING)


def _google_name(name: str, kind: Kind, unit: str) -> GoogleName:
    return GoogleName(
        WORKLOAD + _STRANGE.sub("_", name),
        "GAUGE" if kind == "gauge" else "CUMULATIVE",
        "DISTRIBUTION" if kind == "histogram" else "DOUBLE",  # what is a whole number now may not be one later
        unit,
        spelling=_GOOGLE_SPELLING,
    )


def _units(family: Family) -> tuple[str, str]:
    return _UNITS.get(family.unit or family.name.rpartition("_")[2], ("", "1"))
