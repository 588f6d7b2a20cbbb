"""Running the check of MongoDB in a test."""

from contextlib import closing
from dataclasses import dataclass
from typing import Any

from outrider.checks.check import CheckError, Reading, run
from outrider.checks.declared import Declared, declared
from outrider.checks.mongodb.check import MongodbCheck
from outrider.checks.mongodb.settings import MongodbSettings
from outrider.model.clock import SystemClock
from outrider.model.points import Point, Report, ServiceCheck, Subject

DECLARED: Declared = declared("outrider.checks.mongodb")
EVERYTHING = ["collection", "indexes", "top", "metrics.commands", "tcmalloc"]


@dataclass(frozen=True)
class Found:
    """What one run found."""

    report: Report
    reading: Reading
    trouble: CheckError | None

    @property
    def keys(self) -> set[str]:
        return {point.metric.key for point in self.report.points}

    @property
    def can_connect(self) -> ServiceCheck:
        [service_check] = self.report.service_checks
        return service_check

    def points(self, key: str, **attributes: str) -> list[Point]:
        """Those of `key` that have these attributes; one for each metric that is declared for the key."""
        return [
            p for p in self.report.points if p.metric.key == key and attributes.items() <= dict(p.attributes).items()
        ]

    def value(self, key: str, **attributes: str) -> float:
        values = {p.value for p in self.points(key, **attributes)}
        assert len(values) == 1, f"{key} {attributes}: {values or 'not there'}"
        [value] = values
        assert isinstance(value, int | float)
        return value

    def datadog(self, name: str) -> list[tuple[float, dict[str, str]]]:
        """Values and tags under Datadog's name."""
        found = []
        for p in self.report.points:
            if p.metric.datadog is not None and p.metric.datadog.name == name:
                spelled = [(p.metric.datadog.spelling.get(k, k), v) for k, v in p.attributes]
                assert isinstance(p.value, int | float)
                found.append((p.value, {k: v for k, v in spelled if k is not None}))
        return found

    def google(self, name: str) -> list[tuple[float, dict[str, str]]]:
        """Values and labels under Google's name, without the domain."""
        found = []
        for p in self.report.points:
            if p.metric.google is not None and p.metric.google.type == f"workload.googleapis.com/{name}":
                spelled = [(p.metric.google.spelling.get(k, k), v) for k, v in p.attributes]
                assert isinstance(p.value, int | float)
                labels = {k: v for k, v in spelled if k is not None} | dict(p.metric.google.labels)
                found.append((p.value * p.metric.google.scale, labels))
        return found


def check(*hosts: str, **settings: Any) -> MongodbCheck:
    return MongodbCheck(MongodbSettings(hosts=list(hosts), **settings))


def ask(asked: MongodbCheck) -> Found:
    """One run."""
    report, reading, trouble = run(asked, DECLARED, Subject(), SystemClock())
    return Found(report, reading, trouble)


def once(*hosts: str, **settings: Any) -> Found:
    """One run of a check made for it."""
    with closing(check(*hosts, **settings)) as asked:
        return ask(asked)
