"""Documents are the same whatever their coding, and are not held whole while they are compressed."""

import gzip
import tracemalloc

import orjson
import pytest
from backports import zstd

from outrider.exporters.http import SLICE, document

UNPACK = {"gzip": gzip.decompress, "zstd": zstd.decompress, "none": bytes}


@pytest.mark.parametrize("coding", list(UNPACK))
@pytest.mark.parametrize("sizes", [[], [1], [10] * 3, [700] * 2000, [SLICE * 3, 5, SLICE, 7, 7], [1] * 100_000])
def test_every_entry_is_there_once_and_in_order(coding: str, sizes: list[int]) -> None:
    entries = [b'"%b"' % (b"%d" % i * n)[:n] for i, n in enumerate(sizes)]
    body = UNPACK[coding](document(b'{"a":[', entries, b"]}", coding))
    assert body == b'{"a":[%b]}' % b",".join(entries)
    assert len(orjson.loads(body)["a"]) == len(sizes)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_compressed_document_is_never_held_whole(coding: str) -> None:
    entries = [b'"%b"' % (b"%06d" % i * 100) for i in range(8000)]
    document(b"[", entries[:10], b"]", coding)
    tracemalloc.start()
    try:
        body = document(b"[", entries, b"]", coding)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    whole = sum(map(len, entries))
    assert len(body) < whole / 4
    assert peak < whole / 2
