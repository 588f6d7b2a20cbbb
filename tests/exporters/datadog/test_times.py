"""Times of lines in milliseconds, by the long way and by the short one."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.exporters.datadog.times import Millis, text

NOW = 1_778_923_200.0  # 2026-05-16T09:20:00Z


@pytest.mark.parametrize(
    ("timestamp", "millis"),
    [
        (b"2026-05-16T09:19:06.315692671Z", 1778923146315),
        (b"2026-05-16T09:19:06.999999999Z", 1778923146999),
        (b"2026-05-16T09:19:06.3Z", 1778923146300),
        (b"2026-05-16T09:19:06.31Z", 1778923146310),
        (b"2026-05-16T09:19:06Z", 1778923146000),
        (b"2026-05-16T11:19:06.315692671+02:00", 1778923146315),
        (b"2026-05-16T03:49:06.315-05:30", 1778923146315),
        (b"2026-05-16T09:19:06+00:00", 1778923146000),
        (b"1969-12-31T23:59:59.999Z", -1),
        (b"2026-02-31T09:19:06Z", None),
        (b"2026-05-16T09:19:06", None),
        (b"2026-05-16", None),
        (b"", None),
        (b"\xff", None),
        (b"yesterday", None),
    ],
)
def test_read(timestamp: bytes, millis: int | None) -> None:
    times = Millis(NOW)
    assert times.read(timestamp) == millis
    assert times.column([timestamp]) in (None, [millis])


@pytest.mark.parametrize(
    ("times", "millis"),
    [
        (["09:19:06.315692671Z", "09:19:06.316Z", "09:19:07.0009Z"], [1778923146315, 1778923146316, 1778923147000]),
        (["09:19:06.315Z", "09:19:05.315Z"], [1778923146315, 1778923145315]),
        (["09:19:06.315Z", "09:19:06.31Z"], None),
        (["09:19:06.315Z", "09:19:06.316+02:00"], None),
        (["09:19:06.315Z", "25:19:06.316Z"], None),
        (["09:19:06.315Z", "09:19:06.3+02:00Z"], None),
        (["09:19:06.315Z", ""], None),
    ],
)
def test_a_column_of_times(times: list[str], millis: list[int] | None) -> None:
    assert Millis(NOW).column([b"2026-05-16T" + t.encode() if t else b"" for t in times]) == millis


@pytest.mark.parametrize(
    ("seconds", "taken"),
    [(0, True), (-3600, True), (-16.9 * 3600, True), (-18 * 3600, False), (3500, True), (7200, False)],
)
def test_what_the_intake_takes(seconds: float, taken: bool) -> None:
    times = Millis(NOW)
    moment = datetime.fromtimestamp(NOW + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z").encode()
    millis = times.read(moment)
    assert millis is not None
    assert times.taken(millis) is taken
    assert (times.column([moment]) is not None) is taken


@given(
    st.lists(
        st.tuples(st.integers(0, 3_000_000), st.sampled_from([1, 3, 3, 6, 9]), st.sampled_from([0, 0, 0, -330])),
        max_size=30,
    )
)
def test_both_ways_agree(lines: list[tuple[int, int, int]]) -> None:
    times, stamps = Millis(NOW), []
    for millis, digits, zone in lines:
        moment = datetime.fromtimestamp(NOW - 1000, timezone(timedelta(minutes=zone))) + timedelta(milliseconds=millis)
        fraction = f"{millis % 1000:03d}000000"[:digits]
        suffix = "Z" if not zone else moment.isoformat()[-6:]
        stamp = f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction}{suffix}".encode()
        stamps.append(stamp)
    assert stamps == [] or times.column(stamps) in (None, list(map(times.read, stamps)))


def test_text() -> None:
    assert text(1778923146315) == "2026-05-16T09:19:06.315Z"
