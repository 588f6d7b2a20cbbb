"""One leader: the rules of a Lease, each with the time that it takes, against a stand-in API server."""

import random
from collections.abc import Callable

import pytest

from outrider.kube.client import KubeClient
from outrider.kube.election import DURATION, RENEW, RETRY, Election
from outrider.kube.lease import NOTE, Lease
from outrider.model.clock import ManualClock, SystemClock
from outrider.model.counters import Counters
from tests.support.cluster import LEASE, NAMESPACE, lease
from tests.support.fake_api import LEASES, FakeApi
from tests.support.wait import until

Make = Callable[..., Election]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def make(api: FakeApi, clock: ManualClock) -> Make:
    def made(identity: str, note: str = "", counters: Counters | None = None) -> Election:
        client = KubeClient(api.url, None, None, SystemClock())
        return Election(Lease(client, NAMESPACE, LEASE), identity, lambda: note, clock, counters or Counters())

    return made


def note(api: FakeApi) -> str:
    found = api.get(LEASES, NAMESPACE, LEASE)
    assert found is not None
    annotation: str = found["metadata"]["annotations"][NOTE]
    return annotation


def test_the_first_one_makes_the_lease(api: FakeApi, make: Make, clock: ManualClock) -> None:
    one = make("a")
    assert one.ready() == f"the Lease {NAMESPACE}/{LEASE} could not be looked at yet"
    assert one.turn() == RETRY
    assert (one.leads, one.term, one.told, one.ready()) == (True, 1, "", None)
    assert lease(api) == {
        "holderIdentity": "a",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-05-28T20:26:40.000000Z",
        "renewTime": "2026-05-28T20:26:40.000000Z",
        "leaseTransitions": 0,
    }
    clock.advance(RETRY)
    one.turn()
    assert lease(api)["renewTime"] == "2026-05-28T20:26:42.000000Z"
    assert lease(api)["acquireTime"] == "2026-05-28T20:26:40.000000Z"


def test_another_one_waits_until_nothing_has_changed_for_the_duration(
    api: FakeApi, make: Make, clock: ManualClock
) -> None:
    one, other = make("a", "told by a"), make("b")
    one.turn()
    one.turn()
    for _ in range(20):
        assert RETRY <= other.turn() <= 1.2 * RETRY
        assert not other.leads
        clock.advance(RETRY)
        one.turn()
    other.turn()  # this is what it has seen last
    clock.advance(DURATION)
    other.turn()
    assert not other.leads
    clock.advance(0.1)
    other.turn()
    assert (other.leads, other.told, one.leads) == (True, "told by a", False)
    assert lease(api)["holderIdentity"] == "b"
    assert lease(api)["leaseTransitions"] == 1
    assert note(api) == "told by a"


def test_a_clock_that_is_wrong_makes_nobody_a_leader(make: Make, clock: ManualClock) -> None:
    one, other = make("a"), make("b")
    one.turn()
    other.turn()
    clock.jump(86400)
    other.turn()
    assert not other.leads
    clock.jump(-2 * 86400)
    other.turn()
    assert (one.leads, other.leads) == (True, False)


def test_who_cannot_renew_stops_before_another_one_may_begin(api: FakeApi, make: Make, clock: ManualClock) -> None:
    one, other = make("a"), make("b")
    one.turn()
    other.turn()
    api.fail(503, times=1000)
    led = 0.0
    while one.leads:
        pause = one.turn()
        assert pause <= RETRY
        clock.advance(pause or 0.01)
        led += pause
    assert RENEW - 0.1 <= led <= RENEW
    api.forgive()
    other.turn()
    assert not other.leads
    clock.advance(DURATION - RENEW + 0.1)
    other.turn()
    assert other.leads


def test_a_request_that_hangs_does_not_lengthen_the_lead(make: Make, clock: ManualClock) -> None:
    one = make("a")
    one.turn()
    clock.advance(RENEW)
    assert not one.leads  # without any turn


def test_a_lease_that_somebody_else_has_taken_is_let_go(api: FakeApi, make: Make) -> None:
    one = make("a")
    one.turn()
    found = api.get(LEASES, NAMESPACE, LEASE)
    assert found is not None
    api.put(LEASES, {**found, "spec": {**found["spec"], "holderIdentity": "thief"}})
    one.turn()  # 409: it was changed
    assert one.leads
    one.turn()
    assert not one.leads
    assert lease(api)["holderIdentity"] == "thief"


def test_what_others_have_written_into_the_lease_stays(api: FakeApi, make: Make) -> None:
    one = make("a", "7")
    one.turn()
    found = api.get(LEASES, NAMESPACE, LEASE)
    assert found is not None
    meta = {**found["metadata"], "annotations": {"owner": "team-a"}, "labels": {"tier": "x"}}
    api.put(LEASES, {**found, "metadata": meta, "spec": {**found["spec"], "strategy": "OldestEmulationVersion"}})
    one.turn()
    one.turn()
    changed = api.get(LEASES, NAMESPACE, LEASE)
    assert changed is not None
    assert changed["metadata"]["annotations"] == {"owner": "team-a", NOTE: "7"}
    assert changed["metadata"]["labels"] == {"tier": "x"}
    assert changed["spec"]["strategy"] == "OldestEmulationVersion"


def test_a_lease_that_is_removed_is_made_anew_with_what_was_told(api: FakeApi, make: Make) -> None:
    one = make("a", "told")
    one.turn()
    api.delete(LEASES, NAMESPACE, LEASE)
    one.turn()  # 404
    one.turn()
    assert (one.leads, one.term) == (True, 1)
    assert lease(api)["holderIdentity"] == "a"
    assert note(api) == "told"


def test_a_renewal_whose_answer_was_lost_is_no_end(api: FakeApi, make: Make) -> None:
    one = make("a")
    one.turn()
    found = api.get(LEASES, NAMESPACE, LEASE)
    assert found is not None
    api.put(LEASES, found)  # it was written, and nobody said so
    one.turn()
    one.turn()
    assert one.leads
    assert one.term == 1


@pytest.mark.parametrize(("last", "holder"), [(True, ""), (False, "a")])
def test_an_end_in_order(api: FakeApi, make: Make, last: bool, holder: str) -> None:
    one, other = make("a", "newest"), make("b")
    one.turn()
    one.end(last)
    assert lease(api)["holderIdentity"] == holder
    assert note(api) == "newest"
    other.turn()
    assert other.leads is last
    assert other.told == ("newest" if last else "")


def test_the_same_pod_goes_on_at_once(api: FakeApi, make: Make) -> None:
    make("a").turn()
    again = make("a")
    again.turn()
    assert again.leads
    assert lease(api)["leaseTransitions"] == 0


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_without_an_answer_nobody_leads_and_nothing_ends(api: FakeApi, make: Make, status: int) -> None:
    counters = Counters()
    one = make("a", counters=counters)
    api.fail(status, times=2)
    one.turn()
    one.turn()
    assert not one.leads
    assert one.ready() is not None
    assert counters.value("outrider_kube_errors_total") == 2
    one.turn()
    assert one.leads


def test_garbage_is_no_lease(api: FakeApi, make: Make) -> None:
    one = make("a")
    api.put(LEASES, {"metadata": {"name": LEASE, "namespace": NAMESPACE}, "spec": {"holderIdentity": 7}})
    one.turn()
    assert not one.leads


def test_a_lease_without_a_holder_may_be_had(api: FakeApi, make: Make) -> None:
    api.put(LEASES, {"metadata": {"name": LEASE, "namespace": NAMESPACE}, "spec": {}})
    one = make("a")
    one.turn()
    assert one.leads


def test_silence_is_told(api: FakeApi, make: Make, clock: ManualClock) -> None:
    one = make("a")
    one._ending.set()  # the thread is not run here
    one.turn()
    api.fail(503, times=1000)
    clock.advance(320)
    one.turn()
    assert one.health(clock.monotonic()) is None
    clock.advance(10)
    assert "nothing heard for 330 s" in str(one.health(clock.monotonic()))


def test_the_thread_takes_the_turns(api: FakeApi) -> None:
    client = KubeClient(api.url, None, None, SystemClock())
    one = Election(Lease(client, NAMESPACE, LEASE), "a", str, SystemClock(), Counters())
    one.start()
    until(lambda: one.leads)
    assert one.health(SystemClock().monotonic()) is None
    one.end(last=True)
    assert lease(api)["holderIdentity"] == ""


@pytest.mark.parametrize("seed", range(5))
def test_whatever_fails_two_never_lead(api: FakeApi, make: Make, clock: ManualClock, seed: int) -> None:
    chance = random.Random(seed)
    replicas = [make(name) for name in "abc"]
    due = {one.identity: clock.monotonic() for one in replicas}
    led = set()
    for _ in range(150):
        one = min(replicas, key=lambda one: due[one.identity])
        clock.advance(max(due[one.identity] - clock.monotonic(), 0.0))
        if chance.random() < 0.1:
            api.fail(503, times=chance.randint(1, 12))
        if chance.random() < 0.03:
            due[one.identity] = clock.monotonic() + chance.uniform(5, 40)  # it is held up for as long
        else:
            due[one.identity] = clock.monotonic() + one.turn()
        leaders = [one.identity for one in replicas if one.leads]
        assert len(leaders) <= 1
        led.update(leaders)
    assert led
