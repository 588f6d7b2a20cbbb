"""Additions to a YAML document, and their removal, that leave every other character of it alone.

The document is read only to learn where things stand (the marks of PyYAML's nodes); what is added is text, put in
behind the line of the key that it belongs to. So comments, order, quotes and blank lines stay, which no program that
writes a document anew can promise. Flow style (`volumes: []`, and JSON with it) gets its additions behind the bracket.
What is there already is compared: an item of ours that says the same is left, another one is replaced.

Aliases and merge keys are refused where they are in the way, and so is what has an alias elsewhere: what is written
into them would change other places too. Single values, such as a name that is said once and meant five times, are read.
"""

import itertools
import json
import re
from collections.abc import Collection
from typing import Any

import yaml
from yaml.constructor import SafeConstructor
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from outrider.wiring.text import dump

_LINE_END = re.compile("\\n|\\r(?!\\n)|[\\x85\\u2028\\u2029]")
"""What PyYAML counts as one."""
_COMMA = ", "
"""What is put in behind an item of flow style."""


class SpliceError(Exception):
    """Nothing can be added there; the text says where, why, and the way out."""


class _Loader(yaml.SafeLoader):
    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        """The alias of a single value stands where it is written, and not where its anchor is. An anchor may be set
        anew, which PyYAML takes for a mistake.
        """
        event = self.peek_event()  # type: ignore[no-untyped-call]
        is_alias = isinstance(event, yaml.AliasEvent)
        if not is_alias:
            self.anchors.pop(event.anchor, None)
        node = super().compose_node(parent, index)
        if is_alias and isinstance(node, ScalarNode):
            return ScalarNode(node.tag, node.value, event.start_mark, event.end_mark)
        return node


class Splice:
    """One document and the edits collected for it; `first_line` is where it begins in its file. Raises SpliceError if
    it is not YAML.
    """

    def __init__(self, text: str, first_line: int = 1) -> None:
        self.text = text
        self._first = first_line
        self._edits: list[tuple[int, int, str]] = []
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._lines = [0, *(found.end() for found in _LINE_END.finditer(text))]
        try:
            self.root = yaml.compose(text, Loader=_Loader)
        except yaml.MarkedYAMLError as e:
            line = first_line + (e.problem_mark.line if e.problem_mark else 0)
            hint = "; render the template first, such as with helm template" if "{{" in text else ""
            raise SpliceError(f"line {line}: is not YAML: {e.problem}{hint}") from None
        except (yaml.YAMLError, ValueError) as e:
            raise SpliceError(f"line {first_line}: is not YAML: {' '.join(str(e).split())}") from None
        except RecursionError:
            raise SpliceError(f"line {first_line}: is nested too deeply") from None
        self._shared = _shared(self.root)

    def edited(self) -> str:
        """The text with all edits."""
        text = self.text
        in_order = sorted(self._edits, key=lambda one: one[:2])  # what is put in stands before what is taken out there
        for start, end, new in reversed(in_order):
            text = text[:start] + new + text[end:]
        return text

    # -- looking ------------------------------------------------------------------------------------------------------

    def child(self, parent: Node, key: str) -> Node | None:
        """The value of `key` in a mapping, None if there is none. Raises SpliceError for collections that stand for
        two places, and for merge keys.
        """
        found = self._entry(parent, key)
        return found[1] if found else None

    def at(self, parent: Node | None, *keys: str) -> Node | None:
        """The value at a path of mappings."""
        for key in keys:
            parent = self.child(parent, key) if isinstance(parent, MappingNode) else None
        return parent

    def plain(self, node: Node | None) -> Any:
        """What a node stands for; None also for what cannot be made a value."""
        if node is None:
            return None
        try:
            return SafeConstructor().construct_document(node)
        except (yaml.YAMLError, ValueError, RecursionError):
            return None

    def line(self, node: Node) -> int:
        """Where a node begins in the file, from 1."""
        return self._first + int(node.start_mark.line)

    def _entry(self, parent: Node, key: str) -> tuple[ScalarNode, Node] | None:
        merged = None
        for name, value in parent.value:
            if name.value == "<<" and name.tag == "tag:yaml.org,2002:merge":
                merged = name
            if name.value == key:
                self._refuse_shared(value, name, key)
                return name, value
        if merged is not None:
            raise SpliceError(f"line {self.line(merged)}: a merge key may bring {key} along: write it out")
        return None

    def _refuse_shared(self, node: Node, place: Node, what: str) -> None:
        if id(node) in self._shared:
            role = "is an alias" if node.start_mark.index < place.start_mark.index else "has an alias elsewhere"
            raise SpliceError(f"line {self.line(place)}: {what} {role}: write it out, since it stands for two")

    # -- adding -------------------------------------------------------------------------------------------------------

    def put_items(self, parent: MappingNode, key: str, items: list[dict[str, Any]], above: int | None = None) -> None:
        """See to it that the list `key` of a mapping has these items, told apart by `name`; new ones come first.

        `above` is the line (from 0) behind which a key that is not there is put: that of the key of `parent`.
        """
        self._refuse_shared(parent, parent, "what begins here")
        found = self._entry(parent, key)
        node = found[1] if found else None
        if not isinstance(node, SequenceNode) or not node.value:
            self._put_key(parent, key, items, above, found)
            return
        there = {self.plain(self.child(one, "name")): one for one in node.value if isinstance(one, MappingNode)}
        for item in items:
            if item["name"] in there and self.plain(there[item["name"]]) != item:
                self._replace_item(there[item["name"]], item)
        new = [item for item in items if item["name"] not in there]
        if not new:
            return
        if node.flow_style:
            self._insert(node.start_mark.index + 1, "".join(json.dumps(item) + _COMMA for item in new))
        else:
            assert found is not None
            self._insert_below(found[0].end_mark.line, dump(new), node.start_mark.column)

    def drop_items(self, parent: MappingNode, key: str, names: Collection[str]) -> None:
        """See to it that the list `key` of a mapping has no items of these names."""
        found = self._entry(parent, key)
        if found is None or not isinstance(found[1], SequenceNode):
            return
        name, items = found[0], found[1]
        ours = [isinstance(one, MappingNode) and self.plain(self.child(one, "name")) in names for one in items.value]
        if not any(ours):
            return
        self._refuse_shared(parent, parent, "what begins here")
        if all(ours):
            self._drop_list(parent, name, items)
        elif items.flow_style:
            self._drop_from_flow(items.value, ours)
        else:
            for one in itertools.compress(items.value, ours):
                self._drop_lines(self._dash_line(one, items.start_mark.column), _last_line(one))

    def put_value(self, parent: MappingNode, key: str, value: str, above: int | None = None) -> None:
        """See to it that the mapping has this text under `key`."""
        found = self._entry(parent, key)
        if found is None:
            self._put_key(parent, key, value, above, None)
        elif self.plain(found[1]) != value:
            old = found[1]
            is_plain = isinstance(old, ScalarNode) and old.style is None and not parent.flow_style
            new = dump([value])[2:].rstrip() if is_plain else json.dumps(value)
            self._edits.append((old.start_mark.index, old.end_mark.index, new))

    def put_mapping(self, parent: MappingNode, key: str, values: dict[str, Any], above: int | None = None) -> None:
        """See to it that the mapping `key` of a mapping has these values."""
        found = self._entry(parent, key)
        if found is None or not isinstance(found[1], MappingNode) or not found[1].value:
            self._put_key(parent, key, values, above, found)
            return
        for name, value in values.items():
            self.put_value(found[1], name, value, found[0].end_mark.line)

    def _put_key(
        self, parent: MappingNode, key: str, value: Any, above: int | None, found: tuple[ScalarNode, Node] | None
    ) -> None:
        if found is not None:  # there, and empty: `volumes:`, `volumes: null`, `volumes: []`
            name, empty = found
            if self.plain(empty):
                raise SpliceError(f"line {self.line(name)}: {key} is not what Kubernetes takes")
            if parent.flow_style:
                self._edits.append((empty.start_mark.index, empty.end_mark.index, f" {json.dumps(value)}"))
                return
            self._edits.append((self.text.index(":", name.end_mark.index) + 1, empty.end_mark.index, ""))
            self._insert_below(name.end_mark.line, dump(value), name.start_mark.column + 2)
        elif parent.flow_style:
            entry = f"{json.dumps(key)}: {json.dumps(value)}" + (_COMMA if parent.value else "")
            self._insert(parent.start_mark.index + 1, entry)
        else:
            column = parent.value[0][0].start_mark.column
            self._insert_below(self._line_to_follow(parent, above), dump({key: value}), column)

    def _line_to_follow(self, parent: MappingNode, above: int | None) -> int:
        """The line of the key of a mapping; in a list, where its first key has no line of its own, that of a value that
        ends in the line in which it begins.
        """
        if above is not None:
            return above
        for _, value in parent.value:
            in_one_line = value.start_mark.line == value.end_mark.line
            if isinstance(value, ScalarNode) and value.style not in ("|", ">") and in_one_line:
                return int(value.end_mark.line)
        raise SpliceError(f"line {self.line(parent)}: has no place for more: give it a name first")

    def _replace_item(self, node: MappingNode, item: dict[str, Any]) -> None:
        if node.flow_style:
            self._edits.append((node.start_mark.index, node.end_mark.index, json.dumps(item)))
            return
        text = self._indented(dump(item), node.start_mark.column).lstrip(" ")
        end = self._start_of(_last_line(node) + 1)
        self._edits.append((node.start_mark.index, end, text))

    def _drop_list(self, parent: MappingNode, name: ScalarNode, items: SequenceNode) -> None:
        """With its key, if that stands by itself; else what is left is `[]`."""
        start, end = items.start_mark.index, items.end_mark.index
        begin = self._start_of(name.start_mark.line)
        if not parent.flow_style and not self.text[begin : name.start_mark.index].strip(" "):
            self._drop_lines(name.start_mark.line, _last_line(items))
        elif parent.flow_style and self.text.startswith(_COMMA, end):
            self._edits.append((name.start_mark.index, end + len(_COMMA), ""))
        elif items.flow_style:
            self._edits.append((start, end, "[]"))
        else:
            value = self.text.index(":", name.end_mark.index) + 1
            self._edits.append((value, self._start_of(_last_line(items) + 1), f" []{self._newline}"))

    def _drop_from_flow(self, items: list[Node], ours: list[bool]) -> None:
        """Each with the comma behind it; those at the end with the one before them."""
        last = max(i for i, is_ours in enumerate(ours) if not is_ours)
        for i in itertools.compress(range(last), ours):
            start, end = items[i].start_mark.index, items[i].end_mark.index
            as_put_in = self.text.startswith(_COMMA, end)
            self._edits.append((start, end + len(_COMMA) if as_put_in else items[i + 1].start_mark.index, ""))
        self._edits.append((items[last].end_mark.index, items[-1].end_mark.index, ""))

    def _dash_line(self, item: Node, column: int) -> int:
        """Where an item begins: `-` can stand on a line above it."""
        line = int(item.start_mark.line)
        while self.text[self._start_of(line) + column] != "-":
            line -= 1
        return line

    def _drop_lines(self, first: int, last: int) -> None:
        self._edits.append((self._start_of(first), self._start_of(last + 1), ""))

    def _insert(self, index: int, text: str) -> None:
        self._edits.append((index, index, text))

    def _insert_below(self, line: int, text: str, column: int) -> None:
        start = self._start_of(line + 1)
        lead = "" if start == 0 or self.text[start - 1] == "\n" else self._newline
        self._insert(start, lead + self._indented(text, column))

    def _indented(self, text: str, column: int) -> str:
        return "".join(f"{' ' * column}{line}{self._newline}" for line in text.splitlines())

    def _start_of(self, line: int) -> int:
        return self._lines[line] if line < len(self._lines) else len(self.text)


def _shared(root: Node | None) -> set[int]:
    """The collections, by their id, that stand in more than one place."""
    seen: set[int] = set()
    twice: set[int] = set()
    left = [root]
    while left:
        node = left.pop()
        if not isinstance(node, MappingNode | SequenceNode):
            continue
        (twice if id(node) in seen else seen).add(id(node))
        if id(node) in twice:
            continue
        left += [part for pair in node.value for part in pair] if isinstance(node, MappingNode) else node.value
    return twice


def _last_line(node: Node) -> int:
    """The last line of a node, without the comments behind it; block collections end where the next token begins."""
    if isinstance(node, ScalarNode):
        block = node.style in ("|", ">")
        return int(node.end_mark.line) - (1 if block and node.end_mark.column == 0 else 0)
    if not isinstance(node, MappingNode | SequenceNode) or node.flow_style or not node.value:
        return int(node.end_mark.line)
    last = node.value[-1]
    return _last_line(last[1] if isinstance(node, MappingNode) else last)
