"""The identity of an entry, the same at every destination: where its line stands.

    <stream>-<generation>-<offset>     0l6n2v8q1c3ta-17a9f3…-00000003e8

It is the `insertId` at Google and the attribute `outrider.id` at Datadog, and the same whenever the line is read.
"""

import base64
import hashlib

from outrider.model.stream import Stream

TURN_BITS = 48
"""A record's position: the turn of its generation in the bits above these, its offset in the file below."""
OFFSET_MASK = (1 << TURN_BITS) - 1


def stream_id(stream: Stream) -> bytes:
    """65 bits of pod uid, container and restart: 13 characters that sort anywhere, but alike for all lines of the
    stream.
    """
    digest = hashlib.blake2b(f"{stream.uid}/{stream.container}/{stream.restart}".encode(), digest_size=10).digest()
    return base64.b32hexencode(digest)[:13].lower()
