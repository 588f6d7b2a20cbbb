"""Routing as a table: which exporters read which stream."""

import pytest

from outrider.config.model import Route, Selector
from outrider.model.stream import Stream
from outrider.pipeline.routing import Routing

ALL = [Route(to=["google"])]
TENANTS = [
    Route(namespaces=["customer-a-*", "a"], to=["acme-a"]),
    Route(namespaces=["customer-?"], to=["acme", "google"]),
    Route(to=["google"]),
]


def stream(namespace: str = "shop", pod: str = "web-1", container: str = "main") -> Stream:
    return Stream(namespace, pod, "u1", container, 0)


@pytest.mark.parametrize(
    ("namespace", "exporters"),
    [
        ("customer-a-prod", {"acme-a"}),
        ("a", {"acme-a"}),
        ("customer-b", {"acme", "google"}),
        ("customer-bb", {"google"}),
        ("CUSTOMER-b", {"google"}),
        ("xa", {"google"}),
    ],
)
def test_the_first_route_that_matches_is_taken(namespace: str, exporters: set[str]) -> None:
    assert Routing([], [], TENANTS).readers(stream(namespace)) == exporters


def test_without_a_matching_route_nobody_reads() -> None:
    assert Routing([], [], [Route(namespaces=["shop"], to=["google"])]).readers(stream("payments")) == frozenset()


@pytest.mark.parametrize(
    ("include", "exclude", "read"),
    [
        ([], [], True),
        ([Selector(namespace=["shop"])], [], True),
        ([Selector(namespace=["sho"])], [], False),
        ([Selector(namespace=["pay*"]), Selector(pod=["web-*"])], [], True),
        ([Selector(namespace=["shop"], pod=["api-*"])], [], False),
        ([Selector(namespace=["shop"], pod=["web-*"], container=["m?in"])], [], True),
        ([], [Selector(namespace=["kube-system"])], True),
        ([], [Selector(container=["main", "istio-proxy"])], False),
        ([], [Selector(namespace=["shop"], container=["istio-proxy"])], True),
        ([Selector(namespace=["shop"])], [Selector(pod=["web-[0-9]"])], False),
    ],
)
def test_selection(include: list[Selector], exclude: list[Selector], read: bool) -> None:
    assert bool(Routing(include, exclude, ALL).readers(stream())) == read
