"""Log records as they came over OTLP, as lines of JSON: the form of structured logs that every exporter reads already.

    body "it failed", severity 17, attributes {"order": 7}, resource {service.name: cart}
    {"severity":"ERROR","message":"it failed","order":7,"service":"cart"}

So severity, trace and everything else reach both vendors as they do from a file, and rules for redaction and sampling
look at the same text. The trace is said twice, as Google's agents read it and as Datadog's pipelines do.

A body that is an object gives its members to the line; attributes stand beside them, and where names meet the body
wins. Severities are those of Google's own exporter (opentelemetry-operations-go, `exporter/collector/logs.go`).

What is said of a program once is in each of its lines, so a small request may make very many bytes: there is a bound.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from outrider.receivers.otlp.messages import BadMessageError, pairs, plain

MAX_LINES = 64 << 20
"""Bytes of the lines of one request, with EACH for each of them."""
EACH = 200
"""Bytes that a line takes beside its content, about."""
_SEVERITIES = (
    *("DEFAULT",),
    *("DEBUG",) * 8,
    *("INFO",) * 2,
    *("NOTICE",) * 2,
    *("WARNING",) * 4,
    *("ERROR",) * 4,
    *("CRITICAL",) * 2,
    *("ALERT", "EMERGENCY"),
)
"""By severity number: 0 is none, 1 to 4 TRACE, then DEBUG, INFO, WARN, ERROR and FATAL (logs/data-model.md)."""
_SERVICE = {
    "service.name": "service",
    "service.version": "version",
    "deployment.environment": "env",  # before version 1.27 of the semantic conventions
    "deployment.environment.name": "env",
}
"""Attributes of the resource that have a name of their own in a line (Datadog's reserved attributes). Of two for one
name, the last."""
_KNOWN_OTHERWISE = (
    *("k8s.", "telemetry.", "service.", "deployment.environment"),
    *("host.", "container.", "process.", "os."),
)
"""Beginnings of attributes of the resource that are no part of a line: the entry has them already, or nobody asks."""


class LogLine(NamedTuple):
    """`time` is RFC 3339; `container` is the one that says it, "" if that is not known."""

    time: bytes
    content: bytes
    container: str


def lines(request: Any, now: float) -> Iterator[LogLine]:
    """The records of an ExportLogsServiceRequest. Those without a time have the present one (seconds since 1970).
    Raises BadMessageError when they come to more than MAX_LINES.
    """
    left = MAX_LINES
    for resource in request.resource_logs:
        about = pairs(resource.resource.attributes)
        container = about.get("k8s.container.name")
        of_all = {word: about[key] for key, word in _SERVICE.items() if about.get(key)}
        of_all |= {key: value for key, value in about.items() if not key.startswith(_KNOWN_OTHERWISE)}
        for scope in resource.scope_logs:
            logger = {"logger": scope.scope.name} if scope.scope.name else {}
            for record in scope.log_records:
                time = record.time_unix_nano or record.observed_time_unix_nano or int(now * 1e9)
                content = _content(record, {**logger, **of_all})
                left -= len(content) + EACH
                if left < 0:
                    raise BadMessageError(f"its records come to more than {MAX_LINES:,} bytes; send fewer at a time")
                yield LogLine(_rfc3339(time), content, container if isinstance(container, str) else "")


def _content(record: Any, common: dict[str, Any]) -> bytes:
    body = plain(record.body)
    line: dict[str, Any] = {"severity": _severity(record)}
    if isinstance(body, dict):
        line |= body
    elif body is not None:
        line["message"] = body if isinstance(body, str) else orjson.dumps(body).decode()
    more = pairs(record.attributes)
    if record.event_name:
        more["event.name"] = record.event_name
    line = {**common, **more, **line}
    if any(record.trace_id):  # zeros are none (trace/api.md, SpanContext)
        trace, span, sampled = record.trace_id.hex(), record.span_id.hex(), bool(record.flags & 1)
        line |= {"logging.googleapis.com/trace": trace, "logging.googleapis.com/trace_sampled": sampled}
        line |= {"trace_id": trace}
        if any(record.span_id):
            line |= {"logging.googleapis.com/spanId": span, "span_id": span}
    return orjson.dumps(line)


def _severity(record: Any) -> str:
    number = record.severity_number
    if 0 < number < len(_SEVERITIES):
        return _SEVERITIES[number]
    return record.severity_text or "DEFAULT"


def _rfc3339(time: int) -> bytes:
    seconds, nanoseconds = divmod(time, 10**9)
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):  # beyond the year 9999: the exporters have words for no time
        return b""
    return b"%b.%09dZ" % (moment.strftime("%Y-%m-%dT%H:%M:%S").encode(), nanoseconds)
