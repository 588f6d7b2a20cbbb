"""Since when a total counts: what the server says, line by line, and what is written."""

import pytest

from outrider.exporters.totals import Total
from outrider.model.points import Histogram, Value

T = 1_780_000_000
S = 10**9

Row = tuple[float, Value, float | None]  # at which second, the total, since which second according to the server
Want = tuple[float, Value] | None  # since which second it is written, and as what


def histogram(*counts: int, bounds: tuple[float, ...] = (1.0, 5.0)) -> Histogram:
    return Histogram(bounds, counts, sum(counts), float(sum(counts)))


CASES: dict[str, list[tuple[Row, Want]]] = {
    "the server's start, rounded down": [((60, 1200, 12), (10, 1200)), ((75, 1300, 12), (10, 1300))],
    "a start that moves a little": [
        ((60, 5, 12.9), (10, 5)),
        ((75, 6, 13.8), (10, 6)),
        ((90, 7, 12.1), (10, 7)),
        ((105, 7, 11.0), (10, 7)),
    ],
    "a start that drifts far in small steps": [
        ((60, 5, 12), (10, 5)),
        ((75, 6, 14), (10, 6)),
        ((90, 7, 16), (10, 7)),
        ((105, 8, 18), (10, 8)),
    ],
    "a start that moves far, but lies before the last value": [((60, 5, 12), (10, 5)), ((75, 6, 40), (10, 6))],
    "started again, with less": [((60, 1200, 12), (10, 1200)), ((75, 3, 70), (70, 3)), ((90, 4, 70), (70, 4))],
    "started again, with more": [((60, 5, 12), (10, 5)), ((75, 900, 70), (70, 900))],
    "started again within the same ten seconds": [((65, 5, 12), (10, 5)), ((80, 4, 66), (65.001, 4))],
    "fallen, with the old start: statistics were reset": [
        ((60, 1200, 12), (10, 1200)),
        ((75, 3, 12), (60.001, 3)),
        ((90, 9, 12), (60.001, 9)),
    ],
    "a server as old as the value": [((60, 0, 60), (59.999, 0)), ((75, 4, 60), (59.999, 4))],
    "a server whose clock is ahead": [((60, 0, 95), (59.999, 0)), ((75, 4, 95), (59.999, 4))],
    "no start: counted from the first look on": [
        ((60, 1200, None), None),
        ((75, 1300, None), (60, 100)),
        ((90, 1300, None), (60, 100)),
    ],
    "no start, fallen": [((60, 1200, None), None), ((75, 40, None), (60.001, 40)), ((90, 45, None), (60.001, 45))],
    "no start at first": [((60, 1200, None), None), ((75, 1300, 12), (60, 100)), ((90, 7, 80), (80, 7))],
    "no start any more": [((60, 1200, 12), (10, 1200)), ((75, 1300, None), (10, 1300))],
    "a start before there was time": [((60, 5, -1e25), (-T, 5)), ((75, 6, -1e25), (-T, 6))],
    "fractions": [((60, 1.5, None), None), ((75, 2.25, None), (60, 0.75))],
    "a histogram": [((60, histogram(1, 2, 3), 12), (10, histogram(1, 2, 3)))],
    "a histogram without a start": [
        ((60, histogram(1, 2, 3), None), None),
        ((75, histogram(2, 2, 7), None), (60, histogram(1, 0, 4))),
    ],
    "a histogram that has fallen in one bucket": [
        ((60, histogram(1, 2, 3), 12), (10, histogram(1, 2, 3))),
        ((75, histogram(0, 9, 9), 12), (60.001, histogram(0, 9, 9))),
    ],
    "a histogram whose buckets change, with a start": [
        ((60, histogram(1, 2, 3), 12), (10, histogram(1, 2, 3))),
        ((75, histogram(9, 0, bounds=(2.0,)), 12), (10, histogram(9, 0, bounds=(2.0,)))),
    ],
    "a histogram whose buckets change, without one": [
        ((60, histogram(1, 2, 3), None), None),
        ((75, histogram(9, 0, bounds=(2.0,)), None), None),
        ((90, histogram(9, 2, bounds=(2.0,)), None), (75, histogram(0, 2, bounds=(2.0,)))),
    ],
}


EXACT: dict[str, list[tuple[Row, Want]]] = {
    "a start is what it is": [((60, 5, 12.5), (12.5, 5)), ((70, 9, 12.5), (12.5, 9))],
    "any later start is another one": [
        ((60, histogram(5, 0), 59.9), (59.9, histogram(5, 0))),
        ((70, histogram(5, bounds=()), 60.001), (60.001, histogram(5, bounds=()))),
    ],
}


def at(seconds: float) -> int:
    return T * S + round(seconds * S)


@pytest.mark.parametrize(
    ("case", "exact"),
    [*((case, False) for case in CASES.values()), *((case, True) for case in EXACT.values())],
    ids=[*CASES, *EXACT],
)
def test_what_is_written(case: list[tuple[Row, Want]], exact: bool) -> None:
    total: Total | None = None
    for (seconds, value, told), want in case:
        since = None if told is None else at(told)
        if total is None:
            total, counted = Total.first(value, at(seconds), since, exact)
        else:
            counted = total.next(value, at(seconds), since)
        assert counted == (None if want is None else (at(want[0]), want[1]))


def test_another_process_writes_the_same_start() -> None:
    """An uptime in whole seconds gives a start that is up to a second off."""
    starts = {Total.first(5, at(60 + i / 7), at(14.2 + i / 7 % 1))[0].start for i in range(50)}
    assert starts == {at(10)}


def test_a_start_that_is_refused_gives_way_to_the_value_that_was_refused_with_it() -> None:
    total, first = Total.first(1000, at(60), at(12))
    assert first == (at(10), 1000)
    total.restart(at(10), 1000, at(60))
    assert total.next(1010, at(75), at(12)) == (at(60), 10)
    total.restart(at(10), 1005, at(70))  # was on its way before the other was refused
    assert total.next(1020, at(90), at(12)) == (at(60), 20)
