"""Regular expressions that somebody else wrote: of the configuration, and of a pod's annotations.

They are RE2's, not Python's: RE2 walks over the text once, whatever the pattern, so nobody can stall a node with
`(a+)+$`. The price is that look-around and back-references do not exist, and that `\\d`, `\\w`, `\\s` and `\\b` are
about ASCII (`\\pL` is a letter of any script). The syntax: github.com/google/re2/wiki/Syntax.

Patterns are applied to bytes and mean characters: `.` is a whole umlaut. RE2 does not match across bytes that are no
UTF-8, where a secret could hide; therefore content goes through `valid_utf8` first.

RE2 is loaded when the first pattern is compiled, so that programs without patterns start without it.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final

MAX_MEM: Final = 8 << 20
"""Bytes that one pattern may take, compiled and at work. When the automaton outgrows them RE2 goes on with a slower,
equally linear method."""
MAX_LENGTH: Final = 8192
"""Characters of a pattern."""

_LINEAR = "RE2 matches in linear time and does without it"
_PERL_ONLY = {
    "(?=": "look-ahead",
    "(?!": "look-ahead",
    "(?<=": "look-behind",
    "(?<!": "look-behind",
    "(?>": "an atomic group",
    "(?(": "a conditional",
    "(?P=": "a back-reference",
    "(?#": "a comment",
}
_ESCAPES = {r"\Z": r"write \z for the end of the text", r"\u": r"write \x{1F600} for a code point"}
_SILENT = re.compile(r"(?<!\\)\{(?:,[0-9]+|[0-9]{8,}(?:,[0-9]*)?|[0-9]+,[0-9]{8,})\}")
_HALF = re.compile(r"(?<!\\)(?:\\\\)*(\\C)")
_TEMPLATE = re.compile(r"\\(?:([1-9][0-9]?)|g<(\w+)>|(.?))", re.DOTALL)
_LITERAL = {"\\": b"\\", "n": b"\n", "t": b"\t", "r": b"\r"}


class PatternError(ValueError):
    """The pattern, or the replacement, cannot be used; the text says what about it and what to write instead."""


class Pattern:
    """A compiled pattern over bytes of valid UTF-8.

    `search`, `match` (from the beginning) and `fullmatch` take bytes and return a match with `group`, `groups`,
    `start`, `end` and `span` in bytes, or None.
    """

    __slots__ = ("_regexp", "fullmatch", "match", "names", "search", "text")

    def __init__(self, text: str, regexp: Any) -> None:
        self.text = text
        """The pattern as it was written."""
        self._regexp = regexp
        self.search: Callable[[bytes], Any] = regexp.search
        self.match: Callable[[bytes], Any] = regexp.match
        self.fullmatch: Callable[[bytes], Any] = regexp.fullmatch
        self.names: dict[str, int] = dict(regexp.groupindex)
        """Numbers of the named groups."""

    def __repr__(self) -> str:
        return f"compiled({self.text!r})"

    @property
    def steps(self) -> int:
        """Instructions of the compiled pattern: what a byte may cost."""
        return int(self._regexp.programsize)

    @property
    def groups(self) -> int:
        """How many groups capture."""
        return int(self._regexp.groups)

    def finditer(self, data: bytes) -> Iterator[Any]:
        """The matches from left to right, none overlapping another; an empty one never stands within a character."""
        at, end = 0, len(data)
        while at <= end:
            m = next(self._regexp.finditer(data, at), None)
            if m is None:
                return
            start, at = m.span()
            if start == at:
                if start < end and data[start] & 0xC0 == 0x80:
                    at += 1
                    continue
                at += 1
            yield m

    def sub(self, repl: bytes, data: bytes) -> bytes:
        r"""`data` with every match replaced by `repl`: `\1` and `\g<name>` insert a group (nothing if it took no
        part), `\\`, `\n`, `\r` and `\t` are what they usually are. Raises PatternError for another backslash and for
        a group that the pattern does not have.
        """
        return self.replace(self.template(repl.decode()), data)

    def replace(self, made: Callable[[Any], bytes], data: bytes) -> bytes:
        """`data` with what `made` returns for each match in its place."""
        pieces: list[bytes] = []
        done = 0
        for m in self.finditer(data):
            start, end = m.span()
            pieces += (data[done:start], made(m))
            done = end
        if not pieces:
            return data
        pieces.append(data[done:])
        return b"".join(pieces)

    def template(self, repl: str) -> Callable[[Any], bytes]:
        """What to insert for a match, as `sub` describes it."""
        parts: list[bytes | int] = []
        done = 0
        for m in _TEMPLATE.finditer(repl):
            parts.append(repl[done : m.start()].encode())
            done = m.end()
            number, name, literal = m.groups()
            parts.append(_LITERAL[literal] if literal in _LITERAL else self._group(m[0], number or name))
        parts.append(repl[done:].encode())
        if not any(isinstance(p, int) for p in parts):
            constant = b"".join(p for p in parts if isinstance(p, bytes))
            return lambda _: constant
        return lambda m: b"".join(p if isinstance(p, bytes) else m.group(p) or b"" for p in parts)

    def _group(self, written: str, group: str | None) -> int:
        if group is None:
            raise PatternError(rf"{written} means nothing in a replacement; write \\ for a backslash")
        number = int(group) if group.isdecimal() else self.names.get(group, -1)
        if not 0 <= number <= self.groups:
            has = f"only {self.groups}" if self.groups else "none"
            raise PatternError(f"{written} is a group that the pattern does not have (it has {has})")
        return number


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Pattern:
    """The pattern, compiled once for everybody. Raises PatternError, with the construct and its position where RE2
    names one.
    """
    if len(pattern) > MAX_LENGTH:
        raise PatternError(f"is longer than {MAX_LENGTH} characters")
    if m := _SILENT.search(pattern):
        raise PatternError(
            rf"RE2 takes {m[0]} at position {m.start()} as text, not as a repetition; write {{0,n}} for up to n, "
            r"\{ for a brace"
        )
    if m := _HALF.search(pattern):
        raise PatternError(rf"\C at position {m.start(1)} would match half a character; write . or (?s:.)")
    return Pattern(pattern, _regexp(pattern))


def screen(patterns: list[str]) -> Callable[[bytes], bool]:
    """Whether any of `patterns` (that `compiled` takes) matches somewhere in valid UTF-8: one walk for all of them.

    An alternation, not RE2's Set: a Set that runs out of memory answers that nothing matches.
    """
    joined = [p for p in patterns if r"\Q" not in p]  # it may lack its \E and would swallow the next alternative
    alone = [p for p in patterns if r"\Q" in p]
    try:
        together = [_regexp("|".join(f"(?:{p})" for p in joined), never_capture=True)] if joined else []
    except PatternError:  # each fits into its memory, all of them do not
        together, alone = [], patterns
    searches = [r.search for r in together] + [_regexp(p, never_capture=True).search for p in alone]
    if len(searches) == 1:
        search = searches[0]
        return lambda data: search(data) is not None
    return lambda data: any(search(data) is not None for search in searches)


def valid_utf8(content: bytes) -> bytes:
    """`content` with U+FFFD for bytes that are no UTF-8; the same object if there are none."""
    if content.isascii():
        return content
    try:
        content.decode()
    except UnicodeDecodeError:
        return content.decode("utf-8", "replace").encode()
    return content


def _regexp(pattern: str, never_capture: bool = False) -> Any:
    import re2

    options = re2.Options()
    options.max_mem = MAX_MEM
    options.log_errors = False
    options.never_capture = never_capture
    try:
        return re2.compile(pattern, options)
    except UnicodeEncodeError as e:
        raise PatternError(f"a lone surrogate at position {e.start} is no character") from None
    except re2.error as e:
        raise PatternError(_explained(pattern, e)) from None


def _explained(pattern: str, error: Exception) -> str:
    """RE2's message (bytes, `kind: fragment`) with the position of the fragment and the way out."""
    raw = error.args[0] if error.args else b""
    message = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
    kind, _, fragment = message.partition(": ")
    at = pattern.find(fragment) if fragment and fragment != pattern else -1
    where = f" at position {at}" if at >= 0 else ""
    for opening, name in _PERL_ONLY.items():
        if kind == "invalid perl operator" and opening.startswith(fragment) and opening in pattern:
            return f"{opening} at position {pattern.find(opening)} is {name}: {_LINEAR}"
    if kind == "invalid escape sequence":
        if fragment[1:].isdecimal():
            return f"{fragment}{where} is a back-reference: {_LINEAR}"
        hint = _ESCAPES.get(fragment, "")
        return message + where + (f"; {hint}" if hint else "")
    if kind == "bad repetition operator":
        return f"{message}{where}; there are no possessive quantifiers"
    return message + where
