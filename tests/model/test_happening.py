"""What is read out of an Event, whatever wrote it."""

from typing import Any

import orjson
import pytest

from outrider.model.happening import Happening, read_happening
from tests.support.fake_api import event


def read(**changed: Any) -> Happening:
    made = event("shop", "web-1.17a", "BackOff", **changed)
    made["metadata"] |= {"uid": "u-1", "resourceVersion": "8123", **changed.get("metadata", {})}
    return read_happening(orjson.dumps(made))


def test_what_kubelet_writes() -> None:
    found = read(type_="Warning")
    assert found.id == "u-1-8123"
    assert (found.namespace, found.kind, found.object_namespace, found.name) == ("shop", "Pod", "shop", "web-1")
    assert (found.host, found.component, found.warning, found.container) == ("node-1", "kubelet", True, "")


TIMES = {
    "last": ({}, "2026-01-02T03:04:05Z"),
    "a series": (
        {"lastTimestamp": None, "series": {"count": 3, "lastObservedTime": "2026-02-02T03:04:05.123456Z"}},
        "2026-02-02T03:04:05.123456Z",
    ),
    "once, of events.k8s.io": (
        {"lastTimestamp": None, "eventTime": "2026-03-02T03:04:05.654321Z"},
        "2026-03-02T03:04:05.654321Z",
    ),
    "none at all": ({"lastTimestamp": None}, "2026-01-01T00:00:00Z"),
}


@pytest.mark.parametrize(("changed", "time"), TIMES.values(), ids=TIMES)
def test_its_time(changed: dict[str, Any], time: str) -> None:
    meta = {"name": "web-1.17a", "namespace": "shop", "creationTimestamp": "2026-01-01T00:00:00Z"}
    meta |= {"uid": "u-1", "resourceVersion": "8123"}
    assert read(**{"lastTimestamp": "2026-01-02T03:04:05Z", **changed, "metadata": meta}).time == time


CONTAINERS = {
    "spec.containers{web}": "web",
    "spec.initContainers{init-db}": "init-db",
    "spec.ephemeralContainers{debug}": "debug",
    "spec.containers{}": "",
    "spec.containers": "",
}


@pytest.mark.parametrize(("path", "container"), CONTAINERS.items())
def test_its_container(path: str, container: str) -> None:
    about = {"kind": "Pod", "namespace": "shop", "name": "web-1", "uid": "p-1", "fieldPath": path}
    assert read(involvedObject=about).container == container


def test_the_host_of_a_node_is_the_node() -> None:
    assert read(kind="Node", about="node-7").host == "node-7"
    assert read(kind="Deployment", about="web").host == ""


def test_content_is_the_same_from_a_list_and_from_a_watch() -> None:
    made = event("shop", "web-1.17a", "BackOff")
    made["metadata"] |= {"uid": "u-1", "resourceVersion": "8123"}
    bare, whole = orjson.dumps(made), orjson.dumps({"kind": "Event", "apiVersion": "v1", **made})
    content = orjson.loads(read_happening(bare).content)
    assert content == orjson.loads(read_happening(whole).content)
    del made["metadata"]["managedFields"]
    assert content == {"kind": "Event", "apiVersion": "v1", **made}


NO_EVENTS = [
    b"",
    b"[]",
    b"{}",
    b'{"metadata":{"uid":"u"}}',
    b'{"metadata":{"uid":"","resourceVersion":"7"}}',
    b'{"metadata":{"uid":"u","resourceVersion":"seven"}}',
    b'{"metadata":{"uid":"u","resourceVersion":"7"},"source":7}',
    b'{"metadata":' * 2000,
    b'\xff{"metadata":{"uid":"u","resourceVersion":"7"}}',
]


@pytest.mark.parametrize("raw", NO_EVENTS)
def test_what_is_no_event(raw: bytes) -> None:
    with pytest.raises(ValueError, match="not an event"):
        read_happening(raw)
