"""Chunks of bytes to physical lines: both shapes of container logs, and everything that is neither."""

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from outrider.tail.lines import Line, recover, split

T = b"2026-05-16T09:19:06.315692671Z"


def rows(chunk: bytes) -> list[Line]:
    return list(zip(*split(chunk), strict=True))


def parsed(raw: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """Time, stream, tag and content of one line, as the two looks at it together find them."""
    (line,) = rows(raw)
    assert line[0] == raw
    return (line if line[3] else recover(raw))[1:]


@pytest.mark.parametrize(
    ("rest", "std", "tag", "content"),
    [
        (b"stdout F the line", b"stdout", b"F", b"the line"),
        (b"stderr F the line", b"stderr", b"F", b"the line"),
        (b"stdout P the line", b"stdout", b"P", b"the line"),
        (b"stdout F:more:tags the line", b"stdout", b"F", b"the line"),
        (b"stdout P:zstd the line", b"stdout", b"P", b"the line"),
        (b"stdout F ", b"stdout", b"F", b""),
        (b"stdout F", b"stdout", b"F", b""),
        (b"stdout F  two blanks", b"stdout", b"F", b" two blanks"),
        (b"stdout F carriage\r", b"stdout", b"F", b"carriage\r"),
        (b"stdout F a\0b\xff\xfe\x0b\x0c\x85", b"stdout", b"F", b"a\0b\xff\xfe\x0b\x0c\x85"),
    ],
)
def test_cri_lines(rest: bytes, std: bytes, tag: bytes, content: bytes) -> None:
    assert parsed(T + b" " + rest + b"\n") == (T, std, tag, content)


@pytest.mark.parametrize(
    "time",
    [
        b"2026-05-16T09:19:06Z",
        b"2026-05-16T09:19:06.1Z",
        b"2026-05-16T09:19:06.123456789+08:00",
        b"9999-12-31T23:59:59Z",
    ],
)
def test_times_as_the_runtimes_write_them(time: bytes) -> None:
    assert parsed(time + b" stdout F x\n") == (time, b"stdout", b"F", b"x")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"plain",
        T,
        T + b" ",
        T + b" stdout",
        T + b" stdout X line",
        T + b" stdout Fine",
        T + b" stdin F line",
        T + b"  stdout F line",
        b" " + T + b" stdout F line",
        b"2026-05-16 09:19:06Z stdout F line",
        b"2026-05-16T09:19:06.1234567890Z stdout F line",
        b"2026-05-16T25:19:06Z stdout F line",
        b"2026-05-16T09:19:06 stdout F line",
        b"{",
        b"{}",
        b"[]",
        b"{" * 10_000,
        b'{"log":1,"time":"2026-05-16T09:19:06Z"}',
        b'{"log":"x"}',
        b'{"log":"x","time":"yesterday"}',
        b'{"log":"x","time":3}',
        b'{"log":"\xff","time":"2026-05-16T09:19:06Z"}',
        b'{"log":"\\ud800","time":"2026-05-16T09:19:06Z"}',
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    ],
)
def test_what_is_neither_is_a_line_all_the_same(line: bytes) -> None:
    assert parsed(line + b"\n") == (b"", b"", b"", line)


@pytest.mark.parametrize(
    ("log", "std", "tag", "content"),
    [
        ("the line\n", "stdout", b"F", b"the line"),
        ("the line\n", "stderr", b"F", b"the line"),
        ("the line", "stdout", b"P", b"the line"),
        ("\n", "stdout", b"F", b""),
        ("", "stdout", b"P", b""),
        ("<é>\r\n", "stdout", b"F", "<é>\r".encode()),
    ],
)
def test_docker_lines(log: str, std: str, tag: bytes, content: bytes) -> None:
    raw = orjson.dumps({"log": log, "stream": std, "time": T.decode()}) + b"\n"
    assert parsed(raw) == (T, std.encode(), tag, content)
    assert rows(raw)[0] == (raw, T, std.encode(), tag, content)


def test_the_shapes_may_be_mixed() -> None:
    cri, docker = T + b" stdout F one\n", b'{"log":"two\\n","stream":"stdout","time":"%b"}\n' % T
    for chunk in (cri + docker + cri, docker + cri + docker, docker + b"three\n" + cri):
        contents = [(line if line[3] else recover(line[0]))[4] for line in rows(chunk)]
        assert contents == [{cri: b"one", docker: b"two"}.get(raw, b"three") for raw in chunk.splitlines(keepends=True)]


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"\0" * 4096 + T + b" stdout F after the hole\n", (T, b"stdout", b"F", b"after the hole")),
        (b"\0" + b'{"log":"x\\n","stream":"stderr","time":"%b"}\n' % T, (T, b"stderr", b"F", b"x")),
        (b"\0\0\0plain\n", (b"", b"", b"", b"plain")),
        (b"\0\0\0\n", (b"", b"", b"", b"")),
    ],
)
def test_a_hole_before_a_line_is_no_part_of_it(raw: bytes, found: tuple[bytes, ...]) -> None:
    assert parsed(raw) == found


@given(st.lists(st.one_of(st.binary(), st.binary().map(lambda b: T + b" stdout F " + b)), min_size=1))
@example([b"{"])
@example([b"\0"])
def test_no_byte_is_lost_and_nothing_raises(contents: list[bytes]) -> None:
    chunk = b"".join(c.replace(b"\n", b"") + b"\n" for c in contents)
    lines = rows(chunk)
    assert b"".join(line[0] for line in lines) == chunk
    assert len(lines) == len(contents)
    for line in lines:
        _, time, std, tag, content = line if line[3] else recover(line[0])
        assert (tag, std) in {(b"", b""), *((t, s) for t in (b"F", b"P") for s in (b"stdout", b"stderr"))}
        assert bool(time) == bool(tag)
        assert b"\n" not in content or line[0].lstrip(b"\0")[:1] == b"{"


def test_a_line_of_five_megabytes() -> None:
    content = b"x" * (5 << 20)
    assert parsed(T + b" stdout F " + content + b"\n")[3] == content
