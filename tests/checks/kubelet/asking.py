"""Asking a kubelet through the check, and finding things in what it reports."""

from collections.abc import Mapping
from typing import Any

from outrider.checks.kubelet.settings import KubeletSettings
from outrider.model.clock import ManualClock
from outrider.model.points import Point
from tests.checks.coverage import spelled
from tests.checks.product import Asked, ask
from tests.checks.products.kubelet import PRODUCT
from tests.support.kubelet_answers import NOW
from tests.support.servers.recorded import Recorded, server


def ask_at(found: Recorded, now: float = NOW, **settings: Any) -> Asked:
    """One run at a time, seconds since 1970."""
    check = PRODUCT.load()[0](KubeletSettings(**{"url": found.url, "timeout": 20.0, **settings}))
    try:
        return ask(PRODUCT, check, ManualClock(now))
    finally:
        check.close()


def ask_once(pages: Mapping[str, Any], now: float = NOW, **settings: Any) -> Asked:
    """One run against a kubelet that answers so."""
    with server(dict(pages)) as found:
        return ask_at(found, now, **settings)


def datadog(asked: Asked, *, of: str = "") -> dict[str, Any]:
    """Values by name and tags, without those that say whose they are: of the container or pod `of`, or of the node."""
    return _named(asked, of, "datadog", ("kube_namespace", "pod_name", "kube_container_name"))


def google(asked: Asked, *, of: str = "") -> dict[str, Any]:
    """The same for Google, without the prefix that all types have."""
    return _named(asked, of, "google", ("namespace_name", "pod_name", "container_name"))


def whose(point: Point) -> str:
    """Its pod and container: `pod/container`, `pod` or nothing."""
    told = dict(point.attributes)
    return "/".join(told[key] for key in ("pod", "container") if key in told)


def _named(asked: Asked, of: str, vendor: str, without: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for point in asked.report.points:
        name = point.metric.datadog if vendor == "datadog" else point.metric.google
        if name is None or whose(point) != of:
            continue
        called = name.name if vendor == "datadog" else name.type.removeprefix("workload.googleapis.com/kubernetes.io/")
        told = " ".join(f"{key}:{value}" for key, value in spelled(point, vendor) if key not in without)
        found[f"{called} {told}".rstrip()] = point.value
    return found
