"""A value as Cloud Monitoring's TypedValue, always of the type that its metric is declared with.

The type of a metric is fixed by its descriptor, which the first point creates if nobody else has; so it cannot follow
from the value. Whole numbers are rounded, a number that no point can have (NaN, infinity, beyond int64) is none, and a
histogram becomes a Distribution with explicit buckets, of which there are no more than two hundred
(cloud.google.com/monitoring/quotas): every other bound is left out until they fit, so that the same bounds always make
the same buckets.
"""

import math
from itertools import pairwise
from typing import Any

from outrider.model.points import GoogleName, Histogram, Value

MAX_BUCKETS = 200
_INT64 = 1 << 63


class NoValueError(Exception):
    """The point has no value that can be written; `reason` is a word for it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def typed_value(value: Value, name: GoogleName) -> dict[str, Any]:
    """`value` as the type of `name` and scaled. Raises NoValueError."""
    if isinstance(value, Histogram) != (name.value_type == "DISTRIBUTION"):
        raise NoValueError("value_type")
    if isinstance(value, Histogram):
        return {"distributionValue": _distribution(value, name.scale)}
    try:
        scaled = value if name.scale == 1 else value * name.scale
        if name.value_type == "INT64" and -_INT64 <= (whole := round(scaled)) < _INT64:
            return {"int64Value": str(whole)}
        if name.value_type == "DOUBLE" and math.isfinite(scaled):
            return {"doubleValue": float(scaled)}
    except (OverflowError, ValueError):  # infinity and NaN cannot be rounded, nor can every whole number be a double
        pass
    raise NoValueError("not_finite")


def _distribution(value: Histogram, scale: float) -> dict[str, Any]:
    """As google/api/distribution.proto has it: the counts add up, and without values the mean is 0. How much the values
    deviate is not known, and left out.
    """
    bounds, counts = [bound * scale for bound in value.bounds], list(value.counts)
    if bounds and bounds[-1] == math.inf:  # what is above it is of none
        bounds.pop()
        counts[-2:] = [sum(counts[-2:])]
    while len(counts) > MAX_BUCKETS:
        kept = range(0, len(bounds), 2)
        counts = [counts[0], *(sum(counts[i + 1 : i + 3]) for i in kept)]
        bounds = [bounds[i] for i in kept]
    count = sum(counts)
    mean = value.total * scale / count if count else 0.0
    if not math.isfinite(mean) or not all(map(math.isfinite, bounds)):
        raise NoValueError("not_finite")
    if len(counts) != len(bounds) + 1 or min(counts) < 0 or any(a >= b for a, b in pairwise(bounds)):
        raise NoValueError("buckets")
    made: dict[str, Any] = {"count": str(count), "mean": mean}
    if bounds:
        made["bucketOptions"] = {"explicitBuckets": {"bounds": bounds}}
        made["bucketCounts"] = [str(n) for n in counts]
    return made
