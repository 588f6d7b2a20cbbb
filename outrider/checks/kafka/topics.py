"""Topics and their partitions: how long they are, and which of their replicas are in step."""

from collections import Counter

from outrider.checks.budget import OTHER, Budget, Values
from outrider.checks.check import Reading
from outrider.checks.kafka.growth import Growth
from outrider.checks.kafka.messages import Metadata, Partition, Spot, Topic
from outrider.checks.kafka.settings import KafkaSettings

NOT_SUMS = ("beginning_offset", "end_offset")


class Topics:
    """Reports them within their budgets."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._growth = Growth()
        self._topics: Budget[str] = Budget(
            "topics of Kafka", "max_topics", settings.max_topics, counters={"messages"}, gauges={"partitions", "size"}
        )
        self._partitions: Budget[Spot] = Budget(
            "partitions of Kafka",
            "max_partitions",
            settings.max_partitions,
            gauges={"size", "replicas", "isr", "under_replicated", "offline"},
        )

    def report(self, reading: Reading, topics: list[Topic], ends: dict[Spot, int], begins: dict[Spot, int]) -> None:
        """`ends` and `begins` are the latest and earliest offsets of those partitions whose leaders told them."""
        leaders = {Spot(topic.name, p.number): p.leader for topic in topics for p in topic.partitions}
        rows = {
            Spot(topic.name, p.number): _row(
                p, ends.get(Spot(topic.name, p.number)), begins.get(Spot(topic.name, p.number))
            )
            for topic in topics
            for p in topic.partitions
        }
        self._each_topic(reading, topics, rows, ends)
        for row in self._partitions.rows(rows, _urgency, reading.time):
            spot = row.key or Spot(OTHER, -1)
            where = {"topic": spot.topic, "partition": str(spot.partition) if row.key else OTHER}
            leader = {"leader_broker_id": str(leaders[row.key])} if row.key else {}
            for name, value in row.values.items():
                reading.add(f"partition.{name}", value, None, **where, **({} if name in NOT_SUMS else leader))

    def _each_topic(
        self, reading: Reading, topics: list[Topic], partitions: dict[Spot, Values], ends: dict[Spot, int]
    ) -> None:
        names = {topic.name for topic in topics}
        grown = self._growth.see(ends, names, reading.time)
        rows: dict[str, Values] = {}
        for topic in topics:
            sizes = [partitions[Spot(topic.name, p.number)].get("size") for p in topic.partitions]
            rows[topic.name] = {
                "partitions": len(topic.partitions),
                "size": sum(size or 0 for size in sizes),
                "messages": None if grown is None else grown[1][topic.name],
            }
        for row in self._topics.rows(rows, lambda values: values["size"], reading.time):
            start = row.start or self._growth.start
            for name, value in row.values.items():
                reading.add(f"topic.{name}", value, start, topic=row.key or OTHER)
        if grown is not None:
            reading.add("messages", grown[0], self._growth.start)


def _row(partition: Partition, end: int | None, begin: int | None) -> Values:
    replicas, in_sync = len(partition.replicas), len(partition.in_sync)
    return {
        "end_offset": end,
        "beginning_offset": begin,
        "size": None if end is None or begin is None else max(end - begin, 0),
        "replicas": replicas,
        "isr": in_sync,
        "under_replicated": int(in_sync < replicas),
        "offline": int(partition.leader < 0),
    }


def _urgency(values: Values) -> float:
    """Those that lack replicas come before all others, which come by their length."""
    lacking = bool(values["under_replicated"] or values["offline"])
    return (1e18 if lacking else 0) + (values["size"] or 0)


def report_cluster(reading: Reading, metadata: Metadata, topics: list[Topic]) -> None:
    """Numbers of the whole cluster; `topics` are those that are reported."""
    partitions = [partition for topic in metadata.topics for partition in topic.partitions]
    reading.add("cluster.topics", len(topics))
    reading.add("cluster.partitions", len(partitions))
    reading.add("cluster.offline", sum(p.leader < 0 for p in partitions))
    reading.add("cluster.under_replicated", sum(len(p.in_sync) < len(p.replicas) for p in partitions))
    led = Counter(p.leader for p in partitions)
    held = Counter(node for p in partitions for node in p.replicas)
    for broker in metadata.brokers:
        where = {"broker_id": str(broker.node), "broker_host": broker.host, "broker_port": str(broker.port)}
        reading.add("broker.leader_count", led[broker.node], None, **where)
        reading.add("broker.partition_count", held[broker.node], None, **where)
        if broker.node == metadata.controller:
            told = {key.replace("broker", "controller"): value for key, value in where.items()}
            reading.add("cluster.controller_id", broker.node, None, **told)
