"""Strict proto3 JSON: tables of fields in, plain canonical values out.

The API's front end turns JSON into protobuf messages before anybody looks at a log entry, so one wrong type anywhere
spoils the whole request. This module is that front end in small: a parser per kind of field, and `message`, which
makes a parser of a table of fields. Names are taken in lowerCamelCase and in snake_case, `null` is an absent field,
and a value equal to the proto3 default is dropped, as it would be by any message on the wire (a parser returns None
for it).

Errors are `MalformedError` and gather their path on the way out (`entries[3].source_location.line`); the paths are in
snake_case, as the API prints them. Source of the rules: https://protobuf.dev/programming-guides/json/ and the error
texts that the googleapis front end gives.
"""

import re
from collections.abc import Callable
from typing import Any

import orjson

from outrider.intake import timestamps

Parser = Callable[[Any], Any]
"""Takes a JSON value (never null), gives the canonical value or None for the default; raises MalformedError."""

_TYPES = "type.googleapis.com/"
_INTEGER = re.compile(r"-?\d{1,19}", re.ASCII)
_SHOWN = 200


class MalformedError(Exception):
    """A JSON value that does not fit its field: where (a path that grows outwards), and what is wrong there."""

    def __init__(self, what: str, *, path: str = "", name: str | None = None) -> None:
        super().__init__(what)
        self.path = path
        self.what = what
        self.name = name

    def under(self, outer: str) -> "MalformedError":
        """The same error seen from one level further out."""
        self.path = outer + self.path if not self.path or self.path.startswith("[") else f"{outer}.{self.path}"
        return self

    def violation(self) -> tuple[str, str]:
        """(field, description) of a google.rpc.BadRequest."""
        if self.name is None:
            return self.path, f"Invalid value at '{self.path}' {self.what}"
        at = f" at '{self.path}'" if self.path else ""
        return self.path, f'Invalid JSON payload received. Unknown name "{self.name}"{at}: {self.what}'


def show(value: Any) -> str:
    """A JSON value as an error message quotes it, shortened."""
    text = orjson.dumps(value).decode()
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def string(value: Any) -> str | None:
    """TYPE_STRING."""
    if type(value) is not str:
        raise MalformedError(f"(TYPE_STRING), {show(value)}")
    return value or None


def text_payload(value: Any) -> str:
    """A string of a oneof: even an empty one is there."""
    return string(value) or ""


def boolean(value: Any) -> bool | None:
    """TYPE_BOOL."""
    if type(value) is not bool:
        raise MalformedError(f"(TYPE_BOOL), {show(value)}")
    return value or None


def _integer(value: Any, bits: int) -> int:
    number: int | None = None
    if type(value) is int:
        number = value
    elif (type(value) is float and value.is_integer()) or (type(value) is str and _INTEGER.fullmatch(value)):
        number = int(value)
    if number is None or not -(1 << bits - 1) <= number < 1 << bits - 1:
        raise MalformedError(f"(TYPE_INT{bits}), {show(value)}")
    return number


def int32(value: Any) -> int | None:
    """TYPE_INT32: a JSON number or a decimal string."""
    return _integer(value, 32) or None


def int64(value: Any) -> str | None:
    """TYPE_INT64: a JSON number or a decimal string; canonically the string."""
    number = _integer(value, 64)
    return str(number) if number else None


def enum(type_name: str, names: dict[int, str]) -> Parser:
    """An enum: exactly its names, or a number. Numbers without a name stay numbers (proto3 enums are open)."""
    known = frozenset(names.values())

    def parse(value: Any) -> str | int | None:
        if type(value) is str and value in known:
            return value if value != names[0] else None
        try:
            number = _integer(value, 32)
        except MalformedError:
            raise MalformedError(f"({_TYPES}{type_name}), {show(value)}") from None
        return names.get(number, number) if number else None

    return parse


def _seconds_and_nanos(value: dict[str, Any], type_name: str) -> int:
    """The message form `{"seconds": .., "nanos": ..}`, which the API's front end takes as well."""
    parts = message(type_name, {"seconds": int64, "nanos": int32})(value) or {}
    return int(parts.get("seconds", 0)) * timestamps.SECOND + int(parts.get("nanos", 0))


def timestamp(value: Any) -> int:
    """google.protobuf.Timestamp, as nanoseconds since the epoch."""
    if type(value) is dict:
        nanos = _seconds_and_nanos(value, "google.protobuf.Timestamp")
        if not 0 <= int(value.get("nanos") or 0) < timestamps.SECOND or not timestamps.in_range(nanos):
            raise MalformedError(f"({_TYPES}google.protobuf.Timestamp), Timestamp is out of range: {show(value)}")
        return nanos
    try:
        return timestamps.parse_timestamp(value)
    except (TypeError, ValueError):
        why = f"Invalid time format: {show(value)}"
        if type(value) is str and not re.search(r"(?:Z|[+-]\d\d:\d\d)\Z", value):
            why = "Illegal timestamp format; timestamps must end with 'Z' or have a valid timezone offset."
        raise MalformedError(f"({_TYPES}google.protobuf.Timestamp), Field 'timestamp', {why}") from None


def duration(value: Any) -> str:
    """google.protobuf.Duration, canonically as `1.5s`."""
    if type(value) is dict:
        return timestamps.format_duration(_seconds_and_nanos(value, "google.protobuf.Duration"))
    try:
        return timestamps.format_duration(timestamps.parse_duration(value))
    except (TypeError, ValueError):
        raise MalformedError(f"({_TYPES}google.protobuf.Duration), {show(value)}") from None


def string_map(value: Any) -> dict[str, str] | None:
    """map<string, string>."""
    if type(value) is not dict:
        raise MalformedError(f"(Map), {show(value)}")
    for item in value.values():
        if type(item) is not str:
            index = list(value.values()).index(item)
            raise MalformedError(f"(TYPE_STRING), {show(item)}", path=f"[{index}].value")
    return value or None


def struct(value: Any) -> dict[str, Any]:
    """google.protobuf.Struct: any JSON object, kept as it is."""
    if type(value) is not dict:
        raise MalformedError(f"({_TYPES}google.protobuf.Struct), {show(value)}")
    return value


def any_message(value: Any) -> dict[str, Any]:
    """google.protobuf.Any: a JSON object that names its type."""
    if type(value) is not dict or type(value.get("@type")) is not str:
        raise MalformedError(f"({_TYPES}google.protobuf.Any), Missing @type for any field: {show(value)}")
    return value


def repeated(item: Parser, type_name: str) -> Parser:
    """A repeated field: a JSON array."""

    def parse(value: Any) -> list[Any] | None:
        if type(value) is not list:
            raise MalformedError(f"({type_name}), {show(value)}")
        parsed = []
        for index, element in enumerate(value):
            try:
                parsed.append(item(element))
            except MalformedError as error:
                raise error.under(f"[{index}]") from None
        return parsed or None

    return parse


def snake(name: str) -> str:
    """The field's name in the .proto file."""
    return re.sub(r"[A-Z]", lambda match: "_" + match[0].lower(), name)


def message(type_name: str, fields: dict[str, Parser]) -> Parser:
    """A parser of messages: `fields` maps lowerCamelCase names to the parsers of their values."""
    table = {name: (camel, snake(camel), parser) for camel, parser in fields.items() for name in (camel, snake(camel))}

    def parse(value: Any) -> dict[str, Any] | None:
        if type(value) is not dict:
            raise MalformedError(f"({_TYPES}{type_name}), {show(value)}")
        parsed: dict[str, Any] = {}
        for key, item in value.items():
            spec = table.get(key)
            if spec is None:
                raise MalformedError("Cannot find field.", name=key)
            if item is None:
                continue
            camel, name, parser = spec
            try:
                canonical = parser(item)
            except MalformedError as error:
                raise error.under(name) from None
            if canonical is not None:
                parsed[camel] = canonical
        return parsed or None

    return parse
