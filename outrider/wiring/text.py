"""YAML for people: keys in the order in which they were made, texts of several lines as blocks."""

from typing import Any

import yaml


class _Blocks(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True

    def represent_text(self, data: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", data, style="|" if "\n" in data else None)


_Blocks.add_representer(str, _Blocks.represent_text)


def dump(value: Any) -> str:
    """`value` as one YAML document, with a line end."""
    text: str = yaml.dump(value, Dumper=_Blocks, sort_keys=False, width=120, allow_unicode=True)
    return text


def documents(values: list[Any]) -> str:
    """Several documents."""
    return "---\n".join(dump(value) for value in values)


def comment(text: str) -> str:
    """`text` as lines of comment."""
    return "".join(f"# {line}".rstrip() + "\n" for line in text.strip().split("\n"))
