"""Where a check notes what it finds, and how it reads a string: with its variables expanded."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from outrider.config.expand import expand
from outrider.config.problems import Problem
from outrider.config.yaml_nodes import Entry, Node, resolve


class _Invalid:
    """The type of `INVALID`, which stands for a value whose problem has been noted."""


INVALID: Final = _Invalid()


class Findings(msgspec.Struct):
    """The problems of one file so far, and the environment that its variables are taken from."""

    file: str
    env: Mapping[str, str]
    problems: list[Problem] = []

    def error(self, at: Node | Entry, path: str, message: str, hint: str = "") -> _Invalid:
        """Note an error; what is returned can stand in for the value."""
        self.problems.append(Problem(self.file, at.line, at.column, path, message, hint))
        return INVALID

    def warning(self, at: Node | Entry, path: str, message: str, hint: str = "") -> None:
        """Note something that does not keep the configuration from being used."""
        self.problems.append(Problem(self.file, at.line, at.column, path, message, hint, "warning"))

    def expanded(self, node: Node, path: str, typed: bool = False) -> Any:
        """The scalar of `node` with variables expanded, or INVALID.

        With `typed`, a string that variables took part in is read as YAML would read it without quotes, so that
        `"${WORKERS:-2}"` is a number.
        """
        if not isinstance(node.value, str):
            return node.value
        text, variables, faults = expand(node.value, self.env)
        for message, hint in faults:
            self.error(node, path, message, hint)
        if faults:
            return INVALID
        return resolve(text) if typed and variables else text

    def expands_to_null(self, node: Node) -> bool:
        """Whether the node is null, or consists of variables that leave nothing (or `null`)."""
        if not isinstance(node.value, str):
            return node.value is None
        text, variables, faults = expand(node.value, self.env)
        return variables and not faults and resolve(text) is None
