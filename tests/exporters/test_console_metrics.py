"""One JSON object a line: what a person needs to see of a point under both names."""

import io
import json
import math
from typing import Any

import pytest

from outrider.exporters.answer import Verdict
from outrider.exporters.console_metrics import ConsoleMetrics
from outrider.exporters.standard_output import StandardOutput
from outrider.model.points import (
    Attributes,
    DatadogName,
    Event,
    GoogleName,
    Histogram,
    Kind,
    Metric,
    Point,
    Report,
    ServiceCheck,
    Status,
    Subject,
    Submission,
    Value,
)

T0 = 1_780_000_000_000_000_000
SPELLING = {"db": "redis_db", "host": None}


def point(value: Value, after: float = 0.0, submit: Submission = "gauge", kind: Kind = "gauge",
          attributes: Attributes = (("db", "0"), ("host", "h")), scale: float = 1) -> Point:  # fmt: skip
    datadog = DatadogName("a.b", submit, "gauge", "byte", "second" if submit == "rate" else "", (("k", "v"),), SPELLING,
                          scale)  # fmt: skip
    google = GoogleName("workload.googleapis.com/a.b", value_type="INT64", labels=(("state", "on"),), scale=scale)
    return Point(Metric("key", kind, "", datadog, google), value, T0 + int(after * 1e9), attributes)


def lines(console: ConsoleMetrics, *reports: Report) -> list[dict[str, Any]]:
    """What is written, read back."""
    out = io.BytesIO()
    console._out = StandardOutput(out)
    for payload in console.encode(reports):
        assert console.send(payload).verdict is Verdict.ACCEPTED
    return [json.loads(line) for line in out.getvalue().splitlines()]


def report(*points: Point, **more: Any) -> Report:
    return Report("redis", Subject("node-1", "shop", "web-1", "uid-1"), points, tags=("team:a",), **more)


def test_a_point_under_both_names() -> None:
    [shown] = lines(ConsoleMetrics(), report(point(2.5, scale=2)))
    assert shown == {
        "check": "redis", "node": "node-1", "namespace": "shop", "pod": "web-1",
        "metric": "key", "time": "2026-05-28T20:26:40.000Z", "value": 2.5,
        "datadog": {"name": "a.b", "type": "gauge", "submit": "gauge", "value": 5.0, "unit": "byte",
                    "tags": ["k:v", "redis_db:0", "team:a"]},
        "google": {"type": "workload.googleapis.com/a.b", "kind": "GAUGE", "value_type": "INT64", "value": 5,
                   "unit": "1", "labels": {"db": "0", "host": "h", "state": "on"}},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("submit", "values", "shown"),
    [
        ("gauge", [(10, 0), (4, 15)], [10, 4]),
        ("rate", [(10, 0), (40, 15), (40, 30)], [None, 2.0, 0.0]),
        ("monotonic_count", [(10, 0), (40, 15)], [None, 30]),
        ("monotonic_count", [(10, 0), (4, 15), (7, 30)], [None, None, 3]),
        ("rate", [(10, 0), (40, 0)], [None, None]),
    ],
)
def test_what_datadog_would_get_of_a_counter(
    submit: Submission, values: list[tuple[int, float]], shown: list[float | None]
) -> None:
    console = ConsoleMetrics()
    found = [lines(console, report(point(v, at, submit, "counter")))[0]["datadog"]["value"] for v, at in values]
    assert found == shown


def test_series_are_told_apart() -> None:
    console = ConsoleMetrics()
    for after, first, second in ((0, 10, 20), (10, 15, 40)):
        a, b = (point(v, after, "rate", "counter", (("db", str(i)),)) for i, v in enumerate((first, second)))
        found = [one["datadog"]["value"] for one in lines(console, report(a, b))]
    assert found == [0.5, 2.0]


def test_a_histogram_grows() -> None:
    console = ConsoleMetrics()
    shown = []
    for after, counts, total in ((0, (1, 2, 0), 5.0), (10, (4, 2, 1), 9.5), (20, (1, 0, 0), 1.0)):
        histogram = Histogram((0.1, 1.0), counts, sum(counts), total)
        [one] = lines(console, report(point(histogram, after, kind="histogram")))
        shown.append(one["datadog"]["value"])
        assert one["google"]["value"]["count"] == sum(counts)
    assert shown == [None, {"count": 4, "sum": 4.5, "bounds": [0.1, 1.0], "counts": [3, 0, 1]}, None]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_is_null(value: float) -> None:
    [shown] = lines(ConsoleMetrics(), report(point(value)))
    assert (shown["value"], shown["datadog"]["value"], shown["google"]["value"]) == (None, None, None)


def test_service_checks_and_events() -> None:
    check = ServiceCheck("redis.can_connect", Status.CRITICAL, T0, (("redis_host", "h"),), "Connection refused")
    event = Event("restarted", "it is new", T0, alert="warning")
    shown = lines(ConsoleMetrics(), report(service_checks=(check,), events=(event,)))
    assert [{k: v for k, v in one.items() if k not in ("node", "namespace", "pod", "time")} for one in shown] == [
        {"check": "redis", "service_check": "redis.can_connect", "status": "critical", "message": "Connection refused",
         "tags": ["redis_host:h", "team:a"]},
        {"check": "redis", "event": "restarted", "text": "it is new", "alert": "warning", "tags": ["team:a"]},
    ]  # fmt: skip


def test_nothing_is_written_of_nothing() -> None:
    assert ConsoleMetrics().encode([report()]) == []
