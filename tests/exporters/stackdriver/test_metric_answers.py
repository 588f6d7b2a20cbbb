"""What `timeSeries.create` answers, in every form that is known of it, and what it means for ten series."""

from typing import Any

import orjson
import pytest

from outrider.exporters.answer import Verdict
from outrider.exporters.stackdriver import metric_answers
from outrider.exporters.stackdriver.metric_answers import reason_of

NOT_WRITTEN = "One or more TimeSeries could not be written: "
OLDER = (
    "Points must be written in order. One or more of the points specified had an older {} than the most recent point."
)
ORDER, START = OLDER.format("end time"), OLDER.format("start time")
OFTEN = "One or more points were written more frequently than the maximum sampling period configured for the metric."
TWICE = "Duplicate TimeSeries encountered. Only one point can be written per TimeSeries per request."
CHARACTERS = "Label key contains invalid characters."
SUMMARY = "type.googleapis.com/google.monitoring.v3.CreateTimeSeriesSummary"


def error(message: str, *errors: tuple[int, int], success: int = 0, status: str = "INVALID_ARGUMENT") -> bytes:
    """The body of an error; `errors` are codes and numbers of points of its summary, if it has one."""
    said: dict[str, Any] = {"code": 400, "message": message, "status": status}
    if errors:
        summary = {
            "@type": SUMMARY,
            "totalPointCount": success + sum(n for _, n in errors),
            "errors": [{"status": {"code": code}, "pointCount": n} for code, n in errors],
        }
        said["details"] = [summary | ({"successPointCount": success} if success else {})]
    return orjson.dumps({"error": said})


def read(status: int, body: bytes, headers: dict[str, str] | None = None, count: int = 10) -> Any:
    return metric_answers.read(status, headers or {}, body, 0.0, count)


# the text of the error, and the reason for each series that it names (opentelemetry-operations-go #98 and #1029,
# opentelemetry-operations-java #139 and #247, telegraf #5963, stackdriver-prometheus-sidecar #251)
TEXTS: dict[str, tuple[str, dict[int, str]]] = {
    "a reason and a range": (f"{NOT_WRITTEN}{ORDER}: timeSeries[0-2]", {0: ORDER, 1: ORDER, 2: ORDER}),
    "a reason and a list": (f"{NOT_WRITTEN}{OFTEN}: timeSeries[0,2-3,9]", dict.fromkeys((0, 2, 3, 9), OFTEN)),
    "several reasons": (
        f"{NOT_WRITTEN}{ORDER}: timeSeries[0]; {OFTEN}: timeSeries[4-5]",
        {0: ORDER, 4: OFTEN, 5: OFTEN},
    ),
    "the resource before, the metric behind": (
        f"{NOT_WRITTEN}{START}: global{{}} timeSeries[3]: workload.googleapis.com/a{{http_method:GET}}; "
        f"{START}: global{{}} timeSeries[6]: workload.googleapis.com/b{{}}",
        {3: f"{START}: global{{}}", 6: f"{START}: global{{}}"},
    ),
    "the reason at the end": (
        f"{NOT_WRITTEN}timeSeries[0-2]: write for resource=generic_node{{location:global,node_id:,namespace:}} "
        f"failed with: {START}",
        {0: START, 1: START, 2: START},
    ),
    "the reason at the end, and the metric": (
        f'{NOT_WRITTEN}timeSeries[0-1] (metric.type="custom.googleapis.com/x", metric.labels={{"a": "b"}}): write for '
        f"resource=k8s_container{{location:eu}} failed with: {ORDER}; timeSeries[7]: write for resource=k8s_pod{{}} "
        f"failed with: {OFTEN}",
        {0: ORDER, 1: ORDER, 7: OFTEN},
    ),
    "a field": (
        f'{NOT_WRITTEN}Field timeSeries[0].metric.labels had an invalid value of "http.scheme": {CHARACTERS}: '
        "timeSeries[0]; Field timeSeries[2].metric.labels had an invalid value of "
        f'"http.host": {CHARACTERS}: timeSeries[2]',
        {
            0: f'timeSeries[0].metric.labels had an invalid value of "http.scheme": {CHARACTERS}: timeSeries[0]',
            2: f'timeSeries[2].metric.labels had an invalid value of "http.host": {CHARACTERS}: timeSeries[2]',
        },
    ),
    "a series that was not sent": (f"{NOT_WRITTEN}{ORDER}: timeSeries[3,10-300]", {3: ORDER}),
}


@pytest.mark.parametrize(("text", "refused"), TEXTS.values(), ids=list(TEXTS))
def test_the_text_names_the_series(text: str, refused: dict[int, str]) -> None:
    for body in (error(text), error(text, (3, len(refused)), success=10 - len(refused))):
        answer = read(400, body)
        assert answer.verdict is Verdict.PARTIAL
        assert answer.rejected == refused
        assert not answer.again


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        (error(NOT_WRITTEN + "The new labels would cause the metric x to have over 100 labels.", (3, 4), success=6), 4),
        (error(f"{NOT_WRITTEN}{ORDER}: timeSeries[1]", (9, 3), success=7), 3),
        (error("odd", (3, 10)), 10),
        (error("odd", (3, 500)), 10),
        (error(f"{NOT_WRITTEN}Internal error encountered.: timeSeries[0]", (13, 1), success=9), 1),
    ],
)
def test_the_summary_counts_what_the_text_does_not_name(body: bytes, refused: int) -> None:
    for status in (400, 500, 503):
        answer = read(status, body)
        assert answer.verdict is Verdict.PARTIAL
        assert len(answer.rejected) == refused
        assert not answer.again


@pytest.mark.parametrize("codes", [(14,), (4,), (13,), (8,), (4, 14)])
def test_nothing_written_for_reasons_that_pass_is_tried_again(codes: tuple[int, ...]) -> None:
    body = error("The service is currently unavailable.", *((code, 5) for code in codes))
    answer = read(503, body, {"Retry-After": "7"})
    assert (answer.verdict, answer.retry_after) == (Verdict.RETRY, 7)
    assert read(503, error("x", *((code, 5) for code in codes), (3, 1))).verdict is Verdict.PARTIAL
    assert read(503, error("x", *((code, 5) for code in codes), success=1)).verdict is Verdict.PARTIAL


def test_a_request_that_cannot_be_read_is_blamed_on_the_series_that_the_answer_names() -> None:
    why = 'Field timeSeries[3].points[0].interval.start_time had an invalid value of "x": The start time must be before'
    answer = read(400, error(why))
    assert list(answer.rejected) == [3]
    assert answer.again == frozenset(range(10)) - {3}
    for body in (error(f"{TWICE}"), b"<html>413", b"", b"[]", b'{"error": 7}', b'{"error": {"details": 3}}', b"\xff"):
        assert list(read(400, body).rejected) == list(range(10))
        assert read(400, body).again == frozenset()


STATUSES = {
    200: Verdict.ACCEPTED,
    400: Verdict.PARTIAL,
    401: Verdict.REFRESH,
    403: Verdict.HOLD,
    404: Verdict.HOLD,
    408: Verdict.RETRY,
    413: Verdict.PARTIAL,
    429: Verdict.RETRY,
    499: Verdict.RETRY,
    500: Verdict.RETRY,
    501: Verdict.HOLD,
    502: Verdict.RETRY,
    503: Verdict.RETRY,
    504: Verdict.RETRY,
    302: Verdict.HOLD,
    418: Verdict.HOLD,
}


@pytest.mark.parametrize(("status", "verdict"), STATUSES.items())
def test_statuses(status: int, verdict: Verdict) -> None:
    assert read(status, error("words")).verdict is verdict
    assert read(status, b"\x00no json").verdict is verdict


@pytest.mark.parametrize("details", [[7], [{"@type": 7}], [{"@type": SUMMARY, "errors": 7}], [{"@type": SUMMARY}], {}])
def test_details_of_another_shape_are_as_good_as_none(details: Any) -> None:
    body = orjson.dumps({"error": {"message": "words", "details": details}})
    assert read(503, body).verdict is Verdict.RETRY
    assert len(read(400, body).rejected) == 10


REASON_WORDS = {
    START: "start",
    ORDER: "order",
    OFTEN: "frequency",
    TWICE: "duplicate",
    CHARACTERS: "labels",
    "Unrecognized region or location.": "resource",
    "The metric kind must be CUMULATIVE": "type",
    "Internal error encountered.": "other",
}


@pytest.mark.parametrize(("words", "reason"), REASON_WORDS.items())
def test_refusals_are_counted_under_a_word(words: str, reason: str) -> None:
    assert reason_of(words) == reason
