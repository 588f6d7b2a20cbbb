"""When a batch goes that is not full, as a table in seconds."""

from typing import Any

import orjson
import pytest

from outrider.exporters.block import Block
from outrider.pipeline.batch import WORTH_IT, Batch
from outrider.pipeline.followed import Followed


@pytest.mark.parametrize(
    ("born", "last", "wait", "hurried", "due"),
    [
        (100.0, 0.0, 1.0, False, 100.05),  # a line after a quiet time goes at once
        (100.0, 99.5, 1.0, False, 100.5),  # in a trickle: one request per wait
        (100.0, 100.0, 1.0, False, 101.0),
        (100.0, 100.0, 1.0, True, 100.05),  # the first line of a container does not queue up
        (100.0, 103.0, 1.0, False, 101.0),  # never longer than wait
        (100.0, 0.0, 0.01, False, 100.01),
    ],
)
def test_due(born: float, last: float, wait: float, hurried: bool, due: float) -> None:
    assert Batch(born, hurried=hurried).due(last, wait) == pytest.approx(due)


def followed(name: str) -> Followed:
    reader: Any = name
    return Followed(reader)


def test_a_batch_knows_its_size() -> None:
    batch, a = Batch(0.0), followed("a")
    batch.add(a, Block(b"a,b", 2))
    batch.add(a, Block(b"", 0))
    batch.add(a, Block(b"c", 1))
    assert (batch.request(), batch.size) == (([b"a,b", b"c"], 3, b""), 6)


@pytest.mark.parametrize(
    ("runs", "rejected", "accepted_and_rejected"),
    [
        ([("a", 3)], [], {"a": (3, 0)}),
        ([("a", 3)], [0, 2], {"a": (1, 2)}),
        ([("a", 2), ("b", 2), ("a", 2)], [1, 2, 3, 5], {"a": (2, 2), "b": (0, 2)}),
        ([("a", 1), ("b", 1), ("c", 1)], [2], {"a": (1, 0), "b": (1, 0), "c": (0, 1)}),
        ([("a", 2), ("b", 1)], [2, 0], {"a": (1, 1), "b": (0, 1)}),
    ],
)
def test_answers_are_booked_to_the_streams_they_belong_to(
    runs: list[tuple[str, int]], rejected: list[int], accepted_and_rejected: dict[str, tuple[int, int]]
) -> None:
    batch, streams = Batch(0.0), {name: followed(name) for name in "abc"}
    for name, n in runs:
        batch.add(streams[name], Block(b"x", n))
    assert sum(f.in_flight for f in streams.values()) == sum(n for _, n in runs)
    batch.rejected = rejected
    batch.account()
    assert {n: (f.accepted, f.rejected) for n, f in streams.items() if f.made} == accepted_and_rejected
    assert all(f.in_flight == 0 for f in streams.values())


A, B, NONE = b'"r":"a"', b'"r":"b"', b""
LARGE = WORTH_IT // 100


@pytest.mark.parametrize(
    ("commons", "entries", "said_once"),
    [
        ([A], LARGE, A),
        ([A, A], LARGE, A),
        ([A], 3, NONE),  # not worth it
        ([A, B], LARGE, NONE),
        ([A, B, A], LARGE, NONE),
        ([A, NONE], LARGE, NONE),
        ([NONE, A], LARGE, NONE),
        ([NONE], LARGE, NONE),
    ],
)
def test_what_is_common_to_all_entries_is_said_once_and_otherwise_in_every_one(
    commons: list[bytes], entries: int, said_once: bytes
) -> None:
    batch, entry = Batch(0.0), b'{"n":"%b"\n}' % (b"x" * 100)
    for common in commons:
        whole = entry if common else entry.replace(b"\n", b"")
        batch.add(followed("a"), Block(b",".join([whole] * entries), entries, common))
    pieces, count, once = batch.request()
    assert (count, once) == (len(commons) * entries, said_once)
    said = [orjson.loads(b"[%b]" % piece) for piece in pieces]
    default = orjson.loads(b"{%b}" % once)
    assert [[default | e for e in some] for some in said] == [
        [{"n": "x" * 100} | orjson.loads(b"{%b}" % common)] * entries for common in commons
    ]
