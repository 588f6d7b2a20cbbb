"""Kafka, read by its own protocol: what the brokers know of topics, partitions and groups of consumers.

    Metadata                       of a bootstrap server: brokers, topics, leaders, replicas
    ListGroups                     of every broker: the groups that it coordinates
    DescribeGroups, OffsetFetch    of the coordinators: members, and what was committed
    ListOffsets                    of the leaders: where partitions begin and end

Commits are read before ends, so that no group seems to be ahead of what there is. A broker that cannot be reached costs
what it leads and coordinates; that is told at the end, when the others were read. The metrics of a broker itself
(requests, bytes, queues) are in its JMX, which is not read.

Names and tags are those of Datadog's checks `kafka_consumer` and `kafka`, and of OpenTelemetry's receivers
`kafkametrics` and `jmx`.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from outrider.checks.check import AnswerError, CheckError, Reading
from outrider.checks.kafka.cluster import Cluster
from outrider.checks.kafka.connection import NotOfferedError
from outrider.checks.kafka.consumers import Consumed, Consumers
from outrider.checks.kafka.errors import PASSING, trouble
from outrider.checks.kafka.messages import (
    EARLIEST,
    LATEST,
    Broker,
    Metadata,
    Offset,
    Spot,
    Topic,
    describe_groups,
    list_groups,
    list_offsets,
    offset_fetch,
)
from outrider.checks.kafka.settings import KafkaSettings
from outrider.checks.kafka.topics import Topics, report_cluster
from outrider.checks.stream import CLOCK
from outrider.model.patterns import compiled

AT_ONCE = 20
"""Groups that are described in one answer, which has what each of their members said about itself."""


class KafkaCheck:
    """Reads one cluster."""

    Settings = KafkaSettings
    can_connect = "kafka.can_connect"

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._cluster = Cluster(settings)
        self._topics, self._consumers = Topics(settings), Consumers(settings)
        self._of_topics, self._of_groups = _chosen(settings.topics), _chosen(settings.groups)
        self._servers = ",".join(settings.bootstrap_servers)
        self._trouble: CheckError | None = None

    def read(self, reading: Reading) -> None:
        """Everything of one cluster. Raises CheckError."""
        self._trouble = None
        self._cluster.deadline = CLOCK.monotonic() + self._settings.timeout
        try:
            metadata = self._cluster.metadata()
            if not metadata.brokers:
                raise AnswerError(f"{self._servers} tells of no brokers")
            reading.instance(kafka_cluster_id=metadata.cluster)
            self._read(reading, metadata)
        except BaseException:
            self.close()
            raise
        finally:  # can_connect is not about the cluster, whose id a broker that is down does not tell
            reading.instance(bootstrap_servers=self._servers)
        if self._trouble is not None:
            raise self._trouble

    def close(self) -> None:
        self._cluster.close()

    def _read(self, reading: Reading, metadata: Metadata) -> None:
        topics = [t for t in metadata.topics if not t.internal and not t.error and self._of_topics(t.name)]
        reading.add("brokers", len(metadata.brokers), bootstrap_servers=self._servers)
        report_cluster(reading, metadata, topics)
        consumed = self._consumed(reading, metadata.brokers)
        wanted = {topic.name for topic in topics}
        consumed.offsets = {place: o for place, o in consumed.offsets.items() if place[1].topic in wanted}
        ends, begins = self._ends(reading, metadata.brokers, topics)
        self._topics.report(reading, topics, ends, begins)
        self._consumers.report(reading, consumed, ends)

    def _consumed(self, reading: Reading, brokers: Sequence[Broker]) -> Consumed:
        consumed = Consumed()
        for i, broker in enumerate(brokers):
            try:
                self._of_coordinator(reading, broker, len(brokers) * 2 - i, consumed)
            except CheckError as e:
                self._lacks(reading, "group.", e)
        return consumed

    def _of_coordinator(self, reading: Reading, broker: Broker, waiting: int, consumed: Consumed) -> None:
        listed = self._cluster.ask(broker, [list_groups()], waiting)[0]
        if listed.error:
            self._refused(reading, "group.", listed.error, broker, "ListGroups")
        names = [name for name in listed.names if self._of_groups(name)]
        if not names:
            return
        some = [describe_groups(names[i : i + AT_ONCE]) for i in range(0, len(names), AT_ONCE)]
        described = [group for answer in self._cluster.ask(broker, some, waiting) for group in answer]
        groups = {group.name: group for group in described if not group.error}
        for group in described:
            if group.error:
                self._refused(reading, "group.", group.error, broker, f"DescribeGroups of {group.name}")
        committed = self._cluster.ask(broker, [offset_fetch(name) for name in names], waiting)
        for name, found in zip(names, committed, strict=True):
            consumed.groups[name] = groups.get(name), broker.node
            if found.error:
                self._refused(reading, "group.", found.error, broker, f"OffsetFetch of {name}")
            for spot, offset in found.offsets.items():
                if not offset.error and offset.offset >= 0:
                    consumed.offsets[name, spot] = offset.offset

    def _ends(
        self, reading: Reading, brokers: Sequence[Broker], topics: Sequence[Topic]
    ) -> tuple[dict[Spot, int], dict[Spot, int]]:
        """The latest and the earliest offsets."""
        led: dict[int, list[Spot]] = defaultdict(list)
        for topic in topics:
            for partition in topic.partitions:
                led[partition.leader].append(Spot(topic.name, partition.number))
        ends: dict[Spot, int] = {}
        begins: dict[Spot, int] = {}
        leaders = [broker for broker in brokers if led[broker.node]]
        for i, broker in enumerate(leaders):
            spots = led[broker.node]
            requests = [list_offsets(spots, LATEST), list_offsets(spots, EARLIEST)]
            try:
                latest, earliest = self._cluster.ask(broker, requests, len(leaders) - i)
            except CheckError as e:
                self._lacks(reading, "partition.", e)
                continue
            ends |= self._told(reading, broker, latest)
            begins |= self._told(reading, broker, earliest)
        return ends, begins

    def _told(self, reading: Reading, broker: Broker, offsets: dict[Spot, Offset]) -> dict[Spot, int]:
        for error in {offset.error for offset in offsets.values()} - {0}:
            self._refused(reading, "partition.", error, broker, "ListOffsets")
        return {spot: o.offset for spot, o in offsets.items() if not o.error and o.offset >= 0}

    def _refused(self, reading: Reading, begin: str, error: int, broker: Broker, asked: str) -> None:
        """A broker answered with an error. What passes by itself is not worth an alarm."""
        e = trouble(error, f"{broker.host}:{broker.port}", asked)
        self._lacks(reading, begin, e, passing=error in PASSING)

    def _lacks(self, reading: Reading, begin: str, e: CheckError, passing: bool = False) -> None:
        """What is declared under keys that begin so is not whole. A broker of another make need not know of groups."""
        reading.lacks_all(begin, str(e))
        if not passing and not isinstance(e, NotOfferedError):
            self._trouble = self._trouble or e


def _chosen(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Whether a name is one of those that are reported."""
    made: list[Any] = [compiled(pattern) for pattern in patterns]
    return lambda name: not made or any(pattern.search(name.encode()) for pattern in made)
