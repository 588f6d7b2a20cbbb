"""`POST /api/v2/logs/events/search`: a small part of Datadog's search, enough to read back what was sent.

A query is terms side by side, all of which must hold, each perhaps behind `-` or NOT: `service:cart`, `status:error`,
`source:nginx`, `host:n1`, `@attribute.path:value`, `tag:value`, or a word or quoted phrase of the message. `*` stands
for any text in a value. OR, parentheses and ranges are refused rather than misread. Without `from` and `to` the last 15
minutes are searched, as at Datadog; the newest log comes first unless `sort` is `timestamp`.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import orjson

from outrider.intake.datadog.errors import PlainError
from outrider.intake.datadog.logs import MILLISECOND, RESERVED, tags
from outrider.intake.datadog.store import Record
from outrider.intake.timestamps import format_timestamp, parse_timestamp

_DEFAULT_PAGE = 10
_MAX_PAGE = 1000
_TERM = re.compile(r'(-|NOT\s+)?(?:(@?[\w./\-]+):)?("(?:[^"\\]|\\.)*"|[^\s"]+)(?:\s+|$)')
_UNSUPPORTED = re.compile(r"[()\[\]{}]|OR$|[<>]")
_UNITS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_NOW = re.compile(r"now(?:-(\d{1,9})([smhd]))?")
_SYSLOG = ("emergency", "alert", "critical", "error", "warn", "notice", "info", "debug")
_PREFIXES = {"emerg": 0, "f": 0, "a": 1, "c": 2, "err": 3, "w": 4, "n": 5, "i": 6, "d": 7, "t": 7, "v": 7}

_Found = tuple[Record, dict[str, Any]]
_Predicate = Callable[[dict[str, Any]], bool]


def search(records: list[Record], request: Any, now: int) -> dict[str, Any]:
    """The answer to a search request at `now` (milliseconds); PlainError if it is not understood."""
    wanted = _object(request, "filter")
    page = _object(request, "page")
    start, end = _moment(wanted.get("from", "now-15m"), now), _moment(wanted.get("to", "now"), now)
    predicate = parse_query(wanted.get("query", "*"))
    sort, limit = request.get("sort", "-timestamp"), page.get("limit", _DEFAULT_PAGE)
    if sort not in ("timestamp", "-timestamp"):
        raise _invalid("sort must be timestamp or -timestamp")
    if type(limit) is not int or not 0 < limit <= _MAX_PAGE:
        raise _invalid(f"page.limit must be 1 to {_MAX_PAGE}")
    chosen: list[_Found] = []
    for record in records:
        if not record.dropped and start <= record.timestamp <= end:
            event = _event(record)
            if predicate(event["attributes"]):
                chosen.append((record, event))
    chosen.sort(key=lambda found: _place(found[0]), reverse=sort == "-timestamp")
    if "cursor" in page:
        chosen = _behind(chosen, page["cursor"], sort == "-timestamp")
    answer: dict[str, Any] = {"data": [event for _, event in chosen[:limit]], "meta": {"status": "done", "elapsed": 0}}
    if len(chosen) > limit:
        answer["meta"]["page"] = {"after": urlsafe_b64encode(orjson.dumps(_place(chosen[limit - 1][0]))).decode()}
    return answer


def _invalid(why: str) -> PlainError:
    return PlainError(400, "search", f"Bad Request: {why}")


def _object(request: Any, name: str) -> dict[str, Any]:
    part = request.get(name, {}) if isinstance(request, dict) else None
    if not isinstance(part, dict):
        raise _invalid(f"{name} must be an object")
    return part


def _moment(text: Any, now: int) -> int:
    """Milliseconds of `now`, `now-15m`, milliseconds, or an RFC 3339 text."""
    text = str(text)
    match = _NOW.fullmatch(text)
    if match:
        return now - (int(match[1]) * _UNITS[match[2]] if match[1] else 0)
    try:
        return int(text) if text.lstrip("-").isdecimal() else parse_timestamp(text) // MILLISECOND
    except ValueError:
        raise _invalid(f"not a time: {text[:100]}") from None


def _place(record: Record) -> tuple[int, int]:
    return record.timestamp, record.seq


def _behind(found: list[_Found], cursor: Any, descending: bool) -> list[_Found]:
    try:
        timestamp, seq = orjson.loads(urlsafe_b64decode(cursor))
        last = (int(timestamp), int(seq))
    except (ValueError, TypeError):
        raise _invalid("page.cursor is not one of this service") from None
    return [one for one in found if (_place(one[0]) < last if descending else _place(one[0]) > last)]


def _event(record: Record) -> dict[str, Any]:
    """The log in the form of the search API (`Log` of the client)."""
    return {"id": f"{record.seq:016x}", "type": "log", "attributes": attributes(record)}


def attributes(record: Record) -> dict[str, Any]:
    """What the search knows of a log."""
    log = record.log()
    known = tags(log) + ([f"source:{log['ddsource']}"] if log.get("ddsource") else [])
    found = {
        "timestamp": format_timestamp(record.timestamp * MILLISECOND),
        "status": status(log.get("status")),
        "message": log.get("message", ""),
        "tags": known,
        "attributes": {name: value for name, value in log.items() if name not in RESERVED},
    }
    found.update({new: log[old] for new, old in (("service", "service"), ("host", "hostname")) if old in log})
    return found


def status(given: Any) -> str:
    """What Datadog's log status remapper makes of a status: by syslog number or first letters, else info."""
    text = "" if given is None or isinstance(given, bool) else str(given).lower()
    if len(text) == 1 and text in "01234567":
        return _SYSLOG[int(text)]
    if text in ("o", "s", "ok", "success"):
        return "ok"
    return next((_SYSLOG[number] for prefix, number in _PREFIXES.items() if text.startswith(prefix)), "info")


def parse_query(query: Any) -> _Predicate:
    """What a query asks of the attributes of an event. Raises PlainError if it is not understood."""
    if not isinstance(query, str):
        raise _invalid("filter.query must be a string")
    parts: list[_Predicate] = []
    at = len(query) - len(query.lstrip())
    while at < len(query):
        match = _TERM.match(query, at)
        if match is None or (match[3][0] != '"' and _UNSUPPORTED.match(match[3])):
            raise _invalid(f"query not understood at position {at}: {query[at : at + 40]}")
        if match[0].strip() != "AND":
            parts.append(_negated(_term(match[2], match[3]), negate=match[1] is not None))
        at = match.end()
    return lambda event: all(part(event) for part in parts)


def _negated(predicate: _Predicate, *, negate: bool) -> _Predicate:
    return (lambda event: not predicate(event)) if negate else predicate


def _term(field: str | None, value: str) -> _Predicate:
    if value.startswith('"'):
        pattern = re.escape(re.sub(r"\\(.)", r"\1", value[1:-1]))
    else:
        pattern = ".*".join(map(re.escape, value.split("*")))
    if field is None:
        anywhere = re.compile(pattern, re.DOTALL | re.IGNORECASE)
        return lambda event: anywhere.search(event["message"]) is not None
    whole = re.compile(pattern, re.DOTALL)
    if field.startswith("@"):
        return lambda event: any(whole.fullmatch(_text(one)) for one in _attribute(event["attributes"], field[1:]))
    if field in ("service", "status", "host"):
        return lambda event: whole.fullmatch(event.get(field, "")) is not None
    return lambda event: any(whole.fullmatch(tag[len(field) + 1 :]) for tag in event["tags"] if _is(tag, field))


def _is(tag: str, key: str) -> bool:
    return tag.startswith(key + ":")


def _attribute(attributes: Any, path: str) -> list[Any]:
    """The values at a path, whose dots may be levels or part of a key."""
    if not isinstance(attributes, dict):
        return []
    found = attributes.get(path)
    values = found if isinstance(found, list) else [] if found is None else [found]
    head, dot, rest = path.partition(".")
    return values + (_attribute(attributes.get(head), rest) if dot else [])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
