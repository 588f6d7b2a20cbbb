"""Every answer of Datadog's intakes, and what it means for what was sent: `ROWS` for logs, `METRIC_ROWS` for metrics,
from top to bottom.

The Agent drops the payload at 400, 401, 403 and 413 (facts of its `pkg/logs/client/http/destination.go`). Here nothing
is dropped for what a person can mend: a key that is missing or wrong holds everything, and as it is read again for
every attempt, the right one ends the wait. The intake never tells which entry of a request it did not like; the halves
do.

For metrics the Agent drops the payload at 400, 403 and 413 and tries again at everything else (its
`comp/forwarder/defaultforwarder/transaction/transaction.go`). Here, what a person can mend holds them as it holds
entries, for as long as Datadog still takes them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from outrider.exporters.answer import Answer, Row, Verdict, retry_after, verdict_of

ROWS = (
    Row("200, 202", Verdict.ACCEPTED, "all are taken"),
    Row("400", Verdict.SPLIT, "one entry or more that the intake cannot read: the halves will tell"),
    Row("413", Verdict.SPLIT, "over 5 MB"),
    Row("401, 403, no API key", Verdict.HOLD, "the key is missing or wrong; it is read again for every attempt"),
    Row("501", Verdict.HOLD, "whoever answers is not the intake"),
    Row(
        "408, 429, 5xx, no answer",
        Verdict.RETRY,
        "it passes; Retry-After and X-RateLimit-Reset (seconds) are honoured",
    ),
    Row("4xx, 3xx, other", Verdict.HOLD, "a wrong endpoint or a proxy: a person has to act; nothing is skipped"),
)

METRIC_ROWS = (
    Row("200, 202", Verdict.ACCEPTED, "taken; what `errors` names is not"),
    Row("400", Verdict.SPLIT, "the API cannot read it, nor will it another time: given up"),
    Row("413", Verdict.SPLIT, "over 512,000 bytes, or 5,242,880 unpacked: given up"),
    Row("401, 403, no API key", Verdict.HOLD, "the key is missing or wrong; it is read again for every attempt"),
    Row("501", Verdict.HOLD, "whoever answers is not the API"),
    Row(
        "408, 429, 5xx, no answer",
        Verdict.RETRY,
        "it passes; Retry-After and X-RateLimit-Reset (seconds) are honoured",
    ),
    Row("4xx, 3xx, other", Verdict.HOLD, "a wrong endpoint or a proxy: a person has to act"),
)


def read(status: int, headers: Mapping[str, str], body: bytes, now: float, rows: Sequence[Row] = ROWS) -> Answer:
    """The answer that an HTTP response is; `now` is seconds since the epoch (for a Retry-After that is a date). One
    that accepts has words if the body names errors all the same.
    """
    verdict = verdict_of(rows, status)
    if verdict is Verdict.ACCEPTED:
        return Answer(verdict, _errors(body))
    wait = _pause(headers, now) if verdict is Verdict.RETRY else None
    return Answer(verdict, f"HTTP {status}: {_words(body)}", wait)


def _pause(headers: Mapping[str, str], now: float) -> float | None:
    """The longer of what both headers ask for."""
    reset = headers.get("X-RateLimit-Reset", "").strip()
    asked = [retry_after(headers, now), float(reset) if reset.isascii() and reset.isdigit() else None]
    return max((seconds for seconds in asked if seconds is not None), default=None)


def _words(body: bytes) -> str:
    """What the body says: its errors, or any text."""
    return _errors(body) or body[:300].decode("utf-8", "replace")


def _errors(body: bytes) -> str:
    """`{"errors":[{"status":…,"title":…,"detail":…}]}` or `{"errors":["…"]}`; "" if it has none."""
    try:
        return "; ".join(_one(error) for error in orjson.loads(body)["errors"])[:300]
    except (orjson.JSONDecodeError, KeyError, TypeError, RecursionError):
        return ""


def _one(error: Any) -> str:
    return str(error.get("detail") or error.get("title") or error) if isinstance(error, dict) else str(error)
