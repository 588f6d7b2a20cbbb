"""Asking a broker through the check, and finding things in what it reports."""

from typing import Any

from outrider.checks.check import CheckError, Reading, run
from outrider.checks.declared import declared
from outrider.checks.rabbitmq.check import RabbitmqCheck
from outrider.checks.rabbitmq.settings import RabbitmqSettings
from outrider.model.clock import SystemClock
from outrider.model.points import Point, Report, Subject
from tests.support.servers.rabbitmq import Rabbitmq

DECLARED = declared("outrider.checks.rabbitmq")


def settings_of(broker: Rabbitmq, **more: Any) -> RabbitmqSettings:
    given = {"url": broker.url, "prometheus_url": broker.prometheus_url, "timeout": 20.0, **more}
    return RabbitmqSettings(**given)


def ask(check: RabbitmqCheck) -> tuple[Report, Reading, CheckError | None]:
    return run(check, DECLARED, Subject(), SystemClock())


def ask_once(broker: Rabbitmq, **more: Any) -> tuple[Report, Reading, CheckError | None]:
    check = RabbitmqCheck(settings_of(broker, **more))
    try:
        return ask(check)
    finally:
        check.close()


def tags(point: Point) -> dict[str, str]:
    name = point.metric.datadog
    assert name is not None
    spelled = {name.spelling.get(key, key): value for key, value in point.attributes}
    return {key: value for key, value in spelled.items() if key is not None}


def labels(point: Point) -> dict[str, str]:
    name = point.metric.google
    assert name is not None
    spelled = {name.spelling.get(key, key): value for key, value in point.attributes}
    return {key: value for key, value in spelled.items() if key is not None} | dict(name.labels)


def points(report: Report, datadog: str, **told: str) -> list[Point]:
    named = [p for p in report.points if p.metric.datadog is not None and p.metric.datadog.name == datadog]
    return [p for p in named if told.items() <= tags(p).items()]


def the_one(report: Report, datadog: str, **told: str) -> Point:
    [point] = points(report, datadog, **told)
    return point
