"""Lines are found in bodies of any format and coding, and it is known which are missing and which came again."""

import gzip
import json
import zlib
from collections.abc import Callable

import pytest
from backports import zstd

from bench.tally import MOST, Tally, unpacked

RAW = zlib.compressobj(wbits=-15)
TEXT = b"one seq=0-0\ntwo seq=0-1\n"
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstd.compress,
}


@pytest.mark.parametrize("coding", PACKERS)
def test_every_coding_is_unpacked(coding: str) -> None:
    assert unpacked(PACKERS[coding](TEXT), coding) == TEXT


def test_codings_in_their_odder_forms() -> None:
    assert unpacked(RAW.compress(TEXT) + RAW.flush(), "deflate") == TEXT
    assert unpacked(gzip.compress(TEXT) + gzip.compress(TEXT), "gzip") == TEXT * 2
    with pytest.raises(ValueError, match="'br'"):
        unpacked(TEXT, "br")


@pytest.mark.parametrize(
    "body",
    [
        TEXT,
        json.dumps([{"message": json.dumps({"line": "seq=0-0"})}, {"message": "seq=0-1"}]).encode(),
        b'[{"a":"seq\\u003d0-0"},{"a":"{\\"b\\":\\"seq\\\\u003D0-1\\"}"}]',
    ],
)
def test_lines_are_found_whatever_the_format(body: bytes) -> None:
    tally = Tally([2])
    tally.add(body)
    assert (tally.arrived, tally.missing, tally.repeated) == (2, 0, 0)


def test_missing_repeated_and_strange_lines_are_told() -> None:
    tally = Tally([3, 2])
    tally.add(b"seq=0-0 seq=0-2 seq=1-1 seq=0-0")
    tally.add(b"seq=0-0 seq=2-0 seq=1-2")
    assert (tally.arrived, tally.missing, tally.repeated, tally.strangers) == (3, 2, 2, 2)
    assert tally.some_missing() == ["seq=0-1", "seq=1-0"]
    assert tally.some_missing(1) == ["seq=0-1"]


def test_a_line_that_comes_again_and_again_is_counted_up_to_a_limit() -> None:
    tally = Tally([1])
    tally.add(b"seq=0-0 " * (MOST + 10))
    assert (tally.missing, tally.repeated) == (0, MOST - 1)


def test_entries_of_both_vendors_are_counted_and_not_what_a_line_says() -> None:
    tally = Tally([4])
    tally.add(
        b'{"entries":[{"insertId":"a","textPayload":"seq=0-0"},{"insertId":"b","textPayload":"\\"insertId\\":"}]}'
    )
    tally.add(b'[{"message":"{\\"ddsource\\":1}","ddsource":"x"}]')
    assert tally.entries == 3


def test_the_first_acknowledgement_of_a_line_is_kept() -> None:
    tally = Tally([2, 1], acks=True)
    tally.add(b"seq=0-1", 5)
    tally.add(b"seq=0-1 seq=1-0", 7)
    assert tally.acks is not None
    assert [list(acks) for acks in tally.acks] == [[0, 5], [7]]
