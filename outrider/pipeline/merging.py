"""The books of several processes as those of one.

Processes that share the streams of a node count each for itself. Whoever looks at `/metrics` wants to know what the
node does: counters with equal labels are added up, and so are gauges, with the exceptions below. What carries the
labels of a stream is in one process only, and adding up leaves it as it is.
"""

from collections.abc import Callable, Iterable, Sequence

from outrider.model.counters import Family, Sample

_Labels = tuple[tuple[str, str], ...]

RULES: dict[str, Callable[[Iterable[float]], float]] = {
    "outrider_lag_seconds": max,
    "outrider_kube_pods": max,  # everybody knows all pods of the node
    "outrider_reloads_total": max,  # one configuration for all
    "outrider_config_valid": min,
}
"""Names of which the sum says nothing."""


def merged(parts: Iterable[Sequence[Family]]) -> list[Family]:
    """The families of all `parts` together, in the order in which their names come up."""
    found: dict[str, Family] = {}
    values: dict[str, dict[_Labels, list[float]]] = {}
    for family in (family for part in parts for family in part):
        found.setdefault(family.name, family)
        by_labels = values.setdefault(family.name, {})
        for labels, value in family.samples:
            by_labels.setdefault(labels, []).append(value)
    return [Family(name, f.kind, f.help, _together(name, values[name])) for name, f in found.items()]


def _together(name: str, values: dict[_Labels, list[float]]) -> list[Sample]:
    rule = RULES.get(name, sum)
    return [(labels, rule(found)) for labels, found in values.items()]
