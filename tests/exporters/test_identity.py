"""The identities of many lines at once are those of each line."""

from hypothesis import example, given
from hypothesis import strategies as st

from outrider.exporters.identity import OFFSET_MASK, TURN_BITS, ids


@given(st.integers(0, 1 << 20), st.lists(st.integers(0, OFFSET_MASK), max_size=20), st.sampled_from(["", "a-b-", "é"]))
@example(0, [], "x")
@example(0xFFFF, [0, (1 << 40) - 1], "x")
@example(0x10000, [0, 7], "x")
@example(3, [1 << 40, 7], "x")
@example(0, [0x00000A_0000000000], "x")
def test_ids(turn: int, offsets: list[int], prefix: str) -> None:
    at = [turn << TURN_BITS | offset for offset in offsets]
    assert ids(prefix, at) == [f"{prefix}{offset:010x}" for offset in offsets]
