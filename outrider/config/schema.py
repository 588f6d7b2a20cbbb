"""The JSON schema (draft 2020-12) of the configuration file, written from the model's shapes.

It says the same as `check` about every single value, so that an editor or a Helm chart finds what `validate` would
find. What it cannot say is left to `validate`: whether a variable is set, a pattern compiles, a size with a unit lies
in its bounds, or a route names an exporter that exists.
"""

import re
from typing import Any

import msgspec

from outrider.config import forms
from outrider.config.expand import VARIABLE_PATTERN
from outrider.config.model import Config
from outrider.config.secrets import Secret
from outrider.config.shape import (
    Bool,
    CheckEntry,
    CheckTypes,
    Choice,
    Duration,
    Fraction,
    Hidden,
    Int,
    Key,
    Many,
    Nullable,
    Pairs,
    Rate,
    Record,
    Shape,
    Size,
    Text,
    Variants,
    record_of,
)
from outrider.config.units import DURATION_PATTERN, RATE_PATTERN, SIZE_PATTERN, duration_text, size_text

Schema = dict[str, Any]

_TITLE_END = re.compile(r"[.:;,](\s|$)")
_VARIABLE: Schema = {"$ref": "#/$defs/variable"}
_SECRET: list[Schema] = [{"$ref": "#/$defs/fromEnvironment"}, {"$ref": "#/$defs/fromFile"}]


def json_schema(checks: CheckTypes | None = None) -> Schema:
    """The schema as a dict that `json.dumps` takes. `checks` are those that `metrics.checks` may name; None leaves them
    and their settings open.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Outrider configuration",
        **_record(record_of(Config)),
        "$defs": {
            "variable": {
                "description": "A string with ${VAR} or ${VAR:-default} in it.",
                "type": "string",
                "pattern": VARIABLE_PATTERN,
            },
            "fromEnvironment": _from("env", "A secret from the environment."),
            "fromFile": _from("file", "A secret in a file, read again when the file changes."),
            "check": _check(checks),
        },
    }


def default_of(key: Key) -> Any:
    """A key's default as one would write it in the file; UNSET if there is none, or if it is found elsewhere."""
    value = key.default
    if value is msgspec.NODEFAULT or key.doc.default or isinstance(value, msgspec.Struct):
        return msgspec.UNSET
    if isinstance(value, Secret):
        return value.plain()
    if isinstance(key.shape, Duration):
        return duration_text(value)
    if isinstance(key.shape, Size):
        return size_text(value) if value else 0
    return value


def _schema(shape: Shape) -> Schema:
    match shape:
        case Nullable(item):
            return _any(_schema(item), {"type": "null"})
        case Many(item, at_least, unique, single):
            many: Schema = {"type": "array", "items": _schema(item)}
            many |= {"minItems": at_least} if at_least else {}
            many |= {"uniqueItems": True} if unique else {}
            return _any(_schema(item), many) if single else many
        case Pairs(key, item):
            names: Schema = {"enum": list(key.words)} if isinstance(key, Choice) else {"pattern": key.pattern}
            return {"type": "object", "propertyNames": names, "additionalProperties": _schema(item)}
        case CheckEntry():
            return {"$ref": "#/$defs/check"}
        case Hidden(words, only_file):
            strings = ([{"enum": list(words)}] if words else []) + ([] if only_file else [_nonempty()])
            return _any(*strings, *([_VARIABLE, _SECRET[1]] if only_file else _SECRET))
        case Record():
            return _record(shape)
        case Variants():
            return _variants(shape)
    return _scalar(shape)


def _scalar(shape: Shape) -> Schema:
    match shape:
        case Bool():
            return _any({"type": "boolean"}, _VARIABLE)
        case Int(low, high):
            return _any({"type": "integer", "minimum": low, "maximum": high}, _VARIABLE)
        case Duration(above, high):
            number: Schema = {"type": "number", "exclusiveMinimum": above, "maximum": high}
            return _any(number, {"type": "string", "pattern": DURATION_PATTERN}, _VARIABLE)
        case Size(low, high):
            count: Schema = {"type": "integer", "minimum": low}
            count |= {} if high is None else {"maximum": high}
            return _any(count, {"type": "string", "pattern": SIZE_PATTERN}, _VARIABLE)
        case Rate(low):
            return _any({"type": "integer", "minimum": low}, {"type": "string", "pattern": RATE_PATTERN}, _VARIABLE)
        case Fraction():
            return _any({"type": "number", "minimum": 0, "maximum": 1}, _VARIABLE)
        case Choice(words):
            return _any({"enum": list(words)}, _VARIABLE)
        case Text(pattern=""):
            return {"type": "string"}
        case Text(pattern=r"\S"):
            return _nonempty()
        case Text(pattern=pattern):
            return _any({"type": "string", "pattern": pattern}, _VARIABLE)
    raise TypeError(f"no schema for {shape!r}")


def _record(record: Record) -> Schema:
    schema: Schema = {
        "description": record.doc,
        "type": "object",
        "properties": {key.name: _property(key) for key in record.keys},
        "additionalProperties": False,
    }
    required = [key.name for key in record.keys if key.required]
    schema |= {"required": required} if required else {}
    schema |= {"oneOf": [_group(group, record) for group in record.either]} if record.either else {}
    return schema | ({"minProperties": record.at_least} if record.at_least else {})


def _group(group: tuple[str, ...], record: Record) -> Schema:
    others = [name for other in record.either if other != group for name in other]
    return {"required": [group[0]], "not": {"anyOf": [{"required": [name]} for name in others]}}


def _property(key: Key) -> Schema:
    schema = _schema(key.shape)
    text = key.doc.text or schema.get("description", "")
    words = f" Default: {key.doc.default}." if key.doc.default else ""
    schema = {"title": _TITLE_END.split(text, maxsplit=1)[0], **schema, "description": text + words}
    default = default_of(key)
    return schema if default is msgspec.UNSET else schema | {"default": default}


def _variants(shape: Variants) -> Schema:
    options = []
    for kind, record in shape.records.items():
        option = _record(record)
        option["properties"]["kind"] = {"const": kind}
        if kind != shape.default:
            option["required"] = ["kind", *option.get("required", [])]
        options.append({"title": kind, **option})
    return {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": shape.name.pattern},
        "additionalProperties": {"oneOf": options},
    }


def _check(checks: CheckTypes | None) -> Schema:
    one: Schema = {"description": "One check and its settings.", "type": "object"}
    one |= {"minProperties": 1, "maxProperties": 1}
    if checks is None:
        return {
            **one,
            "propertyNames": {"pattern": forms.CHECK_NAME.pattern},
            "additionalProperties": {"type": "object"},
        }
    return {**one, "properties": {n: _settings(n, checks) for n in sorted(checks)}, "additionalProperties": False}


def _settings(name: str, checks: CheckTypes) -> Schema:
    try:
        return _record(record_of(checks[name]))
    except ImportError:  # what the check needs is not installed here
        return {"type": "object"}


def _from(key: str, description: str) -> Schema:
    return {
        "description": description,
        "type": "object",
        "properties": {key: _nonempty()},
        "required": [key],
        "additionalProperties": False,
    }


def _nonempty() -> Schema:
    return {"type": "string", "pattern": r"\S"}


def _any(*schemas: Schema) -> Schema:
    """One of `schemas`; alternatives of alternatives are brought to one level."""
    flat = [s for schema in schemas for s in (schema["anyOf"] if schema.keys() == {"anyOf"} else [schema])]
    return {"anyOf": flat} if len(flat) > 1 else flat[0]
