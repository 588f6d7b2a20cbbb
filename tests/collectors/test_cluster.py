"""The cluster program as child processes: events to both vendors, one leader, restarts and failovers."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import LEASE, NAMESPACE, ClusterProcess, cluster_process, lease, told
from tests.support.datadog_api import DatadogApi
from tests.support.fake_api import EVENTS, LEASES, FakeApi, event
from tests.support.node import exporter_to
from tests.support.sink import LOST_ACK, Fault, Sink, repeats_are_identical
from tests.support.ticker import Ticker, install
from tests.support.wait import until

FAST = {"batch": {"wait": "50ms"}}


def to_google(sink: Sink) -> dict[str, Any]:
    return {"google": exporter_to(sink, **FAST)}


def to_datadog(api: DatadogApi) -> dict[str, Any]:
    return {"datadog": {"kind": "datadog", "api_key": "k", "metrics_endpoint": api.url, **FAST}}


def names(sink: Sink) -> list[str]:
    """Of the events that came, in the order in which they came."""
    return [one.entry["jsonPayload"]["metadata"]["name"] for one in sink.received()]


def add(api: FakeApi, *some: str, namespace: str = "shop") -> int:
    """Events of these names; the version of the last one."""
    for name in some:
        made = api.put(EVENTS, event(namespace, name, "Pulled", message=f"of {name}"))
    return int(made["metadata"]["resourceVersion"])


def told_up_to(api: FakeApi) -> dict[str, int]:
    found: dict[str, int] = json.loads(told(api) or "{}")
    return found


def test_events_reach_both_vendors(tmp_path: Path) -> None:
    with FakeApi() as api, Sink() as google, DatadogApi() as datadog:
        add(api, "web.1")
        with cluster_process(tmp_path, api, to_google(google) | to_datadog(datadog)) as replica:
            replica.start()
            until(lambda: names(google) == ["web.1"] and datadog.events)
            api.put(EVENTS, event("shop", "web.2", "BackOff", type_="Warning", message="Back-off"))
            version = add(api, "web.1")  # once more
            until(lambda: len(google.received()) == 3 and len(datadog.events) == 3)
            assert [one.insert_id for one in google.received()] == [
                "uid-of-web.1-101",
                *sorted([f"uid-of-web.2-{version - 1}", f"uid-of-web.1-{version}"], reverse=True),
            ]
            severities = {one.entry["severity"] for one in google.received()}
            assert severities == {"INFO", "WARNING"}
            assert {one["title"] for one in datadog.events} == {"Pod shop/web-1: Pulled", "Pod shop/web-1: BackOff"}
            until(lambda: told_up_to(api) == {"google": version, "datadog": version})
            assert replica.metric("outrider_events_told_total") == 6
            assert replica.get("/healthz") == (200, "ok\n")
            assert replica.end() == 0
            assert lease(api)["holderIdentity"] == ""
        assert google.complaints + datadog.complaints == []
        assert "Traceback" not in replica.said


def test_a_restart_tells_what_came_meanwhile_and_nothing_twice(tmp_path: Path) -> None:
    with FakeApi() as api, Sink() as google, DatadogApi() as datadog:
        add(api, "a", "b")
        with cluster_process(tmp_path, api, to_google(google) | to_datadog(datadog)) as replica:
            replica.start()
            until(lambda: len(google.received()) == 2 and len(datadog.events) == 2)
            assert replica.end() == 0
            add(api, "c")
            replica.start()
            until(lambda: len(google.received()) == 3 and len(datadog.events) == 3)
            assert replica.end() == 0
            add(api, "d")
            api.compact()
            replica.start()
            until(lambda: len(google.received()) == 4 and len(datadog.events) == 4)
            assert replica.end() == 0
            assert names(google) == ["a", "b", "c", "d"]
            assert [one["text"] for one in datadog.events][2:] == ["of c", "of d"]


def hold(api: FakeApi, holder: str, **more: Any) -> None:
    """Have the Lease say that this is its holder."""
    found = api.get(LEASES, NAMESPACE, LEASE)
    assert found is not None
    api.put(LEASES, {**found, "spec": {**found["spec"], "holderIdentity": holder, **more}})


def expire(api: FakeApi, holder: str) -> None:
    """The Lease of `holder`, who is dead, was always one of a second: nobody has to wait for the fifteen of it."""
    hold(api, holder, leaseDurationSeconds=1)


@pytest.mark.slow
def test_a_leader_that_is_killed_has_a_successor(tmp_path: Path) -> None:
    with FakeApi() as api, Sink() as google, cluster_process(tmp_path, api, to_google(google)) as first:
        add(api, "a")
        first.start()
        until(lambda: names(google) == ["a"] and told_up_to(api))
        with cluster_process(tmp_path, api, to_google(google), "b") as second:
            second.start()
            assert (first.leads, second.leads) == (True, False)
            last = add(api, "b")
            until(lambda: told_up_to(api) == {"google": last})
            first.kill()
            add(api, "c")
            expire(api, "a_uid-a")
            until(lambda: second.leads)
            add(api, "d")
            until(lambda: len(set(names(google))) == 4)
            assert names(google) == ["a", "b", "c", "d"]
            assert lease(api)["holderIdentity"] == "b_uid-b"
            assert lease(api)["leaseTransitions"] == 1
            assert second.end() == 0


def test_what_was_under_way_when_the_leader_was_killed_is_told_again_as_the_same(tmp_path: Path) -> None:
    with FakeApi() as api, Sink() as google, cluster_process(tmp_path, api, to_google(google)) as first:
        google.next(Fault(LOST_ACK))
        add(api, "a")
        first.start()
        until(lambda: names(google))
        first.kill()
        expire(api, "a_uid-a")
        with cluster_process(tmp_path, api, to_google(google), "b") as second:
            second.start()
            until(lambda: names(google) == ["a", "a"])
            assert repeats_are_identical(google.received())


def test_a_leader_that_ends_in_order_is_followed_at_once(tmp_path: Path) -> None:
    with FakeApi() as api, Sink() as google, cluster_process(tmp_path, api, to_google(google)) as first:
        first.start()
        until(lambda: first.leads)
        with cluster_process(tmp_path, api, to_google(google), "b") as second:
            second.start()
            assert first.end() == 0
            add(api, "a")
            until(lambda: second.leads, timeout=4.0)
            until(lambda: names(google) == ["a"])


def test_a_leader_that_has_lost_the_lease_stops_and_may_lead_again(tmp_path: Path) -> None:
    """Here because somebody else has taken it; that it runs out by itself is told in test_election.py."""
    with FakeApi() as api, Sink() as google, cluster_process(tmp_path, api, to_google(google)) as one:
        one.start()
        until(lambda: one.leads and told_up_to(api))
        hold(api, "thief")
        until(lambda: "ended what only the leader may do" in one.said)
        add(api, "a")
        hold(api, "")
        until(lambda: names(google) == ["a"])
        assert len(api.seen(EVENTS, watch=True)) == 2
        assert one.metric("outrider_leader_terms_total") == 2
        assert lease(api)["leaseTransitions"] == 1


def test_an_api_server_that_restarts(tmp_path: Path) -> None:
    with FakeApi() as api, Sink() as google, cluster_process(tmp_path, api, to_google(google)) as one:
        add(api, "a")
        one.start()
        until(lambda: names(google) == ["a"])
        api.down()
        add(api, "b")
        until(lambda: one.metric("outrider_kube_errors_total", kind="connection") >= 2)
        api.up()
        until(lambda: names(google) == ["a", "b"])
        assert one.metric("outrider_leader_terms_total") == 1
        assert one.get("/readyz")[0] == 200


def test_one_that_is_down_holds_up_nobody_else(tmp_path: Path) -> None:
    with FakeApi() as api, Sink() as google, DatadogApi() as datadog:
        datadog.next(*[Fault(403)] * 1000)
        with cluster_process(tmp_path, api, to_google(google) | to_datadog(datadog)) as replica:
            replica.start()
            until(lambda: told_up_to(api))
            before = told_up_to(api)["datadog"]
            last = add(api, "a", "b")
            until(lambda: told_up_to(api).get("google") == last)
            assert told_up_to(api)["datadog"] == before
            replica.kill()
            datadog.forgive()
            replica.start()
            until(lambda: len(datadog.events) == 2)
            assert names(google) == ["a", "b"]


def test_events_go_by_the_route_of_their_namespace(tmp_path: Path) -> None:
    with FakeApi() as api, Sink() as ours, Sink() as theirs:
        exporters = {"ours": exporter_to(ours, **FAST), "theirs": exporter_to(theirs, **FAST)}
        routes = [{"namespaces": ["customer-*"], "to": ["theirs"]}, {"to": ["ours"]}]
        logs = {"redact": [{"pattern": r"of \w+", "with": "***"}]}
        add(api, "a", namespace="customer-a")
        add(api, "b")
        api.put(EVENTS, event("default", "c", "NodeReady", kind="Node", about="node-1"))
        with cluster_process(tmp_path, api, exporters, routes=routes, logs=logs) as replica:
            replica.start()
            until(lambda: len(ours.received()) == 2 and len(theirs.received()) == 1)
            assert sorted(names(ours)) == ["b", "c"]
            assert theirs.received()[0].entry["jsonPayload"]["message"] == "***"


def test_only_what_comes_from_now_on(tmp_path: Path) -> None:
    with FakeApi() as api, Sink() as google:
        add(api, "a")
        with cluster_process(tmp_path, api, to_google(google), logs={"start": "end"}) as replica:
            replica.start()
            until(lambda: api.seen(EVENTS, watch=True))
            add(api, "b")
            until(lambda: names(google) == ["b"])


def points(replica: ClusterProcess) -> list[dict[str, Any]]:
    return [json.loads(line) for line in replica.said.splitlines() if line.startswith('{"check"')]


def test_the_leader_runs_the_checks(tmp_path: Path) -> None:
    with FakeApi() as api, Ticker() as ticker:
        config = {
            "metrics": {"every": "200ms", "checks": [{"ticker": {"port": ticker.port}}]},
            "events": {"enabled": False},
        }
        screen = {"screen": {"kind": "console", **FAST}}
        with cluster_process(tmp_path, api, screen, **config) as first:
            first.env |= install(tmp_path / "site")
            first.start()
            until(lambda: points(first))
            with cluster_process(tmp_path, api, screen, "b", **config) as second:
                second.env |= install(tmp_path / "site")
                second.start()
                assert first.end() == 0
                assert points(second) == []
                until(lambda: points(second))
                assert points(second)[0].get("node") in (None, "")
                assert second.end() == 0
        assert api.seen(EVENTS) + api.seen(EVENTS, watch=True) == []


def test_a_new_configuration_changes_no_leader(tmp_path: Path) -> None:
    with FakeApi() as api, Sink() as google, Sink() as other, cluster_process(tmp_path, api, to_google(google)) as one:
        add(api, "a")
        one.start()
        until(lambda: names(google) == ["a"])
        one.config["exporters"]["google"]["logs_endpoint"] = other.url
        (one.root / "outrider.yaml").write_text(json.dumps(one.config))
        assert one.process is not None
        one.process.send_signal(signal.SIGHUP)
        until(lambda: one.said.count("telling Kubernetes' events") == 2)  # the old one has ended
        add(api, "b")
        until(lambda: names(other) == ["b"])
        assert names(google) == ["a"]
        assert lease(api)["leaseTransitions"] == 0
        assert one.end() == 0


def test_a_right_that_is_missing_is_named(tmp_path: Path) -> None:
    with FakeApi() as api, cluster_process(tmp_path, api, {"screen": {"kind": "console"}}) as replica:
        api.fail(403, times=1000)
        replica.start(ready=False)
        until(lambda: "it needs `get`, `create` and `update` on leases" in replica.said)
        assert replica.get("/readyz") == (503, f"the Lease {NAMESPACE}/{LEASE} could not be looked at yet\n")
        assert replica.get("/healthz")[0] == 200
        api.forgive()
        until(replica.is_ready)


UNUSABLE: dict[str, tuple[dict[str, Any], str, str]] = {
    "no namespace": ({}, "POD_NAMESPACE", "POD_NAMESPACE is not set"),
    "nothing to do": ({"events": {"enabled": False}}, "", "there is nothing to do"),
    "no API server": ({"kube": {"source": "kubelet"}}, "", "KUBERNETES_SERVICE_HOST"),
}


@pytest.mark.parametrize(("config", "without", "words"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_cannot_work_is_said_at_the_start(
    tmp_path: Path, config: dict[str, Any], without: str, words: str
) -> None:
    with FakeApi() as api, cluster_process(tmp_path, api, {"screen": {"kind": "console"}}, **config) as replica:
        replica.env.pop(without, None)
        replica.start(ready=False)
        assert replica.exit_code() == 78
        assert words in replica.said
        assert "Traceback" not in replica.said
