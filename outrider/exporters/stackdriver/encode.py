"""Records become Cloud Logging entries, in the format that GKE writes.

    {"insertId":…,"timestamp":…,"severity":…,"textPayload":… + the stream's closing part (context.py)

An entry is one formatting of bytes around the line. Text is escaped, once, in C. A line that is a JSON object is
decoded one level deep to see which special fields it has (fields.py); if it has none its bytes go on as they are.
Everything unusual (no UTF-8, a klog prefix, an entry too large, a time the server would refuse) leaves the straight
path to a function of its own, and no line leaves without becoming an entry.
"""

import json
import re
from collections.abc import Callable, Iterable

import orjson

from outrider.exporters.identity import OFFSET_MASK, TURN_BITS
from outrider.exporters.pieces import pieces
from outrider.exporters.stackdriver.context import StreamContext
from outrider.exporters.stackdriver.fields import NAMES, NOTHING_SPECIAL, Special, extract
from outrider.exporters.stackdriver.limits import MAX_ENTRY, SHORTENED, SURE, fits, shorten
from outrider.exporters.stackdriver.severity import BY_LETTER
from outrider.exporters.stackdriver.times import Timestamps
from outrider.model.clock import Clock
from outrider.model.counters import Counter, Counters

Record = tuple[int, bytes, bytes, bytes]

DEFAULTS = {b"stdout": b"INFO", b"stderr": b"ERROR", b"": b"INFO"}
"""Severity by stream; b"" is a line of the file that no container runtime wrote, which stays text whatever it says."""
MAX_DEPTH = 30
"""Levels of JSON beyond which a line is sent as text: each takes two or three of the hundred that the API's parser
allows.
"""
MAX_SPECIAL = 32 * 1024
"""Bytes of special fields beyond which a line is sent as text: they cannot be cut, and leave too little room."""

_SPLIT_ROOM = 200  # what `split` and the longer insertId of a piece take at most
_KLOG = re.compile(rb"([IWEFD])\d{4} \d\d:\d\d:\d\d\.\d+\s+(\d+)\s+([^ \]]+):(\d+)\]\s(.*)", re.DOTALL)
_UNUSUAL_FIRST = frozenset(bytes([c]) for c in b"IWEFD \t\r\n")
"""First bytes of klog lines, and of JSON behind white space."""

_loads = orjson.loads
_BIG = b"0" * 19
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_dumps = orjson.dumps


class Encoder:
    """Makes the entries of one exporter. `strict`: oversize JSON is dropped and text truncated, as GKE does."""

    def __init__(self, project: str, strict: bool, clock: Clock, counters: Counters, exporter: str) -> None:
        self._project = project
        self._strict = strict
        self._clock = clock
        self._times = Timestamps(clock.now())

        def counter(name: str, text: str) -> Counter:
            return counters.counter(name, text, exporter=exporter)

        self.labels_shed = counter("outrider_labels_shed_total", "Times that labels beyond 64 were left out.")
        self._broken = counter(
            "outrider_invalid_utf8_total", "Records with bytes that are no UTF-8, replaced by U+FFFD."
        )
        self._timeless = counter(
            "outrider_timestamps_refused_total", "Records whose time was missing, invalid or over a day ahead."
        )
        self._split = counter(
            "outrider_entries_split_total", "Records sent as several entries, being too large for one."
        )
        self._shortened = counter(
            "outrider_entries_shortened_total", "JSON records whose longest strings were shortened."
        )
        self._truncated = counter("outrider_entries_truncated_total", "Oversize text records truncated (strict mode).")
        self._dropped = counter(
            "outrider_entries_oversize_dropped_total", "Oversize JSON records dropped (strict mode)."
        )

    def encode(
        self,
        records: Iterable[Record],
        context: StreamContext,
        generation: Callable[[int], tuple[str, bytes]],
    ) -> list[bytes]:
        """The entries of `records`, in their order.

        `generation(turn)` tells the key of the generation that the upper bits of a position name, and the time of its
        first line.
        """
        self._times.move(self._clock.now())
        good = self._times.good
        entries: list[bytes] = []
        append = entries.append
        turn, head, begun = -1, b"", b""
        tails = context.tails
        for at, timestamp, std, content in records:
            if at >> TURN_BITS != turn:
                turn = at >> TURN_BITS
                key, begun = generation(turn)
                head = context.prefix(key)
            time = good(timestamp) or self._other_time(begun)
            first = content[:1]
            if first == b"{" and std:
                insert_id = b'"%b%010x"' % (head, at & OFFSET_MASK)
                made = self._json(insert_id, time, std, content, context)
                if isinstance(made, bytes):
                    append(made)
                elif made is not None:
                    entries += made
                else:
                    entries += self._unusual(insert_id, time, std, content, context)
                continue
            if first in _UNUSUAL_FIRST or not content.isascii():
                insert_id = b'"%b%010x"' % (head, at & OFFSET_MASK)
                entries += self._unusual(insert_id, time, std, content, context)
                continue
            entry = b'{"insertId":"%b%010x","timestamp":"%b","severity":"%b","textPayload":%b%b' % (
                head,
                at & OFFSET_MASK,
                time,
                DEFAULTS[std],
                _dumps(content.decode()),
                tails[std],
            )
            if len(entry) > MAX_ENTRY or not time:
                insert_id = b'"%b%010x"' % (head, at & OFFSET_MASK)
                entries += self._text(insert_id, time, std, content.decode(), context)
            else:
                append(entry)
        return entries

    def _other_time(self, begun: bytes) -> bytes:
        """A line without a usable time gets that of its file's first line; without that the server sets one."""
        self._timeless.add()
        return self._times.good(begun) or b""

    # -- what a line is -----------------------------------------------------------------------------------------------

    def _unusual(
        self, insert_id: bytes, time: bytes, std: bytes, content: bytes, context: StreamContext
    ) -> list[bytes]:
        """What is no plain ASCII text: other encodings, JSON behind white space or broken JSON, klog."""
        try:
            content.decode()
        except UnicodeDecodeError:
            self._broken.add()
            content = content.decode("utf-8", "replace").encode()
        if std and content.lstrip()[:1] == b"{":
            made = self._json(insert_id, time, std, content, context)
            if made is not None:
                return [made] if isinstance(made, bytes) else made
        m = _KLOG.fullmatch(content) if std else None
        if m:
            return self._klog(m, insert_id, time, std, content, context)
        return self._text(insert_id, time, std, content.decode(), context)

    def _json(
        self, insert_id: bytes, time: bytes, std: bytes, content: bytes, context: StreamContext
    ) -> bytes | list[bytes] | None:
        """The entry of a JSON object, or the entries if it is too large for one; None if it is no JSON object, or one
        that Cloud Logging could not take.
        """
        if content.count(b"{") + content.count(b"[") > MAX_DEPTH and _depth(content) > MAX_DEPTH:
            return None
        try:
            fields = _loads(content)
        except orjson.JSONDecodeError:
            return None
        found = NAMES.intersection(fields)
        special = extract(fields, found, self._times, self._project) if found else NOTHING_SPECIAL
        tail = special.extra + context.tails[std] if special.extra else context.tails[std]
        if special.wide:
            if special.size > MAX_SPECIAL:
                return None
            insert_id = special.insert_id or insert_id
            tail = special.extra + context.tail(std, special.labels)
        time = special.timestamp or time
        severity = special.severity or DEFAULTS[std]
        message = fields.get("message") if len(fields) == 1 else None
        if isinstance(message, str):
            entry = _entry(insert_id, time, severity, b"textPayload", _dumps(message), tail)
            return entry if len(entry) <= MAX_ENTRY else self._spread(insert_id, time, severity, message, tail)
        payload = _dumps(fields)
        if b"e+" in payload and _BIG in content.translate(_DIGITS):
            payload = self._with_big_integers(content, found)
        entry = _entry(insert_id, time, severity, b"jsonPayload", payload, tail)
        if len(entry) < SURE or fits(entry, payload):
            return entry
        return self._large_json(insert_id, time, std, content, context, payload, severity, special)

    def _with_big_integers(self, content: bytes, found: frozenset[str]) -> bytes:
        """The payload with all digits of integers beyond 64 bits, of which orjson makes doubles."""
        fields = json.loads(content)
        extract(fields, found, self._times, self._project)
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()

    def _klog(
        self, m: re.Match[bytes], insert_id: bytes, time: bytes, std: bytes, content: bytes, context: StreamContext
    ) -> list[bytes]:
        letter, pid, file, line, message = m.groups()
        payload = _dumps({"message": message.decode(), "pid": pid.decode()})
        source = _dumps({"file": file.decode(), "line": line.decode()})
        tail = b',"sourceLocation":%b%b' % (source, context.tails[std])
        entry = _entry(insert_id, time, BY_LETTER[letter], b"jsonPayload", payload, tail)
        if len(entry) <= MAX_ENTRY:
            return [entry]
        return self._spread(insert_id, time, BY_LETTER[letter], content.decode(), tail)

    def _text(self, insert_id: bytes, time: bytes, std: bytes, text: str, context: StreamContext) -> list[bytes]:
        entry = _entry(insert_id, time, DEFAULTS[std], b"textPayload", _dumps(text), context.tails[std])
        if len(entry) <= MAX_ENTRY:
            return [entry]
        return self._spread(insert_id, time, DEFAULTS[std], text, context.tails[std])

    # -- what is too large --------------------------------------------------------------------------------------------

    def _spread(self, insert_id: bytes, time: bytes, severity: bytes, text: str, tail: bytes) -> list[bytes]:
        room = max(MAX_ENTRY - len(_entry(insert_id, time, severity, b"textPayload", b"", tail)) - _SPLIT_ROOM, 1024)
        parts = pieces(text, room)
        if self._strict:
            self._truncated.add()
            return [_entry(insert_id, time, severity, b"textPayload", parts[0], tail)]
        self._split.add()
        return [
            _entry(
                b'%b-%04d"' % (insert_id[:-1], i),
                time,
                severity,
                b"textPayload",
                part,
                b',"split":{"uid":%b,"index":%d,"totalSplits":%d}%b' % (insert_id, i, len(parts), tail),
            )
            for i, part in enumerate(parts)
        ]

    def _large_json(
        self,
        insert_id: bytes,
        time: bytes,
        std: bytes,
        content: bytes,
        context: StreamContext,
        payload: bytes,
        severity: bytes,
        special: Special,
    ) -> list[bytes]:
        if self._strict:
            self._dropped.add()
            return []
        tail = context.tail(std, {**special.labels, SHORTENED: str(len(content))})
        tail = special.extra + tail
        room = MAX_ENTRY - len(_entry(insert_id, time, severity, b"jsonPayload", b"", tail))
        shorter = shorten(payload, room)
        if shorter is None:
            return self._spread(insert_id, time, severity, content.decode(), special.extra + context.tails[std])
        self._shortened.add()
        return [_entry(insert_id, time, severity, b"jsonPayload", shorter, tail)]


def _entry(insert_id: bytes, time: bytes, severity: bytes, name: bytes, payload: bytes, tail: bytes) -> bytes:
    stamp = b'"timestamp":"%b",' % time if time else b""
    return b'{"insertId":%b,%b"severity":"%b","%b":%b%b' % (insert_id, stamp, severity, name, payload, tail)


def _depth(content: bytes) -> int:
    """How deep brackets outside of strings are nested."""
    depth = deepest = 0
    for c in re.sub(rb'"(?:[^"\\]|\\.)*"', b"", content):
        if c in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif c in b"}]":
            depth -= 1
    return deepest
