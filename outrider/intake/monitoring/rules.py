"""What makes one time series acceptable by itself: its metric type, resource, labels, point and times.

Whether it fits the metric's descriptor is looked at in `descriptors`, whether it follows the points before it in
`store`. Limits are from Cloud Monitoring's quota page, the rules of times and distributions from common.proto and
distribution.proto; the words are the API's where public reports have them, which `refusals` and the rules name.
"""

import itertools
import re
from typing import Any

from outrider.intake.monitoring import resources
from outrider.intake.monitoring.refusals import FieldError, RefusedError
from outrider.intake.monitoring.wire import VALUES
from outrider.intake.timestamps import SECOND, format_timestamp

MAX_SERIES = 200  # a request
MAX_LABELS = 30
MAX_KEY = 100  # characters
MAX_LABEL = 1024  # characters
MAX_BUCKETS = 200
MAX_TYPE = 200  # characters
PAST = (25 * 3600 + 10) * SECOND  # common.proto says 25 hours; the API's message says 25h10s (google/slo-generator#98)
FUTURE = 5 * 60 * SECOND

PROMETHEUS = "prometheus.googleapis.com/"
PREFIXES = ("custom.googleapis.com/", "workload.googleapis.com/", "external.googleapis.com/", PROMETHEUS)
"""The domains whose metrics users define."""

PROMETHEUS_KINDS = {
    "gauge": ("GAUGE",),
    "counter": ("CUMULATIVE",),
    "histogram": ("CUMULATIVE",),
    "summary": ("GAUGE", "CUMULATIVE"),
    "summary:counter": ("CUMULATIVE",),
    "unknown": ("GAUGE",),
    "unknown:counter": ("CUMULATIVE",),
}
"""What the metric types of Managed Service for Prometheus end in, and the kinds that go with it: the quantiles of a
summary are gauges, its count is not."""

KEY_RULE = (
    f"A label key begins with a letter or an underscore, goes on with these and digits, and has at most {MAX_KEY}"
    " characters."
)

_TYPE = re.compile(r"[a-z0-9.\-]+\.[a-z]+(?:/[A-Za-z0-9_.\-]+)+")
_PROMETHEUS_TYPE = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*/([a-z:]+)")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_type(metric_type: str) -> str:
    """Why nobody can write a metric of this type, in the API's words; empty if it can be written."""
    suffix = _PROMETHEUS_TYPE.fullmatch(metric_type.removeprefix(PROMETHEUS))
    if metric_type.startswith(PROMETHEUS):
        if suffix is None or suffix[1] not in PROMETHEUS_KINDS:
            return f"The metric type must end in one of {', '.join(f'/{kind}' for kind in PROMETHEUS_KINDS)}."
    elif not _TYPE.fullmatch(metric_type):
        return "The metric type must be a URL-formatted string with a domain and non-empty path."
    return f"The metric type must not be longer than {MAX_TYPE} characters." if len(metric_type) > MAX_TYPE else ""


def is_key(key: str) -> bool:
    """Whether this can be the key of a label."""
    return len(key) <= MAX_KEY and _KEY.fullmatch(key) is not None


def check(series: dict[str, Any], now: int) -> None:
    """Raises RefusedError if the series cannot be written at `now` (nanoseconds), whatever was written before."""
    metric_type = series.get("metric", {}).get("type", "")
    fault = check_type(metric_type)
    if fault:
        raise FieldError(".metric.type", metric_type, fault)
    if not metric_type.startswith(PREFIXES):
        raise RefusedError(f"Unknown metric: {metric_type}", "unknown_metric")
    _check_resource(series.get("resource", {}), metric_type)
    _check_labels(series["metric"].get("labels", {}))
    points = series.get("points", [])
    if len(points) != 1:
        raise FieldError(".points", None, "Only one point can be written per TimeSeries per request.")
    _check_value(points[0], series.get("valueType"))
    _check_end(points[0], now)


def _check_resource(resource: dict[str, Any], metric_type: str) -> None:
    kind = resource.get("type", "")
    if kind not in resources.LABELS:
        words = f"User-defined metrics can be written against {', '.join(resources.LABELS)}."
        raise FieldError(".resource.type", kind, words)
    if metric_type.startswith(PROMETHEUS) != (kind == "prometheus_target"):
        words = f"Metrics of {PROMETHEUS} and the resource prometheus_target go together."
        raise FieldError(".resource.type", kind, words)
    fault = resources.fault(resource)
    if fault:
        raise RefusedError(fault, "resource")


def _check_labels(labels: dict[str, str]) -> None:
    for index, (key, value) in enumerate(labels.items()):
        path = f".metric.labels[{index}]"
        if not is_key(key):
            raise FieldError(f"{path}.key", key, KEY_RULE)
        if len(value) > MAX_LABEL:
            raise FieldError(f"{path}.value", value, f"A label value must not be longer than {MAX_LABEL} characters.")


def _check_value(point: dict[str, Any], declared: Any) -> None:
    path = ".points[0].value"
    value = point.get("value")
    if not value:
        raise FieldError(path, None, "A point must have a value.")
    ((field, given),) = value.items()
    if declared is not None and declared != VALUES[field]:
        words = f"The value type must be the type of the value of the point, {VALUES[field]}."
        raise FieldError(".valueType", str(declared), words)
    if field == "distributionValue":
        fault = _distribution_fault(given)
        if fault:
            raise FieldError(f"{path}.distributionValue", None, fault)


def _distribution_fault(given: dict[str, Any]) -> str:
    """What is wrong with a distribution (google/api/distribution.proto); the words are the intake's own."""
    count = int(given.get("count", 0))
    counts = [int(count) for count in given.get("bucketCounts", [])]
    if count < 0 or any(one < 0 for one in counts):
        return "Counts must not be negative."
    if count == 0 and (given.get("mean") or given.get("sumOfSquaredDeviation")):
        return "The mean and the sum of squared deviations of no values must be zero."
    if given.get("sumOfSquaredDeviation", 0) < 0:
        return "The sum of squared deviations must not be negative."
    if not counts and "bucketOptions" not in given:
        return ""
    buckets = _buckets(given.get("bucketOptions", {}))
    if buckets is None:
        return "Bucket options must give one or more buckets, with bounds in increasing order."
    if buckets > MAX_BUCKETS:
        return f"There must not be more than {MAX_BUCKETS} buckets, and there are {buckets}."
    if len(counts) > buckets:
        return f"There are {len(counts)} bucket counts for {buckets} buckets."
    if sum(counts) != count:
        return f"The bucket counts must sum up to the count: {sum(counts)} is not {count}."
    return ""


def _buckets(options: dict[str, Any]) -> int | None:
    """How many buckets there are, those below and above all bounds included; None if the options make no sense."""
    if "explicitBuckets" in options:
        bounds = options["explicitBuckets"].get("bounds", [])
        in_order = bool(bounds) and all(low < high for low, high in itertools.pairwise(bounds))
        return len(bounds) + 1 if in_order else None
    for name, step, least in (("linearBuckets", "width", 0), ("exponentialBuckets", "growthFactor", 1)):
        if name in options:
            finite: int = options[name].get("numFiniteBuckets", 0)
            return finite + 2 if finite > 0 and options[name].get(step, 0) > least else None
    return None


def _check_end(point: dict[str, Any], now: int) -> None:
    path = ".points[0].interval.end_time"
    end = point.get("interval", {}).get("endTime")
    if end is None:
        raise FieldError(path, None, "The end time is required.")
    if end < now - PAST:
        raise FieldError(path, format_timestamp(end), "Data points cannot be written more than 25h10s in the past.")
    if end > now + FUTURE:
        raise FieldError(path, format_timestamp(end), "Data points cannot be written more than 5m in the future.")


def check_start(point: dict[str, Any], kind: str, metric_type: str) -> None:
    """Raises RefusedError if the interval of a point does not suit the kind of its metric.

    Words: open-telemetry/opentelemetry-dotnet#205, open-telemetry/opentelemetry-collector-contrib#6303.
    """
    path = ".points[0].interval.start_time"
    start, end = point["interval"].get("startTime"), point["interval"]["endTime"]
    until = format_timestamp(end)
    if kind == "GAUGE":
        if start is not None and start != end:
            words = f"The start time must be equal to the end time ({until}) for the gauge metric '{metric_type}'."
            raise FieldError(path, format_timestamp(start), words)
    elif start is None:
        raise FieldError(path, None, f"The start time is required for the non-gauge metric '{metric_type}'.")
    elif start >= end:
        words = f"The start time must be before the end time ({until}) for the non-gauge metric '{metric_type}'."
        raise FieldError(path, format_timestamp(start), words)
