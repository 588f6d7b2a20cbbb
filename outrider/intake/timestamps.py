"""RFC 3339 timestamps and protobuf durations as nanoseconds.

Python's datetime stops at microseconds, and CRI lines carry nine digits. So a timestamp is an integer of nanoseconds
since the epoch here: the seconds come from the calendar (remembered, since neighbouring log lines share them), the
fraction from the text. The accepted form is that of proto3 JSON (https://protobuf.dev/programming-guides/json/): an
upper-case `T`, up to nine fractional digits, `Z` or a numeric offset, years 1 to 9999, no leap second.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

SECOND = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII)
_DURATION = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,9}))?s", re.ASCII)
_MIN = -62_135_596_800 * SECOND
_MAX = 253_402_300_800 * SECOND
_MAX_DURATION = 315_576_000_000 * SECOND


@lru_cache(maxsize=8192)
def _seconds(text: str) -> int:
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return int((moment - _EPOCH) / timedelta(seconds=1))


def in_range(nanos: int) -> bool:
    """Whether a time lies in the years 1 to 9999, the range of google.protobuf.Timestamp."""
    return _MIN <= nanos < _MAX


def parse_timestamp(text: str) -> int:
    """Nanoseconds since the epoch; ValueError if `text` is not an RFC 3339 timestamp of the years 1 to 9999."""
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise ValueError(f"not an RFC 3339 timestamp: {text!r}")
    clock, fraction, sign, hours, minutes = match.groups()
    nanos = _seconds(clock) * SECOND
    if fraction:
        nanos += int(fraction.ljust(9, "0"))
    if sign:
        if int(hours) > 23 or int(minutes) > 59:
            raise ValueError(f"no such time offset: {text!r}")
        offset = (int(hours) * 3600 + int(minutes) * 60) * SECOND
        nanos += -offset if sign == "+" else offset
    if not in_range(nanos):
        raise ValueError(f"outside the years 1 to 9999: {text!r}")
    return nanos


def format_timestamp(nanos: int) -> str:
    """The canonical proto3 JSON form: UTC, `Z`, and 0, 3, 6 or 9 fractional digits."""
    seconds, rest = divmod(nanos, SECOND)
    return f"{_calendar(seconds)}{_fraction(rest)}Z"


@lru_cache(maxsize=8192)
def _calendar(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat(timespec="seconds")


def _fraction(nanos: int) -> str:
    if nanos == 0:
        return ""
    if nanos % 1_000_000 == 0:
        return f".{nanos // 1_000_000:03}"
    if nanos % 1000 == 0:
        return f".{nanos // 1000:06}"
    return f".{nanos:09}"


def parse_duration(text: str) -> int:
    """Nanoseconds of a proto3 JSON duration such as `0.32s`; ValueError if it is none."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"not a duration in seconds: {text!r}")
    sign, seconds, fraction = match.groups()
    nanos = int(seconds) * SECOND + int((fraction or "").ljust(9, "0"))
    if nanos > _MAX_DURATION:
        raise ValueError(f"longer than 10,000 years: {text!r}")
    return -nanos if sign else nanos


def format_duration(nanos: int) -> str:
    """The canonical proto3 JSON form, such as `1.500s`."""
    seconds, rest = divmod(abs(nanos), SECOND)
    return f"{'-' if nanos < 0 else ''}{seconds}{_fraction(rest)}s"
