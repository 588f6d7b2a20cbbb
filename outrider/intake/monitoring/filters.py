"""Monitoring filters: text in, a predicate on fields out.

    metric.type = "custom.googleapis.com/x" AND resource.labels.zone = starts_with("us-") AND NOT metric.labels.a = "b"

What is compared is a flat table of fields (`metric.type`, `resource.labels.zone`, ...), in which labels may be spelled
`label` or `labels`. Comparisons side by side are joined by AND, and so by AND written out; alternatives stand in
parentheses, so that nobody has to know which of AND and OR binds tighter
(https://cloud.google.com/monitoring/api/v3/filters). Comparing text is all there is: `=`, `!=`, `:` (has a part), and
the functions below. A field that is not there is an empty text.
"""

import re
from collections.abc import Callable, Mapping
from typing import NoReturn

from outrider.intake.errors import invalid

Fields = Mapping[str, str]
Predicate = Callable[[Fields], bool]

_SPACE = re.compile(r"\s*")
_WORD = re.compile(r"(AND|OR|NOT)\b")
_FIELD = re.compile(r'[A-Za-z_][\w.]*(?:"(?:[^"\\]|\\.)*")?')
_OPERATOR = re.compile(r"!=|=|:")
_FUNCTION = re.compile(r"([a-z_.]+)\s*\(")
_TEXT = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'|([^\s()\",']+)")
_LABEL = re.compile(r"(metric|resource|metadata)\.(?:labels?|user_labels|system_labels)\.(.+)")
_PLAIN = ("metric.type", "resource.type", "project")

_FUNCTIONS: dict[str, Callable[[str, str], bool]] = {
    "starts_with": str.startswith,
    "ends_with": str.endswith,
    "has_substring": lambda found, wanted: wanted in found,
    "monitoring.regex.full_match": lambda found, wanted: re.fullmatch(wanted, found) is not None,
}


def parse(text: str) -> Predicate:
    """The predicate of a filter; ApiError (INVALID_ARGUMENT) that says where it is wrong."""
    return _Parser(text).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def parse(self) -> Predicate:
        self._skip()
        predicate = self._all()
        if self._at < len(self._text):
            self._fail("unexpected text")
        return predicate

    def _fail(self, why: str) -> NoReturn:
        rest = self._text[self._at : self._at + 40]
        raise invalid(f"Field filter had an invalid value of {self._text!r}: {why} at position {self._at}: {rest!r}")

    def _skip(self) -> None:
        match = _SPACE.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self._text, self._at)
        if match:
            self._at = match.end()
            self._skip()
        return match

    def _sign(self, sign: str) -> bool:
        if not self._text.startswith(sign, self._at):
            return False
        self._at += len(sign)
        self._skip()
        return True

    def _word(self, word: str) -> bool:
        match = _WORD.match(self._text, self._at)
        return match is not None and match[1] == word and self._take(_WORD) is not None

    def _all(self) -> Predicate:
        parts: list[Predicate] = []
        while self._at < len(self._text) and self._text[self._at] != ")":
            if parts:
                self._word("AND")
            parts.append(self._single())
            if self._word("OR"):
                if len(parts) > 1:
                    self._fail("put what OR joins in parentheses")
                return self._any(parts[0])
        return lambda fields: all(part(fields) for part in parts)

    def _any(self, first: Predicate) -> Predicate:
        parts = [first, self._single()]
        while self._word("OR"):
            parts.append(self._single())
        if self._at < len(self._text) and self._text[self._at] != ")":
            self._fail("put what OR joins in parentheses")
        return lambda fields: any(part(fields) for part in parts)

    def _single(self) -> Predicate:
        if self._word("NOT") or self._sign("-"):
            inner = self._single()
            return lambda fields: not inner(fields)
        if self._sign("("):
            inner = self._all()
            if not self._sign(")"):
                self._fail("a closing parenthesis is missing")
            return inner
        return self._comparison()

    def _comparison(self) -> Predicate:
        name = self._take(_FIELD)
        if name is None:
            self._fail("expected a comparison")
        field = _canonical(name[0])
        if field is None:
            raise invalid(f"Field filter had an invalid value of {self._text!r}: no such field: {name[0]}")
        operator = self._take(_OPERATOR)
        if operator is None:
            self._fail("expected =, != or :")
        if operator[0] == ":":
            part = self._literal()
            return lambda fields: part in fields.get(field, "")
        test, negated = self._value(), operator[0] == "!="
        return lambda fields: test(fields.get(field, "")) != negated

    def _value(self) -> Callable[[str], bool]:
        function = self._take(_FUNCTION)
        if function is None:
            wanted = self._literal()
            return lambda found: found == wanted
        values = [self._literal()]
        while self._sign(","):
            values.append(self._literal())
        if not self._sign(")"):
            self._fail("a closing parenthesis is missing")
        if function[1] == "one_of":
            return lambda found: found in values
        compare = _FUNCTIONS.get(function[1])
        if compare is None or len(values) > 1:
            self._fail(f"no such function of {len(values)} values: {function[1]}")
        return lambda found: compare(found, values[0])

    def _literal(self) -> str:
        match = self._take(_TEXT)
        if match is None:
            self._fail("expected a value")
        double, single, bare = match.groups()
        return re.sub(r"\\(.)", r"\1", double if double is not None else single if single is not None else bare)


def _canonical(name: str) -> str | None:
    """A field under its one name; None if there is no such field."""
    if name in _PLAIN:
        return name
    label = _LABEL.fullmatch(name)
    return f"{label[1]}.labels.{label[2].strip(chr(34))}" if label else None
