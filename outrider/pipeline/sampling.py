"""Which records of a route with `sample` are kept: a fraction of each severity, always the same ones.

The decision is a hash of where the line stands (stream, generation, offset), as its identity is. So a line that is
read again, after a crash or by another process, is kept again or left out again, and a destination never gets a
repeat of something else.

The severity is the one that the record has at Cloud Logging: a JSON object's field, klog's letter, or else that of
stdout and stderr. It is found with as little work as possible, since a sampled route is usually a loud one.
"""

import hashlib
import re
from collections.abc import Callable, Mapping

import orjson

from outrider.exporters.identity import OFFSET_MASK, TURN_BITS
from outrider.exporters.stackdriver.severity import BY_LETTER, DEFAULT, parse
from outrider.model.counters import Counter, Counters
from outrider.model.patterns import valid_utf8
from outrider.model.records import Records

_BY_STREAM = {b"stdout": "INFO", b"stderr": "ERROR", b"": "INFO"}
_KEYS = ("severity", "logging.googleapis.com/severity", "level")
_MAY_HAVE_KEY = re.compile(rb'severity"|level"|\\')
_KLOG = re.compile(rb"([IWEFD])\d{4} \d\d:\d\d:\d\d\.\d+\s+\d+\s+[^ \]]+:\d+\]\s")


class Sampler:
    """Leaves out records by severity, and counts them. `sample` says which fraction of a severity is kept (0 to 1); a
    severity that it does not name is kept whole.
    """

    def __init__(self, sample: Mapping[str, float], counters: Counters, exporter: str) -> None:
        self._fractions = {name: kept for name, kept in sample.items() if kept < 1}
        self._left_out: dict[str, Counter] = {
            name: counters.counter(
                "outrider_entries_sampled_total",
                "Records left out because the route keeps only a fraction of their severity.",
                exporter=exporter,
                severity=name,
            )
            for name in self._fractions
        }

    def __bool__(self) -> bool:
        return bool(self._fractions)

    def apply(self, records: Records, key: str, generation: Callable[[int], tuple[str, bytes]]) -> Records:
        """The records that are kept, in their order. `key` is the stream's; `generation(turn)` tells the key of the
        generation that the upper bits of a position name.
        """
        fractions = self._fractions
        left_out = dict.fromkeys(fractions, 0)
        kept: list[int] = []
        turn, seed = -1, b""
        for i, (at, _, std, content) in enumerate(records):
            name = severity_of(std, content)
            fraction = fractions.get(name)
            if fraction is not None:
                if at >> TURN_BITS != turn:
                    turn = at >> TURN_BITS
                    seed = _seed(key, generation(turn)[0])
                if _place(seed, at & OFFSET_MASK) >= fraction:
                    left_out[name] += 1
                    continue
            kept.append(i)
        for name, lines in left_out.items():
            if lines:
                self._left_out[name].add(lines)
        return records if len(kept) == len(records) else records.chosen(kept)


def severity_of(std: bytes, content: bytes) -> str:
    """The severity that Cloud Logging shows for a line of stdout or stderr (b"": no runtime wrote it)."""
    default = _BY_STREAM[std]
    if not std:
        return default
    if content[:1] in b"IWEFD":
        m = _KLOG.match(content)
        return BY_LETTER[m[1].decode()] if m else default
    if content.lstrip()[:1] != b"{" or not _MAY_HAVE_KEY.search(content):
        return default
    try:
        fields = orjson.loads(valid_utf8(content))
    except orjson.JSONDecodeError:
        return default
    for key in _KEYS:
        value = fields.get(key)
        if value is not None:
            return parse(value) or DEFAULT
    return default


def _seed(key: str, generation: str) -> bytes:
    return hashlib.blake2b(f"{key}\n{generation}".encode(), digest_size=16).digest()


def _place(seed: bytes, offset: int) -> float:
    """Where the line at `offset` falls between 0 and 1 (1 excluded)."""
    digest = hashlib.blake2b(offset.to_bytes(8, "big"), digest_size=6, key=seed).digest()
    return int.from_bytes(digest, "big") / (1 << 48)
