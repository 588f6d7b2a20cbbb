"""The identity of an entry, the same at every destination: where its line stands.

    <stream>-<generation>-<offset>     0l6n2v8q1c3ta-17a9f3…-00000003e8

It is the `insertId` at Google and the attribute `outrider.id` at Datadog, and the same whenever the line is read.
"""

import base64
import hashlib
import sys
from array import array
from collections.abc import Iterator
from itertools import groupby

from outrider.model.records import Records
from outrider.model.stream import Stream

TURN_BITS = 48
"""A record's position: the turn of its generation in the bits above these, its offset in the file below."""
OFFSET_MASK = (1 << TURN_BITS) - 1


def stream_id(stream: Stream) -> bytes:
    """65 bits of pod uid, container and run: 13 characters that sort anywhere, but alike for all lines of the
    stream.
    """
    digest = hashlib.blake2b(f"{stream.uid}/{stream.container}/{stream.run}".encode(), digest_size=10).digest()
    return base64.b32hexencode(digest)[:13].lower()


def by_turn(records: Records) -> Iterator[tuple[int, Records]]:
    """`records`, of which there is one at least, in runs of one turn each; nearly always it is one run."""
    at = records.at
    if min(at) >> TURN_BITS == max(at) >> TURN_BITS:
        yield at[0] >> TURN_BITS, records
        return
    begin = 0
    for turn, positions in groupby(at, lambda position: position >> TURN_BITS):
        end = begin + len(list(positions))
        yield turn, records.part(begin, end)
        begin = end


def ids(prefix: str, at: list[int]) -> list[str]:
    """The identities of the records at the positions `at`, all of one turn: `prefix` and ten hexadecimal digits of
    offset.

    The digits of all of them are written in one go, 16 for each position: those of the turn and two zeros come first,
    and where they stand is where one number ends and the next begins. 0.09 µs each, against 0.25 for a formatting.
    """
    last = max(at, default=0)
    if last & OFFSET_MASK >= 1 << 40 or last >> 64:
        return [f"{prefix}{offset & OFFSET_MASK:010x}" for offset in at]
    numbers = array("Q", at)
    if sys.byteorder == "little":
        numbers.byteswap()
    digits = "\n" + numbers.tobytes().hex("\n", 8)
    return digits.replace(f"\n{last >> TURN_BITS:04x}00", "\n" + prefix).split("\n")[1:] if at else []
