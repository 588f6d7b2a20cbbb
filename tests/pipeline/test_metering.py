"""Reports on their way to one destination: in order, again when it fails, within bounds, and every loss counted."""

import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest

from outrider.exporters.answer import Answer, Verdict
from outrider.model.clock import ManualClock, SystemClock
from outrider.model.counters import Counters
from outrider.pipeline.metering import INBOX, Meter
from outrider.pipeline.pauses import FIRST_HOLD, LONGEST_HOLD, LONGEST_PAUSE
from tests.support.meter import ACCEPTED, FakeMetrics, report
from tests.support.wait import until

RETRY = Answer(Verdict.RETRY, "HTTP 503: later")


class Rig:
    """A meter whose turns a test takes: nothing happens in between, and time stands still."""

    def __init__(self, most: int = 1000, gather: float = 1.0) -> None:
        self.clock, self.counters, self.destination = ManualClock(), Counters(), FakeMetrics()
        self.meter = Meter("acme", self.destination, most, gather, self.clock, self.counters)

    def offer(self, *numbers: int, points: int = 2) -> None:
        for number in numbers:
            self.meter.offer(report(number, points))

    def turns(self, seconds: float = 0.0) -> float | None:
        """Turns until none is due for `seconds`; how long until the next one then."""
        end = self.clock.monotonic() + seconds
        while (pause := self.meter.turn()) is not None and self.clock.monotonic() + pause <= end:
            self.clock.advance(pause)
        self.clock.advance(end - self.clock.monotonic())
        return pause

    def count(self, name: str, **labels: str) -> int:
        return self.counters.value(f"outrider_{name}_total", exporter="acme", **labels)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_the_first_report_goes_at_once_and_those_that_follow_go_together_and_in_order(rig: Rig) -> None:
    assert rig.meter.turn() is None
    rig.offer(1)
    assert rig.turns() is None
    assert rig.destination.encoded == [[1]]
    rig.offer(2)
    assert rig.turns(0.5) is not None
    rig.offer(3)
    assert rig.turns(0.4) is not None
    assert rig.destination.encoded == [[1]]
    assert rig.turns(0.1) is None
    assert rig.destination.encoded == [[1], [2, 3]]
    rig.turns(1.0)
    rig.offer(4)
    rig.turns()
    assert rig.destination.stored == [1, 2, 3, 4]
    assert rig.count("points_sent", what="points") == 8
    assert rig.count("metric_requests", verdict="accepted") == 4


def test_what_fails_is_tried_again_before_anything_newer(rig: Rig) -> None:
    answers = [RETRY, RETRY, ACCEPTED]
    rig.destination.answer = lambda _: answers.pop(0) if answers else ACCEPTED
    rig.offer(1, 2)
    rig.turns(1.0)
    rig.offer(3)
    rig.turns(10.0)
    assert rig.destination.offered == [1, 1, 1, 2, 3]
    assert rig.destination.stored == [1, 2, 3]
    assert rig.count("points_given_up") == 0


def test_pauses_grow_and_have_a_longest(rig: Rig) -> None:
    rig.destination.answer = lambda _: RETRY
    rig.destination.lives = 1e9
    rig.offer(1)
    pauses = []
    for _ in range(12):
        pause = rig.meter.turn()
        assert pause is not None
        pauses.append(pause)
        rig.clock.advance(pause)
    assert 0.25 <= pauses[0] <= 0.5
    assert all(LONGEST_PAUSE / 2 <= pause <= LONGEST_PAUSE for pause in pauses[-3:])


@pytest.mark.parametrize(
    ("answer", "least", "most"),
    [
        (Answer(Verdict.RETRY, "429", retry_after=120.0), 120.0, 120.0),
        (Answer(Verdict.RETRY, "429", retry_after=1e6), 600.0, 600.0),
        (Answer(Verdict.HOLD, "403"), FIRST_HOLD / 2, LONGEST_HOLD),
        (Answer(Verdict.REFRESH, "401"), 0.25, 0.5),
    ],
)
def test_how_long_an_answer_makes_it_wait(rig: Rig, answer: Answer, least: float, most: float) -> None:
    rig.destination.answer = lambda _: answer
    rig.offer(1)
    pause = rig.turns()
    assert pause is not None
    assert least <= pause + 1e-6
    assert pause <= most
    assert rig.destination.refreshed == (answer.verdict is Verdict.REFRESH)
    rig.destination.answer = lambda _: ACCEPTED
    rig.turns(pause)
    assert rig.destination.stored == [1]


def test_a_payload_that_nobody_wants_any_more_is_given_up(rig: Rig) -> None:
    rig.destination.answer = lambda _: RETRY
    rig.offer(1)
    rig.turns(1800.0)
    rig.destination.now = rig.clock.now()
    rig.offer(2, points=3)
    rig.turns(1800.0 + LONGEST_PAUSE)
    assert rig.count("points_given_up", reason="expired", what="points") == 2
    rig.destination.answer = lambda _: ACCEPTED
    rig.turns(LONGEST_PAUSE)
    assert rig.destination.stored == [2]


def test_the_queue_is_bounded_and_loses_its_oldest(rig: Rig) -> None:
    rig.destination.answer = lambda _: RETRY
    for number in range(15):
        rig.offer(number)
        rig.turns(1.0)
    [family] = [f for f in rig.counters.families() if f.name == "outrider_metric_queue_bytes"]
    assert family.samples == [((("exporter", "acme"),), 1000.0)]
    assert rig.count("points_given_up", reason="queue") == 10
    rig.destination.answer = lambda _: ACCEPTED
    rig.turns(LONGEST_PAUSE)
    assert rig.destination.stored == list(range(5, 15))


def test_one_payload_may_be_larger_than_the_bound(rig: Rig) -> None:
    rig.destination.size = 5000
    rig.offer(1)
    rig.turns(1.0)
    assert rig.destination.stored == [1]


def test_points_do_not_wait_for_events(rig: Rig) -> None:
    rig.destination.what = lambda number: "events" if number > 100 else "points"
    rig.offer(101, 102, 1, 103, 2)
    rig.turns()
    assert rig.destination.stored == [1, 2, 101, 102, 103]


def test_a_flood_of_events_takes_the_room_of_events(rig: Rig) -> None:
    rig.destination.what = lambda number: "events" if number > 100 else "points"
    rig.destination.size, rig.destination.answer = 200, lambda _: RETRY
    rig.offer(1, 2, *range(101, 200), 3)
    rig.turns()
    assert [rig.count("points_given_up", reason="queue", what=what) for what in ("points", "events")] == [0, 97 * 2]
    assert [payload.body for payload in rig.meter.leave()[1]] == [1, 2, 3, 198, 199]


def test_many_reports_are_encoded_at_once_and_whoever_has_more_may_wait(rig: Rig) -> None:
    rig.offer(1)
    rig.turns()
    rig.offer(2)
    assert rig.meter.turn() == 1.0
    assert rig.meter.has_room()
    rig.offer(3, points=INBOX // 2)
    assert not rig.meter.has_room()
    rig.meter.turn()
    assert (rig.destination.stored, rig.meter.has_room()) == ([1, 2], True)


def test_a_queue_that_fills_has_no_room_unless_nothing_is_taken_anyway(rig: Rig) -> None:
    rig.destination.size = 300
    rig.offer(1, 2, 3)
    rig.meter.turn()
    assert not rig.meter.has_room()
    rig.destination.answer = lambda _: RETRY
    rig.meter.turn()
    assert rig.meter.has_room()


def test_reports_that_pile_up_during_a_request_are_bounded_too(rig: Rig) -> None:
    rig.offer(1, points=INBOX)
    rig.offer(2, points=INBOX)
    rig.offer(3)
    assert rig.count("points_given_up", reason="inbox", what="points") == 2 * INBOX
    assert rig.count("points_given_up", reason="inbox", what="service_checks") == 2
    rig.turns(1.0)
    assert rig.destination.stored == [3]


def test_a_tenant_that_floods_loses_what_is_its_own(rig: Rig) -> None:
    rig.offer(1)
    for number in range(2, 8):
        of = report(number, INBOX // 4)
        rig.meter.offer(replace(of, subject=replace(of.subject, namespace="flood")))
    rig.turns(1.0)
    assert rig.destination.stored == [1, 5, 6, 7]


@pytest.mark.parametrize(
    ("answer", "refused", "words"),
    [
        (Answer(Verdict.PARTIAL, rejected={1: "too old"}), 1, "1 of 2 points refused: too old"),
        (Answer(Verdict.PARTIAL, "two", rejected={0: "a", 1: "b"}), 2, "2 of 2 points refused: b"),
        (Answer(Verdict.SPLIT, "HTTP 413: too large"), 2, "2 of 2 points refused: HTTP 413: too large"),
    ],
)
def test_what_is_refused_for_good_is_counted_and_said_once(
    rig: Rig, answer: Answer, refused: int, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    rig.destination.answer = lambda _: answer
    rig.offer(1, 2, 3)
    assert rig.turns(1.0) is None
    assert rig.destination.offered == [1, 2, 3], "nothing is sent again"
    assert rig.count("points_refused") == 3 * refused
    assert rig.count("points_sent") == 6 - 3 * refused
    assert caplog.text.count(words) == 1


def test_a_trouble_is_said_when_it_begins_and_when_it_ends(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    rig.destination.answer = lambda _: Answer(Verdict.HOLD, "HTTP 403: no such key")
    began = rig.clock.monotonic()
    rig.offer(1)
    rig.turns(300.0)
    assert (rig.meter.trouble, rig.meter.trouble_since) == ("HTTP 403: no such key", began)
    rig.destination.answer = lambda _: ACCEPTED
    rig.turns(LONGEST_HOLD)
    assert rig.meter.trouble is None
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("ERROR", "acme: metrics: HTTP 403: no such key (hold; they wait)"),
        ("INFO", "acme takes metrics again"),
    ]


def test_a_destination_that_breaks_its_promise_ends_nothing(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: object) -> Answer:
        raise KeyError("oops")

    rig.destination.answer = broken
    rig.offer(1)
    rig.turns()
    assert rig.meter.trouble == "unexpected failure: KeyError: 'oops'"
    rig.destination.answer = lambda _: ACCEPTED
    rig.turns(LONGEST_PAUSE)
    rig.destination.choke = True
    rig.offer(2)
    rig.turns(1.0)
    rig.destination.choke = False
    rig.offer(3)
    rig.turns(1.0)
    assert rig.destination.stored == [1, 3]
    assert rig.count("points_given_up", reason="failure", what="points") == 2
    assert caplog.text.count("Traceback") == 2


# -- with its thread --------------------------------------------------------------------------------------------------


class Running:
    """A meter at work on the machine's clock."""

    def __init__(self, gather: float = 0.01) -> None:
        self.counters, self.destination = Counters(), FakeMetrics(lives=1e9)
        self.meter = self.another(self.destination, gather)
        self.meter.start()

    def another(self, destination: FakeMetrics, gather: float = 0.01) -> Meter:
        return Meter("acme", destination, 1000, gather, SystemClock(), self.counters)

    def given_up(self, reason: str) -> int:
        return self.counters.value("outrider_points_given_up_total", reason=reason)


@pytest.fixture
def running() -> Iterator[Running]:
    running = Running()
    yield running
    running.destination.open.set()
    running.meter.stop(0.0)


def test_one_thread_does_everything(running: Running) -> None:
    for number in range(1, 4):
        running.meter.offer(report(number))
        until(lambda number=number: running.destination.stored == list(range(1, number + 1)))  # type: ignore[misc]
    assert len(running.destination.threads) == 1
    assert running.meter.health() is None


def test_the_end_sends_what_is_there_at_once() -> None:
    running = Running(gather=30.0)
    running.meter.offer(report(1))
    running.meter.stop(5.0)
    assert running.destination.stored == [1]
    running.meter.give_up()
    assert running.destination.closed
    assert running.given_up("ended") == 0
    running.meter.offer(report(2))
    assert running.given_up("ended") == 3, "what comes after the end: two points and a service check"


def test_the_end_waits_for_a_slow_destination_but_not_for_a_dead_one(running: Running) -> None:
    answers = [RETRY, RETRY]
    running.destination.answer = lambda _: answers.pop() if answers else ACCEPTED
    running.meter.offer(report(1))
    running.meter.stop(5.0)
    assert running.destination.stored == [1]
    dead = Running()
    dead.destination.answer = lambda _: RETRY
    dead.meter.offer(report(1))
    until(lambda: dead.destination.offered)
    dead.meter.stop(0.1)
    dead.meter.give_up()
    assert (dead.destination.stored, dead.given_up("ended")) == ([], 2)


def test_a_pause_does_not_keep_the_end_from_a_last_attempt(running: Running) -> None:
    running.destination.answer = lambda _: Answer(Verdict.RETRY, "429", retry_after=500.0)
    running.meter.offer(report(1))
    until(lambda: running.meter.trouble)
    running.destination.answer = lambda _: ACCEPTED
    running.meter.stop(5.0)
    assert running.destination.stored == [1]


def test_a_request_that_hangs_holds_up_no_end(running: Running) -> None:
    running.destination.open.clear()
    running.meter.offer(report(1))
    until(lambda: running.destination.offered == [1])
    running.meter.offer(report(2))
    running.meter.stop(0.05)
    destination, left = running.meter.leave()
    assert destination is None, "it is still in use"
    assert [payload.body for payload in left] == [1]
    assert running.given_up("ended") == 3, "nobody could encode what came meanwhile"
    running.destination.open.set()
    until(lambda: running.destination.stored == [1])
    assert running.counters.value("outrider_points_sent_total") == 0, "that is the successor's to say"


def test_a_successor_goes_on_with_what_is_left(running: Running) -> None:
    running.destination.answer = lambda _: RETRY
    for number in (1, 2):
        running.meter.offer(report(number))
    until(lambda: running.meter.trouble)
    running.meter.stop(0.05)
    fresh = FakeMetrics()
    successor = running.another(fresh)
    successor.take_over(*running.meter.leave())
    assert fresh.closed, "the one that knows the values from before goes on"
    running.destination.answer = lambda _: ACCEPTED
    successor.start()
    successor.offer(report(3))
    until(lambda: running.destination.stored == [1, 2, 3])
    successor.stop(1.0)
    assert running.given_up("ended") == 0
