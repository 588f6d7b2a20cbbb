"""Delivery: every verdict leads where the module says, pauses grow and end, and no entry is lost or skipped."""

import itertools
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.exporters.answer import Answer, Verdict
from outrider.model.clock import ManualClock
from outrider.model.counters import Counters
from outrider.pipeline.deadletters import DeadLetters
from outrider.pipeline.deliver import Delivery
from tests.support.destination import ACCEPTED, FakeDestination, packed, unpacked
from tests.support.wait import until


class Bench:
    """One delivery with everything around it, in manual time."""

    def __init__(self, directory: Path) -> None:
        self.destination = FakeDestination()
        self.clock, self.counters, self.stop = ManualClock(), Counters(), threading.Event()
        self.letters = DeadLetters(directory, "google", self.clock, self.counters)
        self.delivery = Delivery("google", self.destination, self.letters, self.clock, self.counters, self.stop)

    def answers(self, *answers: Answer) -> None:
        """What the next requests are answered; then everything is accepted."""
        queue = iter(answers)
        self.destination.answer = lambda _: next(queue, ACCEPTED)

    def timed(self, *answers: Answer) -> float:
        """Seconds that one batch takes with these answers."""
        self.answers(*answers)
        began = self.clock.monotonic()
        assert self.deliver([b'"x"']) == []
        return self.clock.monotonic() - began

    def deliver(self, entries: list[bytes]) -> list[int] | None:
        return self.delivery.deliver([packed(entry) for entry in entries], len(entries))

    def buried(self) -> list[tuple[str, object]]:
        if not self.letters.path.exists():
            return []
        found = [orjson.loads(line) for line in self.letters.path.read_bytes().splitlines()]
        return [(x["error"], orjson.loads(x["entry"])) for x in found]

    def value(self, name: str, **labels: str) -> int:
        return self.counters.value(name, exporter="google", **labels)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def entries(n: int) -> list[bytes]:
    return [b'"%d"' % i for i in range(n)]


def test_accepted_is_one_request(bench: Bench) -> None:
    assert bench.deliver(entries(3)) == []
    assert bench.destination.offered == [entries(3)]
    assert bench.value("outrider_entries_accepted_total") == 3
    assert bench.value("outrider_requests_total", verdict="accepted") == 1


def test_nothing_is_not_sent(bench: Bench) -> None:
    assert bench.deliver([]) == []
    assert bench.destination.offered == []


@pytest.mark.parametrize(
    ("answer", "at_least", "at_most"),
    [
        (Answer(Verdict.RETRY, "503"), 0.25, 0.5),
        (Answer(Verdict.REFRESH, "401"), 0.25, 0.5),
        (Answer(Verdict.HOLD, "403"), 2.5, 5.0),
        (Answer(Verdict.RETRY, "429", retry_after=17.0), 17.0, 17.0),
        (Answer(Verdict.RETRY, "429", retry_after=0.0), 0.25, 0.5),
        (Answer(Verdict.HOLD, "403", retry_after=90.0), 90.0, 90.0),
        (Answer(Verdict.RETRY, "503", retry_after=1e9), 600.0, 600.0),
    ],
)
def test_the_first_pause(bench: Bench, answer: Answer, at_least: float, at_most: float) -> None:
    assert at_least <= bench.timed(answer) <= at_most
    assert bench.destination.offered == [[b'"x"'], [b'"x"']], "the same request again"
    assert bench.destination.refreshed == (answer.verdict is Verdict.REFRESH)


def test_pauses_double_up_to_a_minute_and_begin_anew_after_a_success(bench: Bench) -> None:
    stamps: list[float] = []

    def judge(_: list[bytes]) -> Answer:
        stamps.append(bench.clock.monotonic())
        return Answer(Verdict.RETRY, "503") if len(stamps) <= 12 else ACCEPTED

    bench.destination.answer = judge
    assert bench.deliver([b"1"]) == []
    pauses = [after - before for before, after in itertools.pairwise(stamps)]
    for n, pause in enumerate(pauses):
        longest = min(0.5 * 2**n, 60.0)
        assert longest / 2 <= pause <= longest
    assert len(pauses) == 12
    assert bench.timed(Answer(Verdict.RETRY, "503")) <= 0.5


def test_every_attempt_waits_its_own_random_time(bench: Bench) -> None:
    assert len({bench.timed(Answer(Verdict.RETRY, "503")) for _ in range(10)}) > 5


@pytest.mark.parametrize("verdict", [Verdict.RETRY, Verdict.HOLD, Verdict.REFRESH])
def test_the_end_of_the_program_breaks_a_pause_off(bench: Bench, verdict: Verdict) -> None:
    def judge(_: list[bytes]) -> Answer:
        bench.stop.set()
        return Answer(verdict, "no")

    bench.destination.answer = judge
    assert bench.deliver(entries(3)) is None
    assert len(bench.destination.offered) == 1
    assert bench.buried() == []


def test_after_the_end_nothing_is_begun(bench: Bench) -> None:
    bench.stop.set()
    assert bench.deliver(entries(3)) is None
    assert bench.destination.offered == []


def test_partial_success_counts_buries_and_repeats_only_what_may_succeed(bench: Bench) -> None:
    bench.answers(Answer(Verdict.PARTIAL, "some", rejected={1: "too big", 7: "never"}, again=frozenset({0, 4, 9})))
    assert bench.deliver(entries(5)) == [1]
    assert bench.destination.offered == [entries(5), [b'"0"', b'"4"']]
    assert bench.buried() == [("too big", "1")]
    assert bench.value("outrider_entries_rejected_total") == 1


def test_a_destination_that_breaks_its_promise_is_tried_again(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    calls = 0

    def judge(_: list[bytes]) -> Answer:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError("a bug")
        return ACCEPTED

    bench.destination.answer = judge
    assert bench.deliver(entries(2)) == []
    assert bench.destination.stored == entries(2)
    assert "a bug" in caplog.text


def test_trouble_is_said_once_and_its_end_too(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    no, other = Answer(Verdict.RETRY, "HTTP 503: no"), Answer(Verdict.HOLD, "HTTP 403: never")
    bench.answers(no, no, no, other, other)
    assert bench.deliver([b"1"]) == []
    said = [(r.levelname, r.getMessage().split(" (")[0]) for r in caplog.records]
    assert said == [
        ("WARNING", "google: HTTP 503: no"),
        ("ERROR", "google: HTTP 403: never"),
        ("INFO", "google takes entries again"),
    ]
    assert bench.delivery.trouble is None


# -- halving ----------------------------------------------------------------------------------------------------------


def refuses(guilty: Callable[[bytes], bool]) -> Callable[[list[bytes]], Answer]:
    return lambda part: Answer(Verdict.SPLIT, "HTTP 400: bad") if any(map(guilty, part)) else ACCEPTED


def test_one_bad_entry_of_a_thousand_costs_few_requests(bench: Bench) -> None:
    bench.destination.answer = refuses(lambda e: e == b'"617"')
    assert bench.deliver(entries(1000)) == [617]
    assert bench.buried() == [("HTTP 400: bad", "617")]
    assert bench.destination.stored == [e for e in entries(1000) if e != b'"617"'], "in order"
    assert len(bench.destination.offered) <= 2 * 10 + 1


def test_an_entry_with_a_plainer_form_is_sent_in_it(bench: Bench) -> None:
    bench.destination.answer = refuses(lambda e: e == b'"1"')
    bench.destination.plain = {b'"1"': b'"one"'}
    assert bench.deliver(entries(3)) == []
    assert bench.destination.stored == [b'"0"', b'"one"', b'"2"']
    assert bench.buried() == []


def test_a_plainer_form_that_is_refused_as_well_is_buried(bench: Bench) -> None:
    bench.destination.answer = refuses(lambda e: e in (b'"1"', b'"one"'))
    bench.destination.plain = {b'"1"': b'"one"'}
    assert bench.deliver(entries(3)) == [1]
    assert bench.buried() == [("HTTP 400: bad", "one")]


@given(st.integers(1, 60), st.data())
def test_whatever_is_refused_all_others_are_stored_once_and_in_order(n: int, data: st.DataObject) -> None:
    guilty = data.draw(st.sets(st.integers(0, n - 1)))
    flaky: Iterator[bool] = iter(data.draw(st.lists(st.booleans(), max_size=20)))
    bench = Bench(Path("/dev/null/nowhere"))
    buried: list[bytes] = []
    bench.letters.bury = lambda entry, words: buried.append(unpacked(entry))  # type: ignore[method-assign]  # noqa: ARG005
    split = refuses(lambda e: int(e.strip(b'"')) in guilty)
    bench.destination.answer = lambda part: Answer(Verdict.RETRY, "503") if next(flaky, False) else split(part)
    assert bench.deliver(entries(n)) == sorted(guilty)
    assert bench.destination.stored == [e for i, e in enumerate(entries(n)) if i not in guilty]
    assert buried == [e for i, e in enumerate(entries(n)) if i in guilty]


# -- a destination that refuses everything ----------------------------------------------------------------------------


def test_where_a_plain_test_entry_is_refused_too_no_entry_is_blamed(bench: Bench) -> None:
    """A project that does not exist, a log bucket that was deleted: every entry would end among the dead letters."""
    said = iter([Answer(Verdict.SPLIT, "HTTP 400: no such project")] * 3)
    bench.destination.answer = lambda _: next(said, ACCEPTED)
    bench.destination.probed = Answer(Verdict.SPLIT, "HTTP 400: the test entry too")
    assert bench.deliver(entries(1)) == []
    assert bench.buried() == []
    assert bench.value("outrider_requests_total", verdict="hold") == 3


def test_a_destination_that_takes_the_test_entry_is_asked_once_a_minute(bench: Bench) -> None:
    bench.destination.answer = refuses(lambda _: True)
    assert bench.deliver(entries(20)) == list(range(20))
    assert len(bench.buried()) == 20
    assert bench.destination.probes == 1
    bench.clock.advance(61)
    assert bench.deliver(entries(1)) == [0]
    assert bench.destination.probes == 2


def test_a_destination_that_took_something_lately_is_not_asked(bench: Bench) -> None:
    bench.destination.answer = refuses(lambda e: e == b'"2"')
    assert bench.deliver(entries(4)) == [2]
    assert bench.destination.probes == 0


def test_renewed_credentials_are_tried_within_a_second(bench: Bench) -> None:
    def judge(_: list[bytes]) -> Answer:
        if len(bench.destination.offered) == 4:
            bench.destination.renewed = True
        return Answer(Verdict.HOLD, "403") if len(bench.destination.offered) <= 4 else ACCEPTED

    bench.destination.answer = judge
    assert bench.deliver([b"1"]) == []
    first_three = (5.0 + 10.0 + 20.0) / 2
    assert bench.clock.monotonic() - 1000.0 <= 2 * first_three + 1.0


def test_held_entries_are_offered_again_within_half_a_minute(bench: Bench) -> None:
    """Somebody who has renewed a key or granted a right need not restart anything, nor wait long."""
    stamps: list[float] = []

    def judge(_: list[bytes]) -> Answer:
        stamps.append(bench.clock.monotonic())
        return Answer(Verdict.HOLD, "403") if len(stamps) <= 10 else ACCEPTED

    bench.destination.answer = judge
    assert bench.deliver([b"1"]) == []
    assert max(after - before for before, after in itertools.pairwise(stamps)) <= 30.0


def test_a_request_that_goes_well_says_nothing_about_one_that_is_held(bench: Bench) -> None:
    """Senders work side by side: the alarm about a held batch must not go out because another one was taken."""
    held, stop = threading.Event(), threading.Event()

    def judge(entries: list[bytes]) -> Answer:
        if b"held" in entries and not stop.is_set():
            held.set()
            return Answer(Verdict.HOLD, "HTTP 403: no")
        return ACCEPTED

    bench.destination.answer = judge
    holding = threading.Thread(target=bench.deliver, args=([b"held"],))
    holding.start()
    held.wait(5)
    until(lambda: bench.delivery.trouble)
    for _ in range(20):
        assert bench.deliver([b"other"]) == []
        assert bench.delivery.trouble == "HTTP 403: no"
    stop.set()
    holding.join(5)
    assert bench.delivery.trouble is None


def test_an_entry_that_is_taken_out_of_a_request_says_what_was_common(bench: Bench) -> None:
    sent: list[tuple[list[bytes], bytes]] = []

    class Refusing(FakeDestination):
        def send(self, pieces: list[bytes], common: bytes = b"") -> Answer:
            sent.append((pieces, common))
            return Answer(Verdict.SPLIT, "no") if b"bad" in b"".join(pieces) else ACCEPTED

        def plainer(self, entry: bytes) -> bytes | None:  # noqa: ARG002
            return None

    delivery = Delivery("google", Refusing(), bench.letters, bench.clock, bench.counters, bench.stop)
    data = b'{"n":1\n},{"n":"bad"\n}'
    assert delivery.deliver([data], 2, b'"resource":{}') == [1]
    assert sent[0] == ([data], b'"resource":{}')
    assert sent[1:] == [([b'{"n":1,"resource":{}}'], b""), ([b'{"n":"bad","resource":{}}'], b"")]
    [letter] = [orjson.loads(line) for line in bench.letters.path.read_bytes().splitlines()]
    assert letter["entry"] == {"n": "bad", "resource": {}}
