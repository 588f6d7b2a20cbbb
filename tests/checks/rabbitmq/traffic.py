"""Clients of a RabbitMQ at work, so that everything which a broker counts has something to count."""

import contextlib
from collections.abc import Iterator

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import UnroutableError

PERSISTENT = pika.BasicProperties(delivery_mode=2, timestamp=1_780_000_000)


class Traffic:
    """Publishes and consumes in one virtual host: `queue` holds messages, and `busy` has a consumer that leaves some of
    them unacknowledged.
    """

    def __init__(self, connection: pika.BlockingConnection, queue: str, busy: str) -> None:
        self._connection, self._queue, self._busy = connection, queue, busy
        self._confirmed = connection.channel()
        self._confirmed.confirm_delivery()
        self._plain = connection.channel()
        self._consumer = connection.channel()
        self._consumer.basic_qos(prefetch_count=20)
        self._consumer.basic_qos(prefetch_count=40, global_qos=True)
        self._consumer.basic_consume(busy, self._receive)
        self._received = 0

    def go_on(self) -> None:
        """A little of everything."""
        with contextlib.suppress(UnroutableError):
            self._confirmed.basic_publish("", "nowhere", b"returned", mandatory=True)
        self._plain.basic_publish("", "nowhere", b"dropped")
        for _ in range(3):
            self._confirmed.basic_publish("", self._queue, b"held", PERSISTENT)
            self._plain.basic_publish("", self._busy, b"consumed")
        self._fetch()
        self._connection.process_data_events(0.05)

    def _fetch(self) -> None:
        self._plain.basic_get(self._queue, auto_ack=True)
        method, _, _ = self._plain.basic_get(self._queue)
        if method is not None:
            self._plain.basic_nack(method.delivery_tag, requeue=True)

    def _receive(self, channel: BlockingChannel, method: pika.spec.Basic.Deliver, *_: object) -> None:
        self._received += 1
        if self._received % 4:
            channel.basic_ack(method.delivery_tag)
        elif self._received % 8:
            channel.basic_nack(method.delivery_tag, requeue=True)


@contextlib.contextmanager
def traffic(port: int, vhost: str, queue: str, busy: str) -> Iterator[Traffic]:
    parameters = pika.ConnectionParameters("127.0.0.1", port, vhost, heartbeat=0)
    connection = pika.BlockingConnection(parameters)
    try:
        yield Traffic(connection, queue, busy)
    finally:
        connection.close()
