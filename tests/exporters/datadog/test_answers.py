"""Every answer of the intake has its own treatment, and the table that says so is the one that is used."""

import orjson
import pytest

from outrider.exporters.answer import Verdict, verdict_of
from outrider.exporters.datadog.answers import ROWS, read

NOW = 1_780_000_000.0


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.ACCEPTED),
        (202, Verdict.ACCEPTED),
        (400, Verdict.SPLIT),
        (413, Verdict.SPLIT),
        (401, Verdict.HOLD),
        (403, Verdict.HOLD),
        (404, Verdict.HOLD),
        (302, Verdict.HOLD),
        (204, Verdict.HOLD),
        (501, Verdict.HOLD),
        (408, Verdict.RETRY),
        (429, Verdict.RETRY),
        (500, Verdict.RETRY),
        (502, Verdict.RETRY),
        (503, Verdict.RETRY),
        (504, Verdict.RETRY),
        (599, Verdict.RETRY),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"errors":5}', b"\xff"])
def test_the_status_decides(status: int, verdict: Verdict, body: bytes) -> None:
    assert read(status, {}, body, NOW).verdict is verdict


def test_every_row_has_a_meaning_and_every_answer_a_row() -> None:
    assert all(row.answers and row.meaning for row in ROWS)
    assert {verdict_of(ROWS, status) for status in range(300, 400)} == {Verdict.HOLD}
    assert verdict_of(ROWS, "no answer") is Verdict.RETRY
    assert verdict_of(ROWS, "no API key") is Verdict.HOLD
    assert Verdict.REFRESH not in {row.verdict for row in ROWS}, "there is nothing to refresh: the key is always read"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"errors": [{"status": "400", "title": "Bad Request", "detail": "Invalid JSON"}]}, "Invalid JSON"),
        ({"errors": [{"status": "403", "title": "Forbidden"}]}, "Forbidden"),
        ({"errors": ["Forbidden", "again"]}, "Forbidden; again"),
        ({"error": "other"}, '{"error":"other"}'),
    ],
)
def test_the_words_of_the_intake(body: object, words: str) -> None:
    assert read(400, {}, orjson.dumps(body), NOW).words == f"HTTP 400: {words}"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"X-RateLimit-Reset": "30"}, 30.0),
        ({"Retry-After": "7", "X-RateLimit-Reset": "30"}, 30.0),
        ({"Retry-After": "40", "X-RateLimit-Reset": "3"}, 40.0),
        ({"X-RateLimit-Reset": "soon"}, None),
        ({"X-RateLimit-Reset": "²"}, None),
        ({"Retry-After": "Thu, 28 May 2026 20:27:00 GMT"}, 20.0),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert read(429, headers, b"", NOW).retry_after == seconds
    assert read(403, headers, b"", NOW).retry_after is None
