"""What checks of the Agent count, which Datadog gets as one number for each set of tags.

Some submit what they read as counts, each in every run, and the Agent adds up those with the same tags: all executors
of an application, all its RDDs, applications of one name. The same is done here, so that there is one point for each
series.
"""

from collections.abc import Mapping

from outrider.checks.check import Reading
from outrider.model.points import Attributes


class Sums:
    """Adds up values until the run is over."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, Attributes], tuple[int | float, int | None]] = {}

    def add(self, values: Mapping[str, int | float], attributes: Attributes, start: int | None = None) -> None:
        """Values by key. `start`: since when the server counts, for what is a total; nanoseconds since 1970."""
        for key, value in values.items():
            before, _ = self._found.get((key, attributes), (0, None))
            self._found[key, attributes] = before + value, start

    def put(self, values: Mapping[str, int | float], attributes: Attributes, start: int | None = None) -> None:
        """The same of values that have no sum: the last one stays, as it does at the Agent."""
        for key, value in values.items():
            self._found[key, attributes] = value, start

    def report(self, reading: Reading) -> None:
        for (key, attributes), (value, start) in self._found.items():
            for metric in reading.declared.metrics.get(key, ()):
                reading.point(metric, value, attributes, start if metric.kind == "counter" else None)
