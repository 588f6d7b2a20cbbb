"""One file held open: what can still be read of it whatever happens to its name, and what is said when it cannot."""

import gzip
import os
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outrider.tail.generation import Generation, Shrunk, Truncated, look
from outrider.tail.gunzip import Damaged
from tests.support.descriptors import open_descriptors

READERS = frozenset({"a", "b"})
TEXT = b"".join(b"2026-05-16T09:19:06.%09dZ stdout F line %d\n" % (n, n) for n in range(1000))


def opened(path: Path, gz: bool = False) -> Generation:
    fd, inode, head = look(str(path), gz)
    assert head is not None
    return Generation(head, str(path), inode, fd, gz, READERS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "0.log"
    path.write_bytes(TEXT)
    return path


def test_reading_at_any_offset(path: Path) -> None:
    generation = opened(path)
    assert generation.read("a", 0, 100) == TEXT[:100]
    assert generation.read("b", 50, 100) == TEXT[50:150]
    assert generation.read("a", len(TEXT) - 10, 100) == TEXT[-10:]
    assert generation.read("a", len(TEXT), 100) == b""
    assert generation.left(0) == len(TEXT)


@pytest.mark.parametrize("what", ["rename", "unlink", "gzip", "replace"])
def test_the_bytes_outlive_the_name(path: Path, what: str) -> None:
    generation = opened(path)
    match what:
        case "rename":
            path.rename(path.with_name("0.log.1"))
        case "unlink":
            path.unlink()
        case "gzip":
            path.with_name("0.log.1.gz").write_bytes(gzip.compress(TEXT))
            path.unlink()
        case "replace":
            path.with_name("new").write_bytes(b"2027-01-01T00:00:00Z stdout F other\n")
            path.with_name("new").rename(path)
    assert generation.read("a", 100, 100) == TEXT[100:200]


@pytest.mark.parametrize("refill", [b"", b"2", b"2027-01-01T00:00:00Z stdout F other\n", b"x" * 2 * len(TEXT)])
@pytest.mark.parametrize("offset", [0, 1, 500, len(TEXT)])
def test_truncation_is_seen_however_much_was_written_since(path: Path, refill: bytes, offset: int) -> None:
    generation = opened(path)
    with open(path, "r+b") as f:
        f.truncate(0)
        f.write(refill)
    with pytest.raises(Truncated):
        generation.read("a", offset, 100)


def test_a_file_that_shrinks_but_begins_as_before(path: Path) -> None:
    generation = opened(path)
    os.truncate(path, 500)
    with pytest.raises(Shrunk) as shrunk:
        generation.read("a", 600, 100)
    assert shrunk.value.size == 500
    assert generation.read("a", 450, 100) == TEXT[450:500]
    assert generation.read("a", 500, 100) == b""


# -- where it lies ----------------------------------------------------------------------------------------------------


def test_a_renamed_file_keeps_its_descriptor_and_its_writer(path: Path) -> None:
    generation = opened(path)
    with open(path, "ab") as writer:
        new = path.rename(path.with_name("0.log.1"))
        rebind(generation, new)
        assert generation.path == str(new)
        writer.write(b"late\n")
        writer.flush()
        assert generation.read("a", len(TEXT), 100) == b"late\n"


def test_a_truncated_file_goes_on_in_its_copy(path: Path) -> None:
    generation = opened(path)
    copy = path.with_name("0.log.1")
    copy.write_bytes(TEXT)
    os.truncate(path, 0)
    rebind(generation, copy)
    copy.rename(path.with_name("0.log.2"))  # before it is read: the name does not matter any more
    assert generation.read("a", 100, 100) == TEXT[100:200]


def test_a_compressed_copy_is_read_at_the_same_offsets(path: Path) -> None:
    generation = opened(path)
    packed = path.with_name("0.log.1.gz")
    packed.write_bytes(gzip.compress(TEXT))
    os.truncate(path, 0)
    rebind(generation, packed, gz=True)
    packed.unlink()
    assert generation.read("a", 40_000, 100) == TEXT[40_000:40_100]


def test_a_file_that_is_opened_again_is_read_as_what_it_is_now(path: Path) -> None:
    """Read by all, compressed meanwhile, not to be opened when it was looked at; then a reader comes back."""
    generation = opened(path)
    for reader in READERS:
        generation.leave(reader)
    packed = path.with_name("0.log.1.gz")
    packed.write_bytes(gzip.compress(TEXT))
    path.unlink()
    generation.rebind(str(packed), packed.stat().st_ino, True, None)
    assert generation.read("a", 40_000, 100) == TEXT[40_000:40_100]
    assert generation.left(40_000) == len(TEXT) - 40_000


def test_a_compressed_file_that_is_renamed_is_not_mixed_up_with_the_one_that_takes_its_name(path: Path) -> None:
    """logrotate: `.1.gz` becomes `.2.gz`, and another `.1.gz` is made."""
    one, two = path.with_name("0.log.1.gz"), path.with_name("0.log.2.gz")
    one.write_bytes(gzip.compress(TEXT))
    generation = opened(one, gz=True)
    one.rename(two)
    one.write_bytes(gzip.compress(TEXT.replace(b"line", b"LINE")))
    rebind(generation, two, gz=True)
    two.rename(path.with_name("0.log.3.gz"))
    assert generation.read("a", 100, 100) == TEXT[100:200]


def test_a_file_that_cannot_be_opened_in_its_new_place_is_read_through_the_old_descriptor(path: Path) -> None:
    generation = opened(path)
    generation.rebind("/elsewhere", 99, False, None)
    assert (generation.path, generation.inode) == ("/elsewhere", 99)
    assert generation.read("a", 0, 10) == TEXT[:10]


def rebind(generation: Generation, path: Path, gz: bool = False) -> None:
    fd, inode, _ = look(str(path), gz)
    generation.rebind(str(path), inode, gz, fd)


# -- descriptors ------------------------------------------------------------------------------------------------------


def test_the_last_reader_gives_the_descriptor_back(path: Path) -> None:
    before = open_descriptors()
    generation = opened(path)
    generation.leave("a")
    assert open_descriptors() == before + 1
    generation.leave("b")
    generation.leave("b")
    assert open_descriptors() == before


def test_what_was_read_stays_open_until_it_is_answered_for(path: Path) -> None:
    """A new configuration would read it again, and its file may have no name any more."""
    before = open_descriptors()
    generation = opened(path)
    for reader in READERS:
        generation.release(reader)
    assert open_descriptors() == before + 1
    for reader in READERS:
        generation.settle(reader)
    assert open_descriptors() == before


def test_what_is_handed_over_is_read_by_others(path: Path) -> None:
    before = open_descriptors()
    generation = opened(path)
    path.unlink()
    generation.gone = True
    generation.release("a")
    generation.hand_over(frozenset({"c"}))
    assert generation.read("c", 0, 10) == TEXT[:10]
    generation.leave("c")
    assert open_descriptors() == before
    generation.hand_over(frozenset({"d"}))
    assert generation.waiting == set(), "there is nothing left of it"


def test_what_nobody_reads_any_more_is_not_held_again(path: Path) -> None:
    before = open_descriptors()
    generation = opened(path)
    for reader in READERS:
        generation.leave(reader)
    rebind(generation, path.rename(path.with_name("0.log.1")))
    assert open_descriptors() == before


def test_a_reader_may_come_back(path: Path) -> None:
    generation = opened(path)
    for reader in READERS:
        generation.leave(reader)
    generation.hold("a")
    assert generation.read("a", 0, 10) == TEXT[:10]
    before = open_descriptors()
    generation.leave("a")
    assert open_descriptors() == before - 1


@pytest.mark.parametrize("kind", ["pipe", "directory", "nothing", "damaged"])
def test_what_cannot_be_identified_leaves_no_descriptor(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "0.log.1.gz"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "directory":
            path.mkdir()
        case "damaged":
            path.write_bytes(b"not gzip at all")
    before = open_descriptors()
    with pytest.raises(OSError):
        look(str(path), gz=True)
    assert open_descriptors() == before


# -- gzip -------------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(sorted(READERS)), st.integers(0, len(TEXT) + 10), st.integers(1, 70_000))),
    st.integers(1, len(TEXT)),
)
def test_a_compressed_file_reads_like_a_plain_one(
    tmp_path_factory: pytest.TempPathFactory, reads: list[tuple[str, int, int]], member: int
) -> None:
    path = tmp_path_factory.mktemp("gz") / "0.log.1.gz"
    path.write_bytes(gzip.compress(TEXT[:member]) + gzip.compress(TEXT[member:]))
    generation = opened(path, gz=True)
    for reader, offset, size in reads:
        assert generation.read(reader, offset, size) == TEXT[offset : offset + size]
    for reader in READERS:
        generation.leave(reader)


def test_the_size_of_a_compressed_file_is_that_of_its_content(tmp_path: Path) -> None:
    path = tmp_path / "0.log.1.gz"
    path.write_bytes(gzip.compress(TEXT))
    assert opened(path, gz=True).left(0) == len(TEXT)


@pytest.mark.parametrize("harm", ["cut", "trailer", "garbage behind", "garbage within"])
def test_what_stands_before_the_damage_is_read(tmp_path: Path, harm: str) -> None:
    packed = gzip.compress(TEXT, mtime=0)
    plain = TEXT
    match harm:
        case "cut":
            packed = packed[: len(packed) // 2]
            plain = zlib.decompressobj(wbits=31).decompress(packed)
        case "trailer":
            packed = packed[:-8] + b"\xff" * 8
        case "garbage behind":
            packed += b"garbage"
        case "garbage within":
            # A stored block whose length does not match its complement: inflate stops there.
            first = gzip.compress(TEXT[:5000])
            packed, plain = first + packed[:10] + b"\x00\x01\x00\x01\x00" + packed[10:], TEXT[:5000]
    path = tmp_path / "0.log.1.gz"
    path.write_bytes(packed)
    generation = opened(path, gz=True)
    read = b""
    while len(read) < len(plain):
        data = generation.read("a", len(read), 10_000)
        assert data
        read += data
    assert read == plain
    with pytest.raises(Damaged):
        generation.read("a", len(read), 10_000)


def test_a_compression_bomb_is_not_unpacked_at_once(tmp_path: Path) -> None:
    path = tmp_path / "0.log.1.gz"
    path.write_bytes(gzip.compress(TEXT + b"\0" * (64 << 20), compresslevel=1))
    generation = opened(path, gz=True)
    tracemalloc.start()
    assert generation.read("a", 0, 1000) == TEXT[:1000]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20
