"""Turns: tenants first, then the streams of a tenant, and nobody is forgotten whoever comes and goes."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from outrider.model.stream import Stream
from outrider.pipeline.turns import Turns


class Reader:
    """As much of a reader as turns look at."""

    def __init__(self, namespace: str, n: int = 0) -> None:
        self.stream = Stream(namespace, f"pod-{n}", f"u-{namespace}-{n}", "main", 0)

    def __repr__(self) -> str:
        return f"{self.stream.namespace}{self.stream.pod[-1]}"


def turns_of(*readers: Any) -> Turns:
    turns = Turns()
    for r in readers:
        turns.add(r)
    return turns


def names(turns: Turns) -> list[str]:
    return [repr(r) for r in turns.round()]


def test_a_tenant_with_many_streams_does_not_come_first_more_often() -> None:
    turns = turns_of(*(Reader("a", n) for n in range(4)), Reader("b"), Reader("c"))
    first_round = names(turns)
    assert first_round == ["a0", "b0", "c0", "a1", "a2", "a3"]


def test_who_comes_first_changes_with_every_round() -> None:
    turns = turns_of(Reader("a", 0), Reader("a", 1), Reader("b", 0), Reader("c", 0))
    assert [names(turns)[0][0] for _ in range(3)] == ["a", "b", "c"]
    assert {names(turns)[0] for _ in range(12)} == {"a0", "a1", "b0", "c0"}


def test_adding_twice_and_removing_strangers_does_nothing() -> None:
    one: Any = Reader("a")
    turns = turns_of(one, one)
    turns.remove(Reader("b"))  # type: ignore[arg-type]
    assert names(turns) == ["a0"]
    assert len(turns) == 1
    assert one in turns


def test_one_that_leaves_in_the_middle_of_a_round_has_no_turn_any_more() -> None:
    a, b, c = Reader("a"), Reader("b"), Reader("c")
    turns = turns_of(a, b, c)
    seen = []
    for r in turns.round():
        seen.append(repr(r))
        turns.remove(c)  # type: ignore[arg-type]
    assert seen == ["a0", "b0"]
    assert len(turns) == 2


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.booleans()), max_size=40))
def test_a_round_is_everybody_exactly_once(steps: list[tuple[str, int, bool]]) -> None:
    readers = {(ns, n): Reader(ns, n) for ns in "abc" for n in range(4)}
    turns, present = Turns(), set()
    for ns, n, add in steps:
        reader: Any = readers[ns, n]
        if add:
            turns.add(reader)
            present.add(repr(reader))
        else:
            turns.remove(reader)
            present.discard(repr(reader))
        assert sorted(names(turns)) == sorted(present)
