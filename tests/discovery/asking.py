"""Pods that ask for checks, as the tests of discovery write them."""

from typing import Any

from outrider.checks.check import CheckSettings
from outrider.discovery.targets import find
from outrider.discovery.wish import Target
from outrider.model.pod import Endpoint, Inside, Pod, Port

IP = "10.0.0.9"
WEB = Inside("web", (Port(8080, "http"), Port(9113, "metrics")), {"PASSWORD": "s${3}cret", "HIDDEN": None, "R": "$(X)"})
CACHE = Inside("cache", (Port(6379, "redis"),), {"PASSWORD": "another"})
OURS = "outrider.io/checks"
WEB_CHECKS, CACHE_CHECKS = "ad.datadoghq.com/web.checks", "ad.datadoghq.com/cache.checks"


def asking(
    annotations: dict[str, str],
    *containers: Inside,
    ip: str = IP,
    ready: bool = True,
    uid: str = "u1",
    host_network: bool = False,
) -> Pod:
    """A pod with the containers `web` and `cache`, unless others are given."""
    endpoint = Endpoint(ip, ready, containers=containers or (WEB, CACHE), host_network=host_network)
    return Pod(uid, f"pod-{uid}", "shop", annotations=annotations, endpoint=endpoint)


def targets(annotations: dict[str, str], *containers: Inside, ip: str = IP) -> tuple[Target, ...]:
    """Those of a pod about whose annotations there is nothing to be said."""
    found = find(asking(annotations, *containers, ip=ip))
    assert [str(fault) for fault in found.faults] == []
    return found.targets


def faults(annotations: dict[str, str], *containers: Inside, ip: str = IP) -> list[str]:
    return [str(fault) for fault in find(asking(annotations, *containers, ip=ip)).faults]


def shown(settings: CheckSettings, **expected: Any) -> dict[str, Any]:
    """The settings of these names; secrets as what they are."""
    values = {name: getattr(settings, name) for name in expected}
    return {name: value.read() if hasattr(value, "read") else value for name, value in values.items()}
