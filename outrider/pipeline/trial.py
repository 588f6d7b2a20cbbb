"""One line, or one point, through one exporter, to see what becomes of it.

It goes the way of all others: redacted by the configuration's rules, encoded by the exporter's own encoder, sent by its
own client, which is watched meanwhile. What is left out is what makes a collector robust: there is one attempt, nothing
is queued, and no cursor moves. Sampling and the choice of a route are left out, too: the exporter is named.

A line belongs to the pod that the program runs in, if the downward API tells (`outrider.kube.own`), else to a pod
`send` in a namespace `outrider` that need not exist.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from outrider.config import Config, LogExporter
from outrider.exporters.answer import Answer, Verdict
from outrider.exporters.http import Exchange, watched
from outrider.kube.own import FIELDS, OwnPod
from outrider.model.clock import Clock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.pod import Pod
from outrider.model.points import DatadogName, GoogleName, Metric, Point, Report, Subject
from outrider.model.records import Records
from outrider.model.stream import Stream
from outrider.pipeline.destinations import log_destination, metric_destination
from outrider.pipeline.redact import Redactor

NOTHING = Answer(Verdict.HOLD, "the exporter makes nothing of it: one of its rules, or of the configuration's, says so")


@dataclass(frozen=True, slots=True)
class SentLog:
    """What a vendor knows a line by: the entry as it was sent."""

    entry: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SentPoint:
    """What a vendor knows a point by. `time` is whole seconds since 1970, which both vendors keep."""

    name: str
    time: int


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one attempt through `exporter`. `sent` is None if nothing was."""

    exporter: str
    answer: Answer
    exchanges: tuple[Exchange, ...] = ()
    sent: SentLog | SentPoint | None = None

    @property
    def accepted(self) -> bool:
        return self.answer.verdict is Verdict.ACCEPTED

    @property
    def unreachable(self) -> bool:
        """There was nobody who answered."""
        return bool(self.exchanges) and all(exchange.response is None for exchange in self.exchanges)


class Trials:
    """Sends through the exporters of `config`. Raises UnusableError if the downward API tells only a part."""

    def __init__(self, config: Config, cluster: Cluster, clock: Clock, env: Mapping[str, str] = os.environ) -> None:
        self._config, self._cluster, self._clock, self._counters = config, cluster, clock, Counters()
        self._names, self._pod = _sender(clock, env)

    def log(self, name: str, message: str) -> Trial:
        """`message`, as a line on standard output, through `exporters.<name>`, to which routes may lead."""
        exporter = self._config.exporters[name]
        assert isinstance(exporter, LogExporter), "the caller offers no other"
        destination = log_destination(name, exporter, self._cluster, self._clock, self._counters)
        now = self._clock.now()
        moment = datetime.fromtimestamp(now, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z").encode()
        generation = f"{int(now * 1e9):016x}"  # another one at each call, so that no line repeats another
        records = Records.of([(0, moment, b"stdout", message.encode())])
        redactor = Redactor(self._config.logs.redact, self._counters, exporter=name)
        if redactor:
            records = redactor.apply(records)
        try:
            context = destination.context(self._names, self._pod)
            block = destination.encode(records, context, lambda _: (generation, moment))
            if not block.count:
                return Trial(name, NOTHING)
            exchanges: list[Exchange] = []
            with watched(exchanges.append, self._clock):
                answer = destination.send([block.data], block.common)
        finally:
            destination.close()
        return Trial(name, answer, tuple(exchanges), SentLog(msgspec.json.decode(block.entries()[0])))

    def metric(self, name: str, metric: str, value: float) -> Trial:
        """A gauge called `metric` (at Google, `workload.googleapis.com/<metric>`) through `exporters.<name>`. Raises
        UnusableError if the exporter cannot be made.
        """
        exporter = self._config.exporters[name]
        destination = metric_destination(name, exporter, self._cluster, self._clock, self._counters)
        time = int(self._clock.now())
        try:
            payloads = destination.encode([_report(self._subject(), metric, value, time)])
            if not payloads:
                return Trial(name, NOTHING)
            exchanges: list[Exchange] = []
            with watched(exchanges.append, self._clock):
                answers = [destination.send(payload) for payload in payloads]
        finally:
            destination.close()
        answer = next((one for one in answers if one.verdict is not Verdict.ACCEPTED), answers[0])
        return Trial(name, answer, tuple(exchanges), SentPoint(metric, time))

    def _subject(self) -> Subject:
        names = self._names
        return Subject(self._cluster.node, names.namespace, names.pod, names.uid, names.container, self._pod)


def _sender(clock: Clock, env: Mapping[str, str]) -> tuple[Stream, Pod | None]:
    if not any(env.get(name) for name in FIELDS):
        return Stream("outrider", "send", "send", "send", 0), None
    own = OwnPod(clock, env)
    return Stream(own.namespace, own.name, own.uid, own.container, 0), own.get(own.uid)


def _report(subject: Subject, name: str, value: float, time: int) -> Report:
    google = GoogleName(f"workload.googleapis.com/{name}")
    told = Metric("test", "gauge", "Sent by hand: outrider send metric.", DatadogName(name), google)
    return Report("send", subject, (Point(told, value, time * 10**9),))
