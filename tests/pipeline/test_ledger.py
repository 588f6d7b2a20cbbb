"""The books come out: on real files, at every moment, whatever is acknowledged, in flight, left out or lost."""

from pathlib import Path

import pytest

from outrider.config import Route
from outrider.exporters.answer import Answer, Verdict
from outrider.pipeline.ledger import Account, families
from outrider.pipeline.pump import Pump
from tests.pipeline.test_pump import ACCEPTED, Rig, lines, write
from tests.support.wait import until


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def balanced(account: Account) -> bool:
    b = account.bytes
    sums = b.skipped + b.acknowledged + b.in_flight + sum(b.lost.values()) + b.behind
    answered = account.accepted + account.rejected + account.left_out + account.entries_in_flight
    return b.disk == sums and account.entries == answered


def only(pump: Pump) -> Account:
    until(pump.accounts)
    [account] = pump.accounts()
    assert balanced(account), account
    return account


def test_what_is_delivered_is_acknowledged(rig: Rig) -> None:
    size = write(rig.pod(), lines(3000))
    with rig.running() as pump:
        until(lambda: len(rig.destination.stored) == 3000)
        until(lambda: only(pump).bytes.acknowledged == size)
        account = only(pump)
        assert (account.bytes.disk, account.bytes.read, account.bytes.behind, account.bytes.in_flight) == (
            size,
            size,
            0,
            0,
        )
        assert (account.entries, account.accepted) == (3000, 3000)
        assert account.behind_seconds == 0


def test_while_a_destination_hangs_the_rest_is_in_flight_or_behind(rig: Rig) -> None:
    rig.destination.open.clear()
    size = write(rig.pod(), lines(20_000, width=200))
    with rig.running() as pump:
        until(lambda: len(rig.destination.offered) == 2)
        account = only(pump)
        assert account.bytes.disk == size
        assert account.bytes.acknowledged == 0
        assert account.bytes.in_flight > 0
        assert account.bytes.behind > 0
        assert account.behind_seconds > 0
        rig.destination.open.set()
        until(lambda: only(pump).bytes.acknowledged == size, timeout=20)


def test_a_restart_skips_what_was_delivered_before(rig: Rig) -> None:
    pod = rig.pod()
    first = write(pod, lines(100))
    with rig.running():
        until(lambda: len(rig.destination.stored) == 100)
    both = write(pod, lines(50, start=100))
    with rig.running() as pump:
        until(lambda: len(rig.destination.stored) == 150)
        until(lambda: only(pump).bytes.acknowledged == both - first)
        assert (only(pump).bytes.skipped, only(pump).bytes.disk) == (first, both)


def test_refused_entries_are_booked_to_their_own_stream(rig: Rig) -> None:
    guilty = lines(300)[123].encode()
    rig.destination.answer = lambda part: Answer(Verdict.SPLIT, "bad") if guilty in part else ACCEPTED
    write(rig.pod("web"), lines(300))
    write(rig.pod("other"), ["x"] * 50)
    with rig.running() as pump:
        until(lambda: len(rig.destination.stored) == 349)
        until(lambda: sum(a.entries_in_flight for a in pump.accounts()) == 0)
        books = {a.stream.pod: a for a in pump.accounts()}
    assert all(map(balanced, books.values()))
    assert (books["web"].accepted, books["web"].rejected) == (299, 1)
    assert (books["other"].accepted, books["other"].rejected) == (50, 0)


def test_rotations_and_what_cannot_be_encoded_balance_too(rig: Rig) -> None:
    rig.destination.choke_on = b"7 "
    pod = rig.pod()
    with rig.running() as pump:
        for n in range(8):
            write(pod, lines(40, start=40 * n))
            pod.container("main").rotate()
            until(lambda n=n: only(pump).entries >= 40 * n)  # type: ignore[misc]
        until(lambda: only(pump).bytes.behind == only(pump).bytes.in_flight == 0)
        until(lambda: only(pump).accepted == 320 - 32)
        assert (only(pump).rejected, only(pump).left_out) == (32, 0)


def test_what_a_route_samples_is_left_out(rig: Rig) -> None:
    rig.routes = [Route(to=["google"], sample={"INFO": 0.5})]
    size = write(rig.pod(), lines(1000))
    with rig.running() as pump:
        until(lambda: only(pump).bytes.acknowledged == size)
        account = only(pump)
    assert account.left_out == rig.value("outrider_entries_sampled_total", exporter="google") > 100
    assert account.accepted == len(rig.destination.stored) == 1000 - account.left_out


def test_every_series_of_the_metrics_is_told_apart(rig: Rig) -> None:
    """A pod of a StatefulSet comes back under its name while the log of the one before is still there."""
    write(rig.pod("db"), ["x"])
    rig.pod("db2").container("main").write("y")
    with rig.running() as pump:
        until(lambda: len(rig.destination.stored) == 2)
        found = families({"google": pump.accounts(), "datadog": pump.accounts()})
    names = [(family.name, labels) for family in found for labels, _ in family.samples]
    assert len(names) == len(set(names))
    assert {dict(labels).get("uid") for _, labels in names} == {"u-db", "u-db2", None}
