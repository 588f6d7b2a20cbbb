"""The clock that tests can move, and the one that programs get."""

import threading

from outrider.model.clock import Clock, ManualClock, SystemClock


def test_a_manual_clock_stands_still_until_it_is_moved() -> None:
    clock = ManualClock(100.0)
    start = clock.monotonic()
    assert (clock.now(), clock.now()) == (100.0, 100.0)
    clock.advance(5.0)
    assert (clock.now(), clock.monotonic()) == (105.0, start + 5.0)


def test_durations_do_not_notice_a_jump() -> None:
    clock = ManualClock(100.0)
    start = clock.monotonic()
    clock.jump(-50.0)
    assert (clock.now(), clock.monotonic()) == (50.0, start)


def test_waiting_passes_the_time_of_a_manual_clock_unless_the_event_is_set() -> None:
    clock, event = ManualClock(100.0), threading.Event()
    assert clock.wait(event, 30.0) is False
    assert clock.now() == 130.0
    event.set()
    assert clock.wait(event, 30.0) is True
    assert clock.now() == 130.0


def test_the_system_clock_passes_by_itself() -> None:
    clock: Clock = SystemClock()
    start, event = clock.monotonic(), threading.Event()
    assert clock.wait(event, 0.01) is False
    assert clock.monotonic() - start >= 0.01
    assert clock.now() > 1_700_000_000
    event.set()
    assert clock.wait(event, 60.0) is True
