"""When streams are looked at: all lively ones together, once per wait of a batch, and no line waits longer for it."""

from typing import Any, cast

import pytest

from outrider.pipeline.batch import Batch
from outrider.pipeline.followed import Followed
from outrider.pipeline.looks import LONGEST_LOOK, PAUSE, SLACK, Looks
from outrider.tail.reader import Reader

NEVER = float("inf")


def stream() -> Followed:
    return Followed(cast(Reader, None))


@pytest.mark.parametrize(
    ("passed", "batch_due", "due"),
    [
        (0.0, NEVER, False),
        (0.5, NEVER, False),
        (1.0 - SLACK + 0.01, NEVER, True),
        (1.0, NEVER, True),
        (0.5, 0.6, False),
        (0.5, 0.5, True),  # a batch goes for the sake of another: this stream is read first
        (PAUSE - 0.01, 0.0, False),  # … unless it was just read
    ],
)
def test_a_stream_that_was_read_to_its_end(passed: float, batch_due: float, due: bool) -> None:
    looks, one, begin = Looks(1.0), stream(), 100.0
    looks.read_to_its_end(one, begin)
    looks.begin(begin + passed, begin + batch_due)
    assert looks.is_due(one) is due
    assert looks.next == (NEVER if due else begin + 1.0)


@pytest.mark.parametrize(("wait", "after"), [(0.0, PAUSE), (0.05, PAUSE), (0.5, 0.5), (1.0, 1.0), (60.0, LONGEST_LOOK)])
def test_how_long_is_waited(wait: float, after: float) -> None:
    looks, one = Looks(wait), stream()
    looks.read_to_its_end(one, 5.0)
    assert one.next_look == pytest.approx(5.0 + after)


def test_what_is_new_or_unread_or_stirred_is_due_at_once() -> None:
    looks, one = Looks(1.0), stream()
    looks.begin(3.0, NEVER)
    assert looks.is_due(one)
    assert looks.since(one, 3.0) == 3.0, "nothing is known of what was before"
    looks.in_vain(one, 3.0)
    assert not looks.is_due(one)
    looks.at_once(one)
    assert looks.is_due(one)
    assert looks.since(one, 4.0) == 4.0


def test_a_line_waits_no_longer_than_its_batch_may() -> None:
    """Written right after a look, found by the next one, and due then."""
    looks, one = Looks(1.0), stream()
    looks.read_to_its_end(one, 10.0)
    batch = Batch(looks.since(one, 11.0))
    assert batch.due(last_dispatch=10.9, wait=1.0) == pytest.approx(11.0)


def test_there_is_no_round_while_nobody_is_due() -> None:
    looks, one, other = Looks(1.0), stream(), stream()
    assert looks.begin(10.0, NEVER), "nothing is known yet"
    looks.read_to_its_end(one, 10.0)
    looks.in_vain(other, 10.0)
    assert not looks.begin(10.0 + PAUSE - SLACK - 0.01, NEVER)
    assert looks.begin(10.0 + PAUSE - SLACK, NEVER), "the earliest of all is due"
    assert looks.is_due(other) and not looks.is_due(one)


@pytest.mark.parametrize(
    ("seconds", "more"),
    [
        (PAUSE, {}),  # somebody may wait for something else than time
        (0.01, {"goes_on": True}),
        (0.01, {"indebted": True}),
        (0.01, {"batch_due": 10.0}),
        (0.01, {"stirred": True}),
    ],
)
def test_there_is_one_for_other_reasons(seconds: float, more: dict[str, Any]) -> None:
    looks, one = Looks(1.0), stream()
    looks.begin(10.0, NEVER)
    looks.read_to_its_end(one, 9.5)
    assert not looks.begin(10.0 + seconds / 2, NEVER)
    if more.pop("stirred", False):
        looks.at_once(one)
    assert looks.begin(10.0 + seconds, **{"batch_due": NEVER, **more})
