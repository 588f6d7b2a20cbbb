"""Every answer of `entries.write`, and what it means for the entries.

    200                              ACCEPTED any status with per-entry errors PARTIAL   (partialSuccess: the others
    are stored; logging.proto, WriteLogEntriesPartialErrors) 400 without them, 413            SPLIT     (over 10 MB,
    or one entry that makes the request unreadable: the halves will tell) 401                              REFRESH
    403, 404, other 4xx, 3xx, 501    HOLD      (permission, project, API not enabled: a person has to act; nothing is
    skipped) 408, 429, 499, 5xx, no answer    RETRY     (Google's own clients give up on 429; it is the answer to a
    full quota)

An error of one entry is final if it is the entry's fault (google.rpc.Code INVALID_ARGUMENT, PERMISSION_DENIED,
NOT_FOUND, …) and passing if it is the server's (DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, INTERNAL,
UNAVAILABLE, …).
"""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from outrider.exporters.answer import Answer, Verdict

_PARTIAL_ERRORS = "WriteLogEntriesPartialErrors"
_PASSING_CODES = frozenset({1, 2, 4, 8, 10, 13, 14})
_RETRIED = frozenset({408, 429, 499, 500, 502, 503, 504})
_BY_STATUS = {400: Verdict.SPLIT, 413: Verdict.SPLIT, 401: Verdict.REFRESH}


def read(status: int, headers: Mapping[str, str], body: bytes, now: float) -> Answer:
    """The answer that an HTTP response is; `now` is seconds since the epoch (for a Retry-After that is a date)."""
    if status == 200:
        return Answer(Verdict.ACCEPTED)
    error = _error(body)
    words = f"HTTP {status}: {error.get('message') or body[:300].decode('utf-8', 'replace')}"
    entry_errors = _entry_errors(error)
    if entry_errors:
        return _partial(entry_errors, words)
    if status in _RETRIED or (status >= 500 and status != 501):
        return Answer(Verdict.RETRY, words, retry_after(headers.get("Retry-After"), now))
    return Answer(_BY_STATUS.get(status, Verdict.HOLD), words)


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110, 10.2.3: seconds or a date); None if it does not say."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except ValueError:
        return None


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
