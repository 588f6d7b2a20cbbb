"""Generations are known by their first line, however the file is stored and however much of it was read."""

import gzip
import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outrider.tail.generation import look
from outrider.tail.head import HEAD_BYTES, START_BYTES, identify

LINE = b"2026-05-16T09:19:06.315692671Z stdout F hello\n"
DOCKER = b'{"log":"hello\\n","stream":"stdout","time":"2026-05-16T09:19:06.315692671Z"}\n'
NANOSECONDS = 1778923146_315692671


@pytest.mark.parametrize("line", [LINE, DOCKER])
def test_the_key_is_the_time_and_a_checksum(line: bytes) -> None:
    head = identify(line)
    assert head is not None
    assert len(head.key) == 24
    assert int(head.key[:16], 16) == NANOSECONDS
    assert head.timestamp == b"2026-05-16T09:19:06.315692671Z"


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"2",
        LINE[:-1],
        LINE[:30] + b"x" * (HEAD_BYTES - 31),
        DOCKER[:-1],
        b'{"log":"' + b"x" * (START_BYTES - 9),
    ],
)
def test_too_little_to_tell(start: bytes) -> None:
    assert identify(start) is None


@pytest.mark.parametrize(
    "start", [b"\n", LINE, LINE[:-1] + b"x" * HEAD_BYTES, b"x" * HEAD_BYTES, b'{"log":"' + b"x" * START_BYTES]
)
def test_enough_to_tell(start: bytes) -> None:
    head = identify(start)
    assert head is not None
    assert head.begins(start)
    assert identify(start + b"more\n" * 100_000) == head


@pytest.mark.parametrize(
    ("time", "nanoseconds"),
    [
        (b"1970-01-01T00:00:00Z", 0),
        (b"2026-05-16T17:19:06.315692671+08:00", NANOSECONDS),
        (b"2026-05-16T09:19:06Z", NANOSECONDS // 10**9 * 10**9),
        (b"2026-05-16T09:19:06.3Z", 1778923146_300000000),
        (b"1969-12-31T23:59:59Z", 0),
        (b"0001-01-01T00:00:00+14:00", 0),
        (b"0000-01-01T00:00:00Z", 0),
        (b"2554-07-01T00:00:00Z", 18444931200_000000000),
        (b"9999-12-31T23:59:59.999999999Z", 0),
        (b"9999-12-31T23:59:59-14:00", 0),
        (b"2026-02-30T00:00:00Z", 0),
        (b"2026-05-16T09:19:06+99:99", 0),
        (b"nothing", 0),
    ],
)
def test_times_that_cannot_be_or_do_not_fit_count_as_none(time: bytes, nanoseconds: int) -> None:
    head = identify(time + b" stdout F x\n")
    assert head is not None
    assert (len(head.key), int(head.key[:16], 16)) == (24, nanoseconds)
    assert bool(head.timestamp) == (nanoseconds > 0 or time.startswith(b"1970"))


def test_lines_of_the_same_moment_differ() -> None:
    heads = [identify(LINE), identify(LINE.replace(b"hello", b"world")), identify(LINE.replace(b"stdout", b"stderr"))]
    assert len({h.key for h in heads if h}) == 3


zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.lists(st.tuples(st.datetimes(datetime(1971, 1, 1), datetime(2554, 1, 1)), zones), min_size=2, max_size=8))
def test_keys_sort_as_the_moments_do(moments: list[tuple[datetime, timezone]]) -> None:
    keys = {}
    for moment, zone in moments:
        there = moment.replace(tzinfo=UTC).astimezone(zone)
        head = identify(there.isoformat(timespec="microseconds").encode() + b" stdout F x\n")
        assert head is not None
        keys[head.key[:16]] = moment
    assert [keys[k] for k in sorted(keys)] == sorted(keys.values())


starts = st.one_of(
    st.sampled_from([LINE, DOCKER, LINE[:-1] + b"x" * 1000 + b"\n", b"\0" * 1000 + LINE, b"banner\n"]),
    st.builds(lambda n: b'{"log":"' + b"x" * n + DOCKER[14:], st.sampled_from([100, 300, 5000, START_BYTES])),
    st.builds(lambda n: b"some " + b"y" * n + b' "time":"2026-05-16T09:19:06Z"\n', st.sampled_from([10, 250, 400])),
    st.binary(max_size=400),
)


@settings(max_examples=60, deadline=None)
@given(starts, st.binary(max_size=300))
def test_a_compressed_file_has_the_head_of_the_plain_one(
    tmp_path_factory: pytest.TempPathFactory, start: bytes, more: bytes
) -> None:
    directory = tmp_path_factory.mktemp("head")
    plain, packed = directory / "0.log.1", directory / "0.log.1.gz"
    plain.write_bytes(start + more)
    packed.write_bytes(gzip.compress(start + more))
    assert _head(plain, gz=False) == _head(packed, gz=True)


def _head(path: Path, gz: bool) -> object:
    fd, inode, head = look(str(path), gz)
    os.close(fd)
    assert inode == path.stat().st_ino
    return head
