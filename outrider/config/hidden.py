"""Reading values that must not be shown.

No message of this module repeats a value, not even a wrong one: what stands in the wrong place may be the secret.
"""

import os
import re
from typing import Any

from outrider.config.findings import INVALID, Findings
from outrider.config.problems import nearest
from outrider.config.secrets import Secret
from outrider.config.shape import Hidden, allowed
from outrider.config.yaml_nodes import Node

_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_hidden(shape: Hidden, node: Node, path: str, findings: Findings) -> Any:
    """A `Secret`, one of the shape's words, or INVALID."""
    if isinstance(node.value, dict):
        return _reference(shape, node, path, findings)
    if not isinstance(node.value, str):
        hint = "put it in quotes" if isinstance(node.value, bool | int | float) else ""
        return findings.error(node, path, f"found {_kind(node.value)}, expected {allowed(shape)}", hint)
    text = findings.expanded(node, path)
    if text is INVALID or text in shape.words:
        return text
    if shape.only_file:
        hint = nearest(text, shape.words) or "write the path of a file as {file: path}"
        return findings.error(node, path, f"found another string, expected {allowed(shape)}", hint)
    if not text.strip():
        return findings.error(node, path, f"found an empty string, expected {allowed(shape)}")
    return Secret(text)


def default_secret(default: Secret, at: Node, path: str, findings: Findings) -> Any:
    """The secret that is meant when its key is missing: a variable has to be set by now, a file may come later."""
    if default.env is None:
        return default
    if not findings.env.get(default.env):
        hint = f"set it, or give {path} another value"
        return findings.error(at, path, f"is missing, and the variable {default.env} is not set", hint)
    return Secret.from_env(default.env, findings.env)


def _reference(shape: Hidden, node: Node, path: str, findings: Findings) -> Any:
    known = ("file",) if shape.only_file else ("env", "file")
    unknown = [name for name in node.value if name not in known]
    if unknown or len(node.value) != 1:
        hint = nearest(unknown[0], known) if unknown else ""
        named = "the keys " + ", ".join(node.value) if node.value else "an empty mapping"
        return findings.error(node, path, f"found {named}, expected {allowed(shape)}", hint)
    key, entry = next(iter(node.value.items()))
    where = f"{path}.{key}"
    if not isinstance(entry.node.value, str):
        expected = "the name of a variable" if key == "env" else "the path of a file"
        return findings.error(entry.node, where, f"found {_kind(entry.node.value)}, expected {expected}")
    text = findings.expanded(entry.node, where)
    if text is INVALID:
        return INVALID
    return (
        _from_env(text, entry.node, where, findings) if key == "env" else _from_file(text, entry.node, where, findings)
    )


def _from_env(name: str, node: Node, path: str, findings: Findings) -> Any:
    if not _VARIABLE_NAME.fullmatch(name):
        return findings.error(node, path, "is not the name of a variable", "write the name, not the value: {env: NAME}")
    if not findings.env.get(name):
        state = "empty" if name in findings.env else "not set"
        return findings.error(node, path, f"the variable {name} is {state}", "set it, or read a file: {file: path}")
    return Secret.from_env(name, findings.env)


def _from_file(name: str, node: Node, path: str, findings: Findings) -> Any:
    if not name.strip():
        return findings.error(node, path, "found an empty string, expected the path of a file")
    if not os.path.exists(name):
        findings.warning(node, path, f"the file {name} does not exist", "it is read as soon as it is there")
    return Secret.from_file(name)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    return {type(None): "nothing (null)", dict: "a mapping", list: "a list"}.get(type(value), "a date")
