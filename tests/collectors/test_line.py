"""The line between a supervisor and a worker."""

import threading
from collections.abc import Iterator

import pytest

from collectors.line import Line, LineError

Pair = tuple[Line, Line]


@pytest.fixture
def pair() -> Iterator[Pair]:
    both = Line.pair()
    yield both
    for end in both:
        end.close()


def test_messages_of_any_size_arrive_whole_and_in_order(pair: Pair) -> None:
    one, other = pair
    sent = [{"ask": "families", "number": 1}, "x" * 3_000_000, [], [0, None], "ü\n"]
    writer = threading.Thread(target=lambda: [one.say(message, 10.0) for message in sent])
    writer.start()
    assert [other.hear(10.0) for _ in sent] == sent
    writer.join()


def test_the_end_of_a_line_is_heard_after_what_was_said(pair: Pair) -> None:
    one, other = pair
    one.say([0, "last words"], 1.0)
    one.close()
    assert other.hear(1.0) == [0, "last words"]
    with pytest.raises(LineError, match="ended"):
        other.hear(None)
    with pytest.raises(LineError):
        other.say("anybody?", 1.0)


def test_nobody_waits_for_ever(pair: Pair) -> None:
    one, other = pair
    with pytest.raises(LineError, match="nobody"):
        one.hear(0.01)
    with pytest.raises(LineError, match="nobody"):
        one.say("x" * 10_000_000, 0.01)
    other.close()


def test_what_came_in_pieces_is_heard_later(pair: Pair) -> None:
    one, other = pair
    one._end.send(b"\x05\x00\x00\x00[1,")
    with pytest.raises(LineError):
        other.hear(0.01)
    one._end.send(b"2]\x02\x00\x00\x00")
    assert other.hear(1.0) == [1, 2]
    with pytest.raises(LineError):
        other.hear(0.01)
    one._end.send(b"{}")
    assert other.hear(1.0) == {}


def test_what_is_no_message_is_said(pair: Pair) -> None:
    one, other = pair
    one._end.send(b"\x02\x00\x00\x00[[")
    with pytest.raises(LineError):
        other.hear(1.0)
