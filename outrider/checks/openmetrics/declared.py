"""An endpoint whose metrics a check declares by the endpoint's own names.

    from: etcd_network_peer_sent_bytes_total      a gauge, a counter, or a quantile of a summary: as the line has it
    from: etcd_disk_wal_fsync_duration_seconds    a histogram as a whole, for Cloud Monitoring
    from: ..._bucket, ..._sum, ..._count          its lines; those of a bucket have the attribute `upper_bound`

Families of which nothing is declared are passed over unread.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from outrider.checks.check import AnswerError, Reading
from outrider.checks.http import HttpServer
from outrider.checks.openmetrics.exposition import Family, Sample
from outrider.checks.openmetrics.naming import Names
from outrider.checks.openmetrics.points import REPORTED, Points
from outrider.checks.openmetrics.scrape import scrape
from outrider.model.points import Attributes, Metric, Value

_PARTS = ("", "_total", "_bucket", "_sum", "_count")


class Found(NamedTuple):
    """One value, under the key that it is declared by."""

    key: str
    value: Value
    labels: Attributes


def found(
    server: HttpServer, deadline: float, headers: Mapping[str, str], declared: Collection[str], most: int
) -> Iterator[Found]:
    """What the endpoint has of `declared`, until `deadline` (monotonic seconds). Raises CheckError, also for more than
    `most` samples.
    """
    points = Points(_Keys(None, {}), {}, {}, ())
    taken = 0

    def wanted(family: Family) -> bool:
        return family.type in REPORTED and any(family.name + part in declared for part in _PARTS)

    def counted(samples: Iterable[Sample]) -> Iterator[Sample]:
        nonlocal taken
        for one in samples:
            taken += 1
            if taken > most:
                raise AnswerError(f"{server.url} answers with more than {most:,} series of what is reported")
            yield one

    for family, said in groupby(scrape(server, deadline, headers, wanted), attrgetter("family")):
        for metric, value, labels, _ in points.of(family, counted(said)):
            if metric.key in declared:
                yield Found(metric.key, value, labels)


def report(reading: Reading, one: Found, start: int | None = None) -> None:
    """Add it; `start` as for `Reading.add`."""
    for metric in reading.declared.metrics[one.key]:
        since = None if metric.kind == "gauge" else reading.start if start is None else start
        reading.point(metric, one.value, one.labels, since)


class _Keys(Names):
    """Calls a metric by nothing but its key."""

    def gauge(self, family: Family, name: str) -> Metric:  # noqa: ARG002
        return Metric(name)

    def counter(self, family: Family, name: str) -> Metric:  # noqa: ARG002
        return Metric(name, "counter")

    def part(self, family: Family, of: str, google: bool) -> Metric:  # noqa: ARG002
        return Metric(f"{family.name}_{of}", "counter")

    def bucket(self, family: Family) -> Metric:
        return Metric(f"{family.name}_bucket", "counter")

    def quantile(self, family: Family) -> Metric:
        return Metric(family.name)

    def distribution(self, family: Family) -> Metric:
        return Metric(family.name, "histogram")
