"""Which consecutive lines of a log are one record: stack traces, or records with a known first line.

A program that fails writes its stack trace as one text, and the container runtime cuts it into lines. A `Joiner` puts
it together again: it is fed the lines of *one* (file, stdout or stderr) one after the other and says of each whether it
stands alone, begins something, or belongs to the lines before it. It reads no clock and keeps no line, only where it
stands, so the caller keeps the lines (or their offsets) and calls `reset` when the stream paused for too long, and a
trace that was not finished when the program was killed is recognised again from the file.

`Detector` walks through the grammars of `outrider.tail.grammars`. On a line that fits no rule it goes back to the start
and tries the same line as the head of another trace. Being fed a line costs some microseconds, and almost no line of a
log belongs to a trace; hence the screen. While no trace is open a line matters only if it directly follows a head, so
that this is enough, and groups exactly as if every line had been fed:

    if not detector.active and previous_line_stood_alone and may_follow_start(line):
        detector.feed(previous_line)
    status = detector.feed(line) if detector.active else ALONE

`PatternJoiner` is fed every line.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import cache
from typing import Final

from outrider.model.patterns import compiled, valid_utf8
from outrider.tail.grammars import END as _FINISHED
from outrider.tail.grammars import START as _OUTSIDE
from outrider.tail.grammars import Matcher, second_line, table

ALONE: Final = 0
"""The line is a record of its own; what was open before it is finished."""
START: Final = 1
"""The line may begin a record of several lines; what was open before it is finished."""
INSIDE: Final = 2
"""The line belongs to the record that is open."""
END: Final = 3
"""The line belongs to the record that is open and finishes it."""

MAX_LINES: Final = 1000
MAX_BYTES: Final = 500_000
"""The limits of the legacy GKE agent (kubernetes-engine-customize-fluentd, `max_lines` and `max_bytes`)."""


class Joiner(ABC):
    """Says of each line of one stream to which record it belongs.

    A record has at most `max_lines` lines and, joined by line feeds, `max_bytes` bytes: the line that fills up the
    lines is the record's `END`; a line that would be too many bytes is judged as if nothing had come before it.
    Raises ValueError for `max_lines` below 2, where nothing could be joined.
    """

    __slots__ = ("_lines", "_max_bytes", "_max_lines", "_size", "active")

    def __init__(self, max_lines: int = MAX_LINES, max_bytes: int = MAX_BYTES) -> None:
        if max_lines < 2:
            raise ValueError(f"max_lines is {max_lines}: at least 2 lines make a joined record")
        self._max_lines = max_lines
        self._max_bytes = max_bytes
        self._lines = 0
        self._size = 0
        self.active = False
        """A record is open: the next line may belong to it. Read only."""

    def feed(self, line: bytes) -> int:
        """`ALONE`, `START`, `INSIDE` or `END` for the next line of the stream, given without its line feed.

        `status >= INSIDE` says that the line belongs to the line before it.
        """
        if self.active and self._size + len(line) > self._max_bytes:
            self.reset()
        status = self._judge(line)
        if status == INSIDE:
            self._lines += 1
            self._size += len(line) + 1
            if self._lines >= self._max_lines:
                status = END
        if status == START:
            self._lines = 1
            self._size = len(line) + 1
            self.active = True
        elif status != INSIDE:
            self.reset()
        return status

    def reset(self) -> None:
        """Forget the open record: the next line is judged as the first of a stream."""
        self.active = False

    @abstractmethod
    def _judge(self, line: bytes) -> int:
        """What `feed` answers, the limits aside."""


class Detector(Joiner):
    """Finds the stack traces of `languages` (java, javascript, js, csharp, python, py, php, go, ruby, rb, dart, all;
    default all).

    A JSON line (first byte `{`) never begins a trace: what it says in its fields is whole already. Raises ValueError
    for an unknown language.
    """

    __slots__ = ("_states", "_table")

    def __init__(
        self, languages: Iterable[str] | None = None, max_lines: int = MAX_LINES, max_bytes: int = MAX_BYTES
    ) -> None:
        super().__init__(max_lines, max_bytes)
        self._table = table(("all",) if languages is None else languages)
        self._states: frozenset[str] = frozenset()

    def reset(self) -> None:
        super().reset()
        self._states = frozenset()

    def _judge(self, line: bytes) -> int:
        line = _without_return(line)
        if self._states:
            self._states = self._after(self._states, line)
            if self._states:
                return END if self._states == {_FINISHED} else INSIDE
        if not line.startswith(b"{"):
            self._states = self._after((_OUTSIDE,), line)
        return START if self._states else ALONE

    def _after(self, states: Iterable[str], line: bytes) -> frozenset[str]:
        rules = self._table
        return frozenset(
            target for state in states for matches, target in rules.get(state, ()) if matches(line) is not None
        )


class PatternJoiner(Joiner):
    """Joins to a line that matches `pattern` (RE2, from the line's beginning) the lines after it that do not.

    A line that is a JSON object stands alone, and so does what precedes the first match. Raises PatternError for a
    pattern that is none.
    """

    __slots__ = ("_first",)

    def __init__(self, pattern: str, max_lines: int = MAX_LINES, max_bytes: int = MAX_BYTES) -> None:
        super().__init__(max_lines, max_bytes)
        self._first = compiled(pattern).match

    def _judge(self, line: bytes) -> int:
        if self._first(valid_utf8(line)) is not None:
            return START
        if not self.active or (line.startswith(b"{") and line.rstrip().endswith(b"}")):
            return ALONE
        return INSIDE


def may_start(line: bytes) -> bool:
    """Whether the line is the head of a trace of any language."""
    line = _without_return(line)
    return not line.startswith(b"{") and any(matches(line) is not None for matches in _heads())


@cache
def _heads() -> tuple[Matcher, ...]:
    return tuple(matches for matches, _ in table(("all",))[_OUTSIDE])


def _without_return(line: bytes) -> bytes:
    return line[:-1] if line.endswith(b"\r") else line


def _pairs(first: bytes, second: Iterable[int] = range(256)) -> set[bytes]:
    """All lines of two bytes with the one from `first` and the other from `second`."""
    return {bytes((a, b)) for a in first for b in second}


_LOWER = b"abcdefghijklmnopqrstuvwxyz"
_is_second_line = second_line()
SECOND_LINE_BEGINS: Final = frozenset(
    {b"", b"\r", b"\t", b" ", b"--", b"..", b"[s", b"go", b"ne", b"ru", b"ty"}
    | _pairs(b"\t\r '")
    | _pairs(_LOWER.upper(), _LOWER)
)
"""The first two bytes (`line[:2]`) of every line that `may_follow_start` lets through. Few lines of a log begin like
that: not `2024-05-01`, `[2024`, `{"`, `INFO`, `I0501` or `level=`."""


@cache
def second_line_bits() -> bytes:
    """The same of two bytes, as a bit for each: that of `ab` is number 256 * a + b."""
    bits = bytearray(1 << 13)
    for begin in SECOND_LINE_BEGINS:
        if len(begin) == 2:
            bits[begin[0] << 5 | begin[1] >> 3] |= 1 << (begin[1] & 7)
    return bytes(bits)


def may_follow_start(line: bytes) -> bool:
    """False only if no rule of any language takes the line as the second line of a trace.

    This is what every line of a log is asked (see above), so it looks at two bytes before it looks any closer.
    """
    return line[:2] in SECOND_LINE_BEGINS and _is_second_line(line) is not None
