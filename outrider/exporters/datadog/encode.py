"""Records become entries of Datadog's log intake, as the Agent writes them.

    {"message":…,"status":"info","timestamp":1778923146315, + the stream's constant part (context.py) + "outrider.id":…}

The native core writes the entries, where it was built and the stream has no rules (datadog.c, written.py). Otherwise a
slice of records is gone through by columns, and its entries are Structs that msgspec writes in one call. A line that
is JSON goes as the string it is, for Datadog parses it on its side. Lines that are no plain ASCII, or whose stream has
rules, take a longer way: bytes that are no UTF-8 are replaced (one U+FFFD for each, as Go does), then the rules are
applied to the whole record, and only then is it cut if it is too large, so that no secret is masked by half.

A time that the intake would drop a line for (times.py) is left out: then it is the time of arrival that counts, and
the line's own stands in the attribute `outrider.timestamp`.

Costs 0.3 µs a line of text with a dozen tags and 0.5 µs one of JSON, or in Python 1.8 µs (`python -m bench stages`).
"""

import re
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import compress, repeat
from operator import not_
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import orjson
from msgspec import Struct, field

from outrider import native
from outrider.exporters.block import Block, apart, block, chained
from outrider.exporters.datadog.context import STATUS, StreamContext
from outrider.exporters.datadog.rules import TooMuchError
from outrider.exporters.datadog.times import Millis, text
from outrider.exporters.identity import by_turn, ids
from outrider.exporters.pieces import pieces
from outrider.exporters.written import Generation, written
from outrider.model.clock import Clock
from outrider.model.counters import Counter, Counters
from outrider.model.records import Records

if TYPE_CHECKING:
    from outrider.native._core import Entries

MAX_MESSAGE = 900_000
"""Bytes of a message, escaped: the Agent's `logs_config.max_message_size_bytes`."""
MAX_ENTRY = 990_000
"""Bytes of an entry. The intake cuts a log at 1 MB."""
TRUNCATED = b"...TRUNCATED..."
"""The Agent's mark at both sides of a cut."""
MAY_BE_LONG = MAX_MESSAGE // 6
"""Characters of ASCII up to which a message is not too long, however it is escaped."""
_TRIMMED = " \t\n\v\f\r\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""What Go's `unicode.IsSpace` names; Python's `strip()` would take four control characters more."""
_LONE = re.compile("[\udc80-\udcff]")
_PLACE_OF_TIME = re.compile(rb'","status":"[a-z]+"(,"timestamp":(\d+)),"hostname":')
"""Cannot match within the message: there a quotation mark has a backslash before it."""
_dumps = orjson.dumps


class Entry(Struct, gc=False):
    """A log of the intake, in the order in which it is written. `hostname` goes on with the constant part of the
    stream."""

    message: str
    status: str
    timestamp: int
    hostname: msgspec.Raw
    id: str = field(name="outrider.id")


class _Line(NamedTuple):
    message: str
    std: bytes
    time: bytes
    id: str


class Encoder:
    """Makes the entries of one exporter."""

    def __init__(self, clock: Clock, counters: Counters, exporter: str) -> None:
        self._clock = clock
        self._times = Millis(clock.now())

        def counter(name: str, words: str, **labels: str) -> Counter:
            return counters.counter(name, words, exporter=exporter, **labels)

        excluded = "Records that were not sent: empty, excluded by a rule or an annotation, or too much to mask."
        self._empty = counter("outrider_entries_excluded_total", excluded, reason="empty")
        self._by_rule = counter("outrider_entries_excluded_total", excluded, reason="rule")
        self._by_annotation = counter("outrider_entries_excluded_total", excluded, reason="annotation")
        self._unmasked = counter("outrider_entries_excluded_total", excluded, reason="mask_limit")
        self._masked = counter("outrider_entries_masked_total", "Records that a processing rule has changed.")
        self._broken = counter(
            "outrider_invalid_utf8_total", "Records with bytes that are no UTF-8, replaced by U+FFFD."
        )
        self._timeless = counter(
            "outrider_timestamps_refused_total", "Records whose time was missing, invalid or over a day ahead."
        )
        self.out_of_window = counter(
            "outrider_timestamps_replaced_total",
            "Records whose time the destination would drop them for; they get the time of arrival.",
        )
        self._split = counter(
            "outrider_entries_split_total", "Records sent as several entries, being too large for one."
        )

    def encode(self, records: Records, context: StreamContext, generation: Generation) -> Block:
        """The entries of `records`, in their order, without those that are not to be sent.

        `generation(turn)` tells the key of the generation that the upper bits of a position name, and the time of its
        first line.
        """
        if context.excluded:
            self._by_annotation.add(len(records))
        if context.excluded or not records:
            return Block(b"", 0)
        self._times.move(self._clock.now())
        if native.core is not None and not context.rules and (table := records.table) is not None:
            by_python = partial(self._by_python, context=context, generation=generation)
            block, empty, timeless = written(records, table, context, generation, self._by_core, by_python)
            self._empty.add(empty)
            self._timeless.add(timeless)
            return block
        return self._by_python(records, context, generation)

    def _by_core(self, chunk: bytes, rows: bytes, begin: int, end: int, strings: bytes, begun: bytes) -> "Entries":
        assert native.core is not None
        now = -1 if begun else int(self._clock.now() * 1000)
        made: Entries = native.core.datadog(chunk, rows, begin, end, strings, *self._times.window, now)
        return made

    def _by_python(self, records: Records, context: StreamContext, generation: Generation) -> Block:
        return chained([self._one_turn(some, context, *generation(turn)) for turn, some in by_turn(records)])

    def _one_turn(self, records: Records, context: StreamContext, generation: str, begun: bytes) -> Block:
        made = self._messages(records.contents, context)
        if not all(made):
            self._empty.add(made.count(""))
            records = records.chosen([i for i, message in enumerate(made) if message])
        messages = [message for message in made if message]
        if not messages:
            return Block(b"", 0)
        identities = ids(f"{context.id_head}{generation}-", records.at)
        millis = self._times.column(records.times)
        if millis is None or max(map(len, messages)) > MAY_BE_LONG:
            lines = map(_Line, messages, records.stds, records.times, identities)
            return self._one_by_one(lines, begun, context)
        statuses = map(STATUS.__getitem__, records.stds)
        return block(list(map(Entry, messages, statuses, millis, repeat(context.last), identities)))

    def _messages(self, contents: list[bytes], context: StreamContext) -> Sequence[str | None]:
        """The messages that lines make; "" where they are empty, None for those that a rule excludes."""
        if context.rules:
            return [self._cleaned(content, context) for content in contents]
        stripped = b"\n".join(map(bytes.strip, contents))
        messages: list[str | None] = stripped.decode("utf-8", "surrogateescape").split("\n")  # type: ignore[assignment]
        if len(messages) != len(contents):  # some have line feeds
            return [self._cleaned(content, context) for content in contents]
        if not stripped.isascii():
            for i in compress(range(len(contents)), map(not_, map(bytes.isascii, contents))):
                messages[i] = self._cleaned(contents[i], context)
        return messages

    def in_time(self, sent: list[bytes]) -> tuple[list[bytes], int]:
        """The entries of what is `sent` after it has waited, and how many of them get the time of arrival by now,
        because the intake would drop them for theirs. Whoever sends them counts that, once they are accepted.
        """
        times = Millis(self._clock.now())
        entries = [entry for piece in sent for entry in apart(piece)]
        made = [self._in_time(entry, times) for entry in entries]
        return made, sum(after is not before for after, before in zip(made, entries, strict=True))

    def _in_time(self, entry: bytes, times: Millis) -> bytes:
        m = _PLACE_OF_TIME.search(entry)
        if m is None or times.taken(int(m[2])):
            return entry
        own = b',"outrider.timestamp":"%b"}' % text(int(m[2])).encode()
        return entry[: m.start(1)] + entry[m.end(1) : -1] + own

    # -- what is not plain --------------------------------------------------------------------------------------------

    def _cleaned(self, content: bytes, context: StreamContext) -> str | None:
        """The message that a record makes, "" if it is empty; None if a rule excludes it."""
        try:
            whole = content.decode()
        except UnicodeDecodeError:
            self._broken.add()
            whole = mended(content)
        message = whole.strip(_TRIMMED)
        if not message or not context.rules:
            return message
        plain = message.encode()
        try:
            left = context.rules.apply(plain)
        except TooMuchError:
            self._unmasked.add()
            return None
        if left is None:
            self._by_rule.add()
            return None
        if left == plain:
            return message
        self._masked.add()
        return mended(left)

    def _one_by_one(self, lines: Iterable[_Line], begun: bytes, context: StreamContext) -> Block:
        """The entries of lines of any time and any size."""
        entries: list[msgspec.Raw] = []
        for line in lines:
            entries += map(msgspec.Raw, self._of_one(line, begun, context.last))
        return block(entries)

    def _of_one(self, line: _Line, begun: bytes, last: msgspec.Raw) -> list[bytes]:
        stamp, own = self._time(line.time, begun)
        said = _dumps(line.message)
        head = b',"status":"%b"%b,"hostname":%b,"outrider.id":"%b' % (
            STATUS[line.std].encode(),
            stamp,
            last,
            line.id.encode(),
        )
        entry = b'{"message":%b%b"%b}' % (said, head, own)
        if len(said) <= MAX_MESSAGE and len(entry) <= MAX_ENTRY:
            return [entry]
        self._split.add()
        room = min(MAX_MESSAGE, MAX_ENTRY - (len(entry) - len(said)) - len("-0000"))
        parts = pieces(line.message, max(room - 2 * len(TRUNCATED), 1024))
        end = len(parts) - 1
        return [
            b'{"message":"%b%b%b"%b-%04d"%b}'
            % (TRUNCATED if i else b"", part[1:-1], TRUNCATED if i < end else b"", head, i, own)
            for i, part in enumerate(parts)
        ]

    def _time(self, timestamp: bytes, begun: bytes) -> tuple[bytes, bytes]:
        """The fields `timestamp` and `outrider.timestamp`, each with its comma, or nothing. A line without a usable
        time gets that of its file's first line, or the present one.
        """
        millis = self._times.read(timestamp)
        if millis is None:
            self._timeless.add()
            timestamp, millis = begun, self._times.read(begun)
        if millis is None:
            return b',"timestamp":%d' % int(self._clock.now() * 1000), b""
        if self._times.taken(millis):
            return b',"timestamp":%d' % millis, b""
        self.out_of_window.add()
        return b"", b',"outrider.timestamp":%b' % _dumps(timestamp.decode())


def mended(content: bytes) -> str:
    """`content` with one U+FFFD for each byte that is no UTF-8, as Go has it; Python's own replacement is one for a
    whole broken sequence."""
    return _LONE.sub("\ufffd", content.decode("utf-8", "surrogateescape"))
