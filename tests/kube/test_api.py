"""The API source against a stand-in API server: what can happen to a list and a watch, and what follows."""

from collections.abc import Callable
from pathlib import Path

import pytest

from outrider.kube.api import ApiSource
from outrider.kube.client import KubeClient, TokenFile
from outrider.kube.listwatch import Pace
from outrider.kube.pods import Pods
from outrider.model.clock import SystemClock
from outrider.model.counters import Counters
from tests.support.fake_kube import FakeKube, known, pod
from tests.support.wait import until

Start = Callable[..., Pods]


@pytest.fixture
def start(kube: FakeKube, counters: Counters, run: Callable[..., Pods]) -> Start:
    def begin(
        watch: float = 60.0,
        grace: float = 10.0,
        token: Path | None = None,
        retry: float = 0.02,
        details: bool = False,
        tell: Callable[[str], None] = lambda _: None,
    ) -> Pods:
        clock = SystemClock()
        client = KubeClient(kube.url, TokenFile(token) if token else None, None, clock)
        source = ApiSource(
            client, "node-1", clock, counters, pace=Pace(watch, grace, gap=0.02, retry=retry), details=details
        )
        return run(source, tell)

    return begin


def watching(kube: FakeKube, n: int = 1) -> None:
    until(lambda: len(kube.watches) >= n)


def test_list_then_watch_of_this_node_only(kube: FakeKube, start: Start) -> None:
    kube.add(pod("a", "u1", labels={"app": "a"}))
    kube.add(pod("elsewhere", "u9", node="node-2"))
    pods = start()
    assert known(pods, "u1").labels == {"app": "a"}
    watching(kube)
    kube.add(pod("elsewhere-2", "u8", node="node-2"))
    kube.add(pod("b", "u2"))
    assert known(pods, "u2").name == "b"
    kube.add(pod("a", "u1", labels={"app": "changed"}))
    until(lambda: known(pods, "u1").labels == {"app": "changed"})
    assert pods.get("u9") is None
    assert pods.get("u8") is None
    assert (len(kube.lists), len(kube.watches)) == (1, 1)


def test_the_requests_are_the_gentle_ones(kube: FakeKube, start: Start) -> None:
    start(watch=100.0)
    watching(kube)
    listing, watch = kube.lists[0], kube.watches[0]
    assert listing.query == {"fieldSelector": "spec.nodeName=node-1", "limit": "500", "resourceVersion": "0"}
    assert "as=PartialObjectMetadataList" in listing.accept
    assert watch.query["allowWatchBookmarks"] == "true"
    assert watch.query["resourceVersion"] == "100"
    assert 80 <= int(watch.query["timeoutSeconds"]) <= 100
    assert "as=PartialObjectMetadata;" in watch.accept


def test_whole_pods_are_asked_for_only_if_details_are_wanted(kube: FakeKube, start: Start) -> None:
    kube.add(pod("a", "u1", status={"qosClass": "Guaranteed"}))
    lean, full = start(), start(details=True)
    watching(kube, 2)
    kube.add(pod("b", "u2", status={"qosClass": "BestEffort"}))
    until(lambda: lean.get("u2") and full.get("u2"))
    assert [known(lean, uid).qos for uid in ("u1", "u2")] == ["", ""]
    assert [known(full, uid).qos for uid in ("u1", "u2")] == ["Guaranteed", "BestEffort"]
    assert known(full, "u1").containers["main"].image == "app:1"
    assert {r.accept for r in kube.requests if "as=Partial" not in r.accept} == {"application/json"}


def test_a_status_that_says_nothing_new_is_no_change(kube: FakeKube, start: Start) -> None:
    kube.add(pod("a", "u1"))
    told: list[str] = []
    pods = start(details=True, tell=told.append)
    watching(kube)
    first = known(pods, "u1")
    for n in range(3):
        kube.add(pod("a", "u1", status={"conditions": [{"type": "Ready", "lastProbeTime": f"T{n}"}]}))
    kube.add(pod("b", "u2"))
    until(lambda: "u2" in told)
    assert pods.get("u1") is first
    kube.add(pod("a", "u1", status={"phase": "Succeeded"}))
    until(lambda: known(pods, "u1").phase == "Succeeded")
    assert told == ["u1", "u2", "u1"]


def test_unreadable_details_are_counted(kube: FakeKube, start: Start, counters: Counters) -> None:
    kube.add(pod("a", "u1", labels={"app": "a"}, status={"phase": 1}))
    pods = start(details=True)
    watching(kube)
    assert known(pods, "u1").labels == {"app": "a"}
    kube.add(pod("b", "u2", status={"phase": 2}))
    known(pods, "u2")
    until(lambda: counters.value("outrider_kube_partial_total") == 2)


def test_pages_are_followed_to_the_last(kube: FakeKube, start: Start) -> None:
    kube.page = 3
    for n in range(8):
        kube.add(pod(f"p{n}", f"u{n}"))
    pods = start()
    until(lambda: pods.get("u7"))
    assert all(pods.get(f"u{n}") for n in range(8))
    assert [r.query.get("continue") for r in kube.lists] == [None, "3", "6"]


def test_a_page_that_has_expired_begins_the_list_again(kube: FakeKube, start: Start) -> None:
    kube.page = 2
    for n in range(4):
        kube.add(pod(f"p{n}", f"u{n}"))
    kube.fail(410, path="continue")
    pods = start()
    until(lambda: pods.get("u3"))
    assert ["continue" in r.query for r in kube.lists] == [False, True, False, True]
    assert "resourceVersion" not in kube.lists[2].query  # of the newest state, not from the cache


def test_a_watch_that_ends_is_taken_up_where_it_ended(kube: FakeKube, start: Start) -> None:
    pods = start()
    watching(kube)
    kube.add(pod("a", "u1"))
    until(lambda: pods.get("u1"))
    kube.end_watches()
    watching(kube, 2)
    assert kube.watches[1].query["resourceVersion"] == "101"
    kube.add(pod("b", "u2"))
    until(lambda: pods.get("u2"))
    assert len(kube.lists) == 1


def test_bookmarks_move_the_version_on(kube: FakeKube, start: Start) -> None:
    start()
    watching(kube)
    kube.bookmarks = False
    kube.send(b'{"type":"BOOKMARK","object":{"kind":"Pod","metadata":{"resourceVersion":"4711"}}}')
    kube.end_watches()
    watching(kube, 2)
    assert kube.watches[1].query["resourceVersion"] == "4711"


@pytest.mark.parametrize("how", ["status", "event"])
def test_gone_makes_a_new_list(kube: FakeKube, start: Start, counters: Counters, how: str) -> None:
    kube.add(pod("a", "u1"))
    pods = start()
    watching(kube)
    kube.delete("u1")
    if how == "status":
        kube.compact()
    else:
        kube.send(b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}')
    kube.add(pod("b", "u2"))
    until(lambda: pods.get("u2"))
    until(lambda: len(kube.lists) == 2)
    assert "resourceVersion" not in kube.lists[1].query
    assert counters.value("outrider_kube_errors_total", kind="gone") >= 1
    assert pods.get("u1")  # deleted while no watch was open: noticed by its absence, and kept for its last lines


def test_a_watch_that_is_gone_for_ever_does_not_hammer(kube: FakeKube, start: Start) -> None:
    kube.fail(410, times=1000, path="watch")
    start(retry=0.1)
    until(lambda: len(kube.watches) >= 4)
    at = [r.at for r in kube.watches[:4]]
    assert at[3] - at[0] > 0.05 + 0.1 + 0.2


def test_a_silent_watch_is_broken_off(kube: FakeKube, start: Start, counters: Counters) -> None:
    kube.silent = True
    pods = start(watch=1.0, grace=0.2)
    watching(kube)
    kube.add(pod("a", "u1"))
    until(lambda: counters.value("outrider_kube_errors_total", kind="timeout"))
    assert pods.get("u1") is None
    kube.silent = False
    assert until(lambda: pods.get("u1"))
    assert kube.watches[-1].query["resourceVersion"] == "100"


def test_health_follows_events_and_bookmarks_not_connections(kube: FakeKube, start: Start) -> None:
    pods = start(watch=100.0, grace=10.0)
    watching(kube)
    begin = SystemClock().monotonic()
    assert pods.health(begin + 129) is None
    kube.add(pod("a", "u1"))
    until(lambda: pods.get("u1"))
    later = SystemClock().monotonic()
    assert pods.health(later + 129.9) is None
    assert "nothing heard for 131 s" in str(pods.health(later + 131))


def test_garbage_is_skipped_and_a_new_list_follows(kube: FakeKube, start: Start, counters: Counters) -> None:
    pods = start()
    watching(kube)
    kube.send(b"\x00\xff junk")
    kube.send(b'{"type":"ADDED","object":')
    kube.add(pod("a", "u1"))
    assert until(lambda: pods.get("u1"))
    assert counters.value("outrider_kube_garbage_total") == 2
    kube.end_watches()
    until(lambda: len(kube.lists) == 2)


def test_an_expired_token_is_read_again(kube: FakeKube, start: Start, counters: Counters, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old")
    kube.tokens = {"old"}
    pods = start(token=token)
    watching(kube)
    kube.tokens = {"new"}
    kube.end_watches()
    until(lambda: counters.value("outrider_kube_errors_total", kind="unauthorized"))
    token.write_text("new")
    until(lambda: kube.requests[-1].token == "new")
    kube.add(pod("a", "u1"))
    assert until(lambda: pods.get("u1"))
    assert len([r for r in kube.lists if r.token == "new"]) == 0  # the watch goes on from its version


def test_a_refusal_is_waited_out(kube: FakeKube, start: Start, counters: Counters) -> None:
    kube.fail(403, times=2)
    kube.add(pod("a", "u1"))
    pods = start(retry=0.05)
    assert until(lambda: pods.get("u1"))
    first, second, third = (r.at for r in kube.requests[:3])
    assert second - first > 0.12
    assert third - second > 0.24
    assert counters.value("outrider_kube_errors_total", kind="forbidden") == 2


@pytest.mark.parametrize(("status", "kind"), [(429, "throttled"), (500, "server"), (503, "server"), (404, "rejected")])
def test_other_failures_are_retried(kube: FakeKube, start: Start, counters: Counters, status: int, kind: str) -> None:
    kube.fail(status, times=3)
    kube.add(pod("a", "u1"))
    pods = start()
    assert until(lambda: pods.get("u1"))
    assert counters.value("outrider_kube_errors_total", kind=kind) == 3


def test_retry_after_is_heeded(kube: FakeKube, start: Start) -> None:
    kube.fail(429, headers={"Retry-After": "1"})
    kube.add(pod("a", "u1"))
    pods = start()
    assert until(lambda: pods.get("u1"))
    assert kube.requests[1].at - kube.requests[0].at >= 1.0


def test_mirror_pods_come_and_go_under_the_hash(kube: FakeKube, start: Start) -> None:
    note = {
        "kubernetes.io/config.hash": "h1",
        "kubernetes.io/config.mirror": "h1",
        "kubernetes.io/config.source": "file",
    }
    kube.add(pod("etcd-node-1", "api-uid", annotations=note, owners=[("Node", "node-1")]))
    pods = start()
    assert known(pods, "h1").name == "etcd-node-1"
    assert pods.get("api-uid") is None
    watching(kube)
    kube.delete("api-uid")
    kube.add(pod("etcd-node-1", "api-uid-2", annotations=note, labels={"tier": "control-plane"}))
    until(lambda: known(pods, "h1").labels)


def test_stop_ends_a_watch_at_once(kube: FakeKube, start: Start) -> None:
    kube.silent = True
    pods = start(watch=300.0)
    watching(kube)
    begin = SystemClock().monotonic()
    pods.stop()
    assert SystemClock().monotonic() - begin < 1.5
