"""The lines that are not like others, one at a time: what they are, and how they fit into an entry.

Broken UTF-8 is mended with U+FFFD; JSON behind white space is JSON; a klog prefix becomes severity and source location;
JSON with nested values is looked through for what the API would not take; what is too large is cut so that nothing, or
as little as can be, gets lost (limits.py). A line that no rule makes more of is text.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import orjson

from outrider.exporters.pieces import pieces
from outrider.exporters.stackdriver import klog
from outrider.exporters.stackdriver.context import StreamContext
from outrider.exporters.stackdriver.fields import NAMES, extract
from outrider.exporters.stackdriver.limits import MAX_ENTRY, SHORTENED, SURE, fits, shorten
from outrider.exporters.stackdriver.severity import BY_LETTER, DEFAULTS
from outrider.exporters.stackdriver.times import Timestamps
from outrider.model.counters import Counter

Entry = dict[str, Any]

LONG = 16 * 1024
"""Bytes of a line up to which its entry cannot be too large: each byte of JSON becomes 12 of protobuf at the most."""
MAX_DEPTH = 30
"""Levels of JSON beyond which a line is sent as text: each takes two or three of the hundred that the API's parser
allows.
"""
MAX_SPECIAL = 32 * 1024
"""Bytes of special fields beyond which a line is sent as text: they cannot be cut, and leave too little room."""

_SPLIT_ROOM = 200  # what `split` and the longer insertId of a piece take at most
LARGEST = 308
"""Digits before the point up to which a number may be within what a double can hold."""
_HUGE = b"0" * LARGEST
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_dumps = msgspec.json.Encoder().encode
_loads = msgspec.json.Decoder(dict[str, Any]).decode
"""Integers keep all of their digits, as in the shapes of lines; orjson makes doubles of large ones."""


class OddLines:
    """Makes entries one by one, for `project`. `counter` makes a counter of the exporter, by name and description."""

    def __init__(self, project: str, strict: bool, times: Timestamps, counter: Callable[[str, str], Counter]) -> None:
        self._project, self._strict, self._times = project, strict, times
        self._broken = counter(
            "outrider_invalid_utf8_total", "Records with bytes that are no UTF-8, replaced by U+FFFD."
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

    def entries(self, insert_id: str, time: str, std: bytes, content: bytes, context: StreamContext) -> list[Any]:
        """The entries of one line: one, or several of a long one, or none (strict mode). Without a `time` the server
        sets one.
        """
        content = self._mended(content)
        entry: Entry = {"insertId": insert_id, "timestamp": time, "severity": DEFAULTS[std]}
        if not time:
            del entry["timestamp"]
        if std and content.lstrip()[:1] == b"{":
            made = self._json(dict(entry), std, content, context)
            if made is not None:
                return made
        text = content.decode()
        if std and (m := klog.head_of(text)) is not None:
            return self._klog(m, entry, text, context.wholes[std])
        return self._text(entry, text, context.wholes[std])

    def _mended(self, content: bytes) -> bytes:
        try:
            content.decode()
        except UnicodeDecodeError:
            self._broken.add()
            return content.decode("utf-8", "replace").encode()
        return content

    def _json(self, entry: Entry, std: bytes, content: bytes, context: StreamContext) -> list[Any] | None:
        """The entries of a JSON object; None if it is none, or one that Cloud Logging could not take."""
        if too_deep(content) or too_great(content):
            return None
        try:
            fields = _loads(content)
        except (msgspec.MsgspecError, RecursionError):
            return None
        found = NAMES.intersection(fields)
        own = len(_dumps(entry))
        labels = extract(fields, found, entry, self._times, self._project)
        if len(_dumps(entry)) - own + _size(labels) > MAX_SPECIAL:
            return None
        last = context.last(std, labels) if labels else context.wholes[std]
        message = fields.get("message") if len(fields) == 1 else None
        if isinstance(message, str):
            return self._text(entry, message, last)
        payload = _dumps(fields)
        made = _dumps(entry | {"jsonPayload": msgspec.Raw(payload), "logName": last})
        if len(made) < SURE or fits(made, payload):
            return [msgspec.Raw(made)]
        return self._large_json(entry, std, content, payload, labels, context)

    def _klog(self, m: re.Match[str], entry: Entry, text: str, last: msgspec.Raw) -> list[Any]:
        letter, pid, file, line, message = m.groups()
        entry["severity"] = BY_LETTER[letter]
        entry["sourceLocation"] = {"file": file, "line": line}
        made = entry | {"jsonPayload": {"message": message, "pid": pid}, "logName": last}
        if len(text) <= LONG // 4 or len(_dumps(made)) <= MAX_ENTRY:
            return [made]
        return self._spread(entry, text, last)

    def _text(self, entry: Entry, text: str, last: msgspec.Raw) -> list[Any]:
        made = entry | {"textPayload": text, "logName": last}
        if len(text) <= LONG // 4 or len(_dumps(made)) <= MAX_ENTRY:
            return [made]
        return self._spread(entry, text, last)

    # -- what is too large --------------------------------------------------------------------------------------------

    def _spread(self, entry: Entry, text: str, last: msgspec.Raw) -> list[Any]:
        room = max(MAX_ENTRY - len(_dumps(entry | {"textPayload": "", "logName": last})) - _SPLIT_ROOM, 1024)
        parts = pieces(text, room)
        if self._strict:
            self._truncated.add()
            return [entry | {"textPayload": msgspec.Raw(parts[0]), "logName": last}]
        self._split.add()
        insert_id = entry["insertId"]
        return [
            entry
            | {
                "insertId": f"{insert_id}-{i:04d}",
                "textPayload": msgspec.Raw(part),
                "split": {"uid": insert_id, "index": i, "totalSplits": len(parts)},
                "logName": last,
            }
            for i, part in enumerate(parts)
        ]

    def _large_json(
        self,
        entry: Entry,
        std: bytes,
        content: bytes,
        payload: bytes,
        labels: Mapping[str, str],
        context: StreamContext,
    ) -> list[Any]:
        if self._strict:
            self._dropped.add()
            return []
        last = context.last(std, {**labels, SHORTENED: str(len(content))})
        room = MAX_ENTRY - len(_dumps(entry | {"jsonPayload": None, "logName": last}))
        shorter = shorten(payload, room)
        if shorter is None:
            return self._spread(entry, content.decode(), context.wholes[std])
        self._shortened.add()
        return [entry | {"jsonPayload": msgspec.Raw(shorter), "logName": last}]


def too_deep(content: bytes) -> bool:
    """Whether a JSON object has more levels than the API takes."""
    return content.count(b"{") + content.count(b"[") > MAX_DEPTH and _depth(content) > MAX_DEPTH


def too_great(content: bytes) -> bool:
    """Whether a number of a JSON object is beyond what a double, and so the API, can hold."""
    if _HUGE not in content.translate(_DIGITS):
        return False
    try:
        orjson.loads(content)
    except orjson.JSONDecodeError:
        return True
    return False


def _size(labels: Mapping[str, str]) -> int:
    return sum(len(k.encode()) + len(v.encode()) for k, v in labels.items())


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
