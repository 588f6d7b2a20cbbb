"""The settings of one check as somebody gives them on a command line: `host=10.0.0.7`, `password={env: PASSWORD}`.

They go the way of those in a file, so the errors are the same ones. Only quotes would be a nuisance behind a shell's:
what has to be a string is one, and only what begins with a bracket or a brace is read as YAML.
"""

import os
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from outrider.config.check import check_settings
from outrider.config.findings import Findings
from outrider.config.problems import ConfigError, Problem
from outrider.config.shape import Choice, Hidden, Nullable, Shape, Text, record_of
from outrider.config.yaml_nodes import Entry, Node, YamlError, read_nodes, resolve


def given(
    of: type[msgspec.Struct], pairs: Iterable[tuple[str, str]], name: str, env: Mapping[str, str] = os.environ
) -> Any:
    """The settings of type `of` that `pairs` of key and text describe. Raises ConfigError, which calls them `name`."""
    record = record_of(of)
    findings = Findings(name, env)
    entries: dict[str, Entry] = {}
    for key, text in pairs:
        known = record.key(key)
        try:
            node = _node(text, known.shape if known is not None else None)
        except YamlError as e:
            raise ConfigError([Problem(name, 0, 0, key, e.fault.message, e.fault.hint)]) from None
        entries[key] = Entry(0, 0, node)
    settings = check_settings(of, Node(entries, 0, 0), findings)
    if settings is None:
        raise ConfigError(findings.problems)
    return settings


def _node(text: str, shape: Shape | None) -> Node:
    if text.startswith(("{", "[")):
        node, faults = read_nodes(text)
        if faults:
            raise YamlError(faults[0])
        return _nowhere(node)
    if isinstance(shape, Nullable):
        shape = shape.item
    return Node(text if isinstance(shape, Text | Hidden | Choice) else resolve(text), 0, 0)


def _nowhere(node: Node) -> Node:
    """`node` without lines, which would count from the beginning of an argument."""
    node.line = node.column = 0
    below = [e.node for e in node.value.values()] if isinstance(node.value, dict) else node.value
    for inner in below if isinstance(below, list) else []:
        _nowhere(inner)
    for entry in node.value.values() if isinstance(node.value, dict) else []:
        entry.line = entry.column = 0
    return node
