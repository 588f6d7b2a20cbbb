"""One reader on real files, event by event: rotation, truncation, long and broken lines, and what may be committed."""

import errno
import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from outrider.model.clock import ManualClock
from outrider.tail.generation import Generation
from outrider.tail.reader import FAR, HALF_LINE_PATIENCE, LATE_WRITES, READ_PATIENCE
from outrider.tail.records import MAX_RECORD, Joining
from tests.support.descriptors import open_descriptors
from tests.support.following import Following

_second = iter(range(10**6))


def line(content: bytes, std: bytes = b"stdout", tag: bytes = b"F") -> bytes:
    n = next(_second)
    return b"2026-05-16T%02d:%02d:%02dZ %b %b %b\n" % (n // 3600 % 24, n // 60 % 60, n % 60, std, tag, content)


@pytest.fixture(autouse=True)
def _count_from_zero() -> None:
    global _second
    _second = iter(range(10**6))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "0.log"


def append(path: Path, *lines: bytes) -> None:
    with open(path, "ab") as f:
        f.write(b"".join(lines))


def rotated(path: Path, n: int) -> Path:
    return path.rename(path.with_name(f"{path.name}.{n}"))


def packed(path: Path) -> None:
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


# -- following --------------------------------------------------------------------------------------------------------


def test_lines_come_out_as_they_are_written(log: Path) -> None:
    append(log, line(b"1 one"))
    following = Following(log.parent)
    assert following.read() == [b"1 one"]
    assert following.read() == []
    append(log, line(b"2 two"), line(b"3 three")[:-1])
    assert following.read() == [b"2 two"]
    append(log, b"\n")
    assert following.read() == [b"3 three"]


def test_a_rotation_by_rename_with_late_writes(log: Path) -> None:
    append(log, line(b"1"))
    following = Following(log.parent)
    assert following.read() == [b"1"]
    old = rotated(log, 1)
    following.look()
    append(old, line(b"2"))
    assert following.read() == [b"2"]
    append(log, line(b"4"))
    following.look()
    append(old, line(b"3"))
    assert following.read() == [b"3"], "the old file may still be written to"
    following.clock.advance(LATE_WRITES)
    assert following.read() == [b"4"]


def test_rotations_that_were_missed_are_read_in_order(log: Path) -> None:
    append(log, line(b"1"))
    following = Following(log.parent)
    following.read()
    append(log, line(b"2"))
    for n in (1, 2, 3):
        rotated(log, n)
        append(log, line(b"file %d" % n))
    for n in (1, 2):
        packed(log.with_name(f"0.log.{n}"))
    assert following.read_over(2) == [b"2", b"file 1", b"file 2", b"file 3"]


def test_a_record_goes_on_over_a_rotation(log: Path) -> None:
    append(log, line(b"one ", tag=b"P"), line(b"panic: boom", b"stderr"))
    following = Following(log.parent)
    assert following.read() == []
    rotated(log, 1)
    append(log, line(b"line", tag=b"F"), line(b"", b"stderr"), line(b"goroutine 1 [running]:", b"stderr"))
    following.look()
    following.clock.advance(LATE_WRITES)
    following.read()
    append(log, line(b"2026 end", b"stderr"))
    assert following.read() == [b"panic: boom\n\ngoroutine 1 [running]:", b"2026 end"]
    assert sorted(r[3] for _, r in following.emitted)[1] == b"one line"


def test_the_clock_went_back_between_two_generations(log: Path) -> None:
    early, late = line(b"early"), line(b"late")
    append(log, late)
    following = Following(log.parent)
    following.read()
    append(log, line(b"more"))
    rotated(log, 1)
    append(log, early)
    assert following.read_over(1) == [b"more", b"early"]
    again = Following(log.parent)
    assert again.read_over(1) == [b"late", b"more", b"early"], "the live one last, for it is never at its end"


def test_copytruncate_goes_on_in_the_copy(log: Path) -> None:
    append(log, line(b"1"))
    following = Following(log.parent)
    following.read()
    append(log, line(b"2"))
    log.with_name("0.log.1").write_bytes(log.read_bytes())
    log.write_bytes(b"")
    append(log, line(b"3"))
    assert following.read() == []
    assert following.reader.misplaced
    assert following.read_over(2) == [b"2", b"3"]
    assert not following.reader.misplaced
    assert following.counters.value("outrider_lost_generations_total") == 0


def test_truncation_without_a_copy_is_counted(log: Path, caplog: pytest.LogCaptureFixture) -> None:
    append(log, line(b"1"))
    following = Following(log.parent)
    following.read()
    append(log, line(b"never read"))
    log.write_bytes(line(b"3"))
    assert following.read_over(2) == [b"3"]
    assert following.counters.value("outrider_lost_generations_total") == 1
    assert "is lost" in caplog.text


def test_a_deleted_file_is_read_to_its_end(log: Path) -> None:
    append(log, line(b"1"), line(b"2"))
    following = Following(log.parent)
    log.unlink()
    assert following.read_over(2) == [b"1", b"2"]
    assert following.reader.ended
    following.read_over(1)
    assert following.reader.ended


def test_the_end_of_a_stream_lets_go_what_was_unfinished(log: Path) -> None:
    append(log, line(b"half", tag=b"P"), line(b"panic: boom", b"stderr"))
    following = Following(log.parent, joining=Joining(wait=1000.0))
    following.read()
    log.unlink()
    assert sorted(following.read_over(2)) == [b"half", b"panic: boom"]
    following.ack()
    assert following.counters.value("outrider_lines_read_total") == 2


def test_a_file_that_was_away_for_a_while_is_read_on(log: Path) -> None:
    """As when kubelet renames back what the runtime could not reopen, or an operator moves a log away and back."""
    append(log, line(b"1"))
    following = Following(log.parent)
    following.read()
    away = log.rename(log.with_name("moved"))
    following.read_over(3)
    append(away, line(b"2"))
    away.rename(log)
    following.look()
    assert following.read() == [b"2"]
    append(log, line(b"3"))
    assert following.read_over(2) == [b"3"]


@pytest.mark.parametrize("forgotten", [True, False])
def test_a_rotation_that_comes_back_with_more(log: Path, forgotten: bool) -> None:
    append(log, line(b"1"))
    following = Following(log.parent)
    following.read()
    away = log.rename(log.with_name("moved"))
    following.look()
    following.clock.advance(LATE_WRITES)
    assert following.read() == []
    assert following.reader.ended
    if forgotten:
        following.ack()
        following.look()
        assert following.files.generations == ()
    append(away, line(b"2"))
    append(log, line(b"3"))
    away.rename(log.with_name("0.log.1"))
    assert sorted(following.read_over(3)) == [b"2", b"3"]


def test_a_thousand_finished_rotations_are_no_trouble(log: Path) -> None:
    for n in range(1000):
        log.with_name(f"0.log.{n:04}").write_bytes(line(b"%d" % n))
    append(log, line(b"last"))
    following = Following(log.parent)
    following.clock.advance(LATE_WRITES)
    assert following.read(5000) == [b"%d" % n for n in range(1000)] + [b"last"]
    following.ack()
    again = Following(log.parent, places=following.places)
    again.clock.advance(LATE_WRITES)
    assert again.read(5000) == []
    again.close()


def test_a_reader_does_not_remember_every_file_it_ever_read(log: Path) -> None:
    following = Following(log.parent)
    for n in range(300):
        append(log, line(b"%d" % n))
        following.look()
        following.clock.advance(LATE_WRITES)
        following.read()
        following.ack()
        log.unlink()
    remembered = [len(v) for v in vars(following.reader).values() if hasattr(v, "__len__")]
    assert max(remembered) < 100


def test_descriptors_are_given_back(log: Path) -> None:
    before = open_descriptors()
    append(log, line(b"first"))
    following = Following(log.parent)
    for n in range(50):
        following.read()
        rotated(log, n)
        append(log, line(b"%d" % n))
        following.read_over(1)
        following.ack()
        if n > 2:
            log.with_name(f"0.log.{n - 2}").unlink()
    assert open_descriptors() == before + 1
    for path in list(log.parent.iterdir()):
        path.unlink()
    following.read_over(1)
    assert following.reader.ended
    assert open_descriptors() == before


# -- lines that are hard to read --------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [1, 320])
def test_a_line_of_five_megabytes(log: Path, parts: int) -> None:
    content = b"x" * (5 << 20)
    size = len(content) // parts
    pieces = [line(content[i * size : (i + 1) * size], tag=b"P") for i in range(parts - 1)]
    append(log, line(b"1 before"), *pieces, line(content[(parts - 1) * size :]), line(b"2 after"))
    following = Following(log.parent)
    assert following.read() == [b"1 before", content, b"2 after"]
    following.ack()
    (place,) = following.places.values()
    assert place[0] == log.stat().st_size


@pytest.mark.parametrize("live", [True, False])
def test_a_line_longer_than_a_record_may_be_is_cut_and_counted(log: Path, live: bool) -> None:
    content = b"x" * (2 * MAX_RECORD + 1000)
    append(log, line(b"1 before"), line(content), line(b"2 after"))
    if not live:
        rotated(log, 1)
        packed(log.with_name("0.log.1"))
    following = Following(log.parent)
    first, *rest, last = following.read()
    assert (first, last, b"".join(rest)) == (b"1 before", b"2 after", content)
    assert all(len(r) <= MAX_RECORD for r in rest)
    assert following.counters.value("outrider_cut_lines_total") == len(rest) - 1 == 2
    assert following.counters.value("outrider_lines_read_total") == len(rest) + 2
    stamps = {r[1] for _, r in following.emitted[1:-1]}
    assert len(stamps) == 1, "the pieces of a line have one time"


def test_a_line_that_grows_slowly_is_delivered_when_it_is_whole(log: Path) -> None:
    text = line(b"y" * 600_000)
    append(log, line(b"1"))
    following = Following(log.parent)
    following.read()
    for i in range(0, len(text), 100_000):
        append(log, text[i : i + 100_000])
        contents = following.read_over(1)
    assert [len(c) for c in contents] == [600_000]


def test_a_last_line_without_an_end_is_waited_for_and_then_delivered(log: Path) -> None:
    append(log, line(b"1"), line(b"2 half")[:-1])
    following = Following(log.parent)
    assert following.read() == [b"1"]
    following.clock.advance(HALF_LINE_PATIENCE - 1)
    assert following.read() == []
    following.clock.advance(1.0)
    assert following.read() == [b"2 half"]
    assert following.counters.value("outrider_half_lines_total") == 1
    append(log, b" and the rest\n")
    assert following.read() == [b" and the rest"]


def test_another_half_line_of_the_same_length_waits_its_own_time(log: Path) -> None:
    append(log, line(b"1"), line(b"2")[:-1])
    following = Following(log.parent)
    following.read()
    following.clock.advance(HALF_LINE_PATIENCE - 1)
    append(log, b"\n", line(b"3")[:-1])
    assert following.read() == [b"2"]
    following.clock.advance(2)
    assert following.read() == []
    append(log, b"\n")
    assert following.read() == [b"3"]


def test_the_half_line_at_the_end_of_a_rotation_is_not_waited_for_long(log: Path) -> None:
    append(log, line(b"1"), line(b"2 half")[:-1])
    following = Following(log.parent)
    following.read()
    rotated(log, 1)
    append(log, line(b"3"))
    assert following.read_over(3) == [b"2 half", b"3"]
    assert not following.reader.restless(following.clock.monotonic() + 10, 3.0)


@pytest.mark.parametrize("junk", [b"\0" * 5000, b"\xff\xfe\xfa", b"{" * 10_000, b"", b"\r", b"x" * 300_000])
def test_good_lines_around_junk_are_delivered(log: Path, junk: bytes) -> None:
    append(log, line(b"1 good"), junk + b"\n", line(b"2 \xff\0good"), junk + line(b"3 good"), line(b"4 good"))
    following = Following(log.parent)
    contents = following.read()
    assert {b"1 good", b"2 \xff\0good", b"4 good"} <= set(contents)
    assert len(contents) == 5
    assert following.counters.value("outrider_lines_read_total") == 5


@pytest.mark.parametrize("time", [b"9999-12-31T23:59:59.999999999Z", b"0000-00-00T00:00:00Z", b"not a time", b""])
def test_first_lines_with_odd_times(log: Path, time: bytes) -> None:
    append(log, time + b" stdout F odd\n", line(b"1 good"))
    following = Following(log.parent)
    assert following.read()[-1] == b"1 good"
    rotated(log, 1)
    append(log, line(b"2 good"))
    assert following.read_over(2) == [b"2 good"]


def test_the_writer_goes_on_behind_a_hole(log: Path) -> None:
    append(log, line(b"1"))
    with open(log, "r+b") as writer:  # without O_APPEND: it keeps its offset
        writer.seek(0, os.SEEK_END)
        following = Following(log.parent)
        following.read()
        os.truncate(log, 0)
        writer.write(line(b"2"))
        writer.flush()
        assert following.read_over(2) == [b"2"]


def test_a_file_that_shrinks_is_read_on_from_its_new_end(log: Path) -> None:
    append(log, line(b"1"), line(b"2"), line(b"3"))
    following = Following(log.parent)
    following.read()
    following.ack()
    os.truncate(log, len(line(b"x")))
    append(log, b"")
    assert following.read_over(1) == []
    append(log, line(b"4"))
    assert following.read() == [b"4"]
    following.ack()
    (place,) = following.places.values()
    assert place[0] == log.stat().st_size, "the cursor goes back with the file"


@pytest.mark.parametrize("harm", ["cut", "trailer", "zeros"])
def test_a_damaged_gzip_gives_what_it_has_and_the_others_follow(log: Path, harm: str) -> None:
    text = b"".join(line(b"%d" % n) for n in range(5000))
    data = gzip.compress(text)
    log.with_name("0.log.1.gz").write_bytes(
        {"cut": data[:-100], "trailer": data[:-8] + b"12345678", "zeros": data[:20_000] + bytes(2000) + data[22_000:]}[
            harm
        ]
    )
    append(log, line(b"the live one"))
    following = Following(log.parent)
    contents = following.read_over(5)
    assert contents[0] == b"0"
    assert contents[-1] == b"the live one"
    assert len(contents) > {"cut": 4900, "trailer": 5000, "zeros": 1000}[harm]
    assert following.counters.value("outrider_lost_generations_total") == 1


def test_only_damaged_gzips_are_left(log: Path) -> None:
    log.with_name("0.log.1.gz").write_bytes(gzip.compress(line(b"1"))[:-8] + b"12345678")
    following = Following(log.parent)
    assert following.read_over(3) == [b"1"]
    assert following.counters.value("outrider_lost_generations_total") == 1


def test_an_empty_file_says_nothing(log: Path) -> None:
    log.write_bytes(b"")
    following = Following(log.parent)
    assert following.read_over(3) == []
    assert not following.reader.ended


def test_a_disk_that_fails_is_tried_again_and_given_up_only_when_nothing_will_follow(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failing disk cannot be had here: the read is patched."""
    append(log, line(b"1"))
    following = Following(log.parent)
    real = Generation.read

    def fails(self: Generation, *rest: Any) -> bytes:
        if self.path.endswith("0.log") or self.path.endswith(".1"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), self.path)
        return real(self, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(Generation, "read", fails)
        assert following.read_over(READ_PATIENCE + 5) == []
        assert following.reader.misplaced
    assert following.read() == [b"1"], "a live file is never given up"
    assert following.counters.value("outrider_read_errors_total") == 1
    rotated(log, 1)
    append(log, line(b"2"))
    following.look()
    log = rotated(log, 2)
    with monkeypatch.context() as patch:
        patch.setattr(Generation, "read", fails)
        assert following.read_over(READ_PATIENCE + 5) == [b"2"]
    assert following.counters.value("outrider_lost_generations_total") == 1


# -- what may be committed --------------------------------------------------------------------------------------------


def test_only_a_settled_beginning_moves_the_cursor(log: Path) -> None:
    following = Following(log.parent)
    ends = []
    for n in range(4):
        append(log, line(b"%d" % n))
        ends.append(log.stat().st_size)
        following.look()
        following.read()
    assert following.ack(1, 3) is None
    assert [p[0] for p in (following.ack(0) or {}).values()] == [ends[1]]
    assert following.ack(5) is None
    assert [p[0] for p in (following.ack() or {}).values()] == [ends[3]]
    assert following.ack() is None


def test_the_cursor_never_passes_an_unfinished_record(log: Path) -> None:
    append(log, line(b"1"))
    start = log.stat().st_size
    append(log, line(b"panic: boom", b"stderr"), line(b"2"), line(b"3"))
    following = Following(log.parent, joining=Joining(wait=10.0))
    assert following.read() == [b"1", b"2", b"3"]
    following.ack()
    assert [p[0] for p in following.places.values()] == [start]
    again = Following(log.parent, places=following.places, joining=Joining(wait=10.0))
    again.read()
    append(log, line(b"goroutine 1 [running]:", b"stderr"), line(b"2026", b"stderr"))
    assert following.read() == again.read() == [b"panic: boom\ngoroutine 1 [running]:", b"2026"]
    assert [i for i, _ in following.emitted if i[1] >= start] == [i for i, _ in again.emitted]
    following.ack()
    assert [p[0] for p in following.places.values()] == [log.stat().st_size]


def test_finished_generations_stay_listed_while_their_files_are_there(log: Path) -> None:
    append(log, line(b"1"))
    following = Following(log.parent)
    following.read()
    rotated(log, 1)
    append(log, line(b"2"))
    following.read_over(1)
    following.ack()
    assert len(following.places) == 2
    again = Following(log.parent, places=following.places)
    assert again.read_over(1) == []
    log.with_name("0.log.1").unlink()
    append(log, line(b"3"))
    assert following.read_over(1) == [b"3"]
    following.ack()
    assert len(following.places) == 1


def test_a_gzipped_generation_is_known_by_its_cursor(log: Path) -> None:
    append(log, line(b"1"), line(b"2"))
    following = Following(log.parent)
    following.read()
    following.ack()
    append(log, line(b"3"))
    rotated(log, 1)
    packed(log.with_name("0.log.1"))
    append(log, line(b"4"))
    again = Following(log.parent, places=following.places)
    assert again.read_over(1) == [b"3", b"4"]


def test_taken_up_at_the_end(log: Path) -> None:
    log.with_name("0.log.0.gz").write_bytes(gzip.compress(line(b"oldest")))
    log.with_name("0.log.1").write_bytes(line(b"old"))
    append(log, line(b"1"))
    following = Following(log.parent, from_end=True)
    assert following.read_over(1) == []
    append(log, line(b"2"))
    assert following.read() == [b"2"]
    again = Following(log.parent, places=following.reader.places, from_end=True)
    assert again.read_over(1) == [b"2"], "a cursor counts for more than `start: end`"


def test_a_cursor_beyond_the_end_is_put_right(log: Path) -> None:
    append(log, line(b"1"))
    key = Following(log.parent).files.generations[0].key
    following = Following(log.parent, places={key: (10_000, "")})
    assert following.read_over(1) == []
    append(log, line(b"2"))
    assert following.read() == [b"2"]


def test_a_stray_line_has_the_time_of_the_line_before_it_also_after_a_restart(log: Path) -> None:
    append(log, line(b"1"))
    following = Following(log.parent)
    following.read()
    following.ack()
    append(log, b"stray\n")
    following.read()
    again = Following(log.parent, places=following.places)
    again.read()
    assert again.emitted == following.emitted[1:]
    assert again.emitted[0][1][1] == following.emitted[0][1][1] != b""


def test_lines_and_records_balance(log: Path) -> None:
    following = Following(log.parent)
    traces = [line(b"panic: boom", b"stderr"), line(b"", b"stderr"), line(b"goroutine 1 [running]:", b"stderr")]
    append(
        log, line(b"a", tag=b"P"), line(b"b", tag=b"P"), *traces, line(b"c"), b"stray\n", line(b"d", b"stderr", b"P")
    )
    following.read_over(20)
    log.unlink()
    following.read_over(2)
    assert following.counters.value("outrider_lines_read_total") == 8
    joined = following.counters.value("outrider_lines_joined_total", exporter="google")
    assert len(following.emitted) + joined == 8


def test_a_trace_on_stderr_is_not_held_up_by_a_busy_stdout(log: Path) -> None:
    """A backlog of one stream must not keep the cursor at a record of the other that ended long ago."""
    append(log, line(b"1"), line(b"panic: boom", b"stderr"))
    append(log, *(line(b"2 " + b"x" * 100_000) for _ in range(80)))
    following = Following(log.parent)
    while len(following.emitted) < 70:
        following.take()
        following.clock.advance(0.2)
    assert b"panic: boom" in [r[3] for _, r in following.emitted]
    following.ack()
    ((place, _),) = following.places.values()
    assert place > FAR


def test_restless_until_there_is_nothing_that_time_could_bring(log: Path) -> None:
    clock = ManualClock()
    append(log, line(b"1"))
    following = Following(log.parent, clock)
    following.read()
    assert following.reader.restless(clock.monotonic(), 3.0)
    clock.advance(3.0)
    following.read()
    assert not following.reader.restless(clock.monotonic(), 3.0)
    append(log, line(b"panic: boom", b"stderr"))
    following.read()
    clock.advance(0.9)
    assert following.reader.restless(clock.monotonic(), 0.1), "unfinished"
    clock.advance(3.0)
    following.read()
    assert not following.reader.restless(clock.monotonic(), 0.1)
    rotated(log, 1)
    append(log, b"")
    following.look()
    assert following.reader.restless(clock.monotonic(), 0.1), "closed, but perhaps still written to"
    clock.advance(1.0)
    following.read()
    assert not following.reader.restless(clock.monotonic(), 0.1)
