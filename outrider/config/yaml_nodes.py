"""YAML as a tree of nodes that know their line and column.

The tree is built from libyaml's event stream rather than by its composer: the stream is flat, so a document nested
100,000 levels deep is an error here instead of a stack overflow in C, and duplicate keys, which YAML loaders pass over
in silence, are seen. Anchors, aliases and merge keys (`<<`) work. An aliased node is shared, not copied; how many
values a node stands for is counted along, so that aliases of aliases cannot multiply without end.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

_TAG = "tag:yaml.org,2002:"
_MAX_DEPTH = 60
_MAX_VALUES = 100_000
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_HINTS = {
    "mapping values are not allowed": 'put a value that contains ": " in quotes, and check the indentation',
    "cannot start any token": "put the value in quotes",
    "expected <block end>": "check the indentation",
    "did not find expected key": "check the indentation, and that quotes are closed",
    "did not find expected ',' or": 'check that brackets and quotes are closed; "${VAR}" needs quotes here',
    "could not find expected ':'": 'a key is followed by ":" and a blank; check the indentation',
    "unexpected end of stream": "check that quotes are closed",
    "unknown escape character": "write backslashes in single quotes, or double them",
}


class Node(msgspec.Struct):
    """A value and where it stands. `value` is a scalar, a list of nodes or a dict of entries; lines count from 1."""

    value: Any
    line: int
    column: int
    values: int = 1

    @property
    def plain(self) -> Any:
        """The value without its marks."""
        if isinstance(self.value, dict):
            return {name: entry.node.plain for name, entry in self.value.items()}
        return [n.plain for n in self.value] if isinstance(self.value, list) else self.value


class Entry(msgspec.Struct):
    """A key's place and its value."""

    line: int
    column: int
    node: Node


class Fault(msgspec.Struct, frozen=True):
    """What is wrong with the YAML itself."""

    line: int
    column: int
    message: str
    hint: str = ""
    path: str = ""


class YamlError(Exception):
    """The text is not YAML that can be used at all."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def read_nodes(text: str) -> tuple[Node, list[Fault]]:
    """The tree of the one document in `text`, and what is wrong with it besides (duplicate keys, odd tags, ...).

    Raises YamlError if there is no tree to speak of.
    """
    bad = _UNPRINTABLE.search(text)
    if bad is not None:
        line, column = position(text, bad.start())
        raise YamlError(Fault(line, column, f"the character U+{ord(bad[0]):04X} may not stand in a YAML file"))
    builder = _Builder(text)
    return builder.document(), builder.faults


def position(text: str, offset: int) -> tuple[int, int]:
    """Line and column of a character, both from 1."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def resolve(text: str) -> Any:
    """What `text` is when it stands in YAML without quotes: a number, true, null or the string itself."""
    resolver, _, scalar_node = _yaml_tools()
    try:
        return _constructed(resolver.resolve(scalar_node, text, (True, False)), text)
    except (ValueError, OverflowError):
        return text


def _constructed(tag: str, text: str) -> Any:
    """The value of a scalar with this tag. Raises what the constructor raises."""
    _, constructor, scalar_node = _yaml_tools()
    try:
        return constructor.construct_object(scalar_node(tag, text))
    finally:
        constructor.constructed_objects.clear()  # it would remember every node


@cache
def _yaml_tools() -> tuple[Any, Any, Any]:
    from yaml.constructor import SafeConstructor
    from yaml.nodes import ScalarNode
    from yaml.resolver import Resolver

    return Resolver(), SafeConstructor(), ScalarNode


_Path = tuple[str, ...]


class _Builder:
    """One pass over the events of `text`; nodes are finished from the inside out."""

    def __init__(self, text: str) -> None:
        self.faults: list[Fault] = []
        self._text = text
        self._anchors: dict[str, Node | None] = {}
        self._events: Iterator[Any] = iter(())

    def document(self) -> Node:
        import yaml

        self._events = iter(yaml.parse(self._text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
        try:
            root = None
            for event in self._events:
                if not isinstance(event, yaml.DocumentStartEvent):
                    continue
                if root is not None:
                    raise _error(event, "a second document starts here", "a configuration is one document")
                root = self._node(next(self._events), ())
        except yaml.MarkedYAMLError as e:
            raise YamlError(self._syntax(e)) from None
        except yaml.YAMLError as e:
            raise YamlError(Fault(0, 0, f"is not YAML: {e}")) from None
        if root is None or root.value is None:
            raise YamlError(Fault(0, 0, "is empty", "a file with nothing but {} takes every default"))
        return root

    def _node(self, event: Any, path: _Path) -> Node:
        if len(path) > _MAX_DEPTH:
            raise _error(event, f"is nested more than {_MAX_DEPTH} levels deep")
        kind = type(event).__name__
        if kind == "AliasEvent":
            return self._alias(event)
        if event.anchor:
            self._anchors[event.anchor] = None
        node = Node(None, *_place(event))
        if kind == "ScalarEvent":
            node.value = self._scalar(event, path)
        elif kind == "SequenceStartEvent":
            self._check_tag(event, "seq", path)
            node.value = self._items(path)
            node.values += sum(n.values for n in node.value)
        else:
            self._check_tag(event, "map", path)
            node.value = self._entries(path)
            node.values += sum(e.node.values for e in node.value.values())
        if node.values > _MAX_VALUES:
            raise _error(event, f"stands for more than {_MAX_VALUES:,} values")
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: Any) -> Node:
        if event.anchor not in self._anchors:
            raise _error(event, f"there is no anchor &{event.anchor} above this alias")
        target = self._anchors[event.anchor]
        if target is None:
            raise _error(event, f"the alias *{event.anchor} stands inside the value that it names")
        return target

    def _items(self, path: _Path) -> list[Node]:
        items: list[Node] = []
        while type(event := next(self._events)).__name__ != "SequenceEndEvent":
            items.append(self._node(event, (*path, f"[{len(items)}]")))
        return items

    def _entries(self, path: _Path) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        merged: list[Node] = []
        lines: dict[str, int] = {}
        while type(event := next(self._events)).__name__ != "MappingEndEvent":
            line, column = _place(event)
            key = self._key(event, path)
            value = self._node(next(self._events), (*path, key or "?"))
            if key is None:
                self._fault(event, path, "a list or a mapping cannot be a key")
                continue
            if key in lines:
                self._fault(event, (*path, key), f'the key "{key}" is here twice', f"the first is on line {lines[key]}")
                continue
            lines[key] = line
            if key == "<<":
                merged = self._merge(value, path)
            else:
                entries[key] = Entry(line, column, value)
        for node in merged:
            for name, entry in node.value.items():
                entries.setdefault(name, entry)
        return entries

    def _key(self, event: Any, path: _Path) -> str | None:
        """The text of a key, whatever YAML would make of it: `on` and `1` are names here."""
        if type(event).__name__ != "ScalarEvent":
            node = self._node(event, (*path, "?"))
            return node.value if isinstance(node.value, str) else None
        if event.anchor:
            self._anchors[event.anchor] = Node(event.value, *_place(event))
        return str(event.value)

    def _merge(self, value: Node, path: _Path) -> list[Node]:
        nodes = value.value if isinstance(value.value, list) else [value]
        if all(isinstance(n.value, dict) for n in nodes):
            return list(nodes)
        fault = Fault(value.line, value.column, '"<<" takes a mapping or a list of mappings', path=_dotted(path))
        self.faults.append(fault)
        return []

    def _scalar(self, event: Any, path: _Path) -> Any:
        resolver, _, scalar_node = _yaml_tools()
        tag = event.tag
        if tag is None or tag == "!":
            tag = resolver.resolve(scalar_node, event.value, event.implicit)
        elif tag.removeprefix(_TAG) not in ("str", "int", "float", "bool", "null"):
            self._check_tag(event, "str", path)
            return event.value
        try:
            return _constructed(tag, event.value)
        except (ValueError, OverflowError, KeyError, AttributeError):
            kind = tag.removeprefix(_TAG)
            self._fault(event, path, f"cannot be read as YAML's type {kind}", "put the value in quotes")
            return event.value

    def _check_tag(self, event: Any, expected: str, path: _Path) -> None:
        if event.tag and event.tag not in ("!", _TAG + expected):
            self._fault(event, path, f"the tag {event.tag} is not known here", "leave it out")

    def _fault(self, event: Any, path: _Path, message: str, hint: str = "") -> None:
        self.faults.append(Fault(*_place(event), message, hint, _dotted(path)))

    def _syntax(self, error: Any) -> Fault:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        lines = self._text.split("\n")
        for number in (line, line - 1):
            text = lines[number - 1] if 0 < number <= len(lines) else ""
            if "\t" in text[: len(text) - len(text.lstrip())]:
                return Fault(number, text.index("\t") + 1, "a tab in the indentation", "YAML is indented with blanks")
        problem = error.problem or error.context or "cannot be read"
        context = f" ({error.context})" if error.context and error.problem else ""
        hint = next((h for words, h in _HINTS.items() if words in problem), "")
        return Fault(line, column, f"is not YAML: {problem}{context}", hint)


def _error(event: Any, message: str, hint: str = "") -> YamlError:
    return YamlError(Fault(*_place(event), message, hint))


def _place(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _dotted(path: _Path) -> str:
    return ".".join(path).replace(".[", "[")
