"""What `outrider check` prints for people: a line for each name of a point, service checks, and what is missing."""

from collections.abc import Iterable, Sequence
from typing import Any

WIDEST = 60
"""Columns beyond which a cell does not widen the others of its column."""


def text(shown: Sequence[dict[str, Any]]) -> str:
    """The objects of one run (`outrider.exporters.console_metrics`, and those with `missing`) as lines."""
    points = [one for one in shown if "metric" in one]
    checks = [one for one in shown if "service_check" in one]
    missing = [one for one in shown if "missing" in one]
    lines = _table(row for point in points for row in _rows(point))
    lines += ["", f"{len(points)} points, at {checks[0]['time']}"] if checks else []
    lines += [_service_check(check) for check in checks]
    lines += [f"event: {one['event']}: {one['text']}" for one in shown if "event" in one]
    lines += _missing(missing)
    return "\n".join(lines) + "\n\n"


def _rows(point: dict[str, Any]) -> Iterable[tuple[str, ...]]:
    datadog, google = point.get("datadog"), point.get("google")
    if datadog is not None:
        kind = datadog["type"] if datadog["submit"] == "gauge" else f"{datadog['type']} ({datadog['submit']})"
        value = "needs two runs" if datadog["value"] is None else _value(datadog["value"])
        yield datadog["name"], value, kind, datadog["unit"], " ".join(datadog["tags"])
    if google is not None:
        labels = " ".join(f"{key}={value}" for key, value in google["labels"].items())
        kind = f"{google['kind']} {google['value_type']}"
        yield ("  " if datadog else "") + google["type"], _value(google["value"]), kind, google["unit"], labels


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value['count']} values, sum {_value(value['sum'])}"
    return f"{value:.6g}" if isinstance(value, float) and not value.is_integer() else f"{value:.0f}"


def _table(rows: Iterable[tuple[str, ...]]) -> list[str]:
    table = list(rows)
    widths = [max((min(len(cell), WIDEST) for cell in column), default=0) for column in zip(*table, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def _service_check(check: dict[str, Any]) -> str:
    words = f": {check['message']}" if check["message"] else ""
    return f"{check['service_check']} {check['status'].upper()}  {' '.join(check['tags'])}".rstrip() + words


def _missing(missing: Sequence[dict[str, Any]]) -> list[str]:
    """Grouped by the reason."""
    groups: dict[str, list[str]] = {}
    for one in missing:
        groups.setdefault(one["why"], []).append(one["datadog"] or one["google"])
    lines = [f"  {why}: {', '.join(dict.fromkeys(names))}" for why, names in groups.items()]
    return [f"{len(missing)} declared metrics are not there:", *lines] if lines else []
