"""Asking recorded answers of a Spark through the check, and finding things in what it reports."""

import copy
from collections.abc import Mapping
from typing import Any

from outrider.checks.spark.check import SparkCheck
from outrider.checks.spark.settings import SparkSettings
from tests.checks.coverage import spelled
from tests.checks.product import Asked, once
from tests.checks.products.spark import PRODUCT
from tests.support.servers.recorded import recorded

DRIVER: dict[str, Any] = recorded("spark/driver.json")
APP = "app-20261130004614-0000"
PATH = f"/api/v1/applications/{APP}"
MASTER: dict[str, Any] = recorded("spark/master.json")


def driver(**changed: Any) -> dict[str, Any]:
    """The answers of the driver, of which those of `jobs`, `stages`, `executors` and so on may be others."""
    paths = {f"{PATH}/{name.replace('__', '/')}": said for name, said in changed.items()}
    return {**copy.deepcopy(DRIVER), **paths}


def ask_once(url: str, **settings: Any) -> Asked:
    return once(PRODUCT, SparkCheck(SparkSettings(**{"url": url, "timeout": 20.0, **settings})))


Found = dict[tuple[str, str], Any]


def datadog(asked: Asked) -> Found:
    """Values by name and tags, without those of the cluster and the application."""
    return _found(asked, "datadog", ("app_name", "spark_cluster", "cluster_name"))


def google(asked: Asked) -> Found:
    """The same at Google."""
    return _found(asked, "google", ("application_id", "application_name"))


def _found(asked: Asked, vendor: str, without: tuple[str, ...]) -> Found:
    found: Found = {}
    for point in asked.report.points:
        name = point.metric.datadog if vendor == "datadog" else point.metric.google
        if name is None:
            continue
        called = name.name if hasattr(name, "name") else name.type.rpartition("/")[2]
        told = " ".join(f"{key}:{value}" for key, value in spelled(point, vendor) if key not in without)
        assert (called, told) not in found
        found[called, told] = point.value
    return found


def of(found: Mapping[tuple[str, str], Any], name: str) -> dict[str, Any]:
    """What is found under one name, by tags."""
    return {tags: value for (called, tags), value in found.items() if called == name}
