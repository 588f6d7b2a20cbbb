"""Timestamps that Cloud Logging takes: RFC 3339 in UTC, up to nine digits of a second, no later than a day from now.

The server refuses an entry more than 24 hours ahead and, worse, a whole request with one timestamp it cannot parse
(log_entry.proto), so nothing is passed on unseen. Looking is cheap because lines come in order: a day that was found
valid is remembered, and compared.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from outrider.exporters.columns import every

AHEAD = 24 * 3600.0
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?(?:([Zz])|([+-])(\d\d):(\d\d))", re.ASCII
)
_REST = re.compile(r"T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = -62135596800  # 0001-01-01T00:00:00Z, the least that google.protobuf.Timestamp holds


class Timestamps:
    """Checks and normalises timestamps against one moment, `now` in seconds since the epoch."""

    __slots__ = ("_good_day", "_good_text", "_latest", "_latest_text")

    def __init__(self, now: float) -> None:
        self._good_day, self._good_text = b"", ""
        self._latest = 0.0
        self.move(now)

    def move(self, now: float) -> None:
        """Time has passed. Half a minute of it is no news to a bound that is a day ahead."""
        if 0 <= now + AHEAD - self._latest < 30.0:
            return
        self._latest = now + AHEAD
        self._latest_text = _text(int(self._latest), "").encode()

    @property
    def latest(self) -> bytes:
        """The second beyond which a time is too late, `2026-05-16T09:19:06`."""
        return self._latest_text[:19]

    def good(self, timestamp: bytes) -> str | None:
        """`timestamp` (a CRI line's) as Cloud Logging takes it; None if it does not."""
        if timestamp[:10] == self._good_day and timestamp[-1:] == b"Z":
            return timestamp.decode("ascii", "replace")
        found = self.parse(timestamp.decode("ascii", "replace"))
        if found is not None and timestamp[-1:] == b"Z" and timestamp[:10] < self._latest_text[:10]:
            self._good_day = timestamp[:10]
            self._good_text = self._good_day.decode()
        return found

    def column(self, times: list[bytes]) -> list[str] | None:
        """`good` of all `times` at once, each of which is RFC 3339 or empty; None if they are not all alike: in UTC,
        and of one day that is good.
        """
        if self.good(times[0]) is None or min(times)[:10] != self._good_day or max(times)[:10] != self._good_day:
            return None
        text = b"\n".join(times)
        return text.decode("ascii").split("\n") if text.count(b"Z") == len(times) else None

    def all_good(self, texts: list[Any]) -> bool:
        """Whether all `texts`, values of JSON, are RFC 3339 in UTC, of the day that was found good last."""
        return every(re.compile(rf"(?:{self._good_text or '-'}{_REST.pattern}\n)*+", re.ASCII).fullmatch, texts)

    def parse(self, text: str) -> str | None:
        """An RFC 3339 string with a zone, in UTC with its own digits; None if it is none, or more than a day ahead."""
        if text[:10] == self._good_text and _REST.fullmatch(text, 10):
            return text
        m = _RFC3339.fullmatch(text)
        if not m:
            return None
        year, month, day, hour, minute, second, fraction, zulu, sign, zone_hours, zone_minutes = m.groups()
        try:
            # A leap second is a valid RFC 3339 time that neither Python nor protobuf has: the second before it serves.
            moment = datetime(int(year), int(month), int(day), int(hour), int(minute), min(int(second), 59), tzinfo=UTC)
            if not zulu:
                offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
                moment += offset if sign == "-" else -offset
        except (ValueError, OverflowError):
            return None
        return self._checked(int((moment - _EPOCH).total_seconds()), "." + fraction if fraction else "")

    def from_parts(self, seconds: Any, nanos: Any) -> str | None:
        """The time of `{seconds, nanos}`, integers or strings of digits; None if they are not, or more than a day
        ahead.
        """
        whole, part = integer(seconds), integer(nanos)
        if whole is None or part is None or not 0 <= part < 1_000_000_000:
            return None
        return self._checked(whole, f".{part:09d}" if part else "")

    def _checked(self, seconds: int, fraction: str) -> str | None:
        if not _EARLIEST <= seconds <= self._latest:
            return None
        return _text(seconds, fraction)


def integer(value: Any) -> int | None:
    """An int64 as proto3 JSON has it: a number or a string of decimal digits."""
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and -(1 << 63) <= value < 1 << 63:
        return value
    return None


def _text(seconds: int, fraction: str) -> str:
    moment = _EPOCH + timedelta(seconds=seconds)
    return f"{moment.year:04d}-{moment:%m-%dT%H:%M:%S}{fraction}Z"
