"""What a route, a pod's labels and the destination's own limits make of a pump, on real files."""

from pathlib import Path

import pytest

from outrider.config import Route
from outrider.model.pod import Pod
from outrider.pipeline import followed as followed_module
from outrider.pipeline.pump import STUCK_AFTER
from tests.pipeline.test_pump import KEY, Rig, lines, write
from tests.support.descriptors import open_descriptors
from tests.support.wait import until


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def pod_of(name: str, app: str) -> Pod:
    return Pod(f"u-{name}", name, "shop", {"app": app}, {}, None)


BY_LABEL = [Route(labels={"app": "gold"}, to=["google"]), Route(to=["datadog"])]


def test_where_labels_decide_a_stream_waits_for_them(rig: Rig) -> None:
    """A line in the wrong project cannot be taken back."""
    rig.routes, rig.book.patient = BY_LABEL, True
    write(rig.pod("web"), ["mine"])
    with rig.running() as pump:
        until(lambda: "u-web" in rig.book.wanted)
        until(pump.accounts)
        assert rig.destination.offered == []
        rig.book.pods["u-web"] = pod_of("web", "gold")
        until(lambda: rig.destination.stored == [b"[gold]mine"])
    assert rig.value("outrider_routed_blind_total") == 0


def test_a_stream_that_goes_elsewhere_leaves_nothing_behind(rig: Rig) -> None:
    rig.routes = BY_LABEL
    rig.book.pods = {"u-web": pod_of("web", "silver"), "u-gold": pod_of("gold", "gold")}
    web, gold = rig.pod("web"), rig.pod("gold")
    write(web, lines(100))
    write(gold, ["mine"])
    before = open_descriptors()
    with rig.running() as pump:
        until(lambda: rig.destination.stored == [b"[gold]mine"])
        until(lambda: [a.stream.pod for a in pump.accounts()] == ["gold"])
        write(web, lines(10))
        write(gold, ["more"])
        until(lambda: rig.destination.stored == [b"[gold]mine", b"[gold]more"])
        assert KEY not in pump.cursors._streams
    assert open_descriptors() <= before + 1, "the live log of the one that is followed"


def test_a_pod_that_never_becomes_known_is_routed_by_its_names_in_the_end(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed_module, "ROUTE_PATIENCE", 0.0)
    rig.routes = [Route(labels={"app": "gold"}, to=["datadog"]), Route(to=["google"])]
    write(rig.pod(), ["nobody's"])
    with rig.running():
        until(lambda: rig.destination.stored == [b"nobody's"])
    assert rig.value("outrider_routed_blind_total", exporter="google") == 1


def test_lines_are_joined_as_the_destination_asks(rig: Rig) -> None:
    """The Agent's way: a backslash and an n."""
    rig.destination.pattern = r"^\d"
    write(rig.pod(), ["1 first", "  more", "  and more", "2 second", "3 third"])
    with rig.running():
        until(lambda: len(rig.destination.stored) == 3)
    assert rig.destination.stored == [rb"1 first\n  more\n  and more", b"2 second", b"3 third"]


def test_no_request_has_more_entries_than_the_destination_takes(rig: Rig) -> None:
    rig.destination.max_entries = 300
    write(rig.pod(), lines(2000))
    write(rig.pod("two"), lines(50))
    with rig.running():
        until(lambda: len(rig.destination.stored) == 2050)
    assert max(map(len, rig.destination.offered)) <= 300
    assert sorted(rig.destination.stored) == sorted(t.encode() for t in lines(2000) + lines(50))


def test_a_limit_holds_one_namespace_back_and_no_other(rig: Rig) -> None:
    rig.routes = [Route(namespaces=["loud"], to=["google"], limit=64 * 1024), Route(to=["google"])]
    loud = rig.pod("loud", namespace="loud")
    write(loud, lines(8000, width=200))
    write(rig.pod("quiet"), lines(500))
    with rig.running():
        until(lambda: sum(e in quiet for e in rig.destination.stored) == 500)
        until(lambda: rig.value("outrider_limited_total", exporter="google", namespace="loud") > 0)
        write(rig.pod("quiet"), ["at once"])
        until(lambda: b"at once" in rig.destination.stored)
        assert len(rig.destination.stored) < 5000, "1.6 MB at 64 KiB a second take 24 s"


quiet = frozenset(t.encode() for t in lines(500))


def test_a_pump_that_stands_still_is_unwell(rig: Rig) -> None:
    with rig.running() as pump:
        now = rig.clock.monotonic()
        assert pump.health(now) is None
        assert "stood still" in (pump.health(now + STUCK_AFTER * 2) or "")
    assert "has ended" in (pump.health(now) or "")


def test_a_destination_that_refuses_is_no_reason_for_a_restart(rig: Rig) -> None:
    rig.destination.open.clear()
    write(rig.pod(), lines(2000, width=300))
    with rig.running(grace=0.1) as pump:
        until(lambda: len(rig.destination.offered) == 2)
        until(lambda: pump.accounts()[0].behind > 0)
        assert pump.health(rig.clock.monotonic()) is None
        rig.destination.open.set()
