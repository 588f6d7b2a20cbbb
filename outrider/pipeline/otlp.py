"""OTLP for a sidecar: what the programs of its pod send by it, on the way that everything else of the pod takes.

Metrics become reports (`exporters/otel/from_data.py`) and go into the queues of `Measuring`. Logs become lines of JSON
and go to every exporter that the pod's route names, each with an `Entrance` of its own. Whatever a program says of
itself, the pod is ours: only the container may be another one.

A request is refused, for the client to repeat it, when no exporter has room for its records. One that is down for
long is not in the way of the others: what it has no room for, it does not get, and that is counted.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from outrider.config import Config, LogExporter
from outrider.exporters.otel.from_data import Conversion
from outrider.model.clock import Clock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.pod import Pod
from outrider.model.records import Records
from outrider.model.stream import Stream
from outrider.pipeline.deadletters import DeadLetters
from outrider.pipeline.destinations import log_destination, used
from outrider.pipeline.entering import LAST_ANSWER, Arrived, Entrance
from outrider.pipeline.measuring import Measuring
from outrider.pipeline.pauses import GRACE, UNREADY_AFTER
from outrider.pipeline.redact import Redactor
from outrider.pipeline.routing import Routing
from outrider.pipeline.sampling import Sampler
from outrider.pipeline.taps import Taps
from outrider.receivers.otlp.logs import lines
from outrider.receivers.otlp.metrics import Translation
from outrider.receivers.otlp.server import FullError, OtlpServer, Taken

log = logging.getLogger(__name__)

MAX_CONTAINERS = 100
"""Containers that programs may name; whatever is beyond is the sidecar's own stream."""


class Otlp:
    """Listens at `otlp.listen`. `names` are the pod's; `pod` is asked for what is known of it. Made, started and ended
    once.
    """

    def __init__(
        self,
        config: Config,
        cluster: Cluster,
        names: Stream,
        pod: Callable[[], Pod | None],
        measuring: Measuring,
        clock: Clock,
        counters: Counters,
        taps: Taps,
    ) -> None:
        assert config.otlp.listen is not None, "nobody asks for it otherwise"
        self._listen, self._config, self._names, self._pod = config.otlp.listen, config, names, pod
        self._cluster, self._measuring, self._clock, self._counters = cluster, measuring, clock, counters
        self._taps = taps
        select = config.logs.select
        self._routing = Routing(select.include, select.exclude, config.routes, counters)
        self._entrances = {name: self._entrance(name) for name in used(config)}
        self._streams: dict[str, Stream] = {}
        self._samplers: dict[tuple[str, tuple[str, int]], Sampler | None] = {}
        self._conversion = Conversion()
        self._numbers, self._generation = count(), f"{int(clock.now() * 1e9):x}"
        self._server: OtlpServer | None = None
        self._trouble: str | None = None

    def start(self) -> None:
        """Begin to listen. An address that cannot be had is said and lived without."""
        for entrance in self._entrances.values():
            entrance.start()
        host, _, port = self._listen.rpartition(":")
        try:
            self._server = self._server or OtlpServer(host, int(port), self._metrics, self._logs, self._counters)
        except OSError as e:
            self._trouble = f"otlp.listen: {self._listen} cannot be had: {e.strerror or e}"
            log.error("%s", self._trouble)
            return
        serve = partial(self._server.serve_forever, poll_interval=0.1)  # what the end waits for at most
        threading.Thread(target=serve, name="outrider-otlp", daemon=True).start()
        log.info("otlp: listening at http://%s:%d for %s", host, self._server.server_address[1], self)

    def __str__(self) -> str:
        return ", ".join(self._entrances) or "nobody"

    def close(self) -> None:
        """Take no more requests. The socket stays, for a successor."""
        if self._server is not None:
            self._server.shutdown()
            self._server.hang_up()

    def end(self, last: bool) -> None:
        """After `close`. The `last` of its kind sends what is there, for GRACE seconds at most; others keep it for the
        next one.
        """
        grace = GRACE if last else LAST_ANSWER
        ends = [threading.Thread(target=one.stop, args=(grace,)) for one in self._entrances.values()]
        for end in ends:
            end.start()
        for end in ends:
            end.join()
        if last:
            self.let_go()

    def inherit(self, before: "Otlp") -> None:
        """Before `start`: take over the socket and what `before`, which has ended, has not sent."""
        if before._server is not None and before._listen == self._listen:
            host, _, port = self._listen.rpartition(":")
            listening, before._server = before._server.socket, None
            self._server = OtlpServer(host, int(port), self._metrics, self._logs, self._counters, listening)
        self._conversion = before._conversion
        for name, entrance in before._entrances.items():
            if name in self._entrances:
                for arrived in entrance.leave():
                    if not self._entrances[name].offer(arrived):
                        entrance.lose(len(arrived.records), "queue")
        before.let_go()

    def let_go(self) -> None:
        """It has ended and nobody takes over from it."""
        if self._server is not None:
            self._server.server_close()
        for entrance in self._entrances.values():
            entrance.give_up()

    def health(self) -> str | None:
        """What a restart may cure."""
        return next(filter(None, (one.health() for one in self._entrances.values())), None)

    def ready(self) -> str | None:
        """What keeps logs from coming in, or from arriving, if it has for a while."""
        now = self._clock.monotonic()
        for name, entrance in self._entrances.items():
            trouble = entrance.delivery.trouble
            if trouble is not None and now - entrance.delivery.trouble_since > UNREADY_AFTER:
                return f"{name}: {trouble}"
        return self._trouble

    # -- requests, one at a time -------------------------------------------------------------------------------------

    def _metrics(self, request: Any) -> Taken:
        translation = Translation()
        data = translation.data(request)
        own = self._measuring.subject()
        for report in self._conversion.reports(data):
            container = report.subject.container or own.container
            self._measuring.take(replace(report, subject=replace(own, container=container)))
        return Taken(translation.rejected, translation.words)

    def _logs(self, request: Any) -> Taken:
        """Raises FullError."""
        by_container: dict[str, Records] = {}
        for line in lines(request, self._clock.now()):
            records = by_container.setdefault(line.container, Records())
            records.add((next(self._numbers), line.time, b"stdout", line.content))
        pod = self._pod()
        offers: dict[str, list[Arrived]] = {}
        for container, records in by_container.items():
            for name, arrived in self._arrived(self._stream(container), pod, records):
                offers.setdefault(name, []).append(arrived)
        refused = [name for name, some in offers.items() if not self._entrances[name].offer(*some)]
        if refused and len(refused) == len(offers):
            raise FullError("no destination has room for more logs; they wait to be sent")
        for name in refused:
            self._entrances[name].lose(sum(len(arrived.records) for arrived in offers[name]), "queue")
        return Taken()

    def _arrived(self, stream: Stream, pod: Pod | None, records: Records) -> Iterator[tuple[str, Arrived]]:
        """What each exporter gets of records of one stream."""
        decision = self._routing.decide(stream, pod)
        for name in sorted(decision.exporters):
            key = name, decision.tenant
            if key not in self._samplers:
                sampled = Sampler(decision.sample, self._counters, name) if decision.sample else None
                self._samplers[key] = sampled
            yield name, Arrived(stream, pod, records, self._generation, self._samplers[key])

    def _stream(self, container: str) -> Stream:
        """The stream of a container that a program has named; our own if it has named none, or too many."""
        if container not in self._streams:
            if not container or len(self._streams) >= MAX_CONTAINERS:
                return self._names
            self._streams[container] = replace(self._names, container=container)
        return self._streams[container]

    def _entrance(self, name: str) -> Entrance:
        exporter = self._config.exporters[name]
        assert isinstance(exporter, LogExporter), "the configuration lets no route lead elsewhere"
        batch = exporter.batch
        return Entrance(
            name,
            log_destination(name, exporter, self._cluster, self._clock, self._counters),
            DeadLetters(Path(self._config.state) / "dead-letters", name, self._clock, self._counters),
            Redactor(self._config.logs.redact, self._counters, exporter=name),
            batch.bytes,
            batch.bytes * batch.in_flight,
            batch.wait,
            self._clock,
            self._counters,
            self._taps,
        )
