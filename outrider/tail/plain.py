"""Log files that a program writes by itself: one record a line, and no time but the one that the line has.

**Time.** A line that begins with an RFC 3339 time and a zone (`2026-05-16T09:19:06.315Z INFO …`, also in brackets) has
that time; it stays in the line. A line without one has none: what a clock says at reading would be another time when
the line is read again. (A JSON line may have a time of its own, which the exporters look for.)

**Names.** What rotates such files leaves names of many kinds behind. A name belongs to the log that it is without
these: a number (`app.log.1`), a date, with a time or a counter, at the end (`app.log-20260516`, `app.log.2026-05-16.0`)
or before the extension (`app-2026-05-16T09-19-06.315.log`), `.old`, and `.gz` behind any of them. So the daily
`access.2026-05-16.log` are the generations of `access.log`, whether there is a file of that name or not. A number
before the extension (`app-1.log`) says less, for `worker-1.log` may be a log of its own: it takes an `app.log` beside
it.
"""

import re

from outrider.model.table import Table
from outrider.tail import head
from outrider.tail.head import Head
from outrider.tail.lines import Lines, Scanned, core_at

_YEAR, _MONTH, _DAY = r"(?:19|20)\d\d", r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_DATE = rf"[._-](?:{_YEAR}([-_.]?){_MONTH}\1{_DAY}|{_MONTH}([-_.]){_DAY}\2{_YEAR})"
_CLOCK = r"(?:[T_.-]?(?:[01]\d|2[0-3])([-_.:]?)[0-5]\d(?:\3[0-5]\d(?:[.,]\d{1,9})?)?Z?)?"
_COUNTER = r"(?:[._-]\d{1,12})?"
_AT_THE_END = re.compile(rf"(?:{_DATE}{_CLOCK}{_COUNTER}|\.\d{{1,5}}|\.old)\Z")
_BEFORE_THE_EXTENSION = re.compile(rf"{_DATE}{_CLOCK}{_COUNTER}(?=\.[A-Za-z]\w*\Z)")
_NUMBER_BEFORE_THE_EXTENSION = re.compile(r"[._-]\d{1,5}(?=\.[A-Za-z]\w*\Z)")
_UNREADABLE = (".bz2", ".lz4", ".swp", ".tmp", ".xz", ".zip", ".zst")

_FIRST_TIME = re.compile(
    rb'(?:^\[?|"(?:time|timestamp|@timestamp|ts)": ?")'
    rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)(?![^\s\]\"])"
)
_time_of = re.compile(
    rb"\[?(\d{4}-[01]\d-[0-3]\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d))[\] \t]"
).match


def cut(chunk: bytes, at: int, screen: bytes | None = None) -> Lines | Scanned:
    """As that of `outrider.tail.lines`, for such files."""
    core = core_at(at)
    rows = None if core is None else core.scan_plain(chunk, at, screen)
    return split(chunk) if rows is None else Scanned(Table(chunk, rows))


def split(chunk: bytes) -> Lines:
    """The lines of `chunk`, which must end with a newline, as `outrider.tail.lines` has them: all whole, of stdout.

    A carriage return at the end is no part of a line, nor are the NUL bytes before one that a writer leaves when its
    file was truncated under it.
    """
    contents = chunk.split(b"\n")
    contents.pop()
    raws = [content + b"\n" for content in contents]
    if b"\r" in chunk:
        contents = [content.removesuffix(b"\r") for content in contents]
    if b"\0" in chunk:
        contents = [content.lstrip(b"\0") for content in contents]
    n = len(contents)
    times = [m[1] if (m := _time_of(content)) else b"" for content in contents]
    return Lines(raws, times, [b"stdout"] * n, [b"F"] * n, contents)


def identify(start: bytes) -> Head | None:
    """See `outrider.tail.head.identify`. A line without a time has none of its file's first line either."""
    found = head.identify(start, _FIRST_TIME)
    return found and Head(found.key, found.start, b"")


def log_of(name: str) -> str | None:
    """The name of the log that the file `name` is, or is a rotation of; None if it can be neither: it is still being
    made, or compressed in a way that cannot be read.
    """
    if name.endswith(_UNREADABLE):
        return None
    plain = name.removesuffix(".gz")
    for pattern in (_AT_THE_END, _BEFORE_THE_EXTENSION):
        m = pattern.search(plain)
        if m and any(map(str.isalpha, plain[: m.start()])):  # the last number of 10.0.0.1 is no counter
            return plain[: m.start()] + plain[m.end() :]
    return plain


def numbered_of(name: str) -> str | None:
    """The name of the log that the file `name` is a rotation of if there is a log of that name."""
    if name.endswith(_UNREADABLE):
        return None
    plain = name.removesuffix(".gz")
    m = _NUMBER_BEFORE_THE_EXTENSION.search(plain)
    return plain[: m.start()] + plain[m.end() :] if m and any(map(str.isalpha, plain[: m.start()])) else None


def belongs(name: str, log: str) -> bool:
    """Whether the file `name` is the log file `log` or a rotation of it that can be read."""
    return name == log or log in (log_of(name), numbered_of(name))
