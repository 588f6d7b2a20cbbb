"""The requests of the API as proto3 JSON: what a LogEntry may hold, and what `entries.write` and `entries.list` take.

Tables follow google/logging/v2/{log_entry,logging}.proto and google/logging/type/*.proto. The REST side parses bodies
with them; the gRPC side builds the same `WriteRequest` from protobuf messages, so that everything behind it is
shared.
"""

from dataclasses import dataclass, field
from typing import Any

from outrider.intake import protojson as pj
from outrider.intake.errors import unparsable
from outrider.intake.wiresize import TooDeepError, check_depth

SEVERITIES: dict[int, str] = {
    0: "DEFAULT",
    100: "DEBUG",
    200: "INFO",
    300: "NOTICE",
    400: "WARNING",
    500: "ERROR",
    600: "CRITICAL",
    700: "ALERT",
    800: "EMERGENCY",
}
PAYLOADS = ("textPayload", "jsonPayload", "protoPayload")

_HTTP_REQUEST: dict[str, pj.Parser] = {
    **dict.fromkeys(("requestMethod", "requestUrl", "userAgent", "remoteIp", "serverIp", "referer"), pj.string),
    **dict.fromkeys(("requestSize", "responseSize", "cacheFillBytes"), pj.int64),
    **dict.fromkeys(("cacheLookup", "cacheHit", "cacheValidatedWithOriginServer"), pj.boolean),
    "status": pj.int32,
    "latency": pj.duration,
    "protocol": pj.string,
}
_RESOURCE = pj.message("google.api.MonitoredResource", {"type": pj.string, "labels": pj.string_map})
_ENTRY_FIELDS: dict[str, pj.Parser] = {
    **dict.fromkeys(("logName", "insertId", "trace", "spanId"), pj.string),
    "resource": _RESOURCE,
    "textPayload": pj.text_payload,
    "jsonPayload": pj.struct,
    "protoPayload": pj.any_message,
    "timestamp": pj.timestamp,
    "receiveTimestamp": pj.timestamp,
    "severity": pj.enum("google.logging.type.LogSeverity", SEVERITIES),
    "httpRequest": pj.message("google.logging.type.HttpRequest", _HTTP_REQUEST),
    "labels": pj.string_map,
    "metadata": pj.message(
        "google.api.MonitoredResourceMetadata", {"systemLabels": pj.struct, "userLabels": pj.string_map}
    ),
    "operation": pj.message(
        "google.logging.v2.LogEntryOperation",
        {"id": pj.string, "producer": pj.string, "first": pj.boolean, "last": pj.boolean},
    ),
    "traceSampled": pj.boolean,
    "sourceLocation": pj.message(
        "google.logging.v2.LogEntrySourceLocation", {"file": pj.string, "line": pj.int64, "function": pj.string}
    ),
    "split": pj.message("google.logging.v2.LogSplit", {"uid": pj.string, "index": pj.int32, "totalSplits": pj.int32}),
}
ENTRY_FIELDS = frozenset(_ENTRY_FIELDS)
_ENTRY = pj.message("google.logging.v2.LogEntry", _ENTRY_FIELDS)


@dataclass(slots=True)
class Entry:
    """One entry of a write request.

    `fields` is canonical JSON without the timestamps, `timestamp` the entry's time in nanoseconds (None: none given),
    `error` a fault already found (gRPC only: a fault of this kind in JSON spoils the whole request).
    """

    fields: dict[str, Any]
    timestamp: int | None = None
    error: str | None = None


@dataclass(slots=True)
class WriteRequest:
    """`entries.write`: entries and the defaults for those which lack a log name, a resource or a label."""

    entries: list[Entry]
    log_name: str = ""
    resource: dict[str, Any] | None = None
    labels: dict[str, str] = field(default_factory=dict)
    partial_success: bool = False
    dry_run: bool = False


@dataclass(slots=True)
class ListRequest:
    """`entries.list`."""

    resource_names: list[str]
    filter: str = ""
    order_by: str = ""
    page_size: int = 0
    page_token: str = ""


def parse_entry(value: Any) -> Entry:
    """One LogEntry of proto3 JSON; MalformedError if it is none."""
    fields = _ENTRY(value) or {}
    fields.pop("receiveTimestamp", None)
    entry = Entry(fields, fields.pop("timestamp", None))
    payloads = [name for name in fields if name in PAYLOADS]
    if len(payloads) > 1:
        raise pj.MalformedError(f"(oneof), oneof field 'payload' is already set. Cannot set '{payloads[-1]}'")
    if payloads == ["jsonPayload"]:
        try:
            check_depth(fields["jsonPayload"])
        except TooDeepError as error:
            what = f"(Message too deep. Max recursion depth reached for key '{error}')"
            raise pj.MalformedError(what, path="json_payload") from None
    return entry


_WRITE = pj.message(
    "google.logging.v2.WriteLogEntriesRequest",
    {
        "logName": pj.string,
        "resource": _RESOURCE,
        "labels": pj.string_map,
        "entries": lambda value: value,
        "partialSuccess": pj.boolean,
        "dryRun": pj.boolean,
    },
)


def parse_write(body: Any) -> WriteRequest:
    """A write request from its JSON body; ApiError with every malformed entry named if it is none."""
    violations: list[tuple[str, str]] = []
    entries: list[Entry] = []
    try:
        fields = _WRITE(body) or {}
        raw = fields.get("entries", [])
        if type(raw) is not list:
            raise pj.MalformedError(f"(type.googleapis.com/google.logging.v2.LogEntry), {pj.show(raw)}", path="entries")
    except pj.MalformedError as error:
        raise unparsable([error.violation()]) from None
    for index, value in enumerate(raw):
        try:
            entries.append(parse_entry(value))
        except pj.MalformedError as error:
            violations.append(error.under(f"entries[{index}]").violation())
    if violations:
        raise unparsable(violations)
    return WriteRequest(
        entries,
        fields.get("logName", ""),
        fields.get("resource"),
        fields.get("labels", {}),
        fields.get("partialSuccess", False),
        fields.get("dryRun", False),
    )


_NAMES = pj.repeated(pj.string, "TYPE_STRING")
_LIST = pj.message(
    "google.logging.v2.ListLogEntriesRequest",
    {
        "projectIds": _NAMES,
        "resourceNames": _NAMES,
        "filter": pj.string,
        "orderBy": pj.string,
        "pageSize": pj.int32,
        "pageToken": pj.string,
    },
)


def parse_list(body: Any) -> ListRequest:
    """A list request from its JSON body; ApiError if it is none."""
    try:
        fields = _LIST(body) or {}
    except pj.MalformedError as error:
        raise unparsable([error.violation()]) from None
    names = [name or "" for name in fields.get("resourceNames", [])]
    names += [f"projects/{project}" for project in fields.get("projectIds", [])]
    return ListRequest(
        names,
        fields.get("filter", ""),
        fields.get("orderBy", ""),
        fields.get("pageSize", 0),
        fields.get("pageToken", ""),
    )
