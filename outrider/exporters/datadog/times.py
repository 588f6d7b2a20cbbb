"""Times of lines as the milliseconds that Datadog's intake takes, and whether it takes them.

Lines come in order, so many of them are of one second, which is read once for all of them. The intake drops, silently,
what is more than 18 hours old or two hours ahead (facts of DataDog/documentation); a batch may wait for its turn, so an
hour is left on either side.
"""

from datetime import UTC, datetime, timedelta

OLDEST, LATEST = 17 * 3600_000, 3600_000
"""Milliseconds before and after now that an entry may say."""
_THOUSANDTHS = {b"%03d" % i: i for i in range(1000)}
_WITH_THOUSANDTHS = len("2026-05-16T09:19:06.315Z")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Millis:
    """Reads times against one moment, `now` in seconds since the epoch."""

    __slots__ = ("_from", "_to")

    def __init__(self, now: float) -> None:
        self.move(now)

    def move(self, now: float) -> None:
        """Time has passed."""
        self._from, self._to = int(now * 1000) - OLDEST, int(now * 1000) + LATEST

    @property
    def window(self) -> tuple[int, int]:
        """The first and the last millisecond that the intake takes."""
        return self._from, self._to

    def column(self, times: list[bytes]) -> list[int] | None:
        """The milliseconds of `times`, each of which is RFC 3339 or empty; None if they are not all alike: in UTC, with
        thousandths of a second at least, and taken.
        """
        if min(map(len, times)) < _WITH_THOUSANDTHS or b"".join(times).count(b"Z") != len(times):
            return None
        seconds = {second: self._at(second) for second in {time[:19] for time in times}}
        if None in seconds.values():
            return None
        try:
            return [seconds[time[:19]] + _THOUSANDTHS[time[20:23]] for time in times]  # type: ignore[operator]
        except KeyError:  # a time that somebody else wrote into the cursors
            return None

    def _at(self, second: bytes) -> int | None:
        """The milliseconds of a second in UTC all of which is taken."""
        millis = self.read(second + b"Z")
        return millis if millis is not None and self.taken(millis) and self.taken(millis + 999) else None

    def read(self, timestamp: bytes) -> int | None:
        """The milliseconds since the epoch that an RFC 3339 time with a zone says; None if it is none."""
        try:
            moment = datetime.fromisoformat(timestamp.decode("ascii"))
        except ValueError:
            return None
        if moment.tzinfo is None:
            return None
        return (moment - _EPOCH) // _MILLISECOND

    def taken(self, millis: int) -> bool:
        """Whether the intake takes an entry of this time."""
        return self._from <= millis <= self._to


def text(millis: int) -> str:
    """RFC 3339 in UTC."""
    return (_EPOCH + millis * _MILLISECOND).isoformat(timespec="milliseconds").replace("+00:00", "Z")
