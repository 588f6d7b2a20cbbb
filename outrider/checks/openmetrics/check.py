"""The check `openmetrics`: asks an endpoint once and reports what it says.

A family is gathered while its lines come and becomes points when the next one begins. That is needed since a histogram
is one value in Cloud Monitoring, and since OpenMetrics says after a counter's value since when it counts. What a family
may have is limited before it is gathered (`limits.py`).
"""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from typing import ClassVar

from outrider.checks.check import Reading
from outrider.checks.http import HttpServer, authorization
from outrider.checks.openmetrics.exposition import Family, Sample
from outrider.checks.openmetrics.limits import SeriesLimits
from outrider.checks.openmetrics.naming import ENDPOINT, Names
from outrider.checks.openmetrics.points import REPORTED, Points, shared
from outrider.checks.openmetrics.scrape import scrape
from outrider.checks.openmetrics.settings import OpenmetricsSettings
from outrider.model.patterns import compiled

HEALTH = "openmetrics.health"
_PLAIN = re.compile(r"[a-zA-Z0-9_:]+")
_JUDGED = 4096
"""Names of which it is remembered whether they are wanted."""


class OpenmetricsCheck:
    """Reads one endpoint."""

    Settings: ClassVar = OpenmetricsSettings
    can_connect = HEALTH

    def __init__(self, settings: OpenmetricsSettings) -> None:
        self._settings = settings
        if settings.namespace:
            self.can_connect = f"{settings.namespace}.{HEALTH}"
        self._server = HttpServer(settings.url, settings.timeout, settings.tls)
        self._limits = SeriesLimits(self._server.url, settings.max_series, settings.max_series_per_metric)
        names = Names(settings.namespace, settings.rename_metrics)
        self._points = Points(names, settings.metric_types, settings.rename_labels, settings.exclude_labels)
        self._selects = lru_cache(_JUDGED)(_selection(settings.metrics, settings.exclude_metrics))

    def read(self, reading: Reading) -> None:
        """Raises CheckError."""
        settings = self._settings
        deadline = time.monotonic() + settings.timeout
        reading.instance(**{ENDPOINT: self._server.url})
        headers = {**settings.headers, **authorization(settings.username, settings.password, settings.token)}
        self._limits.begin()

        def wanted(family: Family) -> bool:
            return self._selects(family.name) and self._reported(family, reading)

        for family, said in groupby(scrape(self._server, deadline, headers, wanted), attrgetter("family")):
            for metric, value, labels, start in self._points.of(family, self._within(said)):
                reading.point(metric, value, labels, start)
        reading.add("series_left_out", self._limits.end())
        for name, count in self._limits.left_out.items():
            reading.lacks(name, f"{count} of its series had no room within max_series and max_series_per_metric")

    def close(self) -> None:
        self._server.close()

    def _reported(self, family: Family, reading: Reading) -> bool:
        """Is it of a type that has a name at the vendors?"""
        kind = self._points.type_of(family)
        if kind == "unknown":
            reading.lacks(family.name, "the endpoint gives it no type: give it one in metric_types")
        elif kind not in REPORTED:
            reading.lacks(family.name, f"neither vendor has anything like a {kind}")
        return kind in REPORTED

    def _within(self, samples: Iterator[Sample]) -> Iterator[Sample]:
        for sample in samples:
            labels = shared(sample)
            if self._limits.admit(sample.family.name, labels, part=len(labels) < len(sample.labels)):
                yield sample


def _selection(metrics: Sequence[str], excluded: Sequence[str]) -> Callable[[str], bool]:
    """Whether a name is one of `metrics` and none of `excluded`, which are names and patterns as the Agent tells them
    apart: what has signs in it is a pattern, and matches anywhere in a name.
    """
    takes, leaves = _matcher(metrics or [".+"]), _matcher(excluded)
    return lambda name: takes(name) and not leaves(name)


def _matcher(texts: Sequence[str]) -> Callable[[str], bool]:
    names = frozenset(text for text in texts if _PLAIN.fullmatch(text))
    patterns = [compiled(text) for text in texts if text not in names and text not in (".+", ".*")]
    if len(names) + len(patterns) < len(texts):
        return lambda _: True
    return lambda name: name in names or any(pattern.search(name.encode()) for pattern in patterns)
