"""One comparison of the Logging query language: a field, an operator, a value.

The field decides how the value is read: times and severities by their order, and a value that is neither is an error
at once; everything else by the type found in the entry. Text compares without case, `:` finds a part of a text, `=~`
searches with its case. A field that is missing makes every comparison false, also `!=`
(https://cloud.google.com/logging/docs/view/logging-query-language, "Missing fields").
"""

import operator
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

from outrider.intake.protojson import snake
from outrider.intake.requests import ENTRY_FIELDS, SEVERITIES
from outrider.intake.timestamps import parse_duration, parse_timestamp

Predicate = Callable[[dict[str, Any]], bool]
"""Whether an entry (REST JSON) matches."""

_Test = Callable[[Any], bool]
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TIMES = ("timestamp", "receiveTimestamp")
_OPEN = ("jsonPayload", "protoPayload", "labels")
_TOP = {name: camel for camel in ENTRY_FIELDS for name in (camel, snake(camel))}
_INTEGERS = ({"requestSize", "responseSize", "cacheFillBytes"}, {"line"})
_SEVERITY_NUMBERS = {name: number for number, name in SEVERITIES.items()}
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_BARE_OFFSET = re.compile(r"(T.*[+-]\d\d)(\d\d)\Z", re.ASCII)


class Field:
    """A field path such as `resource.labels.pod_name`; ApiError is not raised here, ValueError by `compare` is."""

    def __init__(self, segments: list[str]) -> None:
        top = _TOP.get(segments[0])
        self.name = ".".join(segments)
        self._known = top is not None
        path = [top or segments[0], *segments[1:]]
        if path[0] not in _OPEN:
            path = [_camel(segment) for segment in path[:2]] + path[2:]
        if path[0] == "labels":  # keys may hold dots: labels.compute.googleapis.com/resource_name
            path[1:] = [".".join(path[1:])] if path[1:] else []
        elif path[:2] == ["resource", "labels"]:
            path[2:] = [".".join(path[2:])] if path[2:] else []
        self._path = path

    def compare(self, op: str, value: str, *, quoted: bool) -> Predicate:
        """The predicate of `path op value`; ValueError if the field is unknown or the value does not suit it."""
        if not self._known:
            raise ValueError(f"Field not found: '{self.name}'")
        if op == ":" and value == "*" and not quoted:
            return self._any(lambda _: True)
        if self._path[0] in _TIMES:
            return self._any(_time_test(self.name, op, value))
        if self._path == ["severity"]:
            test = _severity_test(op, value)
            return lambda entry: test(entry.get("severity", "DEFAULT"))
        if op in ("=~", "!~"):
            return self._any(_pattern_test(op, value))
        return self._any(self._number_text_test(op, value) or _typed_test(op, value))

    def _any(self, test: _Test) -> Predicate:
        path = self._path
        return lambda entry: any(test(found) for found in _walk(entry, path, 0))

    def _number_text_test(self, op: str, value: str) -> _Test | None:
        """Fields whose JSON is a text but whose type is a number: 64-bit integers and durations."""
        if self._path[0] == "httpRequest" and self._path[-1] == "latency":
            wanted: Any = _or_none(parse_duration, value)
            return None if wanted is None else lambda found: _order(op)(parse_duration(found), wanted)
        if self._path[-1] in _INTEGERS[0] | _INTEGERS[1] and self._path[0] in ("httpRequest", "sourceLocation"):
            wanted = _or_none(float, value)
            return None if wanted is None else lambda found: _order(op)(float(found), wanted)
        return None


def anywhere(text: str) -> Predicate:
    """A text without a field: it may stand in any field or value of the entry."""
    test = _typed_test(":", text)
    return lambda entry: test(entry)


def log_id(wanted: str) -> Predicate:
    """`log_id("stdout")`: the part of the log name behind `/logs/`, not URL-encoded."""
    return lambda entry: unquote(entry.get("logName", "").partition("/logs/")[2]).casefold() == wanted.casefold()


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


def _order(op: str) -> Callable[[Any, Any], bool]:
    return _ORDER["=" if op == ":" else op]


def _or_none(convert: Callable[[str], Any], text: str) -> Any:
    try:
        return convert(text)
    except ValueError:
        return None


def _walk(value: Any, path: list[str], at: int) -> Iterator[Any]:
    """Every value the path leads to; through arrays it leads to each element."""
    if type(value) is list:
        for item in value:
            yield from _walk(item, path, at)
    elif at == len(path):
        yield value
    elif type(value) is dict and path[at] in value:
        yield from _walk(value[path[at]], path, at + 1)


def _time_test(name: str, op: str, value: str) -> _Test:
    if op not in _ORDER:
        raise ValueError(f"operator {op} does not apply to {name}")
    try:
        wanted = parse_timestamp(_as_rfc3339(value))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return lambda found: _ORDER[op](parse_timestamp(found), wanted)


def _as_rfc3339(value: str) -> str:
    """Filters also take a bare date, and an offset without a colon (the official Python client writes `+0000`)."""
    return value + "T00:00:00Z" if _DATE.fullmatch(value) else _BARE_OFFSET.sub(r"\1:\2", value)


def _severity_test(op: str, value: str) -> _Test:
    if op in ("=~", "!~"):
        raise ValueError(f"operator {op} does not apply to severity")
    wanted = _SEVERITY_NUMBERS.get(value.upper(), _or_none(int, value))
    if wanted is None:
        raise ValueError(f"no such severity: {value!r}")
    return lambda found: _order(op)(_SEVERITY_NUMBERS.get(found, found), wanted)


def _pattern_test(op: str, value: str) -> _Test:
    try:
        pattern = re.compile(value)
    except re.error as error:
        raise ValueError(f"bad regular expression {value!r}: {error}") from None
    return lambda found: type(found) is str and (pattern.search(found) is not None) == (op == "=~")


def _typed_test(op: str, value: str) -> _Test:
    text = value.casefold()
    number = _or_none(float, value)
    compare = _order(op)

    def test(found: Any) -> bool:
        kind = type(found)
        if kind is str:
            return text in found.casefold() if op == ":" else compare(found.casefold(), text)
        if kind is bool or found is None:
            return compare({True: "true", False: "false", None: "null"}[found], text)
        if kind is dict:
            return op == ":" and any(test(key) or test(item) for key, item in found.items())
        if kind is list:
            return any(test(item) for item in found)
        return number is not None and compare(found, number)

    return test
