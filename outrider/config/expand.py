"""`${VAR}` and `${VAR:-default}` in a string, with the shell's meaning; `$$` stands for one `$`.

A `$` that is followed by anything else stays as it is, so that regular expressions need no escaping. What a variable
holds is not expanded again, and defaults do not nest.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

VARIABLE_PATTERN = r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}"

_TOKEN = re.compile(r"\$\$|\$\{(?P<body>[^}]*)(?P<end>\}?)")
_BODY = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>.*))?", re.DOTALL)


class Expansion(NamedTuple):
    """The text after expansion, whether a variable took part in it, and (message, hint) of what went wrong."""

    text: str
    variables: bool
    faults: list[tuple[str, str]]


def expand(text: str, env: Mapping[str, str]) -> Expansion:
    """Replace the variables of `text` by their values in `env`; a default also serves for an empty variable."""
    faults: list[tuple[str, str]] = []
    variables = False

    def replace(match: re.Match[str]) -> str:
        nonlocal variables
        if match[0] == "$$":
            return "$"
        variables = True
        body = _BODY.fullmatch(match["body"])
        if body is None or not match["end"] or "${" in (body["default"] or ""):
            faults.append((f'"{match[0]}" is not ${{VAR}} or ${{VAR:-default}}', "write $$ for a plain $"))
            return ""
        name, default = body["name"], body["default"]
        value = env.get(name)
        if default is not None:
            return value or default
        if value is None:
            faults.append((f"the variable {name} is not set", f"set it, or give a default: ${{{name}:-...}}"))
            return ""
        return value

    return Expansion(_TOKEN.sub(replace, text), variables, faults)
