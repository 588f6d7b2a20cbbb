"""The Prometheus plugin of a broker: more than two hundred metrics of the node, without a password.

It answers with the sums of all queues, channels and connections at `/metrics`, and with each by itself at
`/metrics/per-object` and, as far as asked for, at `/metrics/detailed`, where names have `detailed` in them. The labels
of `rabbitmq_identity_info`, which name node and cluster, are told with everything, as the Agent does.

Of queues that come one by one the most active are reported, and the rest as one; everything else that comes one by one
(channels, connections) up to a limit.
"""

import math
import socket
import time
from urllib.parse import urlsplit

from outrider.checks.budget import OTHER, Budget, Number, Values
from outrider.checks.check import CheckError, Reading
from outrider.checks.http import HttpServer
from outrider.checks.openmetrics.exposition import Family
from outrider.checks.openmetrics.limits import SeriesLimits
from outrider.checks.openmetrics.scrape import scrape
from outrider.checks.rabbitmq.lists import Named
from outrider.checks.rabbitmq.settings import RabbitmqSettings
from outrider.model.points import Attributes, Status

HEALTH = "rabbitmq.openmetrics.health"
PORT = 15692
IDENTITY = "rabbitmq_identity_info"
PREFIXES = ("rabbitmq_", "erlang_", "telemetry_", "process_")
"""What names of the plugin's metrics begin with."""
QUEUE = "rabbitmq_queue_"
MEANS = {QUEUE + "consumer_capacity", QUEUE + "consumer_utilisation", QUEUE + "head_message_timestamp"}
"""Values that have no sum."""
MOST, MOST_OF_ONE = 5000, 1000
"""Series of what comes one by one and is no queue."""
KNOCK = 1.0
"""Seconds for a plugin to be there that nobody configured."""
AGAIN = 300.0
"""Seconds after which it is looked for again."""


class Plugin:
    """Reads the plugin that the settings name, or the one that may be on the usual port of the same host."""

    def __init__(self, settings: RabbitmqSettings) -> None:
        self._configured = settings.prometheus_url is not None
        host = urlsplit(settings.url or "").hostname or "127.0.0.1"
        usual = f"http://{f'[{host}]' if ':' in host else host}:{PORT}/metrics"
        self._server = HttpServer(settings.prometheus_url or usual, settings.timeout, settings.tls)
        self._limits = SeriesLimits(self._server.url, MOST, MOST_OF_ONE)
        self._most = settings.max_queues
        self._budget: Budget[Named] | None = None
        self._not_before = 0.0

    def read(self, reading: Reading, deadline: float) -> None:
        """Raises CheckError if it is there and could not be read."""
        if not self._configured and not self._there():
            why = f"nobody listens at {self._server.url}: rabbitmq-plugins enable rabbitmq_prometheus"
            for key in reading.declared.metrics:
                if key.startswith(PREFIXES):
                    reading.lacks(key, why)
            return
        reading.instance(endpoint=self._server.url)
        try:
            samples = self._samples(reading, deadline)
            reading.service_check(HEALTH, Status.OK)
            self._report(samples, reading)
        except CheckError as e:
            reading.service_check(HEALTH, Status.CRITICAL, str(e))
            raise
        finally:
            reading.instance()

    def close(self) -> None:
        self._server.close()

    def _there(self) -> bool:
        """Does anybody listen on the usual port?"""
        if time.monotonic() < self._not_before:
            return False
        parts = urlsplit(self._server.url)
        try:
            socket.create_connection((parts.hostname, parts.port), KNOCK).close()
        except OSError:
            self._not_before = time.monotonic() + AGAIN
            return False
        return True

    def _samples(self, reading: Reading, deadline: float) -> list[tuple[str, float, Attributes]]:
        """Key, value and labels of everything that is declared and that there is room for."""
        declared = reading.declared

        def wanted(family: Family) -> bool:
            key = _key(family.name)
            return any(key + suffix in declared.metrics for suffix in ("", "_total", "_sum"))

        self._limits.begin()
        found = []
        for sample in scrape(self._server, deadline, {}, wanted):
            key = _key(sample.name)
            told = key in declared.metrics and math.isfinite(sample.value)
            if told and (_queue(sample.labels) or self._limits.admit(key, sample.labels)):
                found.append((key, sample.value, sample.labels))
        self._limits.end()
        for key, count in self._limits.left_out.items():
            reading.lacks(key, f"{count} of its series are more than are reported one by one")
        return found

    def _report(self, samples: list[tuple[str, float, Attributes]], reading: Reading) -> None:
        identity = next((labels for key, _, labels in samples if key == IDENTITY), ())
        reading.instance(**{"endpoint": self._server.url, **dict(identity)})
        queues: dict[Named, dict[str, Number]] = {}
        for key, value, labels in samples:
            if _queue(labels):
                told = dict(labels)
                queues.setdefault((told["vhost"], told["queue"]), {})[key] = value
                continue
            for metric in reading.declared.metrics[key]:
                reading.point(metric, value, labels)
        if queues:
            self._report_queues(queues, reading)

    def _report_queues(self, queues: dict[Named, dict[str, Number]], reading: Reading) -> None:
        if self._budget is None:
            declared = {key: metrics[0].kind for key, metrics in reading.declared.metrics.items() if QUEUE in key}
            counters = {key for key, kind in declared.items() if kind == "counter"}
            self._budget = Budget(
                "queues of RabbitMQ", "max_queues", self._most, counters, declared.keys() - counters - MEANS
            )
        for row in self._budget.rows(queues, _activity, reading.time):
            labels = (("queue", OTHER),) if row.key is None else (("queue", row.key[1]), ("vhost", row.key[0]))
            for key, value in row.values.items():
                for metric in reading.declared.metrics[key]:
                    reading.point(metric, value or 0, labels, row.start)


def _key(name: str) -> str:
    return name.replace("rabbitmq_detailed_", "rabbitmq_", 1)


def _queue(labels: Attributes) -> bool:
    """Are they of one queue and nothing else? These have a limit of their own."""
    return len(labels) == 2 and {"queue", "vhost"} == {key for key, _ in labels}


def _activity(values: Values) -> float:
    """What the process of the queue has done; in excerpts that do not tell, how full the queue is."""
    return values.get(QUEUE + "process_reductions_total") or values.get(QUEUE + "messages") or 0
