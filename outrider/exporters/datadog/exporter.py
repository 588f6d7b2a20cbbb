"""The Datadog logs exporter: encoder and client, put together for one entry of the configuration's `exporters`."""

import logging
from collections.abc import Callable, Sequence

from outrider.config.secrets import Secret
from outrider.exporters.answer import Answer
from outrider.exporters.block import Block
from outrider.exporters.datadog.client import MAX_ENTRIES, MAX_REQUEST, Client
from outrider.exporters.datadog.context import StreamContext
from outrider.exporters.datadog.encode import Encoder
from outrider.exporters.datadog.glance import glance
from outrider.exporters.datadog.rules import Rule
from outrider.exporters.glance import Glance
from outrider.model.clock import Clock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.pod import Pod
from outrider.model.records import Records
from outrider.model.stream import Stream

log = logging.getLogger(__name__)

_REMEMBERED = 4096
"""Complaints that are not repeated; beyond, all of them may be said once more."""


class DatadogLogs:
    """A `LogDestination` that sends to Datadog's log intake. `tags` and `rules` hold for every line."""

    max_request = MAX_REQUEST
    max_entries = MAX_ENTRIES

    def __init__(
        self,
        name: str,
        cluster: Cluster,
        endpoint: str,
        key: Secret,
        clock: Clock,
        counters: Counters,
        *,
        tags: Sequence[str] = (),
        rules: Sequence[Rule] = (),
        connections: int = 4,
        compress: str = "gzip",
        ca: str | None = None,
    ) -> None:
        self._name, self._cluster, self._tags, self._rules = name, cluster, tags, rules
        self._encoder = Encoder(clock, counters, name)
        self._client = Client(
            endpoint,
            key,
            clock,
            self._encoder.in_time,
            self._encoder.out_of_window.add,
            connections=connections,
            compress=compress,
            ca=ca,
        )
        self._complained: set[tuple[str, str]] = set()
        self._broken = counters.counter(
            "outrider_annotations_broken_total", "Requests in annotations of pods that nobody can use.", exporter=name
        )
        self._shed = counters.counter(
            "outrider_tags_shed_total", "Tags left out or cut to what the destination takes.", exporter=name
        )

    def context(self, stream: Stream, pod: Pod | None) -> StreamContext:
        context = StreamContext(stream, pod, self._cluster, self._tags, self._rules)
        if context.shed:
            self._shed.add(context.shed)
        for problem in context.problems:
            self._complain(stream, problem)
        return context

    def _complain(self, stream: Stream, problem: str) -> None:
        if (stream.uid, problem) in self._complained:
            return
        if len(self._complained) >= _REMEMBERED:
            self._complained.clear()
        self._complained.add((stream.uid, problem))
        self._broken.add()
        log.warning("%s: %s/%s %s: %s", self._name, stream.namespace, stream.pod, stream.container, problem)

    def encode(self, records: Records, context: StreamContext, generation: Callable[[int], tuple[str, bytes]]) -> Block:
        return self._encoder.encode(records, context, generation)

    def multi_line(self, context: StreamContext) -> str | None:
        return context.rules.multi_line

    def send(self, pieces: list[bytes], common: bytes = b"") -> Answer:  # noqa: ARG002 - nothing is left out of entries
        return self._client.send(pieces)

    def probe(self) -> Answer:
        return self._client.probe()

    def plainer(self, entry: bytes) -> bytes | None:  # noqa: ARG002 - a message is text already
        return None

    def glance(self, entry: bytes) -> Glance:
        return glance(entry)

    def refresh(self) -> None:
        """Nothing is kept: the key is read for every request."""

    def changed(self) -> bool:
        return self._client.changed()

    def close(self) -> None:
        self._client.close()
