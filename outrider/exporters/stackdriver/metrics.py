"""The Cloud Monitoring exporter: points become time series, two hundred to a request.

A series may have one point in a request, no more than one in five seconds, and each later than the one before
(cloud.google.com/monitoring/quotas; metric_service.proto, CreateTimeSeries). So the exporter remembers the last point
of each: what comes too early or too late is left out and counted. The first points of all series in what it is given go
into the first requests, the second ones into those after, and so on; the pipeline sends them one after the other.

    reports     redis of pod a at 0 s, of pod b at 0 s, of pod a at 15 s
    requests    [a0 ... b0 ...] [a15 ...]

What a cumulative series counts from is told by `totals.py`. If the API refuses a point for its start, which happens
when another process of ours wrote the series under an earlier one, the series starts anew with that point.
"""

import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

import orjson

from outrider.exporters.answer import Answer, Verdict, verdict_of
from outrider.exporters.http import NoAnswerError
from outrider.exporters.metric_destination import Payload
from outrider.exporters.stackdriver import metric_answers
from outrider.exporters.stackdriver.auth import AuthError, TokenSource
from outrider.exporters.stackdriver.client import Method
from outrider.exporters.stackdriver.descriptors import Descriptors
from outrider.exporters.stackdriver.series import metric_labels, metric_type, resource
from outrider.exporters.stackdriver.typed import NoValueError, typed_value
from outrider.exporters.totals import Total
from outrider.model.clock import Clock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.points import Attributes, GoogleName, Point, Report, Value

log = logging.getLogger(__name__)

MAX_SERIES = 200
"""Series in one request."""
SPACING = 5 * 10**9
"""Nanoseconds between two points of a series, at least."""
PAST, FUTURE = 25 * 3600.0, 5 * 60.0
"""Seconds before and after now that a point may be of (google/monitoring/v3/common.proto, TimeInterval)."""
_MARGIN = 60.0  # of what a request may take
FORGET_EVERY = 3600.0
"""Seconds after which series that have had no points for too long are looked for."""
REMEMBERED = 200_000
"""Series whose last points are remembered; a monitored resource can have as many (monitoring/quotas)."""
QUIET, LOOK = 60, 15.0
"""Seconds after which a series gives its place to a new one, if there is no other: whoever makes up new labels all the
time is not to keep everybody else's new series out for a day. And seconds between two looks for such.
"""

_REASONS = {
    "not_finite": "is no number that a point can have",
    "value_type": "has a value of another type than is declared",
    "buckets": "has buckets that are none",
    "too_old": "is more than 25 hours old",
    "too_far_ahead": "is more than 5 minutes ahead; is the clock of this machine right?",
    "out_of_order": "is not later than the point before; do two checks report the same series? Give each a tag",
    "too_frequent": "is less than 5 seconds later than the point before",
    "start_unknown": "",  # once for every total whose server does not say since when it counts
    "too_many_series": f"is of a new series, and there are {REMEMBERED:,}",
}


_Point = tuple[bytes, str, str, str, Attributes, Attributes, tuple[str, ...]]
"""Resource, metric type, kind, value type, constant labels, attributes and tags: points that have these alike are of
one series."""


class _Line(NamedTuple):
    """One point of the series `head` on its way, with the value that was reported. `start` and `total` are of a
    cumulative one.
    """

    json: bytes
    head: bytes
    time: int
    value: Value
    start: int
    total: Total | None


class _Series:
    """One series: its JSON up to its points, and what was last written of it."""

    __slots__ = ("head", "time", "total")

    def __init__(self, head: bytes) -> None:
        self.head, self.time = head, 0
        self.total: Total | None = None


class StackdriverMetrics:
    """A `MetricDestination` that writes time series of `project`; resources are named after `cluster`."""

    def __init__(
        self,
        name: str,
        project: str,
        cluster: Cluster,
        endpoint: str,
        tokens: TokenSource,
        clock: Clock,
        counters: Counters,
        *,
        compress: bool = True,
        ca: str | None = None,
    ) -> None:
        self._name, self._project, self._cluster = name, project, cluster
        self._tokens, self._clock, self._counters = tokens, clock, counters
        base = f"{endpoint.rstrip('/')}/v3/projects/{project}"
        self._create = Method(f"{base}/timeSeries", tokens, 1, compress, ca)
        self._descriptors = Descriptors(name, f"{base}/metricDescriptors", tokens, clock, counters, ca)
        self._series: dict[bytes, _Series] = {}
        self._found: dict[_Point, _Series] = {}  # the same, by what a point says of itself
        self._forget_at = clock.monotonic() + FORGET_EVERY
        self._room_at = 0.0  # when it may be looked for again
        self._said: set[str] = set()
        self._left_out = {
            reason: counters.counter(
                "outrider_points_left_out_total",
                "Points that the destination would not take, by reason.",
                exporter=name,
                reason=reason,
            )
            for reason in _REASONS
        }
        self._shed = counters.counter(
            "outrider_tags_shed_total", "Tags left out or cut to what the destination takes.", exporter=name
        )

    def encode(self, reports: Sequence[Report]) -> list[Payload]:
        self._forget()
        rounds: list[list[_Line]] = []
        placed: dict[bytes, int] = {}
        for report in reports:
            of = orjson.dumps(resource(report.subject, self._cluster, self._project))
            for point in report.points:
                line = self._line(point, point.metric.google, report.tags, of) if point.metric.google else None
                if line is None:
                    continue
                turn = placed[line.head] = placed.get(line.head, -1) + 1
                if turn == len(rounds):
                    rounds.append([])
                rounds[turn].append(line)
        return [_payload(part) for lines in rounds for part in _parts(lines)]

    def send(self, payload: Payload) -> Answer:
        lines: list[_Line] = payload.body
        answer, places = self._post(lines), list(range(len(lines)))
        if answer.again:
            places = sorted(answer.again)
            rest = self._post([lines[i] for i in places])
            if rest.verdict not in (Verdict.ACCEPTED, Verdict.PARTIAL):
                return rest  # nothing is written yet
            refused = {places[i]: why for i, why in rest.rejected.items()}
            given_up = {places[i]: rest.words for i in rest.again}
            answer = Answer(Verdict.PARTIAL, answer.words, rejected={**answer.rejected, **refused, **given_up})
        for i, why in answer.rejected.items():
            self._learn(lines[i], why)
        return answer

    def refresh(self) -> None:
        self._tokens.invalidate()

    def close(self) -> None:
        self._create.close()
        self._descriptors.close()

    def _line(self, point: Point, name: GoogleName, tags: tuple[str, ...], of: bytes) -> _Line | None:
        """The point on its way; None if it is left out."""
        try:
            typed = typed_value(point.value, name)  # first: from what is none nothing can be subtracted
            series = self._series_of(point, name, tags, of)
            start, interval = 0, b'{"endTime":"%b"}' % _rfc3339(point.time)
            if name.kind == "CUMULATIVE":
                if series.total is None:
                    series.total, counted = Total.first(point.value, point.time, point.start, point.exact)
                else:
                    counted = series.total.next(point.value, point.time, point.start)
                if counted is None:
                    raise NoValueError("start_unknown")
                start = counted.start
                if counted.value is not point.value:
                    typed = typed_value(counted.value, name)
                interval = b'{"startTime":"%b","endTime":"%b"}' % (_rfc3339(start), _rfc3339(point.time))
        except NoValueError as e:
            self._leave_out(e.reason, point, name)
            return None
        json = b'%b{"interval":%b,"value":%b}]}' % (series.head, interval, orjson.dumps(typed))
        return _Line(json, series.head, point.time, point.value, start, series.total)

    def _series_of(self, point: Point, name: GoogleName, tags: tuple[str, ...], of: bytes) -> _Series:
        """The series of `point`, moved on to its time. Raises NoValueError if the point has no place in it."""
        ahead = point.time / 1e9 - self._clock.now()
        if ahead < -PAST + _MARGIN or ahead > FUTURE:
            raise NoValueError("too_old" if ahead < 0 else "too_far_ahead")
        key = of, name.type, name.kind, name.value_type, name.labels, point.attributes, tags
        series = self._found.get(key)
        if series is None:
            if len(self._found) >= REMEMBERED:
                self._make_room()
            head = self._head(point, name, tags, of)  # two that differ in what is not written are one
            series = self._found[key] = self._series.setdefault(head, _Series(head))
        if series.time and point.time - series.time < SPACING:
            raise NoValueError("out_of_order" if point.time <= series.time else "too_frequent")
        series.time = point.time
        return series

    def _head(self, point: Point, name: GoogleName, tags: tuple[str, ...], of: bytes) -> bytes:
        """The series of a point, as JSON up to its points."""
        type_ = metric_type(name.type)
        labels, shed = metric_labels(name, point.attributes, tags)
        self._shed.add(shed)
        self._descriptors.want(type_, name, point.metric.description, labels)
        metric = orjson.dumps({"type": type_, "labels": labels}, option=orjson.OPT_SORT_KEYS)
        form = f'"metricKind":"{name.kind}","valueType":"{name.value_type}"'.encode()
        return b'{"metric":%b,"resource":%b,%b,"points":[' % (metric, of, form)

    def _make_room(self) -> None:
        """Raises NoValueError if all series that are remembered are in use."""
        if self._clock.monotonic() >= self._room_at:
            self._room_at = self._clock.monotonic() + LOOK
            self._let_go(QUIET)
        if len(self._found) >= REMEMBERED:
            raise NoValueError("too_many_series")

    def _forget(self) -> None:
        """Let go, now and then, the series whose last point is too old to be in the way of another."""
        if self._clock.monotonic() >= self._forget_at:
            self._forget_at = self._clock.monotonic() + FORGET_EVERY
            self._let_go(PAST)

    def _let_go(self, age: float) -> None:
        """Forget the series whose last point is older than so many seconds."""
        limit = (self._clock.now() - age) * 1e9
        self._series = {head: series for head, series in self._series.items() if series.time >= limit}
        self._found = {key: series for key, series in self._found.items() if series.time >= limit}

    def _leave_out(self, reason: str, point: Point, name: GoogleName) -> None:
        self._left_out[reason].add()
        if reason not in self._said and _REASONS[reason]:
            self._said.add(reason)
            log.warning(
                "%s: points are left out, one of %s %s: it %s",
                *(self._name, name.type, dict(point.attributes), _REASONS[reason]),
            )

    def _post(self, lines: list[_Line]) -> Answer:
        rows = metric_answers.ROWS
        try:
            response = self._create.call(b'{"timeSeries":[', [line.json for line in lines], b"]}")
        except AuthError as e:
            return Answer(verdict_of(rows, "no token for now" if e.retryable else "no credentials"), str(e))
        except NoAnswerError as e:
            return Answer(verdict_of(rows, "no answer"), str(e))
        now = self._clock.now()
        return metric_answers.read(response.status, response.headers, response.body, now, len(lines))

    def _learn(self, line: _Line, why: str) -> None:
        """Count a refusal, and start anew what was refused for its start."""
        reason = metric_answers.reason_of(why)
        self._counters.counter(
            "outrider_monitoring_refusals_total",
            "Points that Cloud Monitoring refused, by reason.",
            exporter=self._name,
            reason=reason,
        ).add()
        if reason == "start" and line.total is not None:
            line.total.restart(line.start, line.value, line.time)


def _parts(lines: list[_Line]) -> Iterator[list[_Line]]:
    for i in range(0, len(lines), MAX_SERIES):
        yield lines[i : i + MAX_SERIES]


def _payload(lines: list[_Line]) -> Payload:
    size = sum(len(line.json) for line in lines) + 200 * len(lines)
    return Payload("points", len(lines), lines, size, min(line.time for line in lines) / 1e9 + PAST - _MARGIN)


@lru_cache(maxsize=128)  # the points of a report are of one time, and most starts are the same
def _rfc3339(time: int) -> bytes:
    """Nanoseconds since 1970 as JSON has a google.protobuf.Timestamp."""
    moment = datetime.fromtimestamp(time // 10**9, UTC)
    return b"%b.%09dZ" % (moment.strftime("%Y-%m-%dT%H:%M:%S").encode(), time % 10**9)
