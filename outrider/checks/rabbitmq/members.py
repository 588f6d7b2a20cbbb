"""Which members of the API's objects are reported: `metrics.yaml` says so with keys such as
`queue.message_stats.publish_details.rate`, the object and the path in its JSON.
"""

import math
from collections.abc import Mapping
from typing import Any

from outrider.checks.declared import Declared

OBJECTS = ("overview", "node", "queue", "exchange")
COMPUTED = {"queue.bindings"}
"""Values that are no member of their object."""


class Members:
    """The members that `declared` has, by object."""

    def __init__(self, declared: Declared) -> None:
        self._counters = {key for key, metrics in declared.metrics.items() if metrics[0].kind == "counter"}
        self._paths: dict[str, dict[str, tuple[str, ...]]] = {}
        for name in OBJECTS:
            keys = [key for key in declared.metrics if key.startswith(f"{name}.")]
            self._paths[name] = {key: tuple(key.split(".")[1:]) for key in keys}

    def of(self, thing: str) -> Mapping[str, tuple[str, ...]]:
        """Paths by key."""
        return self._paths[thing]

    def counts(self, key: str) -> bool:
        """Is it a total that only grows?"""
        return key in self._counters

    def columns(self, thing: str) -> list[str]:
        """What the API is asked for, so that it says nothing else."""
        return [".".join(path) for key, path in self._paths[thing].items() if key not in COMPUTED]

    def values(self, thing: str, said: Mapping[str, Any]) -> dict[str, int | float]:
        """The numbers of one object by key, without those that it does not have."""
        found = {}
        for key, path in self._paths[thing].items():
            at: Any = said
            for step in path:
                at = at.get(step) if isinstance(at, dict) else None
            number = _number(at)
            if number is not None:
                found[key] = number
        return found


def _number(said: Any) -> int | float | None:
    """Of a list its length. A node whose disk cannot be watched says so with a word."""
    if isinstance(said, bool):
        return int(said)
    if isinstance(said, int | float):
        return said if math.isfinite(said) else None
    return len(said) if isinstance(said, list) else None
