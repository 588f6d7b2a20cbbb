"""Turns: tenants by weight, then the streams of a tenant, and nobody is forgotten whoever comes and goes."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.model.clock import ManualClock
from outrider.model.stream import Stream
from outrider.pipeline.ceilings import OwnBucket
from outrider.pipeline.turns import QUANTUM, Tenant, Turns

Chunk = Callable[["Reader"], int]


class Reader:
    """As much of a reader as turns look at. `left` is what it still has to read, in bytes."""

    def __init__(self, namespace: str, n: int = 0, left: int = 0) -> None:
        self.stream = Stream(namespace, f"pod-{n}", f"u-{namespace}-{n}", "main", 0)
        self.left = left

    def __repr__(self) -> str:
        return f"{self.stream.namespace}{self.stream.pod[-1]}"


class Table:
    """Turns, and readers that read a chunk of at most QUANTUM bytes when it is theirs."""

    def __init__(
        self, *readers: Any, shares: dict[str, int] | None = None, limits: dict[str, int] | None = None
    ) -> None:
        self.clock = ManualClock()
        self.turns = Turns(self.clock)
        self.shares, self.limits = shares or {}, limits or {}
        self.read: Counter[str] = Counter()
        self.limited: Counter[str] = Counter()
        for r in readers:
            self.add(r)

    def add(self, reader: Any) -> None:
        name = reader.stream.namespace

        def limited() -> None:
            self.limited[name] += 1

        limit = self.limits.get(name)
        bucket = None if limit is None else OwnBucket(limit)
        self.turns.add(reader, name, lambda: Tenant(self.shares.get(name, 1), bucket, limited))

    def round(self, chunk: int = QUANTUM, due: Callable[[Any], bool] = lambda _: True) -> list[str]:
        """One round; the names of those who were asked, in order."""
        asked = []
        for reader in self.turns.round(due):
            asked.append(repr(reader))
            r: Any = reader
            size = min(chunk, r.left)
            r.left -= size
            self.turns.charge(reader, size)
            self.read[r.stream.namespace] += size
        return asked


def test_readers_without_anything_are_each_asked_once() -> None:
    table = Table(*(Reader("a", n) for n in range(4)), Reader("b"), Reader("c"))
    assert sorted(table.round()) == ["a0", "a1", "a2", "a3", "b0", "c0"]


def test_who_is_not_due_has_no_turn_and_takes_nobody_elses() -> None:
    table = Table(*(Reader("a", n, QUANTUM) for n in range(9)), shares={"a": 50})
    assert {*table.round(due=lambda reader: repr(reader) in ("a3", "a7"))} == {"a3", "a7"}
    assert table.read == {"a": 2 * QUANTUM}
    assert table.round(due=lambda _: False) == []
    assert {*table.round()} == {f"a{n}" for n in range(9)}
    assert table.read == {"a": 9 * QUANTUM}


def test_who_comes_first_changes_with_every_round() -> None:
    table = Table(Reader("a", 0), Reader("b", 0), Reader("c", 0))
    assert {table.round()[0] for _ in range(3)} == {"a0", "b0", "c0"}


@pytest.mark.parametrize(
    ("streams", "shares", "expected"),
    [
        ({"a": 1, "b": 1}, {}, {"a": 0.5, "b": 0.5}),
        ({"a": 50, "b": 1}, {}, {"a": 0.5, "b": 0.5}),
        ({"a": 1, "b": 1, "c": 1}, {"a": 2}, {"a": 0.5, "b": 0.25, "c": 0.25}),
        ({"a": 1, "b": 10}, {"a": 9}, {"a": 0.9, "b": 0.1}),
    ],
)
@pytest.mark.parametrize("chunk", [QUANTUM, QUANTUM // 7, QUANTUM * 5])
def test_tenants_read_by_their_shares_whatever_the_number_of_their_streams(
    streams: dict[str, int], shares: dict[str, int], expected: dict[str, float], chunk: int
) -> None:
    table = Table(*(Reader(t, n, 1 << 60) for t, count in streams.items() for n in range(count)), shares=shares)
    for _ in range(200):
        table.round(chunk)
    total = sum(table.read.values())
    assert {t: table.read[t] / total for t in streams} == pytest.approx(expected, rel=0.05)


def test_the_streams_of_a_tenant_take_turns() -> None:
    table = Table(*(Reader("a", n, 1 << 60) for n in range(3)))
    asked = Counter(name for _ in range(30) for name in table.round())
    assert set(asked.values()) == {10}


def test_a_quiet_tenant_has_its_turn_in_every_round_beside_a_noisy_one() -> None:
    table = Table(*(Reader("noisy", n, 1 << 60) for n in range(20)), Reader("quiet"))
    for _ in range(20):
        asked = table.round()
        assert asked.count("quiet0") == 1
        assert len(asked) == 2


def test_who_read_more_than_its_share_waits_and_says_so() -> None:
    table = Table(Reader("a", 0, 1 << 60))
    assert len(table.round(chunk=QUANTUM * 3)) == 1
    assert table.round() == []
    assert table.turns.indebted
    assert table.round() == []
    assert len(table.round(chunk=QUANTUM // 2)) == 2
    assert table.turns.indebted, "the next of its streams would have had its turn"
    assert len(table.round(chunk=0)) == 1
    assert not table.turns.indebted


@pytest.mark.parametrize("limit", [QUANTUM // 4, QUANTUM, QUANTUM * 3])
def test_a_limit_holds_on_average_and_is_counted_when_it_bites(limit: int) -> None:
    table = Table(Reader("a", 0, 1 << 60), Reader("b", 0, 1 << 60), limits={"a": limit})
    for _ in range(600):
        table.round()
        table.clock.advance(0.1)
    assert table.read["a"] / 60 == pytest.approx(limit, rel=0.1)
    assert table.read["b"] == 600 * QUANTUM, "others are not held up"
    assert table.limited["a"] > 0
    assert table.limited["b"] == 0


def test_below_its_limit_nobody_is_counted() -> None:
    table = Table(Reader("a", 0, 10 * 1024), limits={"a": QUANTUM})
    for _ in range(5):
        table.round()
        table.clock.advance(1)
    assert table.limited["a"] == 0


def test_adding_twice_and_removing_strangers_does_nothing() -> None:
    one: Any = Reader("a")
    table = Table(one, one)
    table.turns.remove(Reader("b"))  # type: ignore[arg-type]
    assert table.round() == ["a0"]
    assert len(table.turns) == 1
    assert one in table.turns


def test_one_that_leaves_in_the_middle_of_a_round_has_no_turn_any_more() -> None:
    readers = [Reader("a"), Reader("b"), Reader("c")]
    table = Table(*readers)
    seen: list[Any] = []
    for r in table.turns.round():
        seen.append(r)
        for other in readers:
            if other not in seen:
                table.turns.remove(other)  # type: ignore[arg-type]
    assert len(seen) == 1
    assert len(table.turns) == 1


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.booleans()), max_size=40))
def test_a_round_of_idle_readers_is_everybody_exactly_once(steps: list[tuple[str, int, bool]]) -> None:
    readers = {(ns, n): Reader(ns, n) for ns in "abc" for n in range(4)}
    table, present = Table(), set()
    for ns, n, add in steps:
        reader: Any = readers[ns, n]
        if add:
            table.add(reader)
            present.add(repr(reader))
        else:
            table.turns.remove(reader)
            present.discard(repr(reader))
        assert sorted(table.round()) == sorted(present)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 5 * QUANTUM)), max_size=30))
def test_everything_is_read_in_the_end(wants: list[tuple[str, int]]) -> None:
    readers = [Reader(ns, n % 10, size) for n, (ns, size) in enumerate(wants)]
    table = Table(*readers)
    for _ in range(30 * 5 + 1):
        table.round()
    assert all(r.left == 0 for r in readers)


def test_where_batches_are_large_a_stream_goes_on_until_it_has_filled_one() -> None:
    table = Table(*(Reader(t, n, 1 << 60) for t in "ab" for n in range(2)))
    table.turns._stint = 4 * QUANTUM
    asked = [name for _ in range(4) for name in table.round()]
    assert [asked[i : i + 4] for i in range(0, len(asked), 4)] == [[name] * 4 for name in asked[::4]]
    assert sorted(asked[::4][:4]) == ["a0", "a1", "b0", "b1"], "nobody has a second stint before all have had one"
    assert table.read["a"] == table.read["b"]


def test_a_stream_that_has_nothing_more_ends_its_stint() -> None:
    table = Table(Reader("a", 0, QUANTUM), Reader("a", 1, 1 << 60))
    table.turns._stint = 4 * QUANTUM
    assert table.round() == ["a0", "a0", "a1", "a1", "a1"]


def test_many_tenants_make_no_long_round() -> None:
    table = Table(*(Reader(f"t{n}", 0, 1 << 60) for n in range(40)))
    table.turns._stint = 4 * QUANTUM
    table.round()
    assert set(table.read.values()) == {QUANTUM}
