"""Every answer of `entries.write`, and what it means for the entries: `ROWS`, from top to bottom.

An error of one entry is final if it is the entry's fault (google.rpc.Code INVALID_ARGUMENT, PERMISSION_DENIED,
NOT_FOUND, …) and passing if it is the server's (DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, INTERNAL,
UNAVAILABLE, …).
"""

from collections.abc import Mapping
from typing import Any

import orjson

from outrider.exporters.answer import Answer, Row, Verdict, retry_after, verdict_of

ROWS = (
    Row("200", Verdict.ACCEPTED, "all are stored"),
    Row(
        "errors of single entries",
        Verdict.PARTIAL,
        "under any other status: partialSuccess, the others are stored (logging.proto, WriteLogEntriesPartialErrors)",
    ),
    Row(
        "400, 413",
        Verdict.SPLIT,
        "over 10 MB, or one entry that makes the request unreadable: the halves will tell",
    ),
    Row("401", Verdict.REFRESH, "the token is not, or no longer, good"),
    Row("501", Verdict.HOLD, "whoever answers is not the Logging API"),
    Row(
        "408, 429, 499, 5xx, no answer, no token for now",
        Verdict.RETRY,
        "it passes (Google's own clients give up on 429; it is the answer to a full quota); Retry-After is honoured",
    ),
    Row(
        "403, 404, 4xx, 3xx, no credentials, other",
        Verdict.HOLD,
        "permission, project, API not enabled: a person has to act; nothing is skipped",
    ),
)

_PARTIAL_ERRORS = "WriteLogEntriesPartialErrors"
_PASSING_CODES = frozenset({1, 2, 4, 8, 10, 13, 14})


def read(status: int, headers: Mapping[str, str], body: bytes, now: float) -> Answer:
    """The answer that an HTTP response is; `now` is seconds since the epoch (for a Retry-After that is a date)."""
    if verdict_of(ROWS, status) is Verdict.ACCEPTED:
        return Answer(Verdict.ACCEPTED)
    error = _error(body)
    words = f"HTTP {status}: {error.get('message') or body[:300].decode('utf-8', 'replace')}"
    entry_errors = _entry_errors(error)
    if entry_errors:
        return _partial(entry_errors, words)
    verdict = verdict_of(ROWS, status)
    return Answer(verdict, words, retry_after(headers, now) if verdict is Verdict.RETRY else None)


def _error(body: bytes) -> dict[str, Any]:
    try:
        error = orjson.loads(body)["error"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return {}
    return error if isinstance(error, dict) else {}


def _entry_errors(error: dict[str, Any]) -> dict[int, tuple[int, str]]:
    """Index -> (google.rpc.Code, message). Details of any other shape are as good as none."""
    details = error.get("details")
    try:
        return {
            int(index): (int(status.get("code", 2)), str(status.get("message", "")))
            for detail in (details if isinstance(details, list) else ())
            if str(detail.get("@type", "")).endswith(_PARTIAL_ERRORS)
            for index, status in detail.get("logEntryErrors", {}).items()
        }
    except (AttributeError, TypeError, ValueError):
        return {}


def _partial(errors: dict[int, tuple[int, str]], words: str) -> Answer:
    return Answer(
        Verdict.PARTIAL,
        words,
        rejected={i: f"{message} (code {code})" for i, (code, message) in errors.items() if code not in _PASSING_CODES},
        again=frozenset(i for i, (code, _) in errors.items() if code in _PASSING_CODES),
    )
