"""Replacing what must not leave the node, before a record is encoded for anybody.

A line costs one question (does anything match?) and nothing more, unless the answer is yes. In a line of text the
matches are replaced, rule by rule.

In a line that is a JSON object a rule looks into each string, keys too, with its escapes undone, and at each number as
it is written; what changed is written as a string again, and everything else keeps its bytes. So `password=\\S+` does
not eat the closing quote, and `\\u0040` does not hide an at sign. What matches only across several of them
(`password\\W+\\w+` on `"password": "x"`), and everything that a pattern with a double quote in it matches, is then
replaced in the line as it is written; if that damages the object, the line goes on as text.

Whether there is a match can be asked of the line as a whole, except in two cases: behind a backslash a string may
say something else than it looks like, so such strings are undone and asked again; and the beginning and end that `^`,
`$`, `\\A` and `\\z` mean are those of a string, so in JSON their rules are always tried.

Rules see valid UTF-8 (`valid_utf8`): at a bad byte RE2 would end a match, and half the secret would go out. A line
that no rule changes keeps its bytes, bad ones too.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import orjson

from outrider.model.counters import Counter, Counters
from outrider.model.patterns import Pattern, compiled, screen, valid_utf8
from outrider.model.records import Records
from outrider.pipeline.known_secrets import SETS, Known

_TOKEN = re.compile(
    rb'"(?P<string>[^"\\]*+(?:\\.[^"\\]*+)*+)"(?P<colon>\s*+:)?|(?P<number>-?[0-9]++(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?)',
    re.DOTALL,
)
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_MARKS = {ord("0"): "'", ord("1"): "`"}
"""What tells keys apart that have become one, in the digits of two."""
_NO_ANCHOR = re.compile(r"\\[^Az]|\[\^")
_ANCHOR = re.compile(r"[$^]|\\[Az]")


class Rule(Protocol):
    """One entry of `logs.redact`: a pattern with its replacement, or the name of a ready set (the other is "")."""

    @property
    def pattern(self) -> str: ...
    @property
    def with_(self) -> str: ...
    @property
    def set(self) -> str: ...


class _Replacing:
    """One pattern at work."""

    __slots__ = ("_made", "_pattern", "anchored", "quoted", "rule", "screen")

    def __init__(self, rule: int, known: Known) -> None:
        self.rule = rule
        self._pattern: Pattern = compiled(known.pattern)
        made = known.made
        self._made: Callable[[Any], bytes] = self._pattern.template(made) if isinstance(made, str) else made
        self.screen = known.screen or known.pattern
        self.quoted = '"' in known.pattern
        self.anchored = _ANCHOR.search(_NO_ANCHOR.sub("", self.screen)) is not None

    def text(self, data: bytes) -> bytes:
        """`data` with every match replaced."""
        return self._pattern.replace(self._made, data)

    def strings(self, line: bytes) -> tuple[bytes, set[int]]:
        """`line`, a JSON object, with every match inside one of its strings and numbers replaced (it stays an object,
        with as many strings and numbers), and which of them changed.
        """
        pieces: list[bytes] = []
        changed: set[int] = set()
        keys: dict[bytes, int] = {}
        done = 0
        for i, m in enumerate(_TOKEN.finditer(line)):
            token = self._token(m, keys)
            if token is not None:
                pieces += (line[done : m.start()], token)
                done = m.end()
                changed.add(i)
        return (b"".join([*pieces, line[done:]]) if pieces else line), changed

    def _token(self, m: re.Match[bytes], keys: dict[bytes, int]) -> bytes | None:
        """The token (with its colon) if it changed."""
        string, colon, number = m.groups()
        if string is None:
            made = self.text(number)
            return None if made == number else orjson.dumps(made.decode())
        before = orjson.loads(b'"%b"' % string).encode() if b"\\" in string else string
        made = self.text(before)
        if made == before:
            return None
        if colon is None:
            return orjson.dumps(made.decode())
        keys[made] = n = keys.get(made, 0) + 1  # two keys must not become one
        apart = made + bin(n)[3:].translate(_MARKS).encode()
        if n > 1 and self.text(apart) == apart:
            made = apart
        return orjson.dumps(made.decode()) + colon

    def across(self, line: bytes, changed: set[int]) -> bytes:
        """`line` with the matches replaced that no string could show: those that lie over more than one string or
        number, or over one and what is around it, unless it has `changed`. Of a pattern with a quote: every match.
        """
        if self.quoted:
            return self.text(line)
        tokens = [(m.start(), m.end() - len(m["colon"] or b"")) for m in _TOKEN.finditer(line)]
        begins, stops = [begin for begin, _ in tokens], [stop for _, stop in tokens]

        def made(m: Any) -> bytes:
            start, end = m.span()
            over = range(bisect_right(stops, start), bisect_left(begins, end))
            known = any(i in changed or (tokens[i][0] <= start and end <= tokens[i][1]) for i in over)
            return self._made(m) if over and not known else m.group()

        return self._pattern.replace(made, line) if self._pattern.search(line) else line


class Redactor:
    """Applies rules one after the other to the content of records, and counts the lines that each rule changed."""

    def __init__(self, rules: Sequence[Rule], counters: Counters, **labels: str) -> None:
        self._replacing: list[_Replacing] = []
        self._counters: list[Counter] = []
        for i, rule in enumerate(rules):
            text = "Lines in which something was redacted, by the rule's set or place in the configuration."
            name = rule.set or f"logs.redact[{i}]"
            self._counters.append(counters.counter("outrider_redactions_total", text, rule=name, **labels))
            known = SETS[rule.set] if rule.set else (Known(rule.pattern, rule.with_),)
            self._replacing += [_Replacing(i, k) for k in known]
        self._matches = screen([r.screen for r in self._replacing])
        self._always = any(r.anchored for r in self._replacing)

    def __bool__(self) -> bool:
        return bool(self._replacing)

    def apply(self, records: Records) -> Records:
        """The records with every match replaced. The position and the time, and so the insertId, stay as they are."""
        matches, always = self._matches, self._always
        changed = [0] * len(self._counters)
        cleaned: dict[int, bytes] = {}
        for i, content in enumerate(records.every_content()):
            valid = content if content.isascii() else valid_utf8(content)
            if matches(valid) or ((b"\\" in valid or (always and valid[:1] in b"{ \t\r\n")) and self._inside(valid)):
                clean = self._clean(valid, changed)
                if clean != valid:
                    cleaned[i] = clean
        for counter, lines in zip(self._counters, changed, strict=True):
            if lines:
                counter.add(lines)
        return records.replaced(cleaned) if cleaned else records

    def _inside(self, line: bytes) -> bool:
        """Whether a match may hide behind the escapes or at the edges of a string of a JSON line."""
        if self._always:
            return True
        escaped = [string for string in _STRING.findall(line) if b"\\" in string]
        return bool(escaped) and self._matches(b"\n".join(u for s in escaped if (u := _undone(s)) is not None))

    def _clean(self, line: bytes, changed: list[int]) -> bytes:
        touched: set[int] = set()
        if _is_object(line):
            line = self._clean_object(line, touched)
        else:
            line = self._clean_text(self._clean_escaped(line, touched), touched, 0)
        for rule in touched:
            changed[rule] += 1
        return line

    def _clean_escaped(self, line: bytes, touched: set[int]) -> bytes:
        """A line that is no object may still hold strings of JSON: behind a prefix, in an array, beside a NaN."""

        def clean(m: re.Match[bytes]) -> bytes:
            before = after = _undone(m[0]) if b"\\" in m[0] else None
            if before is None or after is None:
                return m[0]
            for replacing in self._replacing:
                made = replacing.text(after)
                if made != after:
                    touched.add(replacing.rule)
                    after = made
            return m[0] if after == before else orjson.dumps(after.decode())

        return _STRING.sub(clean, line) if b"\\" in line else line

    def _clean_text(self, line: bytes, touched: set[int], first: int) -> bytes:
        for replacing in self._replacing[first:]:
            clean = replacing.text(line)
            if clean != line:
                touched.add(replacing.rule)
                line = clean
        return line

    def _clean_object(self, line: bytes, touched: set[int]) -> bytes:
        """All rules inside the strings first: once the line is damaged their escapes could hide something."""
        inside: list[set[int]] = []
        for replacing in self._replacing:
            line, tokens = replacing.strings(line)
            inside.append(tokens)
            if tokens:
                touched.add(replacing.rule)
        for i, replacing in enumerate(self._replacing):
            clean = replacing.across(line, inside[i])
            if clean != line:
                touched.add(replacing.rule)
                line = clean
                if not _is_object(line):
                    return self._clean_text(line, touched, i + 1)
        return line


def _undone(string: bytes) -> bytes | None:
    """What a string of JSON says; None if it is none."""
    try:
        return str(orjson.loads(string)).encode()
    except orjson.JSONDecodeError:
        return None


def _is_object(line: bytes) -> bool:
    if not line.lstrip().startswith(b"{"):
        return False
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True
