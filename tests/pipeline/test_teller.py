"""One exporter's way for events: the mark moves when every answer is there, and not before."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from outrider.config import Batch, Redact
from outrider.exporters.answer import Answer, Verdict
from outrider.exporters.event_destination import EventDestination
from outrider.model.clock import ManualClock
from outrider.model.counters import Counters
from outrider.model.happening import Happening, read_happening
from outrider.pipeline.deadletters import DeadLetters
from outrider.pipeline.redact import Redactor
from outrider.pipeline.teller import Teller
from tests.support.destination import ACCEPTED, FakeDestination, packed
from tests.support.fake_api import event
from tests.support.wait import until


def happening(version: int, message: str = "m") -> Happening:
    made = event("shop", f"e{version}", "Pulled", message=message)
    made["metadata"] |= {"uid": "u", "resourceVersion": str(version)}
    return read_happening(orjson.dumps(made))


class Bench:
    """A teller, and everything around it."""

    def __init__(self, directory: Path) -> None:
        self.destination, self.counters, self.clock = FakeDestination(), Counters(), ManualClock()
        self.letters = DeadLetters(directory, "x", self.clock, self.counters)
        self.unwanted: set[int] = set()
        self.odd: set[int] = set()
        self.redact: list[Redact] = []
        self.batch = Batch(bytes=64 << 10, wait=0.05, in_flight=3)
        self.teller: Teller

    def start(self, mark: int | None = None) -> Teller:
        self.teller = Teller(
            "x",
            EventDestination(self.destination, self._entry),
            self.letters,
            Redactor(self.redact, self.counters, exporter="x"),
            lambda one: one.version not in self.unwanted,
            self.batch,
            mark,
            self.clock,
            self.counters,
        )
        self.teller.start()
        return self.teller

    def _entry(self, some: Happening) -> bytes:
        if some.version in self.odd:
            raise ValueError("it is odd")
        return packed(f"{some.version} {orjson.loads(some.content)['message']}".encode())

    @property
    def stored(self) -> list[str]:
        return [one.decode() for one in self.destination.stored]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.destination.open.set()
    made.teller.stop(0.0)


def test_in_order_and_with_the_mark(bench: Bench) -> None:
    teller = bench.start()
    for version in range(1, 6):
        teller.hand(happening(version), version)
    until(lambda: teller.mark == 5)
    assert bench.stored == [f"{version} m" for version in range(1, 6)]
    assert bench.counters.value("outrider_events_told_total", exporter="x") == 5
    teller.hand(None, 9)  # a bookmark
    until(lambda: teller.mark == 9)


def test_the_mark_waits_for_the_answer(bench: Bench) -> None:
    bench.destination.open.clear()
    teller = bench.start(mark=3)
    teller.hand(happening(4), 4)
    until(lambda: bench.destination.offered)
    assert teller.mark == 3
    bench.destination.open.set()
    until(lambda: teller.mark == 4)


def test_a_list_moves_the_mark_at_its_end(bench: Bench) -> None:
    teller = bench.start()
    teller.hand(happening(7), None)
    teller.hand(happening(5), None)
    until(lambda: len(bench.stored) == 2)
    assert teller.mark is None
    teller.hand(None, 8)
    until(lambda: teller.mark == 8)


@pytest.mark.parametrize("verdict", [Verdict.RETRY, Verdict.HOLD, Verdict.REFRESH])
def test_what_passes_or_can_be_mended_is_waited_out(bench: Bench, verdict: Verdict) -> None:
    answers = iter([Answer(verdict, "no")] * 4)
    bench.destination.answer = lambda _: next(answers, ACCEPTED)
    teller = bench.start()
    teller.hand(happening(1), 1)
    until(lambda: teller.mark == 1)
    assert len(bench.destination.offered) == 5
    assert bench.stored == ["1 m"]


def test_what_is_refused_for_good_is_buried_and_the_rest_goes_on(bench: Bench) -> None:
    def judge(entries: list[bytes]) -> Answer:
        return Answer(Verdict.SPLIT, "bad") if any(b"2 " in e for e in entries) else ACCEPTED

    bench.destination.answer = judge
    teller = bench.start()
    for version in (1, 2, 3):
        teller.hand(happening(version), version)
    until(lambda: teller.mark == 3)
    assert bench.stored == ["1 m", "3 m"]
    assert b"2 m" in bench.letters.path.read_bytes()


def test_what_no_entry_can_be_made_of_is_buried_redacted(bench: Bench) -> None:
    bench.redact = [Redact(pattern="hush", with_="***")]
    bench.odd = {1}
    teller = bench.start()
    teller.hand(happening(1, "hush now"), 1)
    teller.hand(happening(2, "hush too"), 2)
    until(lambda: teller.mark == 2)
    assert bench.stored == ["2 *** too"]
    buried = bench.letters.path.read_text()
    assert "it is odd" in buried
    assert "*** now" in buried
    assert "hush" not in buried


def test_what_goes_elsewhere_moves_the_mark_and_nothing_else(bench: Bench) -> None:
    bench.unwanted = {1, 2}
    teller = bench.start()
    teller.hand(happening(1), 1)
    teller.hand(happening(2), 2)
    until(lambda: teller.mark == 2)
    assert bench.destination.offered == []


def test_requests_keep_to_the_limits_and_several_are_in_flight(bench: Bench) -> None:
    bench.destination.max_entries = 1
    bench.destination.open.clear()
    teller = bench.start()
    for version in range(1, 8):
        teller.hand(happening(version), version)
    until(lambda: len(bench.destination.offered) == 3)
    bench.destination.open.set()
    until(lambda: teller.mark == 7)
    assert all(len(request) == 1 for request in bench.destination.offered)
    assert sorted(bench.stored) == [f"{version} m" for version in range(1, 8)]


def test_the_reader_waits_while_there_is_no_room(bench: Bench) -> None:
    bench.destination.open.clear()
    teller = bench.start()
    handed: list[int] = []

    def hand() -> None:
        for version in range(1, 201):
            teller.hand(happening(version, "x" * 1000), version)
            handed.append(version)

    reader = threading.Thread(target=hand, daemon=True)
    reader.start()
    until(lambda: bench.destination.offered and len(handed) > 20)
    assert not _ends(reader)
    assert len(handed) < 64
    bench.destination.open.set()
    until(lambda: teller.mark == 200)
    reader.join(5)
    assert len(bench.stored) == 200


def _ends(thread: threading.Thread) -> bool:
    thread.join(0.1)
    return not thread.is_alive()


def test_an_end_in_order_tells_what_is_here(bench: Bench) -> None:
    bench.destination.open.clear()
    teller = bench.start()
    teller.hand(happening(1), 1)
    teller.hand(happening(2), 2)
    stopping = threading.Thread(target=teller.stop, args=(5.0,))
    stopping.start()
    bench.destination.open.set()
    stopping.join(5)
    assert teller.mark == 2
    assert bench.destination.closed
    teller.hand(happening(3), 3)  # is dropped, and nobody waits
    assert teller.mark == 2


def test_an_end_at_once_leaves_the_mark_where_it_is(bench: Bench) -> None:
    bench.destination.answer = lambda _: Answer(Verdict.RETRY, "no")
    teller = bench.start(mark=1)
    full = threading.Thread(target=_fill, args=(teller.hand,), daemon=True)
    full.start()
    until(lambda: bench.destination.offered)
    teller.stop(0.0)
    full.join(5)
    assert not full.is_alive()
    assert teller.mark == 1
    assert teller.health() is None


def _fill(hand: Callable[[Happening | None, int | None], Any]) -> None:
    for version in range(2, 300):
        hand(happening(version, "x" * 1000), version)
