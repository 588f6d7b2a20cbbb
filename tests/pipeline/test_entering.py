"""Logs that come over the network: a bounded queue, batches in order, outages, and the end."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from outrider.config import Redact
from outrider.exporters.answer import Answer, Verdict
from outrider.model.clock import SystemClock
from outrider.model.counters import Counters
from outrider.model.pod import Pod
from outrider.model.records import Records
from outrider.model.stream import Stream
from outrider.pipeline.deadletters import DeadLetters
from outrider.pipeline.entering import EACH, Arrived, Entrance
from outrider.pipeline.redact import Redactor
from outrider.pipeline.sampling import Sampler
from tests.support.destination import ACCEPTED, FakeDestination
from tests.support.wait import until

WEB, DB = Stream("shop", "web-1", "uid-1", "web", 0), Stream("shop", "web-1", "uid-1", "db", 0)
POD = Pod("uid-1", "web-1", "shop", labels={"app": "a"})
RETRY = Answer(Verdict.RETRY, "HTTP 503: later")


class Rig:
    def __init__(self, folder: Path, most: int = 1 << 20, room: int = 1 << 20, redact: tuple[Redact, ...] = ()) -> None:
        self.counters, self.destination, self.numbers = Counters(), FakeDestination(), iter(range(10**6))
        clock = SystemClock()
        self.letters = folder / "dead"
        self.entrance = Entrance(
            "dd", self.destination, DeadLetters(self.letters, "dd", clock, self.counters),
            Redactor(redact, self.counters), room, most, 0.01, clock, self.counters,
        )  # fmt: skip

    def arrived(self, *contents: str, stream: Stream = WEB, pod: Pod | None = None, **more: Sampler) -> Arrived:
        rows = [(next(self.numbers), b"", b"stdout", content.encode()) for content in contents]
        return Arrived(stream, pod, Records.of(rows), "g", **more)

    def offer(self, *contents: str, **more: object) -> bool:
        return self.entrance.offer(self.arrived(*contents, **more))  # type: ignore[arg-type]

    def stored(self, n: int) -> list[str]:
        until(lambda: len(self.destination.stored) >= n)
        return [entry.decode() for entry in self.destination.stored]

    def given_up(self, reason: str) -> int:
        return self.counters.value("outrider_received_given_up_total", reason=reason)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.destination.open.set()
    rig.entrance.stop(0.0)
    rig.entrance.give_up()


def test_records_arrive_in_order_and_share_requests(rig: Rig) -> None:
    for i in range(0, 300, 3):
        assert rig.offer(f"{i}", f"{i + 1}", f"{i + 2}", stream=WEB if i % 2 else DB)
    rig.entrance.start()
    assert rig.stored(300) == [str(i) for i in range(300)]
    assert len(rig.destination.offered) == 1
    rig.offer("and one more")
    assert rig.stored(301)[-1] == "and one more"


def test_a_batch_is_no_larger_than_the_destination_takes(tmp_path: Path) -> None:
    rig = Rig(tmp_path, room=1000)
    rig.offer("x" * 300, "y" * 300, "z" * 300, "w" * 300)
    rig.offer("a")
    rig.entrance.start()
    assert rig.stored(5) == ["x" * 300, "y" * 300, "z" * 300, "w" * 300, "a"]
    assert all(sum(map(len, request)) <= 1000 for request in rig.destination.offered)
    rig.entrance.stop(1.0)


def test_when_the_queue_is_full_nothing_more_is_taken(tmp_path: Path) -> None:
    rig = Rig(tmp_path, most=2 * (EACH + 10))
    assert rig.offer("0123456789")
    assert rig.offer("0123456789")
    assert not rig.offer("x")
    rig.entrance.start()
    rig.stored(2)
    until(lambda: rig.offer("x"))
    assert rig.stored(3)[-1] == "x"
    rig.entrance.stop(1.0)
    assert not rig.offer("too late")


def test_what_belongs_together_is_taken_or_refused_together(tmp_path: Path) -> None:
    """Or a client that is sent back would bring a part of it twice."""
    rig = Rig(tmp_path, most=3 * (EACH + 1))
    assert rig.entrance.offer(rig.arrived("a"), rig.arrived("b", stream=DB))
    assert not rig.entrance.offer(rig.arrived("c"), rig.arrived("d", stream=DB))
    assert rig.offer("e")
    rig.entrance.start()
    assert rig.stored(3) == ["a", "b", "e"]
    rig.entrance.stop(1.0)


def test_one_that_is_larger_than_the_queue_is_taken_if_it_is_alone(tmp_path: Path) -> None:
    rig = Rig(tmp_path, most=100)
    assert rig.offer("x" * 1000)
    rig.entrance.start()
    assert len(rig.stored(1)[0]) == 1000
    rig.entrance.stop(1.0)


def test_an_outage_is_bridged(rig: Rig) -> None:
    answers = iter([RETRY, ACCEPTED, ACCEPTED])
    rig.destination.answer = lambda _: next(answers)
    rig.entrance.start()
    rig.offer("1")
    until(lambda: rig.destination.offered)
    rig.offer("2")
    assert rig.stored(2) == ["1", "2"]
    assert [entries[0] for entries in rig.destination.offered] == [b"1", b"1", b"2"]


def test_what_is_refused_is_buried_and_the_rest_goes_on(rig: Rig) -> None:
    rig.destination.answer = lambda entries: (
        Answer(Verdict.PARTIAL, "", rejected={0: "no"}) if entries[0] == b"bad" else ACCEPTED
    )
    rig.entrance.start()
    rig.offer("bad")
    until(lambda: rig.counters.value("outrider_entries_rejected_total") == 1)
    rig.offer("good")
    assert rig.stored(1) == ["good"]


def test_a_record_that_cannot_be_encoded_is_buried_alone(rig: Rig) -> None:
    rig.destination.choke_on = b"choke"
    rig.entrance.start()
    rig.offer("a", "b", "choke", "c")
    assert rig.stored(3) == ["a", "b", "c"]
    assert "choke" in (rig.letters / "dd.ndjson").read_text()


def test_records_are_redacted_and_sampled(tmp_path: Path) -> None:
    rig = Rig(tmp_path, redact=(Redact(pattern="secret", with_="***"),))
    none = Sampler({"DEBUG": 0.0}, rig.counters, "dd")
    rig.entrance.start()
    rig.offer('{"severity":"DEBUG","message":"a"}', '{"severity":"INFO","message":"a secret"}', sampler=none)
    assert rig.stored(1) == ['{"severity":"INFO","message":"a ***"}']
    rig.entrance.stop(1.0)


def test_what_is_known_of_the_pod_is_kept_until_it_changes(rig: Rig) -> None:
    rig.entrance.start()
    for pod in (None, None, POD, POD):
        rig.offer("x", pod=pod)
    assert rig.stored(4) == ["x", "x", "[a]x", "[a]x"]
    assert rig.destination.contexts == [(WEB, None), (WEB, POD)]


def test_the_end_sends_what_is_there(rig: Rig) -> None:
    rig.offer("1", "2")
    rig.entrance.start()
    rig.entrance.stop(5.0)
    assert rig.stored(2) == ["1", "2"]
    assert rig.given_up("ended") == 0


def test_what_cannot_be_sent_until_the_end_is_counted(rig: Rig) -> None:
    rig.destination.answer = lambda _: RETRY
    rig.entrance.start()
    rig.offer("1", "2")
    until(lambda: rig.destination.offered)
    rig.offer("3")
    rig.entrance.stop(0.1)
    rig.entrance.give_up()
    assert rig.given_up("ended") == 3
    assert rig.destination.closed


def test_what_cannot_be_sent_may_be_left_to_a_successor(rig: Rig, tmp_path: Path) -> None:
    rig.destination.answer = lambda _: RETRY
    rig.entrance.start()
    rig.offer("1")
    until(lambda: rig.destination.offered)
    rig.offer("2")
    rig.entrance.stop(0.1)
    successor = Rig(tmp_path / "successor")
    for arrived in rig.entrance.leave():
        assert successor.entrance.offer(arrived)
    successor.entrance.start()
    assert successor.stored(2) == ["1", "2"]
    successor.entrance.stop(1.0)
    assert rig.given_up("ended") == 0


def test_a_hung_destination_holds_up_no_end(rig: Rig) -> None:
    rig.destination.open.clear()
    rig.entrance.start()
    rig.offer("1")
    until(lambda: rig.destination.offered)
    rig.entrance.stop(0.1)
    assert rig.entrance.health() is None
    assert any(thread.name == "outrider-entrance-dd" for thread in threading.enumerate()), "it hangs in a request"
