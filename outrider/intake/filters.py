"""The Logging query language: text in, a predicate on entries out.

A recursive descent over the text itself, without a token list, because what a token is depends on its place: a colon
ends a field name but belongs to an unquoted timestamp. Precedence is the language's own: NOT binds tightest, then OR,
then AND, and comparisons side by side are joined by AND
(https://cloud.google.com/logging/docs/view/logging-query-language).

    expression = either { ["AND"] either }
    either     = single { "OR" single }
    single     = ("NOT" | "-") single | "(" expression ")" | comparison
    comparison = path operator (value | "(" values ")") | function "(" text ")" | text

Inside `field = ( ... )` the same rules hold with values in place of comparisons.
"""

import re
from collections.abc import Callable
from typing import Any, NoReturn

from outrider.intake import comparisons
from outrider.intake.comparisons import Predicate
from outrider.intake.errors import invalid

__all__ = ["Predicate", "parse_filter"]

MAX_FILTER = 20_000  # logging.proto: "The maximum length of a filter is 20,000 characters"
_MAX_NESTING = 100

_SPACE = re.compile(r"(?:\s+|--[^\n]*)*")
_QUOTED = r'"(?:[^"\\]|\\.)*"' + r"|'(?:[^'\\]|\\.)*'"
_SEGMENT = re.compile(rf"{_QUOTED}|[^\s()=<>:!~,.\"']+", re.DOTALL)
_VALUE = re.compile(rf"{_QUOTED}|[^\s()\",']+", re.DOTALL)
_OPERATOR = re.compile(r"<=|>=|!=|=~|!~|=|<|>|:")
_WORD = re.compile(r"(AND|OR|NOT)(?![^\s()\"'])")
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|([0-3][0-7]{2})|(.))", re.DOTALL)
_CONTROL = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def parse_filter(text: str) -> Predicate | None:
    """The predicate of a filter, None for an empty one; ApiError (INVALID_ARGUMENT) that says where it is wrong."""
    if len(text) > MAX_FILTER:
        raise invalid(f"The filter must not be longer than {MAX_FILTER} characters")
    return _Parser(text).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def parse(self) -> Predicate | None:
        self._skip()
        if self._at == len(self._text):
            return None
        predicate = self._expression(self._comparison)
        if self._at < len(self._text):
            self._fail("unexpected text")
        return predicate

    def _fail(self, why: str) -> NoReturn:
        raise invalid(f"Unparseable filter: {why} at position {self._at}: {self._text[self._at : self._at + 40]!r}")

    def _skip(self) -> None:
        match = _SPACE.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _take(self, pattern: re.Pattern[str]) -> str | None:
        """The pattern's text at this place; moves behind it, not behind the space that follows."""
        match = pattern.match(self._text, self._at)
        if match is None:
            return None
        self._at = match.end()
        return match[0]

    def _take_word(self, word: str) -> bool:
        match = _WORD.match(self._text, self._at)
        if match is None or match[1] != word:
            return False
        self._at = match.end()
        self._skip()
        return True

    def _take_sign(self, sign: str) -> bool:
        if not self._text.startswith(sign, self._at):
            return False
        self._at += len(sign)
        self._skip()
        return True

    def _expression(self, leaf: Callable[[], Predicate]) -> Predicate:
        self._depth += 1
        if self._depth > _MAX_NESTING:
            self._fail("too many parentheses")
        parts = [self._either(leaf)]
        while self._at < len(self._text) and not self._text.startswith(")", self._at):
            self._take_word("AND")
            parts.append(self._either(leaf))
        self._depth -= 1
        return parts[0] if len(parts) == 1 else lambda entry: all(part(entry) for part in parts)

    def _either(self, leaf: Callable[[], Predicate]) -> Predicate:
        parts = [self._single(leaf)]
        while self._take_word("OR"):
            parts.append(self._single(leaf))
        return parts[0] if len(parts) == 1 else lambda entry: any(part(entry) for part in parts)

    def _single(self, leaf: Callable[[], Predicate]) -> Predicate:
        negated = False
        while self._take_word("NOT") or (leaf == self._comparison and self._take_sign("-")):
            negated = not negated
        inner = self._group(leaf) if self._take_sign("(") else leaf()
        self._skip()
        return (lambda entry: not inner(entry)) if negated else inner

    def _group(self, leaf: Callable[[], Predicate]) -> Predicate:
        inner = self._expression(leaf)
        if not self._text.startswith(")", self._at):
            self._fail("a closing parenthesis is missing")
        self._at += 1
        return inner

    def _comparison(self) -> Predicate:
        start = self._at
        if _WORD.match(self._text, start):
            self._fail("an operand is missing")
        path = self._path()
        after = self._at
        self._skip()
        if not path[0][1] and len(path) == 1 and self._text.startswith("(", after):
            return self._function(path[0][0])
        operator = self._take(_OPERATOR)
        if operator is None:
            self._at = after
            quoted = len(path) == 1 and path[0][1]
            return comparisons.anywhere(path[0][0] if quoted else self._text[start:after])
        if path[0][1]:
            self._at = start
            self._fail("a field name must not begin with a quoted string")
        field = comparisons.Field([segment for segment, _ in path])
        self._skip()
        if self._take_sign("("):
            return self._group(lambda: self._compared(field, operator))
        return self._compared(field, operator)

    def _path(self) -> list[tuple[str, bool]]:
        """Segments between dots, each with whether it was quoted."""
        segments: list[tuple[str, bool]] = []
        while True:
            segment = self._take(_SEGMENT)
            if segment is None:
                if not segments:
                    self._fail("expected a comparison")
                self._fail("a field name ends in a dot")
            segments.append((_unquoted(segment), segment[0] in "\"'"))
            if not self._text.startswith(".", self._at):
                return segments
            self._at += 1

    def _compared(self, field: comparisons.Field, operator: str) -> Predicate:
        value = None if _WORD.match(self._text, self._at) else self._take(_VALUE)
        if value is None:
            self._fail("expected a value")
        try:
            return field.compare(operator, _unquoted(value), quoted=value[0] in "\"'")
        except ValueError as error:
            raise invalid(f"Invalid filter: {error}") from None

    def _function(self, name: str) -> Predicate:
        if name != "log_id":
            raise invalid(f"Unsupported function in filter: {name}; this service knows log_id")
        self._take_sign("(")
        value: Any = self._take(_VALUE)
        if value is None:
            self._fail("log_id needs a log id")
        self._skip()
        if not self._take_sign(")"):
            self._fail("a closing parenthesis is missing")
        return comparisons.log_id(_unquoted(value))


def _unquoted(text: str) -> str:
    if text[0] not in "\"'":
        return text
    return _ESCAPE.sub(_unescaped, text[1:-1])


def _unescaped(match: re.Match[str]) -> str:
    unicode, hexadecimal, octal, other = match.groups()
    if other is not None:
        return _CONTROL.get(other, other)
    return chr(int(octal, 8) if octal else int(unicode or hexadecimal, 16))
