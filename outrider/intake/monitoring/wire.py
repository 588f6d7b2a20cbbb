"""Cloud Monitoring's messages as proto3 JSON: what a time series, a descriptor and the requests may hold.

Tables follow google/monitoring/v3/{metric,metric_service,common}.proto, google/api/{metric,label,distribution}.proto.
The gRPC side turns its messages into proto3 JSON and comes through the same tables. Times are nanoseconds since the
epoch from here on, until `shown` gives them back.
"""

import math
from typing import Any

from outrider.intake import protojson as pj
from outrider.intake.errors import unparsable
from outrider.intake.timestamps import format_timestamp

KINDS = {0: "METRIC_KIND_UNSPECIFIED", 1: "GAUGE", 2: "DELTA", 3: "CUMULATIVE"}
VALUE_TYPES = dict(enumerate(("VALUE_TYPE_UNSPECIFIED", "BOOL", "INT64", "DOUBLE", "STRING", "DISTRIBUTION", "MONEY")))
VALUES = {
    "boolValue": "BOOL",
    "int64Value": "INT64",
    "doubleValue": "DOUBLE",
    "stringValue": "STRING",
    "distributionValue": "DISTRIBUTION",
}
"""The fields of TypedValue, and the value type of each."""

_LAUNCH_STAGES = dict(
    enumerate(
        (
            "LAUNCH_STAGE_UNSPECIFIED",
            "EARLY_ACCESS",
            "ALPHA",
            "BETA",
            "GA",
            "DEPRECATED",
            "UNIMPLEMENTED",
            "PRELAUNCH",
        )
    )
)
_TYPES = "type.googleapis.com/"
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def double(value: Any) -> float:
    """TYPE_DOUBLE: a JSON number, or the name of a value that is none."""
    if type(value) is str and value in _NOT_FINITE:
        return _NOT_FINITE[value]
    if type(value) not in (int, float):
        raise pj.MalformedError(f"(TYPE_DOUBLE), {pj.show(value)}")
    return float(value)


def _kept(parser: pj.Parser, default: Any) -> pj.Parser:
    """A field whose default is not the same as its absence: one of a oneof, or an element of a list."""

    def parse(value: Any) -> Any:
        parsed = parser(value)
        return default if parsed is None else parsed

    return parse


def _oneof(name: str, parser: pj.Parser) -> pj.Parser:
    """A message all of whose fields exclude each other."""

    def parse(value: Any) -> Any:
        parsed = parser(value)
        if parsed and len(parsed) > 1:
            second = list(parsed)[1]
            raise pj.MalformedError(f"(oneof), oneof field '{name}' is already set. Cannot set '{second}'")
        return parsed

    return parse


def _many(type_name: str, parser: pj.Parser) -> pj.Parser:
    return pj.repeated(_kept(parser, {}), _TYPES + type_name)


_NAMED: dict[str, pj.Parser] = {"type": pj.string, "labels": pj.string_map}
_INTERVAL = pj.message("google.monitoring.v3.TimeInterval", {"startTime": pj.timestamp, "endTime": pj.timestamp})
_OPTIONS = "google.api.Distribution.BucketOptions"
_LINEAR: dict[str, pj.Parser] = {"numFiniteBuckets": pj.int32, "width": double, "offset": double}
_EXPONENTIAL: dict[str, pj.Parser] = {"numFiniteBuckets": pj.int32, "growthFactor": double, "scale": double}
_BUCKET_OPTIONS = pj.message(
    _OPTIONS,
    {
        "linearBuckets": _kept(pj.message(f"{_OPTIONS}.Linear", _LINEAR), {}),
        "exponentialBuckets": _kept(pj.message(f"{_OPTIONS}.Exponential", _EXPONENTIAL), {}),
        "explicitBuckets": _kept(
            pj.message(f"{_OPTIONS}.Explicit", {"bounds": pj.repeated(double, "TYPE_DOUBLE")}), {}
        ),
    },
)
_EXEMPLAR = pj.message(
    "google.api.Distribution.Exemplar",
    {"value": double, "timestamp": pj.timestamp, "attachments": _many("google.protobuf.Any", pj.any_message)},
)
_DISTRIBUTION = pj.message(
    "google.api.Distribution",
    {
        "count": pj.int64,
        "mean": double,
        "sumOfSquaredDeviation": double,
        "range": pj.message("google.api.Distribution.Range", {"min": double, "max": double}),
        "bucketOptions": _oneof("options", _BUCKET_OPTIONS),
        "bucketCounts": pj.repeated(_kept(pj.int64, "0"), "TYPE_INT64"),
        "exemplars": _many("google.api.Distribution.Exemplar", _EXEMPLAR),
    },
)
_VALUE = pj.message(
    "google.monitoring.v3.TypedValue",
    {
        "boolValue": _kept(pj.boolean, False),
        "int64Value": _kept(pj.int64, "0"),
        "doubleValue": double,
        "stringValue": _kept(pj.string, ""),
        "distributionValue": _kept(_DISTRIBUTION, {}),
    },
)
_POINT = pj.message("google.monitoring.v3.Point", {"interval": _INTERVAL, "value": _oneof("value", _VALUE)})
_SERIES = pj.message(
    "google.monitoring.v3.TimeSeries",
    {
        "metric": pj.message("google.api.Metric", _NAMED),
        "resource": pj.message("google.api.MonitoredResource", _NAMED),
        "metadata": pj.message(
            "google.api.MonitoredResourceMetadata", {"systemLabels": pj.struct, "userLabels": pj.string_map}
        ),
        "metricKind": pj.enum("google.api.MetricDescriptor.MetricKind", KINDS),
        "valueType": pj.enum("google.api.MetricDescriptor.ValueType", VALUE_TYPES),
        "points": _many("google.monitoring.v3.Point", _POINT),
        "unit": pj.string,
        "description": pj.string,
    },
)
_CREATE = pj.message(
    "google.monitoring.v3.CreateTimeSeriesRequest", {"name": pj.string, "timeSeries": lambda value: value}
)
_LABEL = pj.message(
    "google.api.LabelDescriptor",
    {
        "key": pj.string,
        "valueType": pj.enum("google.api.LabelDescriptor.ValueType", {0: "STRING", 1: "BOOL", 2: "INT64"}),
        "description": pj.string,
    },
)
_STAGE = pj.enum("google.api.LaunchStage", _LAUNCH_STAGES)
_METADATA = pj.message(
    "google.api.MetricDescriptor.MetricDescriptorMetadata",
    {"launchStage": _STAGE, "samplePeriod": pj.duration, "ingestDelay": pj.duration},
)
_DESCRIPTOR = pj.message(
    "google.api.MetricDescriptor",
    {
        **dict.fromkeys(("name", "type", "unit", "description", "displayName"), pj.string),
        "labels": _many("google.api.LabelDescriptor", _LABEL),
        "metricKind": pj.enum("google.api.MetricDescriptor.MetricKind", KINDS),
        "valueType": pj.enum("google.api.MetricDescriptor.ValueType", VALUE_TYPES),
        "metadata": _METADATA,
        "launchStage": _STAGE,
        "monitoredResourceTypes": pj.repeated(_kept(pj.string, ""), "TYPE_STRING"),
    },
)


def parse_create(body: Any) -> list[dict[str, Any]]:
    """The time series of a CreateTimeSeriesRequest; ApiError with every malformed one named if it is none."""
    series: list[dict[str, Any]] = []
    violations: list[tuple[str, str]] = []
    try:
        raw = (_CREATE(body) or {}).get("timeSeries", [])
        if type(raw) is not list:
            raise pj.MalformedError(f"({_TYPES}google.monitoring.v3.TimeSeries), {pj.show(raw)}", path="time_series")
    except pj.MalformedError as error:
        raise unparsable([error.violation()]) from None
    for index, value in enumerate(raw):
        try:
            series.append(_SERIES(value) or {})
        except pj.MalformedError as error:
            violations.append(error.under(f"time_series[{index}]").violation())
    if violations:
        raise unparsable(violations)
    return series


def parse_descriptor(body: Any) -> dict[str, Any]:
    """A MetricDescriptor; ApiError if it is none."""
    try:
        return _DESCRIPTOR(body) or {}
    except pj.MalformedError as error:
        raise unparsable([error.under("metric_descriptor").violation()]) from None


def shown_point(point: dict[str, Any]) -> dict[str, Any]:
    """A point as proto3 JSON."""
    interval = {name: format_timestamp(time) for name, time in point["interval"].items()}
    ((field, value),) = point["value"].items()
    if field == "doubleValue" and not math.isfinite(value):
        value = next(name for name, odd in _NOT_FINITE.items() if odd == value or (odd != odd and value != value))
    return {"interval": interval, "value": {field: value}}
