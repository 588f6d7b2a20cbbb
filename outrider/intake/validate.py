"""What makes an entry acceptable, whichever transport brought it: names, resource, labels, time, size.

`prepare` merges the request's defaults into one entry, checks it, completes it as the API does (insertId, timestamp,
project_id) and returns what the store keeps. Each rule stands with its source; a broken rule is a `RejectedError`
with the API's words where those are public, and it concerns that entry alone (see `writing`).
"""

import itertools
import re
import secrets
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson

from outrider.intake import resources
from outrider.intake.requests import Entry, WriteRequest
from outrider.intake.timestamps import SECOND, format_timestamp
from outrider.intake.wiresize import MOST_PER_JSON_BYTE, entry_size, human

MAX_ENTRY = 256 * 1024  # quotas page: "Size of a LogEntry: 256 KiB"
MAX_LABELS = 64  # quotas page: "Number of labels per LogEntry"
MAX_LABEL_KEY = 512  # quotas page: longer ones are truncated, log_entry.proto: "indicated by an ellipsis"
MAX_LABEL_VALUE = 64 * 1024
MAX_LOG_ID = 512  # log_entry.proto: "must be less than 512 characters long"
FUTURE = 24 * 3600 * SECOND  # log_entry.proto: "not more than 24 hours in the future"
_ELLIPSIS = "..."

_LOG_NAME = re.compile(r"((?:projects|organizations|billingAccounts|folders)/[^/\s]+)/logs/(.+)", re.DOTALL)
_ILLEGAL = re.compile(rb"[^A-Za-z0-9/_.\-]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_insert_ids = itertools.count()
_insert_prefix = secrets.token_hex(4)


class RejectedError(Exception):
    """An entry the API would not write; the text is the API's message."""


@dataclass(slots=True)
class Ready:
    """An entry that passed: canonical fields, the same as JSON, nanoseconds, and the project (or sibling) it is of."""

    fields: dict[str, Any]
    raw: bytes
    timestamp: int
    parent: str


def prepare(entry: Entry, request: WriteRequest, now: int) -> Ready:
    """Merge, check and complete one entry received at `now` (nanoseconds); RejectedError if a rule is broken."""
    if entry.error:
        raise RejectedError(entry.error)
    fields = entry.fields  # without what may have come with the request: it stands in one place, wherever it was given
    log_name = fields.pop("logName", "") or request.log_name
    parent, fault = _split_log_name(log_name)
    if fault:
        raise RejectedError(fault)
    resource = fields.pop("resource", None) or request.resource
    fault = resources.fault(resource)
    if fault or resource is None:
        raise RejectedError(fault or "")
    labels = {**request.labels, **fields.pop("labels", {})}
    timestamp = now if entry.timestamp is None else entry.timestamp
    if timestamp > now + FUTURE:
        raise RejectedError("Timestamp is over a day in the future")
    ready = {
        **fields,
        "logName": log_name,
        "resource": resources.completed(resource, parent),
        "timestamp": format_timestamp(timestamp),
    }
    if labels:
        ready["labels"] = _checked_labels(labels)
    if "insertId" not in fields:
        ready["insertId"] = _new_insert_id()
    raw = orjson.dumps(ready)
    if len(raw) * MOST_PER_JSON_BYTE > MAX_ENTRY:
        size = entry_size(ready)
        if size > MAX_ENTRY:
            raise RejectedError(f"Log entry with size {human(size)} exceeds maximum size of {human(MAX_ENTRY)}")
    return Ready(ready, raw, timestamp, parent)


@lru_cache(maxsize=4096)
def _split_log_name(name: str) -> tuple[str, str | None]:
    """(parent, why it is refused or None) of `projects/ID/logs/LOG_ID` and its siblings."""
    if not name:
        return "", "Log name must be specified for each log entry"
    match = _LOG_NAME.fullmatch(name)
    if match is None:
        return "", f"Log name must have the form projects/[PROJECT_ID]/logs/[LOG_ID]: {name}"
    parent, log_id = match.groups()
    if _BAD_ESCAPE.search(log_id) or "/" in log_id:
        return parent, f"LOG_ID must be URL-encoded within the log name: {name}"
    plain = unquote_to_bytes(log_id)
    if len(plain) >= MAX_LOG_ID:
        return parent, f"Log name is too long: LOG_ID must be less than {MAX_LOG_ID} characters"
    illegal = _ILLEGAL.search(plain)
    if illegal:
        character = plain[illegal.start() :].decode(errors="replace")[0]
        return parent, f"Log name contains illegal character {character}"
    return parent, None


def _checked_labels(labels: dict[str, str]) -> dict[str, str]:
    if len(labels) > MAX_LABELS:
        raise RejectedError(f"Log entry has {len(labels)} labels, which exceeds the maximum of {MAX_LABELS}")
    if max(map(len, labels)) * 4 <= MAX_LABEL_KEY and max(map(len, labels.values())) * 4 <= MAX_LABEL_VALUE:
        return labels  # no character takes more than four bytes
    return {_truncated(key, MAX_LABEL_KEY): _truncated(value, MAX_LABEL_VALUE) for key, value in labels.items()}


def _truncated(text: str, limit: int) -> str:
    data = text.encode()
    if len(data) <= limit:
        return text
    return data[: limit - len(_ELLIPSIS)].decode(errors="ignore") + _ELLIPSIS


def _new_insert_id() -> str:
    """Ids of the server sort in the order of the request (logging.proto), so that equal timestamps stay in order."""
    return f"{_insert_prefix}{next(_insert_ids):012x}"
