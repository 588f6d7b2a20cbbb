"""The demo's other sum: has every point that the sidecar sent arrived at each vendor?

    points sent and answered = points arrived, each counted once

What was sent stands in the sidecar's own `/metrics`. A point whose acknowledgement was lost is sent again. Datadog then
stores the same value again. Cloud Monitoring refuses it, since it is not later than what is there; the sidecar counts
that as refused, which does no harm here: a point that was refused and is not there is missing.

What has arrived is told by `GET /intake/points` and `/intake/time_series`. Points of a series arrive in order, so one
that is not later than the last one of its series is a repeat. The last values of some metrics are kept for the screen:
both names are those of the metric's declaration, one scrape under two names.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from outrider.demo.pages import Pages
from outrider.model.points import DatadogName, GoogleName, Metric

VENDORS = {"google": "Cloud Monitoring", "datadog": "Datadog"}
"""Who gets every point: the name of the sidecar's exporter, and the vendor's."""
PAGE = 500
"""Points asked for at a time."""
HISTORY = 60
"""Values of a metric that are remembered."""

_SAMPLE = re.compile(r"^outrider_points_(\w+)_total\{(.*)\} (\d+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Points:
    """One vendor's: points that were sent and answered, of these the refused ones, those that were given up unsent, and
    those that have arrived, each counted once.
    """

    sent: int = 0
    refused: int = 0
    given_up: int = 0
    arrived: int = 0

    @property
    def difference(self) -> int:
        """Points too many (positive) or missing (negative)."""
        return self.arrived - self.sent - self.given_up

    def as_dict(self) -> dict[str, int]:
        return {**asdict(self), "difference": self.difference}

    def as_text(self) -> str:
        off = self.difference
        words = f" - {off:,} too many" if off > 0 else f" + {-off:,} missing" if off < 0 else ""
        given_up = f" + {self.given_up:,} given up" if self.given_up else ""
        return f"{self.sent:,} points sent{given_up} = {self.arrived:,} arrived{words}; refused {self.refused:,}"


def trouble(points: Mapping[str, Points]) -> list[str]:
    """What is wrong with the sums, by vendor; that nothing has come at all is wrong, too."""
    return [
        f"{VENDORS[vendor]}: {abs(one.difference):,} {'too many' if one.difference > 0 else 'missing'}"
        if one.difference
        else f"{VENDORS[vendor]}: none has arrived"
        for vendor, one in points.items()
        if one.difference or not one.arrived
    ]


@dataclass(frozen=True, slots=True)
class Shown:
    """One metric as the screen shows it: its name and its last value at each vendor; None: not there yet. `history` has
    Datadog's last values, oldest first.
    """

    names: dict[str, str]
    values: dict[str, float | None]
    history: list[float]


class Measured:
    """What the intake `pages` tells has arrived, as of the last `poll`. `metrics` are shown; each has both names."""

    def __init__(self, pages: Pages, metrics: Sequence[Metric] = ()) -> None:
        self.arrived = dict.fromkeys(VENDORS, 0)
        self._pages = pages
        self._names = [{"google": _google(m).type, "datadog": _datadog(m).name} for m in metrics]
        self._values: dict[tuple[str, str], deque[float]] = {}
        self._latest: dict[tuple[str, ...], Any] = {}
        self._seen = dict.fromkeys(VENDORS, 0)

    @property
    def shown(self) -> list[Shown]:
        """The metrics that are to be shown, as they are now."""
        return [
            Shown(
                {"google": names["google"].partition("/")[2], "datadog": names["datadog"]},
                {vendor: self._last(vendor, name) for vendor, name in names.items()},
                list(self._values.get(("datadog", names["datadog"]), ())),
            )
            for names in self._names
        ]

    def poll(self) -> None:
        """Ask again. Raises DemoError."""
        try:
            for record in self._new("google", "time_series"):
                self._take_series(record["timeSeries"])
            for record in self._new("datadog", "points"):
                if not record.get("dropped"):
                    self._take_point(record["point"])
        except (KeyError, TypeError, ValueError) as e:
            raise self._pages.strange(e) from e

    def _new(self, vendor: str, store: str) -> Iterator[dict[str, Any]]:
        """The records of `store` that have come since it was asked last."""
        while records := self._pages.json(f"/intake/{store}?since={self._seen[vendor]}&limit={PAGE}"):
            yield from records
            self._seen[vendor] = int(records[-1]["seq"])

    def _take_series(self, series: dict[str, Any]) -> None:
        metric, (point,) = series["metric"], series["points"]
        ((_, value),) = point["value"].items()
        labels = (f"{key}:{text}" for key, text in metric.get("labels", {}).items())
        time = datetime.fromisoformat(point["interval"]["endTime"])
        self._take("google", metric["type"], labels, time, value)

    def _take_point(self, point: dict[str, Any]) -> None:
        self._take("datadog", point["metric"], point["tags"], point["timestamp"], point["value"])

    def _take(self, vendor: str, name: str, tags: Iterable[str], time: Any, value: Any) -> None:
        series = (vendor, name, *sorted(tags))
        if series in self._latest and time <= self._latest[series]:
            return
        self._latest[series] = time
        self.arrived[vendor] += 1
        if isinstance(value, int | float | str):  # no distribution; INT64 is text in proto3 JSON
            self._values.setdefault((vendor, name), deque(maxlen=HISTORY)).append(float(value))

    def _last(self, vendor: str, name: str) -> float | None:
        values = self._values.get((vendor, name))
        return values[-1] if values else None


def sent(exposition: str) -> dict[str, dict[str, int]]:
    """By vendor what the sidecar's `/metrics` say of points: `sent`, `refused`, `given_up`."""
    found = {vendor: {"sent": 0, "refused": 0, "given_up": 0} for vendor in VENDORS}
    for what, text, number in _SAMPLE.findall(exposition):
        labels = dict(_LABEL.findall(text))
        of = found.get(labels.get("exporter", ""), {})
        if labels.get("what") == "points" and what in of:
            of[what] += int(number)
    return found


def balance(counted: Mapping[str, Mapping[str, int]], arrived: Mapping[str, int]) -> dict[str, Points]:
    """The sums, of what `sent` found and what has arrived."""
    return {
        vendor: Points(n["sent"] + n["refused"], n["refused"], n["given_up"], arrived[vendor])
        for vendor, n in counted.items()
    }


def _google(metric: Metric) -> GoogleName:
    assert metric.google is not None, metric.key
    return metric.google


def _datadog(metric: Metric) -> DatadogName:
    assert metric.datadog is not None, metric.key
    return metric.datadog
