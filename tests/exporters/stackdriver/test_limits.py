"""Cutting what is too large: nothing lost of a text, every form within the limit."""

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from outrider.exporters.pieces import pieces
from outrider.exporters.stackdriver.limits import proto_size, shorten

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)
NASTY_TEXT = st.text(st.sampled_from('\\"\n\x00\x1fü€😀a'), max_size=400)


@given(st.one_of(ANY_TEXT, NASTY_TEXT), st.integers(20, 200))
def test_pieces_say_all_of_the_text_and_fit(text: str, room: int) -> None:
    parts = pieces(text, room)
    assert "".join(orjson.loads(p) for p in parts) == text
    assert all(len(p) <= room for p in parts)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text(max_size=2000)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=8), JSON, min_size=1, max_size=6), st.integers(300, 3000))
def test_a_shortened_object_fits_and_keeps_its_shape(value: dict[str, Any], room: int) -> None:
    payload = orjson.dumps(value)
    shorter = shorten(payload, room)
    if shorter is not None:
        assert len(shorter) <= room
        assert proto_size(orjson.loads(shorter)) <= room
        assert shape(orjson.loads(shorter)) == shape(value)


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items()}
    if isinstance(value, list):
        return [shape(v) for v in value]
    return "" if isinstance(value, str) else value


def test_the_longest_strings_pay() -> None:
    payload = orjson.dumps({"short": "x" * 100, "long": "y" * 5000, "longer": "z" * 9000, "n": 1})
    shorter = orjson.loads(shorten(payload, 4000) or b"{}")
    assert shorter["short"] == "x" * 100
    assert shorter["n"] == 1
    assert len(shorter["long"]) == len(shorter["longer"]) > 1500
    assert shorter["long"].endswith("...[shortened]")


def test_an_object_without_long_strings_cannot_be_shortened() -> None:
    assert shorten(orjson.dumps({"n": list(range(5000))}), 4000) is None
