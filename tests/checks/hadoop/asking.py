"""Asking daemons of a Hadoop through the check, and finding things in what it reports."""

from typing import Any

from outrider.checks.hadoop.check import HadoopCheck
from outrider.checks.hadoop.settings import HadoopSettings
from outrider.model.clock import ManualClock
from outrider.model.points import Status
from tests.checks.coverage import spelled
from tests.checks.product import Asked, ask
from tests.checks.products.hadoop import NOW, PRODUCT

APPS = "/ws/v1/cluster/apps"
AT_WORK = f"{APPS}?states=NEW,NEW_SAVING,SUBMITTED,ACCEPTED,RUNNING"


def check_of(**settings: Any) -> HadoopCheck:
    return HadoopCheck(HadoopSettings(**{"timeout": 20.0, **settings}))


def ask_once(**settings: Any) -> Asked:
    check = check_of(**settings)
    try:
        return ask_at(check)
    finally:
        check.close()


def ask_at(check: HadoopCheck, now: float = NOW) -> Asked:
    """One run at a time, seconds since 1970."""
    return ask(PRODUCT, check, ManualClock(now))


def datadog(asked: Asked) -> dict[tuple[str, str], Any]:
    """Values by name and tags, without those of the cluster and the daemon."""
    without = ("yarn_cluster", "mapreduce_cluster", "cluster_name", "namenode_url", "datanode_url")
    found: dict[tuple[str, str], Any] = {}
    for point in asked.report.points:
        if point.metric.datadog is not None:
            told = " ".join(f"{k}:{v}" for k, v in spelled(point, "datadog") if k not in without)
            assert (point.metric.datadog.name, told) not in found
            found[point.metric.datadog.name, told] = point.value
    return found


def of(asked: Asked, name: str) -> dict[str, Any]:
    """What is found under one name, by tags."""
    return {tags: value for (called, tags), value in datadog(asked).items() if called == name}


def statuses(asked: Asked, name: str, key: str) -> dict[str, Status]:
    """The service checks of one name, by one of their tags."""
    return {dict(c.tags)[key]: c.status for c in asked.report.service_checks if c.name == name}
