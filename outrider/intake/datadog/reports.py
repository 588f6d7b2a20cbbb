"""Service checks and events as Datadog takes them (API reference, "Submit a service check" and "Post an event").

As with points, a body in the wrong form is refused, and what is only too late is answered 202 and dropped.
"""

from typing import Any

from outrider.intake.datadog.errors import malformed

CHECK_PAST = 600  # "a timestamp ... up to 10 minutes in the past", seconds
EVENT_PAST = 18 * 3600  # "events up to 18 hours in the past"
EVENT_FUTURE = 2 * 3600
MAX_TEXT = 4000  # "the body of the event is limited to 4000 characters"

_STATUSES = (0, 1, 2, 3)
_ALERTS = ("error", "warning", "info", "success", "user_update", "recommendation", "snapshot")
_PRIORITIES = ("normal", "low")


def service_checks(body: Any, now: float) -> list[tuple[dict[str, Any], str]]:
    """The service checks of `POST /api/v1/check_run`, one or a list, each with why it is dropped (empty: it is not)."""
    given = body if type(body) is list else [body]
    found = []
    for index, one in enumerate(given):
        where = f"service check {index}"
        if type(one) is not dict:
            raise malformed(f"{where} must be an object")
        if type(one.get("check")) is not str or not one["check"]:
            raise malformed(f"{where}: check must be a name")
        if type(one.get("status")) is not int or one["status"] not in _STATUSES:
            raise malformed(f"{where}: status must be 0 (ok), 1 (warning), 2 (critical) or 3 (unknown)")
        check = {
            "check": one["check"],
            "status": one["status"],
            "host_name": _text(one, "host_name", where),
            "tags": _tags(one, where),
            "message": _text(one, "message", where),
            "timestamp": _time(one, "timestamp", where, now),
        }
        found.append((check, "check_too_old" if check["timestamp"] < now - CHECK_PAST else ""))
    return found


def event(body: Any, now: float) -> tuple[dict[str, Any], str, tuple[str, ...]]:
    """The event of `POST /api/v1/events`, why it is dropped, and the limits it went over."""
    if type(body) is not dict:
        raise malformed("an event must be an object")
    for name in ("title", "text"):
        if type(body.get(name)) is not str or not body[name]:
            raise malformed(f"{name} is required")
    for name, allowed in (("alert_type", _ALERTS), ("priority", _PRIORITIES)):
        if body.get(name) is not None and body[name] not in allowed:
            raise malformed(f"{name} must be one of {', '.join(allowed)}")
    when = _time(body, "date_happened", "the event", now)
    made = {
        "title": body["title"],
        "text": body["text"][:MAX_TEXT],
        "date_happened": int(when),
        "alert_type": body.get("alert_type") or "info",
        "priority": body.get("priority") or "normal",
        "tags": _tags(body, "the event"),
        "host": _text(body, "host", "the event"),
        "source_type_name": _text(body, "source_type_name", "the event"),
        "aggregation_key": _text(body, "aggregation_key", "the event"),
    }
    dropped = when < now - EVENT_PAST or when > now + EVENT_FUTURE
    return made, "event_out_of_time" if dropped else "", ("text",) if len(body["text"]) > MAX_TEXT else ()


def _text(one: dict[str, Any], name: str, where: str) -> str:
    value = one.get(name)
    if value is not None and type(value) is not str:
        raise malformed(f"{where}: {name} must be a string")
    return value or ""


def _tags(one: dict[str, Any], where: str) -> list[str]:
    tags = one.get("tags") or []
    if type(tags) is not list or not all(type(tag) is str for tag in tags):
        raise malformed(f"{where}: tags must be a list of strings")
    return list(tags)


def _time(one: dict[str, Any], name: str, where: str, now: float) -> float:
    value = one.get(name)
    if value is not None and type(value) not in (int, float):
        raise malformed(f"{where}: {name} must be a number of seconds")
    return now if value is None else float(value)
