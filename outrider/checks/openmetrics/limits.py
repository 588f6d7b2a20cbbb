"""How many series an endpoint may bring: so many altogether, and so many of one metric.

Both vendors charge by the series, and an endpoint that puts a user or a path into a label brings more of them every
hour. What was reported in the run before goes first, so that series do not come and go when new ones push in front of
them; what is gone makes room in the run after.
"""

import logging
from collections import Counter

from outrider.model.points import Attributes

log = logging.getLogger(__name__)


class SeriesLimits:
    """Up to `most` series, and `most_of_one` of each metric; `where` is for the log, which says once that there are
    more.
    """

    def __init__(self, where: str, most: int, most_of_one: int) -> None:
        self._where, self._most, self._most_of_one = where, most, most_of_one
        self._before: Counter[tuple[str, Attributes]] = Counter()
        self._now: Counter[tuple[str, Attributes]] = Counter()
        """Lines of each set of labels of a metric, in the last whole run and in this one."""
        self._taken: Counter[str] = Counter()
        """Series of each metric that were reported before or are new."""
        self._total = 0
        self.left_out: Counter[str] = Counter()
        """How many series of each metric had no room in this run."""
        self._said = False

    def begin(self) -> None:
        """A run begins."""
        self._now = Counter()
        self._total = self._before.total()
        self._taken.clear()
        for (metric, _), lines in self._before.items():
            self._taken[metric] += lines
        self.left_out.clear()

    def admit(self, metric: str, labels: Attributes) -> bool:
        """Is there room for this line of `metric`? `labels` are those that its series share: a histogram comes whole or
        not at all, and the last one may go over the limits by its buckets.
        """
        key = (metric, labels)
        if key not in self._before:
            if key not in self._now and (self._total >= self._most or self._taken[metric] >= self._most_of_one):
                self.left_out[metric] += 1
                return False
            self._total += 1
            self._taken[metric] += 1
        self._now[key] += 1
        return True

    def end(self) -> int:
        """The run is over, and was a whole one: how many series had no room."""
        self._before = self._now
        count = self.left_out.total()
        if count and not self._said:
            self._said = True
            metric, most = self.left_out.most_common(1)[0]
            log.warning(
                "%s has more series than max_series (%d) and max_series_per_metric (%d) allow: %d are left out, "
                "of %s alone %d",
                self._where,
                self._most,
                self._most_of_one,
                count,
                metric,
                most,
            )
        return count
