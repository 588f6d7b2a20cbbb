"""Routing as a table: which exporters read which stream."""

import pytest

from outrider.config.model import Route, Selector
from outrider.model.counters import Counters
from outrider.model.pod import Pod
from outrider.model.stream import Stream
from outrider.pipeline.routing import NOBODY, Routing

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


# -- what the pod says ------------------------------------------------------------------------------------------------

BY_POD = [
    Route(labels={"team": "pay*", "tier": "gold"}, to=["gold"], share=4),
    Route(annotations={"acme.example/logs": "off"}, to=["screen"]),
    Route(containers=["istio-*"], to=["mesh"], limit=1000),
    Route(namespaces=["shop"], to=["google"], sample={"DEBUG": 0.1}),
    Route(name="debug", namespaces=["shop", "pay-*"], to=["datadog"]),
    Route(name="audit", namespaces=["audit"], to=["vault"]),
]


def pod(labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None) -> Pod:
    return Pod("u1", "web-1", "shop", labels or {}, annotations or {}, None)


@pytest.mark.parametrize(
    ("about", "known", "exporters"),
    [
        (stream(), pod({"team": "payments", "tier": "gold"}), {"gold"}),
        (stream(), pod({"team": "payments"}), {"google"}),
        (stream(), pod({"team": "payments", "tier": "silver"}), {"google"}),
        (stream(), pod(annotations={"acme.example/logs": "off"}), {"screen"}),
        (stream(container="istio-proxy"), pod(), {"mesh"}),
        (stream(container="istio-proxy"), pod({"team": "pay", "tier": "gold"}), {"gold"}),
        (stream(), None, {"google"}),
        (stream("other"), None, set()),
        (stream(), pod(annotations={"outrider.io/route": "debug"}), {"datadog"}),
        (stream("pay-1"), pod(annotations={"outrider.io/route": "debug"}), {"datadog"}),
        (stream("other"), pod(annotations={"outrider.io/route": "debug"}), set()),
        (stream(), pod(annotations={"outrider.io/route": "audit"}), {"google"}),
        (stream(), pod(annotations={"outrider.io/route": "no such"}), {"google"}),
        (stream(), pod(annotations={"outrider.io/route": ""}), {"google"}),
    ],
)
def test_routes_by_labels_annotations_containers_and_choice(
    about: Stream, known: Pod | None, exporters: set[str]
) -> None:
    routing = Routing([], [], BY_POD)
    assert routing.decide(about, known).exporters == exporters
    assert exporters <= routing.readers(about), "whoever may come to read it is known before the pod is"


@pytest.mark.parametrize(
    ("about", "readers", "asks"),
    [
        (stream(), {"gold", "screen", "google", "datadog"}, True),
        (stream(container="istio-proxy"), {"gold", "screen", "mesh", "datadog"}, True),
        (stream("audit"), {"gold", "screen", "vault"}, True),
    ],
)
def test_everybody_who_may_come_to_read_a_stream(about: Stream, readers: set[str], asks: bool) -> None:
    routing = Routing([], [], BY_POD)
    assert routing.readers(about) == readers
    assert routing.asks_the_pod(about) is asks


@pytest.mark.parametrize(
    ("routes", "asks"),
    [
        ([Route(to=["google"])], False),
        ([Route(namespaces=["pay"], labels={"a": "b"}, to=["google"]), Route(to=["google"])], False),
        ([Route(name="main", to=["google"])], False),
        ([Route(to=["google"]), Route(name="debug", to=["datadog"])], True),
        ([Route(to=["google"]), Route(name="debug", namespaces=["pay"], to=["datadog"])], False),
        ([Route(to=["google"]), Route(labels={"a": "b"}, to=["datadog"])], False),
        ([Route(labels={"a": "b"}, to=["datadog"]), Route(to=["google"])], True),
    ],
)
def test_a_stream_waits_for_its_pod_only_where_the_pod_decides(routes: list[Route], asks: bool) -> None:
    assert Routing([], [], routes).asks_the_pod(stream()) is asks


def test_what_a_route_says_besides() -> None:
    routing = Routing([], [], BY_POD)
    gold = routing.decide(stream(), pod({"team": "pay", "tier": "gold"}))
    mesh = routing.decide(stream(container="istio-proxy"), None)
    plain = routing.decide(stream(), None)
    assert (gold.share, mesh.limit, plain.sample) == (4, 1000, {"DEBUG": 0.1})
    assert len({gold.tenant, mesh.tenant, plain.tenant}) == 3, "each has turns of its own"
    assert plain.tenant == routing.decide(stream(pod="web-2"), None).tenant
    assert plain.tenant != routing.decide(stream("audit"), None).tenant


def test_a_refused_wish_is_counted_once_for_a_pod() -> None:
    counters = Counters()
    routing = Routing([], [], BY_POD, counters)
    for container in ("a", "b", "c"):
        routing.decide(stream(container=container), pod(annotations={"outrider.io/route": "audit"}))
    assert counters.value("outrider_route_refusals_total") == 1


def test_what_is_not_selected_is_read_by_nobody_whatever_its_pod_says() -> None:
    routing = Routing([], [Selector(namespace=["shop"])], BY_POD)
    assert routing.decide(stream(), pod(annotations={"outrider.io/route": "debug"})) is NOBODY
    assert not routing.readers(stream())
