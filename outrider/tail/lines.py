"""A chunk of a log file becomes physical lines, in columns.

Container runtimes write one of two shapes. CRI (containerd, CRI-O):

    2026-05-16T09:19:06.315692671Z stdout F the line
    <RFC 3339 time> <stdout|stderr> <P|F>[:more tags] <content>

where `P` says that the line goes on in the next one (the runtime cuts at 16 KiB) and `F` that it ends here. And
docker's json-file:

    {"log":"the line\\n","stream":"stdout","time":"2026-05-16T09:19:06.315692671Z"}

where a missing newline at the end of `log` says that the line goes on.

A chunk nearly always has lines of the first shape only. Then the native core finds where the parts of each stand, and
nothing is made of them (`cut`); where that is not built they are cut at their first three spaces, which costs half
of what any pattern does, and the columns that this gives are checked as a whole: every time by one match over all of
them, every stream and tag by one look at the set. A chunk with anything else in it is taken apart line by line by a
compiled pattern, with the same result. What is neither shape comes out too, as a line without a time, because a line
that cannot be read is still a line that somebody wrote.

Costs 0.08 µs a line with the core, 0.6 µs without, or 1.1 µs in a chunk with other lines (`python -m bench stages`).
"""

import re
from io import BytesIO
from types import ModuleType
from typing import NamedTuple

import orjson

from outrider import native
from outrider.model.records import Records
from outrider.model.table import PART, POSITION_BITS, Table

Line = tuple[bytes, bytes, bytes, bytes, bytes]
"""(raw line with its newline, timestamp, b"stdout" | b"stderr", tag, content). A tag starting with P: the line goes
on. An empty tag: neither CRI nor docker; timestamp and stream are then empty and the content is the raw line.
"""


class Lines(NamedTuple):
    """The same, in columns."""

    raws: list[bytes]
    times: list[bytes]
    stds: list[bytes]
    tags: list[bytes]
    contents: list[bytes]

    @property
    def number(self) -> int:
        return len(self.raws)

    def tag(self, i: int) -> bytes:
        return self.tags[i]

    def raw(self, i: int) -> bytes:
        return self.raws[i]


class Scanned:
    """The same, found by the native core and left where they are: `records` has one for each line."""

    __slots__ = ("_marks", "records")

    def __init__(self, table: Table) -> None:
        self.records, self._marks = Records(table=table), table.marks

    @property
    def number(self) -> int:
        return len(self._marks)

    def tag(self, i: int) -> bytes:
        return b"P" if self._marks[i] & PART else b"F"

    def raw(self, _i: int) -> bytes:
        """Nothing: none of them wants a second look."""
        return b""

    def marked(self) -> list[int]:
        """The lines that go on in the next one, or begin as the second line of a trace may."""
        return [m.start() for m in _marked(self._marks)]


_marked = re.compile(rb"[^\0]").finditer
_TIME = rb"\d{4}-[01]\d-[0-3]\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)"
_CRI = re.compile(rb"((?:(" + _TIME + rb") (stdout|stderr) ([FP])(?::[^ \n]*)?(?: (.*))?|.*)\n)")
_split_cri = _CRI.findall
_TIME_ONLY = re.compile(_TIME)
_are_times = re.compile(rb"(?:" + _TIME + rb"\n)*+").fullmatch
_STDS, _TAGS = frozenset({b"stdout", b"stderr"}), frozenset({b"F", b"P"})


def cut(chunk: bytes, at: int, screen: bytes | None = None) -> Lines | Scanned:
    """The lines of `chunk`, which must end with a newline and begins at position `at`. `screen` (a bit for each two
    bytes) says which of them to mark by their beginning.
    """
    core = core_at(at)
    rows = None if core is None else core.scan(chunk, at, screen)
    return split(chunk) if rows is None else Scanned(Table(chunk, rows))


def core_at(position: int) -> ModuleType | None:
    """The native core, if it is there and a table has room for positions up to this one."""
    return None if position >> POSITION_BITS > 0 else native.core


def nothing_yet(last: int) -> Records:
    """No records, to which some up to the position `last` will be added, in the form that is encoded at the least
    cost.
    """
    return Records() if core_at(last) is None else Records(table=Table(b"", b""))


def split(chunk: bytes) -> Lines:
    """The lines of `chunk`, which must end with a newline.

    Both shapes may be mixed in one chunk: which one a line has is seen from the line.
    """
    raws = BytesIO(chunk).readlines()
    try:
        times, stds, tags, contents = zip(*[raw[:-1].split(b" ", 3) for raw in raws], strict=True)
    except ValueError:  # some line has fewer spaces
        return _one_by_one(chunk)
    if _STDS.issuperset(stds) and _TAGS.issuperset(tags) and _are_times(b"\n".join(times) + b"\n"):
        return Lines(raws, list(times), list(stds), list(tags), list(contents))
    return _one_by_one(chunk)


def _one_by_one(chunk: bytes) -> Lines:
    lines: list[Line] = _split_cri(chunk)
    if lines and not lines[0][3] and lines[0][0][:1] == b"{":
        lines = [line if line[3] else _other(line[0]) for line in lines]
    return Lines(*(map(list, zip(*lines, strict=True)) if lines else ([], [], [], [], [])))


def recover(raw: bytes) -> Line:
    """A second look at a line the CRI pattern did not fit: docker's shape, or either shape behind the NUL bytes that a
    writer leaves when its file was truncated under it (it goes on at its old offset, the hole reads as zeros).
    """
    if raw[:1] == b"\0":
        found: list[Line] = _split_cri(raw.lstrip(b"\0"))
        first = found[0]
        _, timestamp, std, tag, content = first if first[3] else _other(first[0])
        return raw, timestamp, std, tag, content
    return _other(raw)


def _other(raw: bytes) -> Line:
    if raw[:1] == b"{":
        try:
            line = orjson.loads(raw)
            log, time = line["log"].encode(), line["time"].encode()
            std = b"stderr" if line.get("stream") == "stderr" else b"stdout"
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, UnicodeEncodeError):
            pass
        else:
            if _TIME_ONLY.fullmatch(time):
                return (raw, time, std, b"F", log[:-1]) if log.endswith(b"\n") else (raw, time, std, b"P", log)
    return raw, b"", b"", b"", raw[:-1]
