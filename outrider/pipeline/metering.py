"""One exporter of metrics: what checks found goes in, and requests go out, one after the other.

There is no log file behind a metric that could be read again. So what cannot be sent is kept, in memory, within bounds:

    report -> inbox -> encode -> queues of payloads -> send, the oldest first, until it is taken or not wanted any more

One thread does all of it. A report after a quiet moment goes at once; those that come within a moment of it share
requests. A request that fails is tried
again, after a pause that grows, before any newer one: points of a series arrive in order. Meanwhile reports go on to be
encoded, and the queue grows up to its bound; then its oldest payload is given up. So is one that nobody wants any more
because its points have become too old, and what is left when the program ends. Whatever is given up is counted.

Events and service checks have a queue of their own and come second: Datadog takes one event in a request, so a program
that tells of every little thing would hold up everybody's points for minutes.

`turn` does what is due and says when the next thing will be; the thread does nothing but take turns.
"""

import logging
import threading
from collections import Counter as Counts
from collections import deque
from collections.abc import Iterable, Sequence

from outrider.exporters.answer import Answer, Verdict
from outrider.exporters.metric_destination import MetricDestination, Payload
from outrider.model.clock import Clock
from outrider.model.counters import Counter, Counters
from outrider.model.points import Report
from outrider.pipeline.pauses import Backoff

log = logging.getLogger(__name__)

INBOX = 50_000
"""Points that may wait to be encoded while a request is under way, which may take two minutes."""
REASONS = ("queue", "expired", "ended", "inbox", "failure")
"""Why points are given up."""
LAST_ANSWER = 0.5
"""Seconds that the thread gets, at the end, to notice that it is over."""
_TOLD = 100
"""Refusals that are not repeated in the log; beyond, all of them may be said once more."""


class _Queue:
    """Payloads, the oldest first, and how many bytes they have."""

    __slots__ = ("bytes", "payloads")

    def __init__(self) -> None:
        self.payloads: deque[Payload] = deque()
        self.bytes = 0

    def append(self, payload: Payload) -> None:
        self.payloads.append(payload)
        self.bytes += payload.size

    def popleft(self) -> Payload:
        payload = self.payloads.popleft()
        self.bytes -= payload.size
        return payload

    def leave(self) -> list[Payload]:
        """All of them, for somebody else."""
        return [self.popleft() for _ in range(len(self.payloads))]


class Meter:
    """Brings reports to `destination`. `most` bytes of payloads are kept while they cannot be sent; reports that come
    within `gather` seconds after others went go together. Made and started once; `stop` ends it for good.
    """

    def __init__(
        self, name: str, destination: MetricDestination, most: int, gather: float, clock: Clock, counters: Counters
    ) -> None:
        self.name, self.destination = name, destination
        self.trouble: str | None = None
        """What the destination said to the request that has to be repeated now; None if none has."""
        self.trouble_since = 0.0
        """When that began, in monotonic seconds."""
        self._most, self._gather, self._clock, self._counters = most, gather, clock, counters
        self._inbox: deque[Report] = deque()
        self._waiting: Counts[str] = Counts()  # points in the inbox, by namespace
        self._queues = _Queue(), _Queue()  # of points, and of all else
        self._encode_at = self._send_at = 0.0  # not before, in monotonic seconds
        self._backoff = Backoff()
        self._refusals: set[str] = set()
        self._lock = threading.Lock()  # of the inbox, and of the end
        self._wake = threading.Event()
        self._deadline: float | None = None
        self._over = False
        self._thread = threading.Thread(target=self._run, name=f"outrider-metrics-{name}", daemon=True)
        self._refused("points")
        for reason in REASONS:  # at zero from the beginning: what begins with more has not increased, to Prometheus
            self._given_up("points", reason)
        counters.gauge(
            "outrider_metric_queue_bytes",
            "Metrics that wait to be sent, or to be sent again.",
            self._bytes,
            exporter=name,
        )

    def start(self) -> None:
        self._thread.start()

    def offer(self, report: Report) -> None:
        """Take a report. Returns at once; from any thread."""
        with self._lock:
            if self._over:
                self._lose_reports([report], "ended")
                return
            self._inbox.append(report)
            self._waiting[report.subject.namespace] += _points_of(report)
            while self._waiting.total() > INBOX and len(self._inbox) > 1:
                self._make_room()
        self._wake.set()

    def _make_room(self) -> None:
        """Give up the oldest report of the namespace that has most points here: one that floods loses its own. What has
        just come is not given up for its size.
        """
        older = [report.subject.namespace for report in self._inbox][:-1]
        place = older.index(max(older, key=self._waiting.__getitem__))
        oldest = self._inbox[place]
        del self._inbox[place]
        self._waiting[oldest.subject.namespace] -= _points_of(oldest)
        self._lose_reports([oldest], "inbox")

    def has_room(self) -> bool:
        """Whether whoever has much to report may go on. When the destination is in trouble, waiting would not help."""
        return self.trouble is not None or (
            self._waiting.total() < INBOX // 2 and self._queues[0].bytes < self._most // 2
        )

    def health(self) -> str | None:
        """None, or why this will not go on by itself."""
        return None if self._thread.is_alive() or self._over else f"{self.name}: the thread of its metrics has ended"

    # -- the end ------------------------------------------------------------------------------------------------------

    def stop(self, grace: float) -> None:
        """Send what is here, within `grace` seconds. What is left then is for `leave`, or for `give_up`."""
        self._send_at = 0.0  # whatever pause there is, a last attempt is due
        self._deadline = self._clock.monotonic() + grace
        self._wake.set()
        self._thread.join(grace + LAST_ANSWER)
        with self._lock:
            self._over = True
            self._lose_reports(self._inbox, "ended")
            self._inbox.clear()

    def leave(self) -> tuple[MetricDestination | None, list[Payload]]:
        """After `stop`, for a successor: the destination, which knows what was encoded before, unless a request is
        still under way; and what is left.
        """
        left = [payload for queue in self._queues for payload in queue.leave()]
        return (None if self._thread.is_alive() else self.destination), left

    def take_over(self, destination: MetricDestination | None, left: Sequence[Payload]) -> None:
        """Before `start`: go on where a predecessor for the same destination has ended."""
        if destination is not None:
            self.destination.close()
            self.destination = destination
        for payload in left:
            self._keep(payload)

    def give_up(self) -> None:
        """After `stop`: nobody comes after; count what is left and let go of the destination."""
        _, left = self.leave()
        for payload in left:
            self._lose(payload.what, payload.items, "ended")
        if left:
            log.warning("%s: the end came before %d requests with metrics could be sent", self.name, len(left))
        if not self._thread.is_alive():
            self.destination.close()

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._over:
            self._wake.clear()
            pause = self.turn()
            if self._deadline is not None:
                left = self._deadline - self._clock.monotonic()
                if pause is None or left <= 0:
                    return
                pause = min(pause, left)
            if pause is None:
                self._wake.wait()
            elif pause > 0:
                self._clock.wait(self._wake, pause)

    def turn(self) -> float | None:
        """Do what is due: encode, and make one attempt to send. Seconds until something will be; None: not before a
        report comes.
        """
        self._encode()
        self._drop_expired()
        now = self._clock.monotonic()
        if now >= self._send_at and (queue := self._next()):
            self._attempt(queue.payloads[0])
            now = self._clock.monotonic()
        due = [self._send_at] if self._next() else []
        with self._lock:
            due += [self._may_encode_at()] if self._inbox else []
        return max(min(due) - now, 0.0) if due else None

    def _may_encode_at(self) -> float:
        """When the reports of the inbox are due: at once, if they are many."""
        return self._encode_at if self._waiting.total() < INBOX // 2 else 0.0

    def _encode(self) -> None:
        with self._lock:
            if not self._inbox or (self._deadline is None and self._clock.monotonic() < self._may_encode_at()):
                return
            reports = list(self._inbox)
            self._inbox.clear()
            self._waiting.clear()
            self._encode_at = self._clock.monotonic() + self._gather
        try:
            payloads = self.destination.encode(reports)
        except Exception:  # a defect is no reason to lose what comes after
            log.exception("%s: unexpected failure while encoding metrics", self.name)
            self._lose_reports(reports, "failure")
            return
        for payload in payloads:
            self._keep(payload)

    def _bytes(self) -> int:
        return sum(queue.bytes for queue in self._queues)

    def _next(self) -> "_Queue | None":
        """The queue whose turn it is."""
        return next((queue for queue in self._queues if queue.payloads), None)

    def _queue_of(self, payload: Payload) -> "_Queue":
        return self._queues[payload.what != "points"]

    def _keep(self, payload: Payload) -> None:
        """The larger queue makes room."""
        self._queue_of(payload).append(payload)
        while self._bytes() > self._most and sum(len(queue.payloads) for queue in self._queues) > 1:
            self._drop(max(reversed(self._queues), key=lambda queue: queue.bytes), "queue")

    def _drop_expired(self) -> None:
        now = self._clock.now()
        for queue in self._queues:
            while queue.payloads and queue.payloads[0].expires <= now:
                self._drop(queue, "expired")

    def _drop(self, queue: "_Queue", reason: str) -> None:
        """Give up the oldest payload."""
        payload = queue.popleft()
        self._lose(payload.what, payload.items, reason)

    def _attempt(self, payload: Payload) -> None:
        answer = self._send(payload)
        with self._lock:
            if not self._over:  # else somebody else has what is left
                self._judge(payload, answer)

    def _judge(self, payload: Payload, answer: Answer) -> None:
        self._counters.counter(
            "outrider_metric_requests_total",
            "Requests with metrics by what came of them.",
            exporter=self.name,
            verdict=answer.verdict.value,
        ).add()
        if answer.verdict in (Verdict.ACCEPTED, Verdict.PARTIAL, Verdict.SPLIT):
            self._settle(payload, answer)
        else:
            self._put_off(answer)

    def _send(self, payload: Payload) -> Answer:
        try:
            return self.destination.send(payload)
        except Exception as e:
            # A destination that breaks its promise is no reason to end all metrics of this exporter.
            log.exception("%s: unexpected failure while sending metrics", self.name)
            return Answer(Verdict.RETRY, f"unexpected failure: {type(e).__name__}: {e}")

    def _settle(self, payload: Payload, answer: Answer) -> None:
        """The destination has said the last word about it."""
        self._queue_of(payload).popleft()
        self._backoff.over()
        self._send_at = 0.0
        if self.trouble is not None:
            log.info("%s takes metrics again", self.name)
            self.trouble = None
        refused = {} if answer.verdict is Verdict.ACCEPTED else answer.rejected
        lost = payload.items if answer.verdict is Verdict.SPLIT else min(len(refused), payload.items)
        self._sent(payload.what).add(payload.items - lost)
        if lost:
            self._refused(payload.what).add(lost)
            for words in {answer.words, *refused.values()} - {""}:
                self._tell(f"{lost} of {payload.items} {payload.what} refused: {words}", words)

    def _tell(self, text: str, words: str) -> None:
        """Say what is lost, once for each reason."""
        if words not in self._refusals:
            if len(self._refusals) >= _TOLD:
                self._refusals.clear()
            self._refusals.add(words)
            log.warning("%s: %s (said once; outrider_points_refused_total counts)", self.name, text)

    def _put_off(self, answer: Answer) -> None:
        """It has to be sent again. Say once that something is wrong, with the destination's words."""
        now = self._clock.monotonic()
        self._send_at = now + self._backoff.after(answer)
        if answer.verdict is Verdict.REFRESH:
            self.destination.refresh()
        if self.trouble is None:
            self.trouble_since = now
        if answer.words != self.trouble:
            level = logging.ERROR if answer.verdict is Verdict.HOLD else logging.WARNING
            log.log(level, "%s: metrics: %s (%s; they wait)", self.name, answer.words, answer.verdict.value)
        self.trouble = answer.words

    # -- the books ----------------------------------------------------------------------------------------------------

    def _sent(self, what: str) -> Counter:
        return self._counters.counter(
            "outrider_points_sent_total",
            "Points, service checks and events that the destination acknowledged.",
            exporter=self.name,
            what=what,
        )

    def _lose_reports(self, reports: Iterable[Report], reason: str) -> None:
        """Of reports that have not become payloads; a vendor may not have wanted all of it."""
        for report in reports:
            points = (*report.points, *report.recent)
            parts = {"points": points, "service_checks": report.service_checks, "events": report.events}
            for what, items in parts.items():
                if items:
                    self._lose(what, len(items), reason)

    def _lose(self, what: str, items: int, reason: str) -> None:
        self._given_up(what, reason).add(items)

    def _given_up(self, what: str, reason: str) -> Counter:
        return self._counters.counter(
            "outrider_points_given_up_total",
            "Points, service checks and events that were not sent in time.",
            exporter=self.name,
            what=what,
            reason=reason,
        )

    def _refused(self, what: str) -> Counter:
        return self._counters.counter(
            "outrider_points_refused_total",
            "Points, service checks and events that the destination refused for good.",
            exporter=self.name,
            what=what,
        )


def _points_of(report: Report) -> int:
    return len(report.points) + len(report.recent)
