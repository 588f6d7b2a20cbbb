"""How many series an endpoint may bring: so many altogether, and so many of one metric.

Both vendors charge by the series, and an endpoint that puts a user or a path into a label brings more of them every
hour. What was reported in the run before goes first, so that series do not come and go when new ones push in front of
them; what is gone makes room in the run after.

A series is no measure of memory, though: its labels may be a page long, and a histogram may have a million buckets. So
a run keeps no more of labels than an ordinary endpoint of so many series has, and of one histogram no more buckets than
anybody reads. A histogram that has more loses the later ones, and so is a coarser one, not a wrong one.
"""

import logging
from collections import Counter

from outrider.model.points import Attributes

log = logging.getLogger(__name__)

MAX_PARTS = 500
"""Buckets or quantiles of one histogram or summary. Cloud Monitoring takes 200 buckets."""
ROOM = 2048
"""Characters of labels for each series that there may be; a label counts for more than its characters (LABEL)."""
LABEL = 100
MAX_NAMED, OTHERS = 1000, "others"
"""Metrics that are told by name when they have no room, and what the rest is called together."""


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
        self._total = self._lines = self._room = 0
        self.left_out: Counter[str] = Counter()
        """How many lines of each metric had no room in this run."""
        self._said = False

    def begin(self) -> None:
        """A run begins."""
        self._now = Counter()
        self._total, self._lines, self._room = self._before.total(), 0, self._most * ROOM
        self._taken.clear()
        for (metric, _), lines in self._before.items():
            self._taken[metric] += lines
        self.left_out.clear()

    def admit(self, metric: str, labels: Attributes, part: bool = False) -> bool:
        """Is there room for this line of `metric`? `labels` are those that its series share: a histogram comes whole or
        not at all, and the last one may go over the limits by its buckets. `part`: it is a bucket, or a quantile.
        """
        key = (metric, labels)
        lines = self._now.get(key, 0)
        new = key not in self._before
        if new and not lines and (self._total >= self._most or self._taken[metric] >= self._most_of_one):
            return self._leave_out(metric)
        if (part and lines >= MAX_PARTS) or self._lines >= self._most + MAX_PARTS:
            return self._leave_out(metric)
        if not lines:
            size = len(metric) + sum([len(key) + len(value) + LABEL for key, value in labels])
            if size > self._room:
                return self._leave_out(metric)
            self._room -= size
        if new:
            self._total += 1
            self._taken[metric] += 1
        self._lines += 1
        self._now[key] = lines + 1
        return True

    def _leave_out(self, metric: str) -> bool:
        self.left_out[metric if metric in self.left_out or len(self.left_out) < MAX_NAMED else OTHERS] += 1
        return False

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
