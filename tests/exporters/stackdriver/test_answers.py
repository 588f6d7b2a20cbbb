"""Every answer of entries.write has its own treatment."""

import orjson
import pytest

from outrider.exporters.answer import Verdict, retry_after, verdict_of
from outrider.exporters.stackdriver.answers import ROWS, read

NOW = 1_780_000_000.0


def error(code: int, message: str = "m", entries: dict[str, dict[str, object]] | None = None) -> bytes:
    details = [
        {
            "@type": "type.googleapis.com/google.logging.v2.WriteLogEntriesPartialErrors",
            "logEntryErrors": entries,
        }
    ]
    return orjson.dumps({"error": {"code": code, "message": message, "details": details if entries else []}})


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.ACCEPTED),
        (400, Verdict.SPLIT),
        (413, Verdict.SPLIT),
        (401, Verdict.REFRESH),
        (403, Verdict.HOLD),
        (404, Verdict.HOLD),
        (302, Verdict.HOLD),
        (501, Verdict.HOLD),
        (408, Verdict.RETRY),
        (429, Verdict.RETRY),
        (499, Verdict.RETRY),
        (500, Verdict.RETRY),
        (502, Verdict.RETRY),
        (503, Verdict.RETRY),
        (504, Verdict.RETRY),
        (520, Verdict.RETRY),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error":"x"}', error(1, "the words")])
def test_the_status_decides(status: int, verdict: Verdict, body: bytes) -> None:
    answer = read(status, {}, body, NOW)
    assert answer.verdict is verdict
    if b"the words" in body and status != 200:
        assert "the words" in answer.words


def test_every_row_has_a_meaning_and_every_verdict_a_row() -> None:
    assert all(row.answers and row.meaning for row in ROWS)
    assert {row.verdict for row in ROWS} == set(Verdict)
    assert verdict_of(ROWS, "no answer") is verdict_of(ROWS, "no token for now") is Verdict.RETRY
    assert verdict_of(ROWS, "no credentials") is Verdict.HOLD


@pytest.mark.parametrize("status", [400, 403, 500])
def test_errors_of_single_entries_are_told_apart(status: int) -> None:
    body = error(
        status,
        "some",
        {
            "0": {"code": 7, "message": "no"},
            "2": {"code": 3, "message": "bad"},
            "5": {"code": 14, "message": "later"},
            "6": {"code": 8},
        },
    )
    answer = read(status, {}, body, NOW)
    assert answer.verdict is Verdict.PARTIAL
    assert answer.rejected == {0: "no (code 7)", 2: "bad (code 3)"}
    assert answer.again == {5, 6}


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        (" 30 ", 30.0),
        ("Thu, 28 May 2026 20:27:00 GMT", 1_780_000_020.0 - NOW),
        ("Thu, 28 May 2020 20:27:00 GMT", 0.0),
        ("soon", None),
        ("-3", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after({} if value is None else {"Retry-After": value}, NOW) == seconds


@pytest.mark.parametrize(
    "details",
    [
        [{"@type": "x/WriteLogEntriesPartialErrors", "logEntryErrors": {"a": 1}}],
        [{"@type": "x/WriteLogEntriesPartialErrors", "logEntryErrors": []}],
        [{"@type": 5}],
        [7],
        {"no": "list"},
    ],
)
def test_details_of_another_shape_are_not_believed(details: object) -> None:
    body = orjson.dumps({"error": {"message": "m", "details": details}})
    assert read(400, {}, body, NOW).verdict is Verdict.SPLIT
