"""A row: all values of one container, pod or volume, or of the node, which share their attributes and their start.

A node brings thousands of points a run. So what they have in common is made once for each row, and a value costs no
more than its points.
"""

from datetime import datetime

from outrider.checks.check import Reading
from outrider.model.points import Attributes, Point

OWNERS = ("container", "namespace", "pod", "pod_uid")
"""Attributes that say whose a point is; none of them: the node's."""


class Row:
    """Adds points to `reading`. `start` is since when counters count: nanoseconds since 1970, if it is known."""

    __slots__ = ("_attributes", "_metrics", "_points", "_start", "_time")

    def __init__(self, reading: Reading, attributes: Attributes = (), start: int | None = None) -> None:
        self._metrics, self._points, self._time = reading.declared.metrics, reading.points, reading.time
        self._attributes = attributes
        self._start = None if start is None else min(start, reading.time)  # the two clocks may differ a little

    def add(self, key: str, value: float | None) -> None:
        """A value of whatever is declared under `key`; nothing if it is not known."""
        if value is None:
            return
        for metric in self._metrics.get(key, ()):
            start = None if metric.kind == "gauge" else self._start
            self._points.append(Point(metric, value, self._time, self._attributes, start))


def nanoseconds(moment: datetime | None) -> int | None:
    """Since 1970, of a time as Kubernetes has it, in whole seconds; None for one that was never set."""
    seconds = 0 if moment is None or moment.tzinfo is None else int(moment.timestamp())
    return seconds * 10**9 if seconds > 0 else None
