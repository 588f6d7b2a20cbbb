"""What becomes of the points that Datadog is sent: three bodies, one kind of point, its limits, its time looked at.

A body that is not in the expected form is refused whole. A point is not: what lies too far off in time, or has a name
that is none, is answered 202 and dropped, which only the counters tell. Limits are those of the API reference ("Submit
metrics": at most an hour ago and ten minutes ahead) and of the pages on metric names and tags.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from outrider.intake.datadog.errors import malformed

PAST = 3600  # seconds
FUTURE = 600
MAX_NAME = 200  # characters
MAX_TAG = 200

DISTRIBUTION, SKETCH = "distribution", "sketch"
_V2_TYPES = ("unspecified", "count", "rate", "gauge")
_V1_TYPES = ("gauge", "rate", "count")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.]*")
_ODD = re.compile(r"[^A-Za-z0-9_.]+")


@dataclass(frozen=True, slots=True)
class Point:
    """One point as it is kept. `timestamp` is seconds since the epoch, `value` a number, or all the numbers of a
    distribution's point, or what is known of its sketch. `dropped` says why it is not stored, `over` names the limits
    it went over.
    """

    metric: str
    type: str
    value: float | list[float] | dict[str, Any]
    timestamp: float
    host: str
    tags: tuple[str, ...]
    interval: int
    unit: str
    source_type_name: str
    dropped: str = ""
    over: tuple[str, ...] = ()

    @property
    def series(self) -> tuple[str, str, tuple[str, ...]]:
        """What tells series apart."""
        return self.metric, self.host, tuple(sorted(self.tags))

    def shown(self) -> dict[str, Any]:
        """The point as a test looks at it."""
        names = ("metric", "type", "value", "timestamp", "host", "interval", "unit", "source_type_name")
        return {**{name: getattr(self, name) for name in names}, "tags": list(self.tags)}


def v2(body: Any, now: float) -> list[Point]:
    """The points of `POST /api/v2/series`."""
    found = []
    for where, series in _series(body):
        number = series.get("type", 0)
        if type(number) is not int or not 0 <= number < len(_V2_TYPES):
            raise malformed(f"{where}.type must be 0 (unspecified), 1 (count), 2 (rate) or 3 (gauge)")
        hosts = [one.get("name", "") for one in _objects(series, "resources", where) if one.get("type") == "host"]
        common = _common(series, where, hosts[0] if hosts else "", _V2_TYPES[number])
        for at, point in enumerate(_objects(series, "points", where)):
            value, timestamp = point.get("value"), point.get("timestamp")
            found.append(_point(common, value, timestamp, f"{where}.points[{at}]", now))
    return found


def v1(body: Any, now: float) -> list[Point]:
    """The points of `POST /api/v1/series`."""
    found = []
    for where, series in _series(body):
        kind = series.get("type") or "gauge"
        if kind not in _V1_TYPES:
            raise malformed(f"{where}.type must be one of {', '.join(_V1_TYPES)}")
        common = _common(series, where, series.get("host") or "", kind)
        for at, value, timestamp in _pairs(series, where):
            found.append(_point(common, value, timestamp, at, now))
    return found


def distributions(body: Any, now: float) -> list[Point]:
    """The points of `POST /api/v1/distribution_points`."""
    found = []
    for where, series in _series(body):
        common = _common(series, where, series.get("host") or "", DISTRIBUTION)
        for at, values, timestamp in _pairs(series, where):
            if type(values) is not list or not all(map(_is_number, values)):
                raise malformed(f"{at} must be a timestamp and a list of numbers")
            found.append(_point(common, values, timestamp, at, now))
    return found


def sketches(body: Any, now: float) -> list[Point]:
    """The points of `POST /api/beta/sketches`: of each, the value says what Datadog would make of its bins."""
    found = []
    for where, series in _series(body):
        common = _common(series, where, series.get("host") or "", SKETCH)
        for at, point in enumerate(series["points"]):
            keys, counts = point["keys"], point["counts"]
            if len(keys) != len(counts) or sum(counts) != point["count"] or sorted(set(keys)) != keys:
                raise malformed(f"{where}.dogsketches[{at}]: its bins make no sense")
            value = {name: point[name] for name in ("count", "sum", "min", "max", "avg")}
            value |= {"keys": keys, "counts": counts}
            found.append(_point(common, value, point["timestamp"], f"{where}.dogsketches[{at}]", now))
    return found


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _series(body: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where each series is and what it is."""
    if type(body) is not dict or type(body.get("series")) is not list:
        raise malformed("an object with a list of series is expected")
    for index, series in enumerate(body["series"]):
        if type(series) is not dict:
            raise malformed(f"series[{index}] must be an object")
        yield f"series[{index}]", series


def _objects(series: dict[str, Any], name: str, where: str) -> list[dict[str, Any]]:
    found = series.get(name) or []
    if type(found) is not list or not all(type(one) is dict for one in found):
        raise malformed(f"{where}.{name} must be a list of objects")
    return found


def _pairs(series: dict[str, Any], where: str) -> Iterator[tuple[str, Any, Any]]:
    """Where each point is, its value and its time."""
    points = series.get("points")
    if type(points) is not list:
        raise malformed(f"{where}.points must be a list")
    for index, pair in enumerate(points):
        if type(pair) is not list or len(pair) != 2:
            raise malformed(f"{where}.points[{index}] must be a timestamp and a value")
        yield f"{where}.points[{index}]", pair[1], pair[0]


def _common(series: dict[str, Any], where: str, host: Any, kind: str) -> dict[str, Any]:
    """What all points of a series share."""
    metric, tags = series.get("metric"), series.get("tags") or []
    if type(metric) is not str or not metric:
        raise malformed(f"{where}.metric must be a name")
    if type(tags) is not list or not all(type(tag) is str for tag in tags):
        raise malformed(f"{where}.tags must be a list of strings")
    interval, device = series.get("interval") or 0, series.get("device")
    if type(interval) is not int or interval < 0 or type(host) is not str:
        raise malformed(f"{where}: interval must be seconds, host a string")
    normal = _ODD.sub("_", metric)
    cut = tuple(tag[:MAX_TAG] for tag in tags) + ((f"device:{device}",) if device else ())
    return {
        "metric": normal,
        "type": kind,
        "host": host,
        "tags": cut,
        "interval": interval,
        "unit": series.get("unit") or "",
        "source_type_name": series.get("source_type_name") or "",
        "dropped": "" if len(normal) <= MAX_NAME and _NAME.fullmatch(normal) else "name",
        "over": ("tag",) if any(len(tag) > MAX_TAG for tag in tags) else (),
    }


def _point(common: dict[str, Any], value: Any, timestamp: Any, where: str, now: float) -> Point:
    if not _is_number(timestamp):
        raise malformed(f"{where}: the timestamp must be a number of seconds")
    if common["type"] not in (DISTRIBUTION, SKETCH) and not _is_number(value):
        raise malformed(f"{where}: the value must be a number")
    late = "too_old" if timestamp < now - PAST else "in_the_future" if timestamp > now + FUTURE else ""
    return Point(**{**common, "value": value, "timestamp": timestamp, "dropped": common["dropped"] or late})
