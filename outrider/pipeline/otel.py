"""The program's own metrics by way of OpenTelemetry, for those who collect everything there.

The counters stay what they are; every name becomes an observable instrument, which reads them when a reader collects.
A name may come up later (the first error of a kind), and an instrument cannot be made while a reader is collecting, as
the SDK holds its lock then. So one instrument counts the names and, when it is asked and there are new ones, has a
thread make their instruments; they are there at the next collection.

An exporter is started if the standard variables ask for one
(https://opentelemetry.io/docs/specs/otel/protocol/exporter/,
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/): the SDK itself reads all of them,
for the interval, headers, certificates and so on. Without them nothing of OpenTelemetry is imported.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Any

from outrider import __version__
from outrider.model.counters import Family, Readings

log = logging.getLogger(__name__)

EXTRA = "otlp"
LAST_WORDS = 3.0
"""Seconds that the last export may take at the end."""
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def observe(current: Callable[[], Readings], meter: Any) -> None:
    """Make every counter and gauge of `current()` an observable instrument of `meter`, under the name it has at
    `/metrics`. `current` is asked at every collection: a gauge that is no longer registered is no longer observed.
    """
    _Observation(current, meter)


class Exporting:
    """An export that is under way."""

    def __init__(self, provider: Any) -> None:
        self._provider = provider

    def stop(self) -> None:
        """Export a last time, and end. A collector that hangs is given three seconds."""
        last = threading.Thread(
            target=self._provider.shutdown, kwargs={"timeout_millis": LAST_WORDS * 1000}, daemon=True
        )
        last.start()
        last.join(LAST_WORDS)


def start(current: Callable[[], Readings]) -> Exporting | None:
    """Begin to export `current()` by OTLP over HTTP if the environment names an endpoint; else None.

    If that cannot be (a package is missing, a variable is wrong) the log says so: delivery of logs matters more.
    """
    if not any(map(os.environ.get, _ENDPOINTS)) or os.environ.get("OTEL_METRICS_EXPORTER") == "none":
        return None
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL") or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if protocol not in (None, "", "http/protobuf"):
        log.error(
            "OpenTelemetry metrics are not exported: OTEL_EXPORTER_OTLP_PROTOCOL %s, can be http/protobuf", protocol
        )
        return None
    try:
        return Exporting(_provider(current))
    except ImportError as e:
        log.error("OpenTelemetry metrics are not exported: %s; install outrider[%s]", e, EXTRA)
    except Exception as e:  # the SDK raises what it likes for a variable that it cannot read
        log.error("OpenTelemetry metrics are not exported: %s: %s", type(e).__name__, e)
    return None


def _provider(current: Callable[[], Readings]) -> Any:
    # By name: the packages come with an extra, and what is not installed cannot be type-checked.
    metrics = import_module("opentelemetry.sdk.metrics")
    export = import_module("opentelemetry.sdk.metrics.export")
    otlp = import_module("opentelemetry.exporter.otlp.proto.http.metric_exporter")
    resources = import_module("opentelemetry.sdk.resources")
    about = {"service.version": __version__}
    if not (os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")):
        about["service.name"] = "outrider"
    provider = metrics.MeterProvider(
        metric_readers=[export.PeriodicExportingMetricReader(otlp.OTLPMetricExporter())],
        resource=resources.Resource.create(about),
        shutdown_on_exit=False,
    )
    observe(current, provider.get_meter("outrider", __version__))
    return provider


class _Observation:
    def __init__(self, current: Callable[[], Readings], meter: Any) -> None:
        self._current, self._meter = current, meter
        self._made: set[str] = set()
        self._making = threading.Lock()
        self._make()
        meter.create_observable_gauge(
            "outrider_instruments", [self._count], description="Names of counters and gauges that are observed."
        )

    def _count(self, _: object) -> Iterable[Any]:
        if any(family.name not in self._made for family in self._current().families()):
            threading.Thread(target=self._make, name="outrider-otel", daemon=True).start()
        return [_observation(len(self._made), {})]

    def _make(self) -> None:
        with self._making:
            for family in self._current().families():
                if family.name not in self._made:
                    self._made.add(family.name)
                    self._instrument(family)

    def _instrument(self, family: Family) -> None:
        name = family.name

        def read(_: object) -> Iterator[Any]:
            for found in self._current().families(name):
                yield from (_observation(value, dict(labels)) for labels, value in found.samples)

        create = self._meter.create_observable_counter
        if family.kind == "gauge":
            create = self._meter.create_observable_gauge
        create(name, [read], description=family.help)


def _observation(value: float, labels: dict[str, str]) -> Any:
    return import_module("opentelemetry.metrics").Observation(value, labels)
