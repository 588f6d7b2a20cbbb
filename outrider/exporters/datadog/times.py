"""Times of lines as the milliseconds that Datadog's intake takes, and whether it takes them.

Lines come in order, so the second of the line before is usually that of the next one, and only its milliseconds are
read. The intake drops, silently, what is more than 18 hours old or two hours ahead (facts of DataDog/documentation); a
batch may wait for its turn, so an hour is left on either side.
"""

from datetime import UTC, datetime, timedelta

OLDEST, LATEST = 17 * 3600_000, 3600_000
"""Milliseconds before and after now that an entry may say."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Millis:
    """Reads times against one moment, `now` in seconds since the epoch."""

    __slots__ = ("_base", "_from", "_second", "_to", "_zone", "_zone_size")

    def __init__(self, now: float) -> None:
        self.move(now)

    def move(self, now: float) -> None:
        """Time has passed."""
        self._from, self._to = int(now * 1000) - OLDEST, int(now * 1000) + LATEST
        self._second, self._zone, self._zone_size, self._base = b"", b"", 0, 0

    def at_once(self, timestamp: bytes) -> int | None:
        """The milliseconds of a time whose second was seen before and is taken; None: ask `read` and `taken`."""
        if timestamp[:19] == self._second and timestamp[self._zone_size :] == self._zone:
            digits = timestamp[20:23]
            if len(digits) == 3 and digits.isdigit():
                return self._base + int(digits)
        return None

    def read(self, timestamp: bytes) -> int | None:
        """The milliseconds since the epoch that an RFC 3339 time with a zone says; None if it is none."""
        try:
            moment = datetime.fromisoformat(timestamp.decode("ascii"))
        except ValueError:
            return None
        if moment.tzinfo is None:
            return None
        millis = (moment - _EPOCH) // _MILLISECOND
        if timestamp[19:20] == b"." and self.taken(millis):
            zone = 1 if timestamp.endswith(b"Z") else 6
            self._second, self._zone, self._zone_size = timestamp[:19], timestamp[-zone:], -zone
            self._base = millis - millis % 1000
        return millis

    def taken(self, millis: int) -> bool:
        """Whether the intake takes an entry of this time."""
        return self._from <= millis <= self._to


def text(millis: int) -> str:
    """RFC 3339 in UTC."""
    return (_EPOCH + millis * _MILLISECOND).isoformat(timespec="milliseconds").replace("+00:00", "Z")
