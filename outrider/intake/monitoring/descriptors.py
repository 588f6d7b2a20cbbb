"""Metric descriptors: made by hand, or by the first point of a metric that nobody described.

A descriptor fixes the kind and the value type of a metric for good; labels may be added, by hand or by a point that
has more of them. One that is made by a point is described as "Auto-created custom metric." and is a GAUGE unless the
series says otherwise (google/exposure-notifications-verification-server#1064, metric.proto).
"""

from typing import Any

from outrider.intake.errors import ALREADY_EXISTS, NOT_FOUND, ApiError, invalid
from outrider.intake.monitoring import resources, rules
from outrider.intake.monitoring.refusals import FieldError, RefusedError
from outrider.intake.monitoring.wire import VALUES

_WRITABLE = ("GAUGE", "CUMULATIVE")
_GAUGES_ONLY = ("BOOL", "STRING")


class Descriptors:
    """The descriptors of all projects. The owner holds its lock around every call."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], dict[str, Any]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def create(self, project: str, given: dict[str, Any]) -> dict[str, Any]:
        """CreateMetricDescriptor; the descriptor as it is from now on. ApiError if it cannot be."""
        fault = _fault(given)
        if fault:
            raise invalid(fault)
        metric_type = given["type"]
        old = self._known.get((project, metric_type))
        if old and (old["metricKind"], old["valueType"]) != (given["metricKind"], given["valueType"]):
            which = f"(metric: {metric_type}, error: The metric already exists.)"
            raise ApiError(ALREADY_EXISTS, f"Errors during metric descriptor creation: {{{which}}}.")
        return self._keep(project, {**given, "labels": _joined(old, given)})

    def get(self, project: str, metric_type: str) -> dict[str, Any]:
        """GetMetricDescriptor; ApiError if there is none."""
        try:
            return self._known[project, metric_type]
        except KeyError:
            raise missing(metric_type) from None

    def find(self, project: str, metric_type: str) -> dict[str, Any] | None:
        """The descriptor, if there is one."""
        return self._known.get((project, metric_type))

    def delete(self, project: str, metric_type: str) -> None:
        """DeleteMetricDescriptor; ApiError if there is none."""
        self.get(project, metric_type)
        del self._known[project, metric_type]

    def all(self, project: str) -> list[dict[str, Any]]:
        """The descriptors of a project, by type."""
        return [known for (of, _), known in sorted(self._known.items()) if of == project]

    def check(self, project: str, series: dict[str, Any]) -> None:
        """Complete `metricKind` and `valueType` of a series from its descriptor, or the other way around.

        RefusedError if they do not fit; words as in firezone/firezone#8026 and micrometer-metrics/micrometer#2160.
        """
        metric_type = series["metric"]["type"]
        known = self.find(project, metric_type)
        value_type = VALUES[next(iter(series["points"][0]["value"]))]
        kind = series.get("metricKind", known["metricKind"] if known else "GAUGE")
        if known is None:
            fault = _kind_fault(metric_type, kind, value_type)
            if fault:
                raise FieldError(".metricKind", str(kind), fault)
        elif kind != known["metricKind"]:
            words = f"Metric kind for metric {metric_type} must be {known['metricKind']}, but is {kind}."
            raise RefusedError(words, "kind")
        elif value_type != known["valueType"]:
            words = f"Value type for metric {metric_type} must be {known['valueType']}, but is {value_type}."
            raise RefusedError(words, "value_type")
        rules.check_start(series["points"][0], kind, metric_type)
        series["metricKind"], series["valueType"] = kind, value_type
        labels = {label["key"] for label in known.get("labels", [])} if known else set()
        if len(labels | series["metric"].get("labels", {}).keys()) > rules.MAX_LABELS:
            # the words, with another number: GoogleCloudPlatform/prometheus-engine#493
            words = f"The new labels would cause the metric {metric_type} to have over {rules.MAX_LABELS} labels."
            raise RefusedError(words, "labels")

    def learn(self, project: str, series: dict[str, Any]) -> None:
        """Make the descriptor of a series that is written, or add its labels to it."""
        metric_type = series["metric"]["type"]
        labels = [{"key": key} for key in series["metric"].get("labels", {})]
        known = self.find(project, metric_type)
        if known is None:
            known = {
                "type": metric_type,
                "metricKind": series["metricKind"],
                "valueType": series["valueType"],
                "unit": series.get("unit", ""),
                "description": "Auto-created custom metric.",
            }
        elif {label["key"] for label in labels} <= {label["key"] for label in known["labels"]}:
            return
        self._keep(project, {**known, "labels": _joined(known, {"labels": labels})})

    def _keep(self, project: str, descriptor: dict[str, Any]) -> dict[str, Any]:
        metric_type = descriptor["type"]
        whole = {
            **descriptor,
            "name": f"projects/{project}/metricDescriptors/{metric_type}",
            "monitoredResourceTypes": sorted(resources.LABELS),
        }
        self._known[project, metric_type] = whole
        return whole


def missing(metric_type: str) -> ApiError:
    """The answer to a question about a metric that does not exist."""
    return ApiError(
        NOT_FOUND,
        f'Cannot find metric(s) that match type = "{metric_type}". If a metric was created recently, it could take'
        " up to 10 minutes to become available. Please try again soon.",
    )


def _joined(old: dict[str, Any] | None, new: dict[str, Any]) -> list[dict[str, Any]]:
    """The labels of both, the new ones' descriptions winning."""
    labels = {label["key"]: label for source in (old or {}, new) for label in source.get("labels", [])}
    return list(labels.values())


def _kind_fault(metric_type: str, kind: Any, value_type: Any) -> str:
    """Why a user-defined metric cannot be of this kind and type; the words are the intake's own."""
    if kind not in _WRITABLE:
        return f"The kind of a user-defined metric must be GAUGE or CUMULATIVE: {metric_type}"
    if kind == "CUMULATIVE" and value_type in _GAUGES_ONLY:
        return f"A metric of type {value_type} must be a GAUGE: {metric_type}"
    if metric_type.startswith(rules.PROMETHEUS):
        suffix = metric_type.rpartition("/")[2]
        wanted = rules.PROMETHEUS_KINDS[suffix]
        if kind not in wanted:
            return f"A metric that ends in /{suffix} must be {' or '.join(wanted)}: {metric_type}"
    return ""


def _fault(given: dict[str, Any]) -> str:
    """What is wrong with a descriptor made by hand.

    Words about labels: GoogleCloudPlatform/opentelemetry-operations-java#159; the others are the intake's own.
    """
    metric_type = given.get("type", "")
    labels = given.get("labels", [])
    fault = rules.check_type(metric_type)
    if not fault and not metric_type.startswith(rules.PREFIXES):
        fault = f"User-defined metrics begin with one of {', '.join(rules.PREFIXES)}."
    if fault:
        return f'Field metricDescriptor.type had an invalid value of "{metric_type}": {fault}'
    kind, value_type = given.get("metricKind", ""), given.get("valueType", "")
    if value_type not in VALUES.values():
        return f'Field metricDescriptor.valueType had an invalid value of "{value_type}": it is required.'
    fault = _kind_fault(metric_type, kind, value_type)
    if fault:
        return f'Field metricDescriptor.metricKind had an invalid value of "{kind}": {fault}'
    if len(labels) > rules.MAX_LABELS:
        return f"Field metricDescriptor.labels had an invalid value: over {rules.MAX_LABELS} labels."
    for index, label in enumerate(labels):
        if not rules.is_key(label.get("key", "")):
            return f'Field labels[{index}].key had an invalid value of "{label.get("key", "")}": {rules.KEY_RULE}'
        if "valueType" in label and metric_type.startswith("workload.googleapis.com/"):
            return (
                f'Field labels[{index}].valueType had an invalid value of "{label["valueType"]}": Metric labels for'
                " this user-defined metric are required to be of type 'STRING': workload.googleapis.com"
            )
    return ""
