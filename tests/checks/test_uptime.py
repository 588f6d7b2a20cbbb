"""Since when a server counts, by what it says of its uptime."""

from outrider.checks.uptime import Uptime
from outrider.model.clock import ManualClock

SECOND = 1_000_000_000


def _starts(clock: ManualClock, told: list[tuple[float, float]]) -> list[int]:
    """What comes of uptimes, each so many seconds after the one before: seconds since the clock was made."""
    uptime, zero = Uptime(clock), clock.now()
    found = []
    for after, said in told:
        clock.advance(after)
        found.append(uptime.start(said, int(clock.now() * SECOND)) // SECOND - int(zero))
    return found


def test_the_start_of_one_run_stays_however_the_uptime_is_rounded() -> None:
    assert _starts(ManualClock(), [(0, 10), (16, 25), (14, 40), (1, 40)]) == [-10] * 4


def test_a_shorter_uptime_is_another_run() -> None:
    assert _starts(ManualClock(), [(0, 100), (50, 3), (16, 18)]) == [-100, 47, 47]


def test_so_is_one_that_is_shorter_than_the_time_since_it_was_seen() -> None:
    assert _starts(ManualClock(), [(0, 5), (15, 14), (15, 29)]) == [-5, 1, 1]


def test_a_wall_clock_that_jumps_starts_nothing() -> None:
    clock = ManualClock()
    uptime = Uptime(clock)
    first = uptime.start(100, int(clock.now() * SECOND))
    for jump in (7200, -9000):
        clock.jump(jump)
        clock.advance(15)
        assert uptime.start(130, int(clock.now() * SECOND)) == first


def test_an_answer_that_was_slow_starts_nothing() -> None:
    """The server said 25 two seconds before it was heard."""
    assert _starts(ManualClock(), [(0, 10), (17, 25)]) == [-10, -10]
