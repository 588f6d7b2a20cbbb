"""The stand-in API server, judged by the real `kubernetes` client: what that gets along with speaks the protocol."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.fake_api import EVENTS, LEASES, FakeApi, event
from tests.support.wait import until

kubernetes = pytest.importorskip("kubernetes")


@pytest.fixture
def client(api: FakeApi) -> Iterator[Any]:
    configuration = kubernetes.client.Configuration(host=api.url)
    configuration.retries = False
    with kubernetes.client.ApiClient(configuration) as made:
        yield made


@pytest.fixture
def core(client: Any) -> Any:
    return kubernetes.client.CoreV1Api(client)


@pytest.fixture
def leases(client: Any) -> Any:
    return kubernetes.client.CoordinationV1Api(client)


def refusal(call: Any, *args: Any, **more: Any) -> int:
    with pytest.raises(kubernetes.client.ApiException) as caught:
        call(*args, **more)
    return int(caught.value.status)


def test_events_are_listed_page_by_page(api: FakeApi, core: Any) -> None:
    for n in range(5):
        api.put(EVENTS, event("shop", f"web.{n}", "Pulled", message=f"no {n}"))
    api.put(EVENTS, event("bank", "db.1", "Killing"))
    first = core.list_event_for_all_namespaces(limit=4)
    rest = core.list_event_for_all_namespaces(limit=4, _continue=first.metadata._continue)
    assert [e.metadata.name for e in (*first.items, *rest.items)] == ["db.1", *(f"web.{n}" for n in range(5))]
    assert rest.metadata._continue is None
    one = rest.items[-1]
    assert (one.involved_object.kind, one.involved_object.name, one.source.host, one.count) == (
        "Pod",
        "web-1",
        "node-1",
        1,
    )
    assert one.last_timestamp is not None
    assert [e.metadata.name for e in core.list_namespaced_event("bank").items] == ["db.1"]


def test_a_page_of_a_list_that_is_forgotten(api: FakeApi, core: Any) -> None:
    for n in range(3):
        api.put(EVENTS, event("shop", f"web.{n}", "Pulled"))
    token = core.list_event_for_all_namespaces(limit=2).metadata._continue
    api.compact()
    assert refusal(core.list_event_for_all_namespaces, limit=2, _continue=token) == 410


def test_a_watch_tells_what_comes_after_its_version(api: FakeApi, core: Any) -> None:
    api.put(EVENTS, event("shop", "web.1", "Pulled"))
    version = core.list_event_for_all_namespaces().metadata.resource_version
    api.put(EVENTS, event("shop", "web.2", "Started"))
    api.put(EVENTS, event("shop", "web.2", "Started", count=2))
    api.delete(EVENTS, "shop", "web.1")
    api.bookmarks = True
    stream = kubernetes.watch.Watch().stream(
        core.list_event_for_all_namespaces, resource_version=version, allow_watch_bookmarks=True, timeout_seconds=1
    )
    seen = [(e["type"], e["object"].metadata.name) for e in stream if e["type"] != "BOOKMARK"]
    assert seen == [("ADDED", "web.2"), ("MODIFIED", "web.2"), ("DELETED", "web.1")]


def test_a_watch_from_what_is_forgotten_is_gone(api: FakeApi, core: Any) -> None:
    api.put(EVENTS, event("shop", "web.1", "Pulled"))
    api.compact()
    stream = kubernetes.watch.Watch().stream(
        core.list_event_for_all_namespaces, resource_version="101", timeout_seconds=1
    )
    with pytest.raises(kubernetes.client.ApiException) as caught:
        list(stream)
    assert caught.value.status == 410


def test_a_watch_from_the_last_that_is_forgotten_misses_nothing(api: FakeApi, core: Any) -> None:
    api.put(EVENTS, event("shop", "web.1", "Pulled"))
    api.compact()
    last = api.version - 1
    api.put(EVENTS, event("shop", "web.2", "Pulled"))
    stream = kubernetes.watch.Watch().stream(
        core.list_event_for_all_namespaces, resource_version=str(last), timeout_seconds=1
    )
    assert [e["object"].metadata.name for e in stream] == ["web.2"]


def test_a_watch_may_be_cut_in_the_middle(api: FakeApi, core: Any) -> None:
    response = core.list_event_for_all_namespaces(
        watch=True, resource_version="100", timeout_seconds=30, _preload_content=False
    )
    threading.Thread(target=api.cut_watches, daemon=True).start()
    with pytest.raises(Exception, match=r"(?i)incomplete|chunk|broken|invalid"):
        list(response.stream())


def test_one_of_two_gets_a_lease(api: FakeApi, leases: Any) -> None:
    made = kubernetes.client.V1Lease(
        metadata=kubernetes.client.V1ObjectMeta(name="lead"),
        spec=kubernetes.client.V1LeaseSpec(holder_identity="a", lease_duration_seconds=15),
    )
    assert refusal(leases.read_namespaced_lease, "lead", "ns") == 404
    first = leases.create_namespaced_lease("ns", made)
    assert refusal(leases.create_namespaced_lease, "ns", made) == 409
    mine, yours = leases.read_namespaced_lease("lead", "ns"), leases.read_namespaced_lease("lead", "ns")
    assert mine.metadata.resource_version == first.metadata.resource_version
    mine.spec.holder_identity, yours.spec.holder_identity = "b", "c"
    assert leases.replace_namespaced_lease("lead", "ns", mine).spec.holder_identity == "b"
    assert refusal(leases.replace_namespaced_lease, "lead", "ns", yours) == 409
    now = leases.read_namespaced_lease("lead", "ns")
    assert now.spec.holder_identity == "b"
    same = leases.replace_namespaced_lease("lead", "ns", now)
    assert same.metadata.resource_version == now.metadata.resource_version
    api.delete(LEASES, "ns", "lead")
    assert refusal(leases.replace_namespaced_lease, "lead", "ns", now) == 409
    assert refusal(leases.create_namespaced_lease, "ns", now) == 500


def test_what_it_refuses_when_told_to(api: FakeApi, core: Any) -> None:
    api.fail(403)
    assert refusal(core.list_event_for_all_namespaces) == 403
    api.tokens = {"secret"}
    assert refusal(core.list_event_for_all_namespaces) == 401
    api.tokens = None
    assert core.list_event_for_all_namespaces().items == []


def test_a_server_that_went_away_and_came_back(api: FakeApi, core: Any) -> None:
    api.put(EVENTS, event("shop", "web.1", "Pulled"))
    api.down()
    with pytest.raises(Exception, match=r"(?i)refused|connection"):
        core.list_event_for_all_namespaces()
    api.up()
    until(lambda: len(core.list_event_for_all_namespaces().items) == 1)
