"""Numbers in the API's objects, by the keys of `metrics.yaml`: `node.indices.docs.count` is the member
`indices.docs.count` of what the API calls a node.

A number below zero is how Elasticsearch says that it does not know one.
"""

import math
from collections.abc import Iterator
from typing import Any

from outrider.checks.check import Reading
from outrider.checks.declared import Declared


class Members:
    """The members of one kind of object that `declared` has keys for."""

    def __init__(self, declared: Declared, kind: str) -> None:
        keys = [key for key in declared.metrics if key.startswith(f"{kind}.")]
        self._paths = {key: tuple(key.split(".")[1:]) for key in keys}

    def values(self, said: Any) -> Iterator[tuple[str, int | float]]:
        """Keys and numbers of what `said` has."""
        for key, path in self._paths.items():
            value = number(at(said, *path))
            if value is not None:
                yield key, value

    def report(self, reading: Reading, said: Any, **attributes: str) -> None:
        """Add them."""
        for key, value in self.values(said):
            reading.add(key, value, None, **attributes)


def at(said: Any, *path: str) -> Any:
    """What is there; None if nothing is."""
    for step in path:
        said = said.get(step) if isinstance(said, dict) else None
    return said


def objects(said: Any, *path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects in the object that is there, by name."""
    found = at(said, *path)
    if isinstance(found, dict):
        yield from ((str(name), inner) for name, inner in found.items() if isinstance(inner, dict))


def number(said: Any) -> int | float | None:
    """A number that is known. Tables have theirs as strings."""
    if isinstance(said, str):
        try:
            said = float(said) if "." in said else int(said)
        except ValueError:
            return None
    if isinstance(said, bool) or not isinstance(said, int | float):
        return None
    return said if math.isfinite(said) and said >= 0 else None
