"""What has arrived at the intake, asked for over its control endpoints while the demo runs.

`GET /intake/stats` counts for both vendors; Datadog's logs are counted by service, of which each belongs to one
namespace here. The counts decide the balance. `GET /intake/entries?since=SEQ` gives the entries of Cloud Logging in the
order of arrival, for the screen and for the lag, the time from an entry's own timestamp to its `receiveTimestamp`; when
more have arrived than one answer holds, the older ones are passed over.
"""

import statistics
from collections import Counter, deque
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from outrider.demo.balance import VENDORS
from outrider.demo.pages import Pages
from outrider.demo.screen import Seen

PAGE = 500
"""Entries looked at per poll."""
_RECENT, _SAMPLES, _SHOWN, _SECONDS = 300, 100_000, 40, 120


class Arrivals:
    """What the intake `pages` tell, as of the last `poll`. `services` gives the namespace of every service."""

    def __init__(self, pages: Pages, services: Mapping[str, str]) -> None:
        self.received: dict[str, dict[str, int]] = {vendor: {} for vendor in VENDORS}
        """Per vendor and namespace, entries counted once however often they were sent."""
        self.repeats, self.rejected = dict.fromkeys(VENDORS, 0), dict.fromkeys(VENDORS, 0)
        self.rates: deque[float] = deque(maxlen=_SECONDS)
        """Entries that arrived in each of the last seconds."""
        self._pages, self._services = pages, services
        self._seen = 0
        self._last: deque[Seen] = deque(maxlen=PAGE)
        self._recent: dict[str, deque[float]] = {}
        self._lags: deque[float] = deque(maxlen=_SAMPLES)
        self._mark: tuple[float, int] | None = None

    @property
    def total(self) -> int:
        """Entries of all vendors and namespaces."""
        return sum(sum(counts.values()) for counts in self.received.values())

    def poll(self, now: float) -> None:
        """Ask again; `now` in monotonic seconds. DemoError if the intake does not answer as it should."""
        try:
            stats = self._pages.json("/intake/stats")
            self._take_counts(stats, stats["datadog"])
            since = max(self._seen, int(stats["last_seq"]) - PAGE)
            for entry in self._pages.json(f"/intake/entries?since={since}&limit={PAGE}"):
                self._take(entry)
        except (KeyError, TypeError, ValueError) as e:
            raise self._pages.strange(e) from e
        self._take_rate(now)

    @property
    def last(self) -> list[Seen]:
        """The newest entries by their own time, oldest first: a batch brings one stream after the other."""
        return sorted(self._last, key=lambda e: e.time.rstrip("Z"))[-_SHOWN:]

    def lags(self) -> dict[str, float]:
        """Per namespace: the median lag of its last entries, in seconds."""
        return {name: statistics.median(values) for name, values in self._recent.items() if values}

    def lag(self, quantile: float) -> float | None:
        """That quantile of all lags seen, in seconds; None if none were."""
        ordered = sorted(self._lags)
        return ordered[min(len(ordered) - 1, int(quantile * len(ordered)))] if ordered else None

    def _take_counts(self, google: dict[str, Any], datadog: dict[str, Any]) -> None:
        logs: Counter[str] = Counter()
        for service, n in datadog["services"].items():
            logs[self._services.get(service, f"service {service}")] += int(n)
        self.received = {"google": {str(name): int(n) for name, n in google["namespaces"].items()}, "datadog": logs}
        self.repeats = {"google": int(google["repeated"]), "datadog": int(datadog["repeated"])}
        self.rejected = {"google": int(google["rejected"]), "datadog": sum(map(int, datadog["dropped"].values()))}

    def _take(self, entry: dict[str, Any]) -> None:
        self._seen = max(self._seen, int(entry["seq"]))
        labels = entry["resource"].get("labels", {})
        namespace = labels.get("namespace_name", "")
        payload = entry.get("jsonPayload", {})
        text = (
            entry.get("textPayload") or payload.get("message") or payload.get("msg") or orjson.dumps(payload).decode()
        )
        self._last.append(
            Seen(entry["timestamp"], entry.get("severity", "DEFAULT"), namespace, labels.get("pod_name", ""), str(text))
        )
        if not entry.get("repeated"):
            lag = (_moment(entry["receiveTimestamp"]) - _moment(entry["timestamp"])).total_seconds()
            self._recent.setdefault(namespace, deque(maxlen=_RECENT)).append(lag)
            self._lags.append(lag)

    def _take_rate(self, now: float) -> None:
        if self._mark is None:
            self._mark = (now, self.total)
        then, before = self._mark
        if now - then >= 1:
            self.rates.append((self.total - before) / (now - then))
            self._mark = (now, self.total)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
