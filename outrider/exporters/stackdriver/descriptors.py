"""What Cloud Monitoring is told about a metric before, or soon after, it has points: its MetricDescriptor.

A metric comes to be with its first point. What that cannot say are unit and description, so the whole descriptor is
created as well, once per metric and process, and again when a point has a label that the descriptor does not have yet
(labels are added to one that exists, never removed: metric_service.proto, CreateMetricDescriptor).

Points do not wait for that. A thread of its own, which is there as long as there is something to do, creates one
descriptor after the other, no more than ten in a second. What passes is tried again, at growing intervals; what was
refused for good is said once. If the project has the metric in another form (kind, value type), nobody but a person
can decide which of the two is right.
"""

import logging
import threading
from collections.abc import Iterable

import msgspec
import orjson

from outrider.exporters.answer import Row, Verdict, verdict_of
from outrider.exporters.http import NoAnswerError
from outrider.exporters.stackdriver.auth import AuthError, TokenSource
from outrider.exporters.stackdriver.client import Method
from outrider.exporters.stackdriver.series import MAX_LABELS
from outrider.model.clock import Clock
from outrider.model.counters import Counters
from outrider.model.points import GoogleName

log = logging.getLogger(__name__)

PACE = 0.1
"""Seconds between two descriptors."""
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0
"""Seconds until another attempt."""

ROWS = (
    Row("200", Verdict.ACCEPTED, "the descriptor is there"),
    Row("400, 409", Verdict.PARTIAL, "not this one: it is malformed, or the metric is there in another form"),
    Row("401", Verdict.REFRESH, "the token is not, or no longer, good"),
    Row("other", Verdict.RETRY, "it passes, or a person has to act (permission, API not enabled)"),
)


class Descriptors:
    """Creates descriptors in the background. `want` is called by one thread."""

    def __init__(
        self, name: str, url: str, tokens: TokenSource, clock: Clock, counters: Counters, ca: str | None = None
    ) -> None:
        self._name, self._tokens, self._clock = name, tokens, clock
        self._method = Method(url, tokens, 1, compress=False, ca=ca)
        self._labels: dict[str, set[str]] = {}  # by metric type, what was asked for so far
        self._lock = threading.Lock()
        self._todo: dict[str, bytes] = {}
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._said = ""
        self._created, self._refused = (
            counters.counter(
                "outrider_metric_descriptors_total",
                "Metric descriptors by what came of them.",
                exporter=name,
                result=result,
            )
            for result in ("created", "refused")
        )

    def want(self, type_: str, name: GoogleName, description: str, labels: Iterable[str]) -> None:
        """See to it that there is a descriptor of `type_` which has these labels."""
        known = self._labels.get(type_)
        if known is None:
            known = self._labels[type_] = set()
        elif known.issuperset(labels) or len(known) >= MAX_LABELS:
            return
        known.update(labels)
        descriptor = {
            "type": type_,
            "metricKind": name.kind,
            "valueType": name.value_type,
            "unit": name.unit,
            "description": description,
            "labels": [{"key": key, "valueType": "STRING"} for key in sorted(known)[:MAX_LABELS]],
        }
        with self._lock:
            self._todo[type_] = orjson.dumps(descriptor)
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._work, name="outrider-descriptors", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """End, with what has not been created yet."""
        self._stop.set()
        self._method.close()

    def _work(self) -> None:
        pause = 0.0
        while not self._stop.is_set():
            with self._lock:
                if not self._todo:
                    self._thread = None
                    return
                type_, descriptor = next(iter(self._todo.items()))
            if self._create(type_, descriptor):
                pause = 0.0
                with self._lock:
                    if self._todo[type_] is descriptor:  # else there is a newer one
                        del self._todo[type_]
            else:
                pause = min(max(pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
            self._clock.wait(self._stop, pause or PACE)

    def _create(self, type_: str, descriptor: bytes) -> bool:
        """Whether there is an answer that holds for good."""
        try:
            response = self._method.call(descriptor, [], b"")
        except (AuthError, NoAnswerError) as e:
            self._say(str(e))
            return False
        verdict = verdict_of(ROWS, response.status)
        if verdict is Verdict.ACCEPTED:
            self._created.add()
            return True
        words = f"HTTP {response.status}: {_message(response.body)}"
        if verdict is Verdict.PARTIAL:
            form = msgspec.json.decode(descriptor)
            log.warning(
                "%s: no descriptor of %s (%s %s, unit %s): %s; if the project has the metric in another form, its "
                "points are refused until that descriptor is deleted (projects.metricDescriptors.delete)",
                *(self._name, type_, form["metricKind"], form["valueType"], form["unit"], words),
            )
            self._refused.add()
            return True
        if verdict is Verdict.REFRESH:
            self._tokens.invalidate()
        self._say(words)
        return False

    def _say(self, words: str) -> None:
        if words != self._said:
            log.warning("%s: no metric descriptors for now, points go without: %s", self._name, words)
        self._said = words


def _message(body: bytes) -> str:
    try:
        return str(msgspec.json.decode(body)["error"]["message"])
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        return body[:300].decode("utf-8", "replace")
