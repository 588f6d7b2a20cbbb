"""Timestamps: what goes on as it is, what is converted, and what Cloud Logging would refuse."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.exporters.stackdriver.times import Timestamps, integer

NOW = datetime(2026, 5, 16, 12, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2026-05-16T09:19:06.315692671Z", "2026-05-16T09:19:06.315692671Z"),
        ("2026-05-16T09:19:06Z", "2026-05-16T09:19:06Z"),
        ("2026-05-16T09:19:06.5+08:00", "2026-05-16T01:19:06.5Z"),
        ("2026-05-16T00:19:06-08:30", "2026-05-16T08:49:06Z"),
        ("2026-05-16t09:19:06z", "2026-05-16T09:19:06Z"),
        ("2026-05-16T09:19:06.1234567899Z", "2026-05-16T09:19:06.123456789Z"),
        ("2026-05-16T09:19:60Z", "2026-05-16T09:19:59Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("2026-05-17T12:00:00Z", "2026-05-17T12:00:00Z"),
        ("2026-05-17T12:00:01Z", None),
        ("9999-12-31T23:59:59Z", None),
        ("0001-01-01T00:00:00+01:00", None),
        ("2026-02-30T00:00:00Z", None),
        ("2026-13-01T00:00:00Z", None),
        ("2026-05-16T24:00:00Z", None),
        ("2026-05-16T09:19:06", None),
        ("2026-05-16 09:19:06Z", None),
        ("2026-05-16T09:19:06.Z", None),
        ("٢٠٢٦-05-16T09:19:06Z", None),
        ("", None),
        ("yesterday", None),
    ],
)
def test_rfc_3339(text: str, written: str | None) -> None:
    assert Timestamps(NOW).parse(text) == written


def test_the_memory_of_a_good_day_lets_nothing_bad_through() -> None:
    times = Timestamps(NOW)
    assert times.good(b"2026-05-16T09:19:06Z") == "2026-05-16T09:19:06Z"
    assert times.parse("2026-05-16T99:19:06Z") is None
    assert times.parse("2026-05-16T09:19:06") is None
    assert times.good(b"2026-05-16T09:19:06+02:00") == "2026-05-16T07:19:06Z"
    assert times.good(b"2026-05-17T09:19:06Z") == "2026-05-17T09:19:06Z"
    assert times.good(b"2026-05-17T13:19:06Z") is None


@pytest.mark.parametrize(
    ("times", "alike"),
    [
        ([b"2026-05-16T09:19:06Z", b"2026-05-16T23:59:59.123456789Z"], True),
        ([b"2026-05-16T09:19:06Z", b"2026-05-15T23:59:59Z"], False),
        ([b"2026-05-15T09:19:06Z", b"2026-05-16T23:59:59Z"], False),
        ([b"2026-05-16T09:19:06Z", b"2026-05-16T09:19:06+02:00"], False),
        ([b"2026-05-16T09:19:06Z", b""], False),
        ([b"", b"2026-05-16T09:19:06Z"], False),
        ([b"2026-05-16T09:19:06Z", b"2026-05-19T00:00:00Z"], False),
        ([b"2026-05-19T00:00:00Z"], False),
    ],
)
def test_a_column_of_one_good_day_is_taken_at_once(times: list[bytes], alike: bool) -> None:
    assert Timestamps(NOW).column(times) == ([t.decode() for t in times] if alike else None)


def test_a_day_from_now_moves_with_the_clock() -> None:
    times = Timestamps(NOW)
    assert times.good(b"2026-05-18T09:00:00Z") is None
    times.move(NOW + 86400)
    assert times.good(b"2026-05-18T09:00:00Z") == "2026-05-18T09:00:00Z"


@pytest.mark.parametrize(
    ("seconds", "nanos", "written"),
    [
        (1595349642, 12345, "2020-07-21T16:40:42.000012345Z"),
        ("1595349642", "12345", "2020-07-21T16:40:42.000012345Z"),
        (1595349642, 0, "2020-07-21T16:40:42Z"),
        ("seconds", 1, None),
        (1, "nanos", None),
        (None, None, None),
        (1, 1_000_000_000, None),
        (True, 1, None),
        (1.5, 1, None),
        (1 << 62, 1, None),
        (99999999999, 0, None),
    ],
)
def test_seconds_and_nanos(seconds: object, nanos: object, written: str | None) -> None:
    assert Timestamps(NOW).from_parts(seconds, nanos) == written


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.booleans(), st.lists(st.integers())))
def test_nothing_makes_it_raise(value: object) -> None:
    times = Timestamps(NOW)
    times.from_parts(value, value)
    assert integer(value) is None or isinstance(integer(value), int)
    if isinstance(value, str):
        times.parse(value)


@given(st.datetimes(datetime(1970, 1, 1), datetime(2026, 5, 17)), st.integers(-14 * 60 + 1, 14 * 60 - 1))
def test_a_converted_time_is_the_same_moment(moment: datetime, offset: int) -> None:
    sign = "-" if offset < 0 else "+"
    text = f"{moment.isoformat()}{sign}{abs(offset) // 60:02d}:{abs(offset) % 60:02d}"
    written = Timestamps(NOW + 86400).parse(text)
    assert written is not None
    assert datetime.fromisoformat(written) == datetime.fromisoformat(text)
