"""What a chart's `values.yaml` says of its own keys: the comment above each is its meaning, its default shows its type.

From that come the table of the chart's README and the schema of its values. A comment line that begins with `@` says
what a default cannot:

    # @enum: [Always, Never]    one of these
    # @pattern: REGEX           a text of this form
    # @open                     any mapping, the default is only a start
    # @strings                  a mapping to texts: labels, annotations
    # @config, @secrets         the configuration file; existing Secrets by exporter

A mapping without keys and a list are open as well: extra volumes and the like are Kubernetes' business. Sections that
templates look into have to be there: one that a values file leaves empty is null, and Helm takes its defaults away.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from outrider.checks.found import INSTALLED
from outrider.config.schema import json_schema

_KEY = re.compile(r"^(?P<indent> *)(?P<name>\w+):")
_LABEL = "^[a-z0-9]([-a-z0-9]{0,48}[a-z0-9])?$"
"""Of an exporter with a Secret: its volume is called after it."""
_WHOLE = {"open", "strings", "config", "secrets"}
"""Marks of mappings whose keys are no values of the chart's own."""
_COMMENT = re.compile(r"^ *# ?(?P<text>.*)$")


@dataclass
class Value:
    """One key: its path, what is written above it, and what the file has as its default."""

    path: tuple[str, ...]
    default: Any
    doc: str = ""
    marks: dict[str, Any] = field(default_factory=dict)
    members: list["Value"] = field(default_factory=list)


def read(path: Path) -> list[Value]:
    """The keys of the first level, with their members."""
    text = path.read_text("utf-8")
    comments = _comments(text)
    return [_value((name,), default, comments) for name, default in yaml.safe_load(text).items()]


def _comments(text: str) -> dict[tuple[str, ...], tuple[str, dict[str, Any]]]:
    """Words and marks by path, for keys that stand on lines of their own."""
    found: dict[tuple[str, ...], tuple[str, dict[str, Any]]] = {}
    path: tuple[str, ...] = ()
    words: list[str] = []
    marks: dict[str, Any] = {}
    for line in text.splitlines():
        if comment := _COMMENT.match(line):
            if comment["text"].startswith("@"):
                name, _, value = comment["text"][1:].partition(":")
                marks[name] = yaml.safe_load(value) if value else True
            else:
                words.append(comment["text"])
            continue
        if key := _KEY.match(line):
            path = (*path[: len(key["indent"]) // 2], key["name"])
            found[path] = (" ".join(words), marks)
        words, marks = [], {}
    return found


def _value(path: tuple[str, ...], default: Any, comments: dict[tuple[str, ...], tuple[str, dict[str, Any]]]) -> Value:
    doc, marks = comments.get(path, ("", {}))
    value = Value(path, default, doc, marks)
    if isinstance(default, dict) and not marks.keys() & _WHOLE:
        value.members = [_value((*path, name), member, comments) for name, member in default.items()]
    return value


# -- the schema -------------------------------------------------------------------------------------------------------


def schema(values: list[Value], title: str) -> dict[str, Any]:
    """The schema of a chart's values. `config` is what `outrider schema` prints, in which references are to the root.

    But a secret must not be written out: a ConfigMap is for everybody to read. (Of a key of Datadog's the templates say
    so, in better words.)

    `global` and `enabled` are what a chart above this one may set.
    """
    config = json_schema(INSTALLED)
    config["$defs"]["check"] = _unspoken(config["$defs"]["check"])
    config["properties"]["kube"] = _unspoken(config["properties"]["kube"])
    properties = {value.path[-1]: _property(value, config) for value in values}
    properties["global"] = {"type": "object"}
    properties["enabled"] = {"type": "boolean"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "properties": properties,
        "required": _required(values),
        "additionalProperties": False,
        "$defs": config["$defs"],
    }


def _property(value: Value, config: dict[str, Any]) -> dict[str, Any]:
    if "config" in value.marks:
        return {key: config[key] for key in ("type", "properties", "additionalProperties")}
    if "secrets" in value.marks:
        return _secrets()
    if "enum" in value.marks:
        return {"enum": value.marks["enum"]}
    if "strings" in value.marks:
        return {"type": "object", "additionalProperties": {"type": "string"}}
    if value.members:
        members = {member.path[-1]: _property(member, config) for member in value.members}
        required = {"required": names} if (names := _required(value.members)) else {}
        return {"type": "object", "properties": members, **required, "additionalProperties": False}
    form = {"pattern": value.marks["pattern"]} if "pattern" in value.marks else {}
    return {"type": _type(value.default), **form}


def _required(values: list[Value]) -> list[str]:
    return [value.path[-1] for value in values if value.members or value.marks.keys() & {"config", "secrets"}]


def _unspoken(schema: Any) -> Any:
    """`schema`, under which a secret is a variable or a place to read it from, and never written out."""
    if isinstance(schema, list):
        return [_unspoken(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if {"$ref": "#/$defs/fromEnvironment"} in schema.get("anyOf", ()):
        named = [{"$ref": "#/$defs/variable"}, *(one for one in schema["anyOf"] if "$ref" in one)]
        return {**schema, "anyOf": named}
    return {key: _unspoken(value) for key, value in schema.items()}


def _secrets() -> dict[str, Any]:
    one = {
        "type": "object",
        "properties": {
            "existingSecret": {"type": "string", "minLength": 1},
            "key": {"type": "string", "pattern": "^[-._a-zA-Z0-9]+$"},
        },
        "required": ["existingSecret", "key"],
        "additionalProperties": False,
    }
    return {"type": "object", "patternProperties": {_LABEL: one}, "additionalProperties": False}


def _type(default: Any) -> str:
    kinds = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}
    return kinds[type(default)]


# -- the table --------------------------------------------------------------------------------------------------------


def table(values: list[Value]) -> str:
    """The rows of a README: key, default, meaning."""
    return "\n".join(
        ["| Key | Default | Meaning |", "|---|---|---|", *(row for value in values for row in _rows(value))]
    )


def _rows(value: Value) -> list[str]:
    own = [_row(value, "")] if value.doc else []
    if not value.members:
        return own if own and value.default == {} else [_row(value, f"`{_flow(value.default)}`")]
    return [*own, *(row for member in value.members for row in _rows(member))]


def _row(value: Value, default: str) -> str:
    words = f" One of {', '.join(f'`{word}`' for word in value.marks['enum'])}." if "enum" in value.marks else ""
    cells = (f"`{'.'.join(value.path)}`", default, value.doc + words)
    return "| " + " | ".join(cell.replace("|", "\\|").strip() for cell in cells) + " |"


def _flow(default: Any) -> str:
    return json.dumps(default)
