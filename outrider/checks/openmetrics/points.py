"""From the samples of one family to points.

Values that have the same labels, after some were left out, are added up: they are parts of one thing then. Of the
quantiles of several things there is no quantile of all; the highest stands for them. What is not a number, or infinite,
is left out, as neither vendor takes it.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from outrider.checks.openmetrics.exposition import Family, Sample
from outrider.checks.openmetrics.naming import Names
from outrider.model.points import Attributes, Histogram, Metric, Value

REPORTED = {"counter", "gauge", "histogram", "summary", "info", "stateset"}
SCALARS = {"counter", "gauge", "info", "stateset", "unknown"}

Made = tuple[Metric, Value, Attributes, int | None]
"""A metric, its value, its labels, and since when it counts (nanoseconds since 1970) if the endpoint says so."""


@dataclass(slots=True)
class _Distribution:
    """What the lines of one histogram or summary say. `parts` are cumulative counts or quantiles, by bound."""

    parts: dict[float, float] = field(default_factory=dict)
    count: float | None = None
    total: float | None = None


class Points:
    """Makes the points of one endpoint. `renames` and `excluded` are about labels; `types` of what an endpoint leaves
    without one.
    """

    def __init__(
        self, names: Names, types: Mapping[str, str], renames: Mapping[str, str], excluded: Collection[str]
    ) -> None:
        self._names, self._types = names, types
        self._renames, self._excluded = renames, frozenset(excluded)

    def type_of(self, family: Family) -> str:
        """What a family is: what the settings say of a single value, or else the endpoint."""
        return self._types.get(family.name, family.type) if family.type in SCALARS else family.type

    def of(self, family: Family, samples: Iterable[Sample]) -> Iterator[Made]:
        """The points of `family`, which is of a type that is REPORTED."""
        kind = self.type_of(family)
        if kind in ("histogram", "summary"):
            return self._distributions(family, samples, kind)
        return self._scalars(family, samples, kind)

    def _scalars(self, family: Family, samples: Iterable[Sample], kind: str) -> Iterator[Made]:
        values: dict[tuple[str, Attributes], float] = {}
        created: dict[Attributes, int] = {}
        for sample in samples:
            if not math.isfinite(sample.value):
                continue
            labels = self._told(sample.labels)
            if kind == "counter" and sample.name.endswith("_created"):
                created[labels] = _nanoseconds(sample.value)
            else:
                values[sample.name, labels] = values.get((sample.name, labels), 0.0) + sample.value
        make = self._names.counter if kind == "counter" else self._names.gauge
        for (name, labels), value in values.items():
            yield make(family, name), value, labels, created.get(labels)

    def _distributions(self, family: Family, samples: Iterable[Sample], kind: str) -> Iterator[Made]:
        bound = "le" if kind == "histogram" else "quantile"
        found: dict[Attributes, _Distribution] = {}
        created: dict[Attributes, int] = {}
        for sample in samples:
            if math.isfinite(sample.value):
                labels = self._told(shared(sample))
                if sample.name.endswith("_created"):
                    created[labels] = _nanoseconds(sample.value)
                else:
                    _add(found.setdefault(labels, _Distribution()), sample, bound)
        for labels, one in found.items():
            made = self._histogram if kind == "histogram" else self._summary
            yield from made(family, one, labels, created.get(labels))

    def _histogram(self, family: Family, one: _Distribution, labels: Attributes, start: int | None) -> Iterator[Made]:
        for bound, value in one.parts.items():
            if not math.isinf(bound):
                yield self._names.bucket(family), value, (*labels, ("upper_bound", str(bound or 0))), start
        yield from self._sum_and_count(family, one, labels, start, google=False)
        distribution = _histogram(one)
        if distribution is not None:
            yield self._names.distribution(family), distribution, labels, start

    def _summary(self, family: Family, one: _Distribution, labels: Attributes, start: int | None) -> Iterator[Made]:
        for quantile, value in one.parts.items():
            yield self._names.quantile(family), value, (*labels, ("quantile", str(quantile or 0))), None
        yield from self._sum_and_count(family, one, labels, start, google=True)

    def _sum_and_count(
        self, family: Family, one: _Distribution, labels: Attributes, start: int | None, google: bool
    ) -> Iterator[Made]:
        if one.total is not None:
            yield self._names.part(family, "sum", google), one.total, labels, start
        if one.count is not None:
            yield self._names.part(family, "count", google), one.count, labels, start

    def _told(self, labels: Attributes) -> Attributes:
        if not self._excluded and not self._renames:
            return labels
        return tuple((self._renames.get(key, key), value) for key, value in labels if key not in self._excluded)


def shared(sample: Sample) -> Attributes:
    """The labels that the lines of one histogram or summary have in common."""
    if sample.family.type not in ("histogram", "summary"):
        return sample.labels
    return tuple(label for label in sample.labels if label[0] not in ("le", "quantile"))


def _add(to: _Distribution, sample: Sample, bound: str) -> None:
    if sample.name.endswith("_sum"):
        to.total = (to.total or 0.0) + sample.value
    elif sample.name.endswith("_count"):
        to.count = (to.count or 0.0) + sample.value
    else:
        at = _number(dict(sample.labels).get(bound, ""))
        if at is None:
            return
        before = to.parts.get(at, 0.0)
        to.parts[at] = before + sample.value if bound == "le" else max(before, sample.value)


def _histogram(one: _Distribution) -> Histogram | None:
    """As Cloud Monitoring wants it, if it is whole: how many values are in each bucket, and above the last bound."""
    count = one.parts.get(math.inf) if one.count is None else one.count
    bounds = sorted(bound for bound in one.parts if not math.isinf(bound))
    if count is None or one.total is None or not bounds:
        return None
    up_to = [*(one.parts[bound] for bound in bounds), count]
    counts = [int(above - below) for below, above in zip([0.0, *up_to], up_to, strict=False)]
    if min(counts) < 0:
        return None
    return Histogram(tuple(bounds), tuple(counts), int(count), one.total)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
