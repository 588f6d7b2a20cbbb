"""What Cloud Monitoring says about time series it does not write, as one error for the whole request.

A request's series stand or fall one by one: the good ones are written, and the error counts both
(`CreateTimeSeriesSummary`) and names the others by index in its message. There are three ways to be named, as public
reports have them:

    Field timeSeries[3].points[0].interval.start_time had an invalid value of "...": ...   a value that makes no sense
    timeSeries[0,2]: Metric kind for metric ... must be GAUGE, but is CUMULATIVE.          at odds with a descriptor
    timeSeries[4-9] (example metric.type="...", metric.labels={...}): write for resource=k8s_pod{...} failed with: ...

(influxdata/telegraf#5963 and #13725; firezone/firezone#8026; GoogleCloudPlatform/opentelemetry-operations-python#431
and opentelemetry-operations-go#1029, whose summary has a code for each kind of error and no message.) A request with no
series left to write says only what is wrong with its fields (google/slo-generator#98); that this is so for more than
one series is a guess.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from outrider.intake.errors import INVALID_ARGUMENT, ApiError

SUMMARY = "type.googleapis.com/google.monitoring.v3.CreateTimeSeriesSummary"
_INDEX = re.compile(r"\[\d+\]")
_RUN = 3  # so many neighbours are written as a range


class RefusedError(Exception):
    """A series that is not written. `reason` is the API's, `word` ours for the counters, `code` the canonical code."""

    def __init__(self, reason: str, word: str, code: int = INVALID_ARGUMENT) -> None:
        super().__init__(reason)
        self.reason = reason
        self.word = word
        self.code = code

    def named(self, indexes: Sequence[int], series: Mapping[str, Any]) -> str:
        """The part of the message about the series at `indexes`, of which `series` is the first."""
        del series
        return f"timeSeries[{_ranges(indexes)}]: {self.reason}"

    def alike(self, series: Mapping[str, Any], index: int) -> object:
        """Series with the same value here are named together."""
        del series, index
        return self.reason


class FieldError(RefusedError):
    """A field that cannot be taken. `path` goes on behind the series (`.points[0].interval.end_time`), `value` is shown
    unless it is None.
    """

    def __init__(self, path: str, value: str | None, reason: str) -> None:
        super().__init__(reason, _INDEX.sub("", path).lstrip(".") or "duplicate")
        self._path = path
        self._value = "" if value is None else f' of "{value}"'

    def named(self, indexes: Sequence[int], series: Mapping[str, Any]) -> str:
        del series
        return f"Field timeSeries[{indexes[0]}]{self._path} had an invalid value{self._value}: {self.reason}"

    def alike(self, series: Mapping[str, Any], index: int) -> object:
        del series
        return index


class OrderError(RefusedError):
    """A point that does not follow the one before it; `detail` is of this series alone."""

    def __init__(self, reason: str, word: str, detail: str = "") -> None:
        super().__init__(reason, word)
        self._detail = detail

    def named(self, indexes: Sequence[int], series: Mapping[str, Any]) -> str:
        metric = series["metric"]
        labels = ", ".join(f'"{key}": "{value}"' for key, value in metric.get("labels", {}).items())
        example = f'metric.type="{metric["type"]}", metric.labels={{{labels}}}'
        return (
            f"timeSeries[{_ranges(indexes)}] (example {example}):"
            f" write for resource={_resource(series)} failed with: {self.reason}{self._detail}"
        )

    def alike(self, series: Mapping[str, Any], index: int) -> object:
        del index
        return self.reason, _resource(series)


def refused(series: Sequence[Mapping[str, Any]], errors: Mapping[int, RefusedError]) -> ApiError:
    """The answer to a request with `series`, of which those in `errors` were not written."""
    groups: dict[object, list[int]] = {}
    counts: dict[int, int] = {}
    for index, error in sorted(errors.items()):
        groups.setdefault(error.alike(series[index], index), []).append(index)
        counts[error.code] = counts.get(error.code, 0) + 1
    message = "; ".join(errors[indexes[0]].named(indexes, series[indexes[0]]) for indexes in groups.values())
    if len(errors) < len(series) or not all(isinstance(error, FieldError) for error in errors.values()):
        message = f"One or more TimeSeries could not be written: {message}"
    summary: dict[str, Any] = {"@type": SUMMARY, "totalPointCount": len(series)}
    if len(errors) < len(series):
        summary["successPointCount"] = len(series) - len(errors)
    summary["errors"] = [{"status": {"code": code}, "pointCount": count} for code, count in counts.items()]
    return ApiError(next(iter(counts)), message, [summary])


def _resource(series: Mapping[str, Any]) -> str:
    resource = series["resource"]
    labels = ",".join(f"{key}:{value}" for key, value in resource.get("labels", {}).items() if key != "project_id")
    return f"{resource['type']}{{{labels}}}"


def _ranges(indexes: Sequence[int]) -> str:
    """`0-3,9`: neighbours are joined from three on."""
    runs: list[list[int]] = []
    for index in indexes:
        if runs and index == runs[-1][-1] + 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) >= _RUN else ",".join(map(str, run)) for run in runs)
