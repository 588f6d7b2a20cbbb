"""The writer of the tree is what the whole suite trusts to be kubelet: its files are read back byte for byte."""

import gzip
import os
import stat
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.demo.kubelet import LIMIT, ContainerLog, Counts, Kubelet, Style, cut, rfc3339nano
from outrider.model.clock import ManualClock

NOW = 1_787_479_872.0  # 2026-08-23T10:11:12Z
STAMP = "2026-08-23T10:11:12.000000001Z"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


def container(tmp_path: Path, clock: ManualClock, style: Style = "cri", max_files: int = 5) -> ContainerLog:
    return Kubelet(tmp_path, clock, style=style, max_files=max_files).start_pod("shop", "web-1", "uid-1").container("c")


def files(log: ContainerLog) -> dict[str, bytes]:
    """Name -> content as `zcat -f` shows it."""
    found = {}
    for path in log.directory.iterdir():
        data = path.read_bytes()
        found[path.name] = gzip.decompress(data) if path.suffix == ".gz" else data
    return found


def test_tree_is_kubelets_and_the_first_file_is_there_before_the_first_line(tmp_path: Path, clock: ManualClock) -> None:
    log = container(tmp_path, clock)
    assert log.path == tmp_path / "shop_web-1_uid-1" / "c" / "0.log"
    assert log.path.read_bytes() == b""
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (1_787_479_872_000_000_000, "2026-08-23T10:11:12Z"),
        (1_787_479_872_000_000_001, "2026-08-23T10:11:12.000000001Z"),
        (1_787_479_872_120_000_000, "2026-08-23T10:11:12.12Z"),
        (1_787_479_872_999_999_999, "2026-08-23T10:11:12.999999999Z"),
        (0, "1970-01-01T00:00:00Z"),
    ],
)
def test_times_are_printed_as_go_prints_them(ns: int, text: str) -> None:
    assert rfc3339nano(ns) == text


@pytest.mark.parametrize(
    ("printed", "stream", "expected"),
    [
        ("hello", "stdout", b"2026-08-23T10:11:12Z stdout F hello\n"),
        ("", "stderr", b"2026-08-23T10:11:12Z stderr F \n"),
        ("ended\n", "stdout", b"2026-08-23T10:11:12Z stdout F ended\n"),
        ("crlf\r\n", "stdout", b"2026-08-23T10:11:12Z stdout F crlf\n"),
        (b"\xff\x00 raw", "stdout", b"2026-08-23T10:11:12Z stdout F \xff\x00 raw\n"),
        (
            "two\n lines",
            "stderr",
            b"2026-08-23T10:11:12Z stderr F two\n2026-08-23T10:11:12.000000001Z stderr F  lines\n",
        ),
    ],
)
def test_cri_lines(tmp_path: Path, clock: ManualClock, printed: str | bytes, stream: str, expected: bytes) -> None:
    log = container(tmp_path, clock)
    log.write(printed, stream)
    assert log.path.read_bytes() == expected
    assert log.counts == Counts(lines=expected.count(b"\n"), bytes=len(expected))


def test_a_given_timestamp_is_written_as_it_stands(tmp_path: Path, clock: ManualClock) -> None:
    log = container(tmp_path, clock)
    log.write("late", timestamp="9999-01-01T00:00:00+08:00")
    assert log.path.read_bytes() == b"9999-01-01T00:00:00+08:00 stdout F late\n"


@pytest.mark.parametrize(
    ("length", "sizes"),
    [
        (LIMIT - 1, [LIMIT - 1]),
        (LIMIT, [LIMIT]),
        (LIMIT + 1, [LIMIT, 1]),
        (2 * LIMIT, [LIMIT, LIMIT]),
        (5 * LIMIT + 7, [LIMIT] * 5 + [7]),
    ],
)
def test_long_lines_are_cut_where_containerd_cuts_them(
    tmp_path: Path, clock: ManualClock, length: int, sizes: list[int]
) -> None:
    log = container(tmp_path, clock)
    log.write(b"x" * length)
    read = [line.split(b" ", 3) for line in log.path.read_bytes().splitlines()]
    assert [len(content) for *_, content in read] == sizes
    assert [tag for _, _, tag, _ in read] == [b"P"] * (len(sizes) - 1) + [b"F"]
    assert (log.counts.lines, log.counts.parts, log.counts.records) == (len(sizes), len(sizes) - 1, 1)


@given(content=st.binary(max_size=90), limit=st.integers(1, 20), style=st.sampled_from(["cri", "docker"]))
def test_pieces_join_to_the_line_and_only_the_last_is_short(content: bytes, limit: int, style: Style) -> None:
    pieces = cut(content, style, limit)
    assert b"".join(pieces) == content
    assert all(len(p) == limit for p in pieces[:-1])
    assert len(pieces[-1]) <= limit - (style == "docker")
    assert style == "docker" or pieces[-1] or not content


def test_docker_lines_escape_as_dockerd_does_and_end_a_record_by_its_newline(
    tmp_path: Path, clock: ManualClock
) -> None:
    log = container(tmp_path, clock, "docker")
    log.write('<a href="?x&y">', "stderr")
    assert log.path.read_bytes() == (
        rb'{"log":"\u003ca href=\"?x\u0026y\"\u003e\n","stream":"stderr","time":"2026-08-23T10:11:12Z"}' + b"\n"
    )


def test_docker_cuts_a_full_buffer_even_if_nothing_follows(tmp_path: Path, clock: ManualClock) -> None:
    log = container(tmp_path, clock, "docker")
    log.write("y" * LIMIT)
    read = [orjson.loads(line)["log"] for line in log.path.read_bytes().splitlines()]
    assert read == ["y" * LIMIT, "\n"]
    assert (log.counts.lines, log.counts.parts, log.counts.records) == (2, 1, 1)


def test_rotation_keeps_the_newest_plain_compresses_the_others_and_removes_the_oldest(
    tmp_path: Path, clock: ManualClock
) -> None:
    log = container(tmp_path, clock, max_files=4)
    for n in range(6):
        log.write(f"line {n}")
        log.rotate()
        clock.advance(10)
    log.write("live")
    found = files(log)
    assert sorted(found) == [
        "0.log",
        "0.log.20260823-101142.gz",
        "0.log.20260823-101152.gz",
        "0.log.20260823-101202",
    ]
    assert [found[name].split()[-1] for name in sorted(found)] == [b"live", b"3", b"4", b"5"]
    assert (log.counts.rotations, log.counts.gzips, log.counts.removed) == (6, 5, 3)
    assert log.counts.lines == 7


def test_compressed_rotations_are_gos_gzip_with_the_files_own_mode(tmp_path: Path, clock: ManualClock) -> None:
    log = container(tmp_path, clock)
    log.write("a")
    rotated = log.rotate()
    log.compress_rotations()
    packed = rotated.with_name(rotated.name + ".gz")
    assert packed.read_bytes()[:8] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00"  # no name, no time
    assert stat.S_IMODE(packed.stat().st_mode) == 0o640
    assert not rotated.exists()
    assert not list(log.directory.glob("*.tmp"))


def test_what_a_broken_compression_left_is_cleaned_up(tmp_path: Path, clock: ManualClock) -> None:
    log = container(tmp_path, clock)
    log.write("a")
    rotated = log.rotate()
    (log.directory / (rotated.name + ".tmp")).write_bytes(b"half")
    done = log.directory / "0.log.20200101-000000"
    done.write_bytes(b"already compressed")
    done.with_name(done.name + ".gz").write_bytes(gzip.compress(b"already compressed"))
    log.compress_rotations()
    assert sorted(files(log)) == ["0.log", "0.log.20200101-000000.gz", rotated.name + ".gz"]


def test_the_runtime_writes_to_the_renamed_file_until_it_reopens(tmp_path: Path, clock: ManualClock) -> None:
    log = container(tmp_path, clock)
    log.write("before")
    rotated = log.rename()
    log.write("between")
    assert not log.path.exists()
    log.reopen()
    log.write("after")
    assert [line.split()[-1] for line in rotated.read_bytes().splitlines()] == [b"before", b"between"]
    assert log.path.read_bytes().split()[-1] == b"after"


def test_two_rotations_in_one_second_keep_their_order(tmp_path: Path, clock: ManualClock) -> None:
    log = container(tmp_path, clock)
    for n in range(3):
        log.write(str(n))
        log.rotate()
    found = {n: c for n, c in files(log).items() if c}
    assert sorted(found) == ["0.log.20260823-101112.gz", "0.log.20260823-101113.gz", "0.log.20260823-101114"]
    assert [found[name].split()[-1] for name in sorted(found)] == [b"0", b"1", b"2"]


def test_restart_goes_to_the_next_number_and_leaves_the_old_run(tmp_path: Path, clock: ManualClock) -> None:
    log = container(tmp_path, clock)
    log.write("first run")
    log.restart()
    log.write("second run")
    assert (log.restarts, log.path.name) == (1, "1.log")
    assert {n: c.split(b" F ")[1] for n, c in files(log).items()} == {"0.log": b"first run\n", "1.log": b"second run\n"}


def test_copytruncate_keeps_the_inode_and_numbers_the_copies(tmp_path: Path, clock: ManualClock) -> None:
    log = container(tmp_path, clock)
    inode = log.path.stat().st_ino
    for n in range(11):
        log.write(f"n{n}")
        log.copytruncate()
    log.write("end")
    assert log.path.stat().st_ino == inode
    assert log.path.read_bytes().count(b"\n") == 1
    found = files(log)
    assert found["0.log.1"].endswith(b"n10\n")
    assert found["0.log.11"].endswith(b"n0\n")


def test_rotations_are_due_by_size_and_only_for_what_still_runs(tmp_path: Path, clock: ManualClock) -> None:
    kubelet = Kubelet(tmp_path, clock, max_size=100)
    small, big, dead = (kubelet.start_pod("ns", name, name).container("c") for name in ("small", "big", "dead"))
    small.write("x")
    big.write("x" * 100)
    dead.write("x" * 100)
    dead.close()
    dead.close()
    assert kubelet.rotate_due() == 1
    assert big.rotations()
    assert not small.rotations()
    assert not dead.rotations()
    assert kubelet.rotate_due() == 0


def test_counts_are_per_namespace_and_outlive_the_pod(tmp_path: Path, clock: ManualClock) -> None:
    kubelet = Kubelet(tmp_path, clock)
    gone, other = kubelet.start_pod("a", "one", "1"), kubelet.start_pod("a", "two", "2")
    gone.container("c").write("x" * (LIMIT + 1))
    other.container("c").write("x")
    kubelet.start_pod("b", "one", "3").container("c").write_piece(b"no newline", final=False)
    gone.remove()
    assert not gone.directory.exists()
    counts = kubelet.counts()
    assert (counts["a"].lines, counts["a"].parts, counts["a"].records) == (3, 1, 2)
    assert (counts["b"].lines, counts["b"].parts, counts["b"].records) == (1, 1, 0)
    kubelet.close()


def test_a_reader_that_holds_the_file_sees_the_rest_of_a_removed_container(tmp_path: Path, clock: ManualClock) -> None:
    log = container(tmp_path, clock)
    log.write("last words")
    with open(log.path, "rb") as reader:
        log.remove()
        assert not log.directory.exists()
        assert reader.read().endswith(b"last words\n")
        assert os.fstat(reader.fileno()).st_nlink == 0


def test_kubelets_own_demand_on_max_files_is_checked(tmp_path: Path, clock: ManualClock) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        container(tmp_path, clock, max_files=1)
