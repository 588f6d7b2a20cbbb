"""The kubelet source against a stand-in kubelet: polling, hurry, refusals, rotated tokens, junk."""

from collections.abc import Callable
from pathlib import Path

import pytest

from outrider.kube.client import KubeClient, KubeError, TokenFile
from outrider.kube.kubelet import KubeletSource
from outrider.kube.pods import Pods
from outrider.kube.source import Backoff
from outrider.model.clock import SystemClock
from outrider.model.counters import Counters
from tests.support.fake_kube import FakeKube, known, pod
from tests.support.wait import until

Start = Callable[..., Pods]


@pytest.fixture
def start(kube: FakeKube, counters: Counters, run: Callable[..., Pods]) -> Start:
    def begin(
        every: float = 60.0, gap: float = 0.02, token: Path | None = None, retry: float = 0.02, details: bool = False
    ) -> Pods:
        clock = SystemClock()
        client = KubeClient(kube.url, TokenFile(token) if token else None, None, clock)
        source = KubeletSource(client, clock, counters, every=every, gap=gap, retry=retry, details=details)
        return run(source, lambda _: None)

    return begin


def test_pods_are_known_after_the_first_look(kube: FakeKube, start: Start) -> None:
    kube.add(pod("web-1", "u1", namespace="shop", labels={"app": "web"}, owners=[("StatefulSet", "web")]))
    pods = start()
    found = known(pods, "u1")
    assert (found.name, found.namespace, found.labels) == ("web-1", "shop", {"app": "web"})
    assert found.controller is not None
    assert found.controller.type == "StatefulSet"
    assert kube.requests[0].path == "/pods"


@pytest.mark.parametrize("details", [False, True])
def test_details_are_kept_only_if_they_are_wanted(kube: FakeKube, start: Start, details: bool) -> None:
    kube.add(pod("web-1", "u1"))
    found = known(start(details=details), "u1")
    assert (found.phase, list(found.containers)) == (("Running", ["main"]) if details else ("", []))


def test_unreadable_details_are_counted(kube: FakeKube, start: Start, counters: Counters) -> None:
    kube.add(pod("a", "u1", labels={"app": "a"}, spec={"containers": "none"}))
    assert known(start(details=True), "u1").labels == {"app": "a"}
    until(lambda: counters.value("outrider_kube_partial_total") == 1)


def test_an_unknown_uid_triggers_a_quick_look(kube: FakeKube, start: Start) -> None:
    pods = start(every=60.0)
    until(lambda: kube.requests)
    kube.add(pod("late", "u2"))
    pods.want("u2")
    assert known(pods, "u2", timeout=2).name == "late"


def test_looks_go_on_until_the_kubelet_knows_the_pod(kube: FakeKube, start: Start) -> None:
    pods = start(every=60.0)
    until(lambda: kube.requests)
    pods.want("u2")
    until(lambda: len(kube.requests) >= 4)
    kube.add(pod("later still", "u2"))
    assert known(pods, "u2", timeout=2).name == "later still"


def test_quick_looks_keep_the_gap_and_end(kube: FakeKube, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outrider.kube.pods.PATIENCE", 0.5)
    pods = start(every=60.0, gap=0.1)
    until(lambda: kube.requests)
    pods.want("never")
    until(lambda: not pods.pressing())
    seen = len(kube.requests)
    assert 2 <= seen <= 7
    gaps = [b.at - a.at for a, b in zip(kube.requests, kube.requests[1:], strict=False)]
    assert min(gaps) > 0.09
    pods.want("never")  # asked for again at every chunk: must not begin anew
    assert not pods.pressing()
    with pytest.raises(AssertionError):
        until(lambda: len(kube.requests) > seen + 1, timeout=0.3)


def test_without_hurry_the_list_is_read_at_its_own_pace(kube: FakeKube, start: Start) -> None:
    pods = start(every=0.1)
    kube.add(pod("a", "u1"))
    until(lambda: pods.get("u1"))
    kube.add(pod("a", "u1", labels={"v": "2"}))
    until(lambda: known(pods, "u1").labels == {"v": "2"})


def test_a_replaced_token_file_is_used(kube: FakeKube, start: Start, counters: Counters, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old\n")
    kube.tokens = {"new"}
    kube.add(pod("a", "u1"))
    pods = start(token=token)
    until(lambda: counters.value("outrider_kube_errors_total", kind="unauthorized") >= 2)
    assert pods.get("u1") is None
    token.write_text("new\n")
    assert until(lambda: pods.get("u1"))
    assert {r.token for r in kube.requests} == {"old", "new"}


def test_a_refusal_is_counted_and_hurry_does_not_shorten_the_wait(
    kube: FakeKube, start: Start, counters: Counters
) -> None:
    kube.fail(403, times=1000)
    pods = start(retry=0.1)  # 5 x 0.1 s after a refusal, half of it at least
    until(lambda: counters.value("outrider_kube_errors_total", kind="forbidden") == 1)
    for n in range(20):
        pods.want(f"u{n}")
    until(lambda: counters.value("outrider_kube_errors_total", kind="forbidden") == 2)
    until(lambda: counters.value("outrider_kube_errors_total", kind="forbidden") == 3)
    first, second, third = (r.at for r in kube.requests[:3])
    assert second - first > 0.24
    assert third - second > 0.49


def test_junk_is_counted_and_survived(kube: FakeKube, start: Start, counters: Counters) -> None:
    kube.raw_list = b"<html>not yet</html>"
    pods = start()
    until(lambda: counters.value("outrider_kube_errors_total", kind="garbage"))
    kube.raw_list = b'{"items":[7,{"metadata":{"name":"a","namespace":"b","uid":"u1"}}]}'
    assert until(lambda: pods.get("u1"))
    assert counters.value("outrider_kube_garbage_total") >= 1


def test_health_tells_the_last_failure(kube: FakeKube, start: Start, counters: Counters) -> None:
    pods = start(every=10.0)
    until(lambda: counters.value("outrider_kube_lists_total"))
    now = SystemClock().monotonic()
    assert pods.health(now + 59) is None
    assert "no answer" in str(pods.health(now + 61))
    kube.fail(403, times=1000)
    pods.want("x")
    until(lambda: counters.value("outrider_kube_errors_total", kind="forbidden"))
    reason = str(pods.health(now + 120))
    assert "403" in reason
    assert "nodes/pods" in reason


@pytest.mark.parametrize(
    ("kind", "n", "low", "high"),
    [
        ("server", 1, 0.5, 1.0),
        ("server", 2, 1.0, 2.0),
        ("server", 4, 4.0, 8.0),
        ("server", 50, 30.0, 60.0),
        ("forbidden", 1, 2.5, 5.0),
        ("forbidden", 50, 150.0, 300.0),
    ],
)
def test_backoff_doubles_to_its_cap(kind: str, n: int, low: float, high: float) -> None:
    for _ in range(20):  # the jitter is random
        backoff = Backoff()
        wait = [backoff.after(KubeError(kind, "")) for _ in range(n)][-1]
        assert low <= wait <= high
        backoff.reset()
        assert backoff.after(KubeError("server", "")) <= 1.0


def test_backoff_heeds_retry_after_within_reason() -> None:
    assert Backoff().after(KubeError("throttled", "", retry_after=17)) == 17
    assert Backoff().after(KubeError("throttled", "", retry_after=1e9)) == 300
