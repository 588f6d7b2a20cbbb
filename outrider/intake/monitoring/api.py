"""Cloud Monitoring's API behind both transports: one store, one set of rules, one place where requests are counted.

`create_time_series` follows `timeSeries.create`. Each series is checked by itself, against the metric's descriptor and
against the points before it, in the order of the request; what passes is written at once, so that a later series of the
request meets it. The error says which ones were not.
"""

from typing import Any

from outrider.intake.clock import Clock
from outrider.intake.errors import INTERNAL, NOT_FOUND, ApiError, invalid
from outrider.intake.faults import MONITORING, PARTIAL, Fault, Faults
from outrider.intake.monitoring import resources, rules
from outrider.intake.monitoring.descriptors import Descriptors
from outrider.intake.monitoring.listing import Page, SeriesQuery, list_others, list_series
from outrider.intake.monitoring.refusals import FieldError, RefusedError, refused
from outrider.intake.monitoring.store import SeriesStore, key
from outrider.intake.timestamps import SECOND


class Monitoring:
    """What the transports call. Raises ApiError for every answer that is not OK."""

    def __init__(self, store: SeriesStore, clock: Clock, faults: Faults) -> None:
        self.store = store
        self.descriptors = Descriptors()
        self._clock = clock
        self._faults = faults

    def draw(self, *more: str) -> Fault | None:
        """The fault that the next write request meets, to a method that knows `more` faults than all of them do."""
        return self._faults.draw((*MONITORING, *more))

    def answer(self, fault: Fault) -> ApiError | None:
        """The answer of a fault that is one."""
        return fault.error(MONITORING)

    def create_time_series(self, name: str, series: list[dict[str, Any]], fault: Fault | None = None) -> None:
        """`timeSeries.create`. With the fault `partial` the latter half of the series is not written."""
        project = _project(name)
        if not series:
            raise invalid("Field timeSeries had an invalid value: it must not be empty.")
        if len(series) > rules.MAX_SERIES:  # ServiceWeaver/weaver-gke#142
            raise invalid(
                f"Field timeSeries had an invalid value: A maximum of {rules.MAX_SERIES} TimeSeries can be written in a"
                " single request."
            )
        fails_from = len(series) // 2 if fault and fault.name == PARTIAL else len(series)
        now = int(self._clock.now() * SECOND)
        errors: dict[int, RefusedError] = {}
        seen: set[object] = set()
        with self.store.lock:
            for index, one in enumerate(series):
                try:
                    self._check(project, one, now, seen)
                    if index >= fails_from:  # words: googleapis/python-monitoring#7
                        raise RefusedError("An internal error occurred.", "internal", INTERNAL)
                except RefusedError as error:
                    errors[index] = error
                    self.store.count_refused(error.word)
                    continue
                self.descriptors.learn(project, one)
                self.store.add(project, one, now)
        if errors:
            raise refused(series, errors)

    def _check(self, project: str, series: dict[str, Any], now: int, seen: set[object]) -> None:
        rules.check(series, now)
        series["resource"] = resources.completed(series["resource"], project)
        if key(project, series) in seen:  # influxdata/telegraf#5963
            words = "Duplicate TimeSeries encountered. Only one point can be written per TimeSeries per request."
            raise FieldError("", None, words)
        seen.add(key(project, series))
        self.descriptors.check(project, series)
        self.store.check(project, series)

    def list_time_series(self, name: str, query: SeriesQuery) -> Page:
        """`timeSeries.list`."""
        project = _project(name)
        with self.store.lock:
            series = [one for one in self.store.all() if one.project == project]
            return list_series(series, self.descriptors.all(project), query)

    def create_descriptor(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        """`metricDescriptors.create`."""
        with self.store.lock:
            return self.descriptors.create(_project(name), given)

    def get_descriptor(self, name: str) -> dict[str, Any]:
        """`metricDescriptors.get`."""
        with self.store.lock:
            return self.descriptors.get(*_described(name))

    def delete_descriptor(self, name: str) -> None:
        """`metricDescriptors.delete`; the data goes with it."""
        with self.store.lock:
            self.descriptors.delete(*_described(name))
            self.store.forget(*_described(name))

    def list_descriptors(self, name: str, filter_text: str, size: int, token: str) -> Page:
        """`metricDescriptors.list`."""
        with self.store.lock:
            known = self.descriptors.all(_project(name))
        return list_others(known, filter_text, lambda one: {"metric.type": one["type"]}, (size, token))

    def list_resources(self, name: str, filter_text: str, size: int, token: str) -> Page:
        """`monitoredResourceDescriptors.list`: the types that user-defined metrics can be written against."""
        known = [resources.descriptor(_project(name), kind) for kind in resources.LABELS]
        return list_others(known, filter_text, lambda one: {"resource.type": one["type"]}, (size, token))

    def get_resource(self, name: str) -> dict[str, Any]:
        """`monitoredResourceDescriptors.get`."""
        parent, _, kind = name.partition("/monitoredResourceDescriptors/")
        if kind not in resources.LABELS:
            raise ApiError(NOT_FOUND, f"The monitored resource type {kind} does not exist.")
        return resources.descriptor(_project(parent), kind)

    def shown(self, metric_type: str | None) -> list[dict[str, Any]]:
        """The series of one metric or of all, of every project, with their kept points, oldest first."""
        with self.store.lock:
            return [one.shown(one.points) for one in self.store.all() if metric_type in (None, one.metric_type)]

    def stats(self) -> dict[str, Any]:
        """The counters. Names and meaning: docs/intake.md."""
        with self.store.lock:
            return {**self.store.stats(), "descriptors": len(self.descriptors)}


def _project(name: str) -> str:
    """The project of `projects/ID`; ApiError if it is none."""
    parent, _, project = name.partition("/")
    if parent != "projects" or not project or "/" in project:
        raise invalid(f'Field name had an invalid value of "{name}": the form is projects/[PROJECT_ID].')
    return project


def _described(name: str) -> tuple[str, str]:
    """Project and metric type of `projects/ID/metricDescriptors/TYPE`."""
    parent, _, metric_type = name.partition("/metricDescriptors/")
    return _project(parent), metric_type
