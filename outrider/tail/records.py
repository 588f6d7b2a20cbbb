"""Physical lines become records: one for each thing the program meant to say.

Two layers, each per stdout and stderr of one file, both optional. **Parts**: a runtime cuts a long line at 16 KiB
into P, P, …, F lines; they are put together again. **Traces**: the lines of a stack trace are one event; a state
machine (`exceptions.py`) follows them. A record carries the position and time of its first line.

Ordinary lines take none of that. While nothing is open only a part (`P`) and a line that may be the *second* line of a
trace are looked at, and the second makes this module look back at the line before it; whole columns of lines between
them go straight through. Only the last line of a chunk, which may be the first of a trace whose second line is not
written yet, is held back until the next line or `wait` shows what it was.

Whatever is unfinished is not lost with the process: no cursor moves past its first line, and it is read again after a
restart. Nor does a cursor come to stand within a record that went out: where stdout and stderr are interleaved, a
record may have begun before the unfinished one and ended behind it, and must not be read from its middle.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, compress
from operator import itemgetter

from outrider.model.records import Record, Records
from outrider.tail.exceptions import (
    ALONE,
    END,
    INSIDE,
    SECOND_LINE_BEGINS,
    Detector,
    Joiner,
    PatternJoiner,
    may_follow_start,
    may_start,
    second_line_bits,
)
from outrider.tail.lines import Lines, Scanned, nothing_yet, recover

_first_two = itemgetter(slice(0, 2))

MAX_RECORD = 8 << 20
"""Bytes at which a record that is still growing is cut; a 5 MB line is one record, an endless one is not."""
PARTS_PATIENCE = 5
"""How many times longer than for the next line of a trace is waited for the rest of a cut line, which is announced to
come.
"""


@dataclass(slots=True)
class Budget:
    """Bytes of unfinished records that one exporter holds, over all its streams. Beyond `limit` a long one is cut
    early.
    """

    limit: int = 8 << 20
    used: int = 0

    def exceeded_by(self, size: int) -> bool:
        return self.used > self.limit and size > 256 * 1024


@dataclass(slots=True)
class _Unfinished:
    """Positions: `at` of its first line, `last` of its last one, `floor` how far a cursor may go (at most `at`).
    `since` is the monotonic time of the last line.
    """

    at: int
    last: int
    floor: int
    timestamp: bytes
    pieces: list[bytes]
    size: int
    since: float


@dataclass(frozen=True, slots=True)
class Joining:
    """What is joined (`logs.join`): parts, traces, or instead of traces everything up to the next match of `pattern`.
    `wait` is seconds. `separator` stands between the lines of a joined record.
    """

    partials: bool = True
    exceptions: bool = True
    pattern: str | None = None
    wait: float = 1.0
    separator: bytes = b"\n"


class Assembler:
    """The records of one stream, from its physical lines in order.

    `joined` counts the lines that went into a record begun by another; `cut` is called for every record that had to be
    cut; `timestamp` is the time of the last line (before the first: what the cursor remembers).
    """

    def __init__(self, joining: Joining, budget: Budget, cut: Callable[[], None] = lambda: None) -> None:
        self.joining = joining
        self.joined = 0
        self.timestamp = b""
        self._budget = budget
        self._cut = cut
        self._at = -1
        self._parts: dict[bytes, _Unfinished] = {}
        self._traces: dict[bytes, _Unfinished] = {}
        self._followers: dict[bytes, Joiner] = {}
        self._reaches: list[tuple[int, int, int]] = []  # (first line, last line, floor) of this chunk's longer records
        self._traced = joining.exceptions or joining.pattern is not None
        self._screen: frozenset[bytes] = frozenset()
        self.screen: bytes | None = None
        if self._traced and joining.pattern is None:
            self._screen, self.screen = SECOND_LINE_BEGINS, second_line_bits()

    @property
    def unfinished(self) -> int | None:
        """How far a cursor may go: the position of the earliest record that is not whole yet, or of one that went out
        and reaches beyond it; None if every record is whole.
        """
        if not self._parts and not self._traces:
            return None
        return min([u.floor for u in (*self._parts.values(), *self._traces.values())])

    def feed(self, lines: Lines | Scanned, at: int, now: float) -> Records:
        """The records that `lines`, the first of which stands at position `at`, complete. `now` is monotonic seconds.

        Takes over `lines`. Costs 0.03 µs a line where there is nothing to join and 0.3 µs with 2 % cut lines and 1 %
        traces, or in columns 0.2 and 0.5 µs (`python -m bench stages`).
        """
        if isinstance(lines, Scanned):
            every, odd = lines.records, self._marked(lines)
        else:
            begins = list(accumulate(map(len, lines.raws), initial=at))
            begins.pop()
            every, odd = Records(begins, lines.times, lines.stds, lines.contents), self._odd(lines)
        self._reaches.clear()
        out = every if not odd and not self._parts and not self._traces else self._with_odd(every, lines, odd, now)
        if out:
            last, timestamp, _, _ = out.row(-1)
            if last > self._at:
                self.timestamp, self._at = timestamp, last
        if self._screen:
            self._hold_last(out, now)
        return out

    def _odd(self, lines: Lines) -> list[int]:
        """The lines to be looked at even while nothing is open."""
        tags, contents = lines.tags, lines.contents
        if self._traced and not self._screen:
            return list(range(len(tags)))
        odd = [] if tags.count(b"F") == len(tags) else [i for i, tag in enumerate(tags) if tag != b"F"]
        if self._screen:
            screened = map(self._screen.__contains__, map(_first_two, contents))
            second = [i for i in compress(range(len(contents)), screened) if may_follow_start(contents[i])]
            odd = sorted({*odd, *second}) if odd else second
        return odd

    def _marked(self, lines: Scanned) -> list[int]:
        """The same for lines of which some are marked."""
        if self._traced and not self._screen:
            return list(range(lines.number))
        content = lines.records.content
        return [i for i in lines.marked() if lines.tag(i) != b"F" or (self._traced and may_follow_start(content(i)))]

    def _with_odd(self, every: Records, lines: Lines | Scanned, odd: list[int], now: float) -> Records:
        """The records of lines some of which are not ordinary, or that come while something is open."""
        out = every.none()
        coming = iter([*odd, len(every)])
        i, next_odd = 0, next(coming)
        while i < len(every):
            if next_odd < i:
                next_odd = next(coming)
                continue
            plain = self._until_awaited(every, i, next_odd)
            if plain > i:
                out.take(every, i, plain)
                self._at, self.timestamp, _, _ = every.row(plain - 1)
                i = plain
            if i < len(every):
                if self._stands_alone(out, every, i, lines.tag(i), now):
                    out.take(every, i, i + 1)
                else:
                    self._line(out, every.row(i), lines.tag(i), lines.raw(i), now)
                i += 1
        return out

    def _stands_alone(self, out: Records, every: Records, i: int, tag: bytes, now: float) -> bool:
        """Whether line `i` is a record after all, because nothing is open that it could continue, nor can the line
        before it be the first of a trace: that of many lines is only looked at for how it begins.
        """
        if tag != b"F" or not self._screen:
            return False
        std, content = every.std(i), every.content(i)
        return std not in self._parts and std not in self._traces and self._look_back(out, std, content, now) is None

    def _until_awaited(self, every: Records, begin: int, end: int) -> int:
        """The first line from `begin` on that something open may be waiting for; `end` if none is before that. An open
        trace of stderr may wait for long while stdout is busy.
        """
        for std in (*self._parts, *self._traces):
            end = every.find(std, begin, end)
        return end

    def expire(self, now: float) -> Records:
        """The records whose continuation has been waited for long enough."""
        out = nothing_yet(self._at)
        self._reaches.clear()
        for std in [s for s, u in self._parts.items() if now - u.since >= self.joining.wait * PARTS_PATIENCE]:
            self._end_parts(out, std, now)
        for std in [s for s, u in self._traces.items() if now - u.since >= self.joining.wait and s not in self._parts]:
            self._end_trace(out, std)
            self._follower(std).reset()
        return out

    def finish(self, now: float) -> Records:
        """Everything unfinished, as it is: nothing will follow (the stream has ended)."""
        out = nothing_yet(self._at)
        for std in list(self._parts):
            self._end_parts(out, std, now)
        for std in list(self._traces):
            self._end_trace(out, std)
        return out

    # -- parts --------------------------------------------------------------------------------------------------------

    def _line(self, out: Records, record: Record, tag: bytes, raw: bytes, now: float) -> None:
        at, timestamp, std, content = record
        if not tag:
            _, timestamp, std, tag, content = recover(raw)
            if not tag:
                before = out.row(-1)[1] if out and out.row(-1)[0] > self._at else self.timestamp
                out.add((at, before, std, content))
                return
        self.timestamp, self._at = timestamp, at
        if not self.joining.partials:
            tag = b"F"
        open_ = self._parts.get(std)
        if open_ is None:
            if tag == b"F":
                self._whole(out, (at, timestamp, std, content), at, at, now)
            else:
                self._parts[std] = _Unfinished(at, at, at, timestamp, [content], len(content), now)
                self._budget.used += len(content)
            return
        self._grow(open_, content, at, now)
        if tag == b"F":
            self._end_parts(out, std, now)
        elif open_.size > MAX_RECORD or self._budget.exceeded_by(open_.size):
            self._cut()
            self._end_parts(out, std, now)

    def _grow(self, open_: _Unfinished, content: bytes, last: int, now: float) -> None:
        open_.pieces.append(content)
        open_.size += len(content)
        open_.last, open_.since = last, now
        self._budget.used += len(content)
        self.joined += 1

    def _end_parts(self, out: Records, std: bytes, now: float) -> None:
        parts = self._parts.pop(std)
        self._budget.used -= parts.size
        record = (parts.at, parts.timestamp, std, b"".join(parts.pieces))
        self._whole(out, record, parts.last, parts.floor, now)

    # -- traces -------------------------------------------------------------------------------------------------------

    def _whole(self, out: Records, record: Record, last: int, floor: int, now: float) -> None:
        """A logical line, whose last physical one is at `last`, is whole: it is a record, or a line of a trace."""
        if not self._traced:
            self._go_out(out, record, last, floor)
            return
        _, _, std, content = record
        trace = self._traces.get(std)
        if trace is None and self._screen:
            trace = self._look_back(out, std, content, now)
            if trace is None:
                self._go_out(out, record, last, floor)
                return
        verdict = self._follower(std).feed(content)
        if verdict >= INSIDE and trace is not None:
            trace.floor = min(trace.floor, floor)
            self._grow(trace, content, last, now)
            if verdict == END:
                self._end_trace(out, std)
            elif self._budget.exceeded_by(trace.size):
                self._cut()
                self._end_trace(out, std)
                self._follower(std).reset()
            return
        if trace is not None:
            self._end_trace(out, std)
        if verdict == ALONE:
            self._go_out(out, record, last, floor)
        else:
            self._begin(record, last, floor, now)

    def _look_back(self, out: Records, std: bytes, content: bytes, now: float) -> _Unfinished | None:
        """The trace that `content` may continue: the line before it, if that is a start and went out in this chunk."""
        if not may_follow_start(content):
            return None
        i = out.last(std)
        return self._take_back(out, i, now) if i >= 0 else None

    def _hold_last(self, out: Records, now: float) -> None:
        """The last line of each of stdout and stderr may be the first of a trace: keep it back until that is known."""
        for std in (b"stdout", b"stderr"):
            if std not in self._traces and (i := out.last(std)) >= 0:
                self._take_back(out, i, now)

    def _take_back(self, out: Records, i: int, now: float) -> _Unfinished | None:
        """A record of this chunk turns out to be, maybe, the first line of a trace, unless it is a whole one."""
        content = out.content(i)
        if self.joining.separator in content or not may_start(content):
            return None
        at, _, std, _ = out.row(i)
        last = floor = at
        for reach in self._reaches:
            if reach[0] == at:
                last = reach[1]
            if reach[0] <= at <= reach[1]:
                floor = min(floor, reach[2])
        follower = self._follower(std)
        follower.reset()
        follower.feed(content)
        return self._begin(out.pop(i), last, floor, now)

    def _begin(self, record: Record, last: int, floor: int, now: float) -> _Unfinished:
        at, timestamp, std, content = record
        self._traces[std] = trace = _Unfinished(at, last, floor, timestamp, [content], len(content), now)
        self._budget.used += len(content)
        return trace

    def _end_trace(self, out: Records, std: bytes) -> None:
        trace = self._traces.pop(std)
        self._budget.used -= trace.size
        record = (trace.at, trace.timestamp, std, self.joining.separator.join(trace.pieces))
        self._go_out(out, record, trace.last, trace.floor)

    def _go_out(self, out: Records, record: Record, last: int, floor: int) -> None:
        """A record is done. If it has several lines, reading must not begin again at one that began between them."""
        out.add(record)
        at = record[0]
        if last > at:
            self._reaches.append((at, last, floor))
            for other in (*self._parts.values(), *self._traces.values()):
                if at < other.at <= last:
                    other.floor = min(other.floor, floor)

    def _follower(self, std: bytes) -> Joiner:
        follower = self._followers.get(std)
        if follower is None:
            pattern = self.joining.pattern
            follower = self._followers[std] = Detector() if pattern is None else PatternJoiner(pattern)
        return follower
