"""What a route, a pod's labels and the destination's own limits make of a pump, on real files."""

from pathlib import Path

import pytest

from outrider.config import Route
from outrider.model.pod import Pod
from outrider.pipeline import followed as followed_module
from outrider.pipeline.batch import BatchLimits
from outrider.pipeline.followed import Followed
from outrider.pipeline.packing import Packer
from outrider.pipeline.pump import STUCK_AFTER
from outrider.tail.positions import Taken
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
        until(lambda: pump.accounts()[0].bytes.behind > 0)
        assert pump.health(rig.clock.monotonic()) is None
        rig.destination.open.set()


# -- what must not happen, and did ------------------------------------------------------------------------------------


def test_lines_that_were_left_out_hold_no_cursor_when_a_large_record_follows(rig: Rig) -> None:
    """A batch may hold a stream's span and no entry of it."""
    rig.destination.leave_out, rig.limits = b"drop", BatchLimits(bytes=64 * 1024, wait=20.0, in_flight=2)
    size = write(rig.pod(), ["drop"] * 600 + ["y" * 150_000] + lines(100))
    with rig.running() as pump:
        until(lambda: len(rig.destination.stored) == 101, timeout=25)
        until(lambda: pump.cursors.save() and rig.committed() == size, timeout=25)


def test_at_the_start_many_streams_of_one_namespace_are_no_more_than_one(rig: Rig) -> None:
    rig.limits = BatchLimits(bytes=256 * 1024, wait=0.05, in_flight=1)
    for n in range(30):
        write(rig.pod(f"noisy-{n}", namespace="noisy"), lines(1500, width=200))
    write(rig.pod("quiet", namespace="quiet"), ["quiet"])
    rig.destination.open.clear()
    with rig.running() as pump:
        until(lambda: len(pump.accounts()) == 31)
        rig.destination.open.set()
        until(lambda: b"quiet" in rig.destination.stored, timeout=20)
        before = rig.destination.stored.index(b"quiet")
    assert before <= 4 * 256 * 1024 / 200, "its turn came in the first round, not after thirty chunks"


def break_once_at(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """What brings it to the batch raises, the first time."""
    bring = Packer.bring
    broken: list[bool] = []

    def breaking(packer: Packer, followed: Followed, taken: Taken, since: float) -> None:
        if any(content in r[3] for r in taken.records) and not broken:
            broken.append(True)
            raise MemoryError
        bring(packer, followed, taken, since)

    monkeypatch.setattr(Packer, "bring", breaking)


def test_a_stream_that_broke_an_assumption_goes_on_and_owes_what_it_lost(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_once_at(b"line 5", monkeypatch)
    pod = rig.pod()
    with rig.running():
        write(pod, ["line 4"])
        until(lambda: rig.destination.stored == [b"line 4"])
        write(pod, ["line 5"])
        until(lambda: rig.value("outrider_pump_errors_total", exporter="google"))
        write(pod, ["line 6"])
        until(lambda: b"line 6" in rig.destination.stored)
    with rig.running():
        until(lambda: b"line 5" in rig.destination.stored)


def test_what_follows_a_broken_assumption_does_not_join_the_request_of_what_was_before(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the answer for that would move the cursor over what was never sent."""
    rig.limits = BatchLimits(wait=30.0)
    break_once_at(b"line 5", monkeypatch)
    pod = rig.pod()
    with rig.running():
        write(pod, ["line 3"])
        until(lambda: rig.destination.stored == [b"line 3"])
        write(pod, ["line 4"])
        until(lambda: rig.value("outrider_lines_read_total") == 2)
        write(pod, ["line 5"])
        until(lambda: rig.value("outrider_pump_errors_total", exporter="google"))
        write(pod, ["line 6"])
        until(lambda: rig.value("outrider_lines_read_total") == 4)
    assert b"line 6" in rig.destination.stored, "what was read is sent at the end"
    with rig.running():
        until(lambda: b"line 5" in rig.destination.stored)


def test_the_lag_of_a_stream_that_falls_behind_grows(rig: Rig) -> None:
    """Also when every turn of it finds something: what is measured is the line that waits, not the last look."""
    rig.routes = [Route(to=["google"], limit=64 * 1024)]
    pod = rig.pod()
    with rig.running() as pump:
        write(pod, ["first"])
        until(lambda: rig.destination.stored == [b"first"])
        until(lambda: pump.accounts()[0].bytes.behind == 0)
        write(pod, lines(8000, width=200))
        until(lambda: pump.accounts()[0].bytes.behind > 0)
        began = rig.clock.monotonic()
        until(lambda: rig.clock.monotonic() - began > 1.5, every=0.1)
        assert 1.0 < pump.accounts()[0].behind_seconds < 10.0


def test_a_stream_that_waits_for_its_pod_has_waited_since_it_was_found(rig: Rig) -> None:
    rig.book.patient = True
    write(rig.pod(), ["x"])
    with rig.running() as pump:
        until(pump.accounts)
        assert pump.accounts()[0].behind_seconds < 60
