"""Blocks come apart into exactly the entries that went in, whatever these say."""

import itertools
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from outrider.exporters.block import MARK, Block, apart, block, chained

JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(1 << 40), 1 << 40), st.text(max_size=20), st.just(",\n{,\n}")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
ENTRIES = st.lists(st.tuples(st.dictionaries(st.text(max_size=8), JSON, max_size=4), st.booleans()), max_size=8)
END = b'"projects/p/logs/stdout","labels":{"a":"b"}'


def made(entries: list[tuple[dict[str, Any], bool]]) -> tuple[Block, list[dict[str, Any]]]:
    """A block of entries, some of which come as a whole, and what each of them says."""
    said = [{k: v for k, v in entry.items() if k not in ("logName", "labels")} for entry, _ in entries]
    said = [entry | {"logName": "projects/p/logs/stdout", "labels": {"a": "b"}} for entry in said]
    given: list[Any] = []
    for entry, (_, as_a_whole) in zip(said, entries, strict=True):
        head = {k: v for k, v in entry.items() if k not in ("logName", "labels")}
        given.append(Raw(orjson.dumps(entry)) if as_a_whole else head | {"logName": Raw(END)})
    return block(given), said


@given(ENTRIES)
def test_a_block_comes_apart_into_its_entries(entries: list[tuple[dict[str, Any], bool]]) -> None:
    found, said = made(entries)
    assert found.count == len(said)
    assert [orjson.loads(e) for e in found.entries()] == said
    assert all(b"\n" not in e and apart(e) == [e] for e in found.entries())
    assert orjson.loads(b"[" + found.data + b"]") == said


@given(ENTRIES, st.integers(1, 400), st.integers(1, 5))
def test_a_block_is_cut_to_size(entries: list[tuple[dict[str, Any], bool]], size: int, count: int) -> None:
    found, said = made(entries)
    parts = found.cut(size, count) if said else []
    assert [orjson.loads(e) for part in parts for e in part.entries()] == said
    for part in parts:
        assert part.count == len(part.entries()) <= count
        assert len(part.data) <= size or part.count == 1
    for one, other in itertools.pairwise(parts):
        first = len(other.entries()[0])
        assert one.count == count or len(one.data) + 2 + first > size, "it would have had room"


@settings(max_examples=30)
@given(st.lists(ENTRIES, max_size=4))
def test_blocks_are_chained(some: list[list[tuple[dict[str, Any], bool]]]) -> None:
    blocks, said = zip(*map(made, some), strict=True) if some else ((), ())
    assert [orjson.loads(e) for e in chained(blocks).entries()] == [entry for part in said for entry in part]
    assert chained(blocks).count == sum(map(len, said))


@given(ENTRIES)
def test_what_is_left_out_is_put_in_wherever_it_was(entries: list[tuple[dict[str, Any], bool]]) -> None:
    """Some entries lack what is common, others are whole already."""
    common = b'"resource":{"a":",\\n"},"labels":{}'
    made = [
        Raw(orjson.dumps(e | {"own": 1})) if whole else e | {"last": Raw(b'"x"' + MARK)}
        for e, whole in (({k: v for k, v in e.items() if k not in ("last", "own")}, whole) for e, whole in entries)
    ]
    found = block(made, common)
    assert found.size >= len(found.spelled().data)
    assert found.spelled().entries() == found.entries()
    for entry, (said, whole) in zip(found.entries(), entries, strict=True):
        kept = {k: v for k, v in said.items() if k not in ("last", "own", "resource", "labels")}
        expected = {"own": 1} if whole else {"last": "x", "resource": {"a": ",\n"}, "labels": {}}
        assert {k: v for k, v in orjson.loads(entry).items() if whole or k in expected or k in kept} == {
            **{k: v for k, v in said.items() if k not in ("last", "own")},
            **expected,
        }
