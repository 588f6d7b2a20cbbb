"""What a tap shows of what is delivered, and what it cannot do to the delivery."""

import threading
from pathlib import Path
from typing import Any

import orjson
import pytest

from outrider.exporters.answer import Answer, Verdict
from outrider.exporters.glance import Glance
from outrider.model.clock import ManualClock
from outrider.model.counters import Counters
from outrider.model.patterns import PatternError
from outrider.pipeline.deadletters import DeadLetters
from outrider.pipeline.deliver import Delivery
from outrider.pipeline.tap import ROOM, WAITING, Tap
from outrider.pipeline.taps import Shipped, Taps, Wish
from tests.support.destination import ACCEPTED, FakeDestination, packed

LINES = [b"shop/cart-0/server one", b"shop/cart-0/server two", b"bank/till-0/main three"]


def shown(tap: Tap) -> list[dict[str, Any]]:
    """What a tap has to say by now."""
    return [orjson.loads(line) for line in b"".join(tap.lines()).splitlines()]


def shipped(*entries: bytes, answer: Answer = ACCEPTED, settled: bool = True, exporter: str = "google") -> Shipped:
    pieces = [packed(entry) for entry in entries]
    return Shipped(exporter, pieces, b"", len(entries), answer, settled, FakeDestination().glance)


class Delivering:
    """A delivery whose taps can be read; `answers` are those of its next requests."""

    def __init__(self, directory: Path, *answers: Answer) -> None:
        clock, counters, queue = ManualClock(), Counters(), iter(answers)
        self.destination, self.taps = FakeDestination(), Taps(["google"])
        self.destination.answer = lambda _: next(queue, ACCEPTED)
        letters = DeadLetters(directory, "google", clock, counters)
        stop = threading.Event()
        self._delivery = Delivery("google", self.destination, letters, clock, counters, stop, self.taps)

    def deliver(self, *entries: bytes) -> None:
        assert self._delivery.deliver([packed(entry) for entry in entries], len(entries)) is not None


def brief(told: dict[str, Any]) -> tuple[Any, ...]:
    return told.get("text", told.get("entries")), told["verdict"], told["words"]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([], [("one", "accepted", ""), ("two", "accepted", ""), ("three", "accepted", "")]),
        (
            [Answer(Verdict.PARTIAL, "some", rejected={1: "too old"})],
            [("one", "accepted", ""), ("two", "rejected", "too old"), ("three", "accepted", "")],
        ),
        (
            [Answer(Verdict.PARTIAL, "some", again=frozenset({0}), rejected={2: "bad"})],
            [("two", "accepted", ""), ("three", "rejected", "bad"), (1, "partial", "some"), ("one", "accepted", "")],
        ),
        (
            [Answer(Verdict.RETRY, "HTTP 503"), Answer(Verdict.HOLD, "HTTP 403")],
            [(3, "retry", "HTTP 503"), (3, "hold", "HTTP 403"), ("one", "accepted", "")],
        ),
        (
            [Answer(Verdict.SPLIT, "HTTP 400"), Answer(Verdict.SPLIT, "one is bad"), ACCEPTED],
            [(3, "split", "HTTP 400"), ("one", "rejected", "one is bad"), ("two", "accepted", "")],
        ),
    ],
)
def test_every_entry_is_shown_with_what_became_of_it(
    tmp_path: Path, answers: list[Answer], expected: list[tuple[Any, ...]]
) -> None:
    delivering = Delivering(tmp_path, *answers)
    tap = delivering.taps.add(Wish())
    delivering.deliver(*LINES)
    assert [brief(told) for told in shown(tap)][: len(expected)] == expected
    assert shown(tap) == []


def test_an_entry_is_shown_as_it_was_sent_and_whose_it_is(tmp_path: Path) -> None:
    delivering = Delivering(tmp_path)
    delivering.deliver(b"shop/cart-0/server before")
    tap = delivering.taps.add(Wish())
    delivering.deliver(LINES[0])
    delivering.taps.remove(tap)
    delivering.deliver(b"shop/cart-0/server after")
    assert shown(tap) == [
        {
            "exporter": "google", "verdict": "accepted", "words": "", "time": "2026-06-02T10:00:00Z",
            "severity": "INFO", "namespace": "shop", "pod": "cart-0", "container": "server", "text": "one",
            "entry": "shop/cart-0/server one",
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        (Wish(), ["one", "two", "three", "four"]),
        (Wish(namespaces=("shop",)), ["one", "two", "four"]),
        (Wish(namespaces=("b*k", "nobody")), ["three"]),
        (Wish(namespaces=("sho",)), []),
        (Wish(exporters=("datadog",)), ["four"]),
        (Wish(exporters=("datadog", "google")), ["one", "two", "three", "four"]),
        (Wish(grep="^t"), ["two", "three"]),
        (Wish(grep="shop"), []),
        (Wish(namespaces=("shop",), exporters=("google",), grep="o"), ["one", "two"]),
    ],
)
def test_filters(wish: Wish, expected: list[str]) -> None:
    tap = Tap(wish)
    tap.offer(shipped(*LINES))
    tap.offer(shipped(b"shop/cart-0/server four", exporter="datadog"))
    assert [told["text"] for told in shown(tap)] == expected


def test_a_pattern_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(PatternError):
        Taps().add(Wish(grep="("))


def test_what_comes_too_fast_is_dropped_and_counted() -> None:
    tap = Tap(Wish())
    tap.offer(shipped(b"shop/cart-0/server " + b"x" * 2 * ROOM))  # alone it may be as large as it likes
    tap.offer(shipped(*LINES))
    tap.offer(shipped(*LINES, answer=Answer(Verdict.RETRY), settled=False))
    tap.offer(shipped(LINES[0]))
    first, *rest = shown(tap)
    assert first == {"dropped": 4}
    assert [len(told["text"]) for told in rest] == [2 * ROOM]
    tap.offer(shipped(LINES[0]))
    assert [told["text"] for told in shown(tap)] == ["one"]


def test_requests_without_entries_are_bounded_too() -> None:
    tap = Tap(Wish())
    for _ in range(WAITING + 10):
        tap.offer(shipped(*LINES, answer=Answer(Verdict.RETRY, "HTTP 503"), settled=False))
    assert len(shown(tap)) == WAITING


def test_an_entry_that_cannot_be_read_is_shown_as_it_is() -> None:
    def glance(_: bytes) -> Glance:
        raise RecursionError

    tap = Tap(Wish())
    tap.offer(shipped(LINES[0])._replace(glance=glance))
    (told,) = shown(tap)
    assert (told["text"], told["namespace"], told["verdict"]) == ('"shop/cart-0/server one"', "", "accepted")


def test_who_follows_hears_that_there_is_nothing_and_the_end() -> None:
    taps = Taps(["google", "datadog"])
    lines = taps.follow(Wish())
    assert orjson.loads(next(lines)) == {"exporters": ["google", "datadog"]}
    assert next(lines) == b"\n"
    taps.offer(shipped(LINES[0]))
    taps.close()
    assert [orjson.loads(line)["text"] for line in lines if line.strip()] == ["one"]
    assert taps.open == ()


def test_who_goes_away_leaves_no_tap_behind() -> None:
    taps = Taps()
    lines = taps.follow(Wish())
    next(lines)
    assert len(taps.open) == 1
    lines.close()
    assert taps.open == ()
