"""Durations and sizes: the table of what is accepted, and that writing and reading agree."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.config.units import (
    DURATION_PATTERN,
    SIZE_PATTERN,
    duration,
    duration_text,
    rate,
    rate_hint,
    size,
    size_hint,
    size_text,
)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("1s", 1.0), ("250ms", 0.25), ("15s", 15.0), ("5m", 300.0), ("2h", 7200.0), ("1d", 86400.0), ("1.5s", 1.5),
        ("0.1s", 0.1), ("3", 3.0), (3, 3.0), (0.25, 0.25), (0, 0.0),
    ],
)  # fmt: skip
def test_durations_become_seconds(written: object, seconds: float) -> None:
    assert duration(written) == seconds


@pytest.mark.parametrize(
    "written",
    ["", "s", "soon", "1 s", "-1s", "1S", "1m30s", "1e3s", ".5s", "1s\n", "١s", -1, True, None, [], float("nan"),
     float("inf"), 10**400],
)  # fmt: skip
def test_other_values_are_no_durations(written: object) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        duration(written)


@pytest.mark.parametrize(
    ("written", "count"),
    [
        ("4MiB", 4 * 1024**2), ("10MB", 10_000_000), ("512KiB", 524_288), ("1kB", 1000), ("1KB", 1000), ("7B", 7),
        ("1.5GiB", 1536 * 1024**2), ("2TiB", 2 * 1024**4), ("0.5B", 0), ("65536", 65536), (65536, 65536), (2.0, 2),
        (0, 0), (2**62 + 1, 2**62 + 1),
    ],
)  # fmt: skip
def test_sizes_become_bytes(written: object, count: int) -> None:
    assert size(written) == count


@pytest.mark.parametrize(
    "written", ["", "MiB", "4 MiB", "4Mi", "4mib", "-1", "1e3", "4MiB\n", 1.5, -1, True, None, {}, float("inf")]
)
def test_other_values_are_no_sizes(written: object) -> None:
    with pytest.raises(ValueError, match="not a size"):
        size(written)


@pytest.mark.parametrize(
    ("written", "meant"), [("4Mi", "4MiB"), ("4 MB", "4MB"), ("10gib", "10GiB"), ("8k", "8KB"), ("12b", "12B")]
)
def test_a_unit_that_is_nearly_right_is_guessed(written: str, meant: str) -> None:
    assert size_hint(written) == f'did you mean "{meant}"?'


@pytest.mark.parametrize("written", ["soon", "4 parsecs", "4XB", ""])
def test_a_unit_that_is_far_off_is_not_guessed(written: str) -> None:
    assert size_hint(written) == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.25, "250ms"), (1.0, "1s"), (15.0, "15s"), (90.0, "90s"), (300.0, "5m"), (86400.0, "1d")]
)
def test_durations_are_written_short(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@given(st.integers(min_value=0, max_value=10**8))
def test_a_duration_that_was_written_reads_the_same(seconds: int) -> None:
    assert duration(duration_text(float(seconds))) == seconds


@given(st.integers(min_value=1, max_value=999))
def test_milliseconds_that_were_written_read_the_same(milliseconds: int) -> None:
    assert duration(duration_text(milliseconds / 1000)) == milliseconds / 1000


@given(st.integers(min_value=0, max_value=2**60))
def test_a_size_that_was_written_reads_the_same(count: int) -> None:
    assert size(size_text(count)) == count


@given(st.text(alphabet="0123456789.msMKiBGhd -e", max_size=8))
def test_the_patterns_say_what_the_functions_do(text: str) -> None:
    for pattern, read in ((DURATION_PATTERN, duration), (SIZE_PATTERN, size)):
        try:
            read(text)
            accepted = True
        except ValueError:
            accepted = False
        assert accepted == bool(re.search(pattern, text))


@pytest.mark.parametrize(
    ("written", "count"), [("1MiB/s", 1 << 20), ("500KB/s", 500_000), ("2048", 2048), (2048, 2048), ("1.5KiB/s", 1536)]
)
def test_rates_become_bytes_per_second(written: object, count: int) -> None:
    assert rate(written) == count


@pytest.mark.parametrize("written", ["", "1MiB", "/s", "1/s", "1MiB/s/s", "1MiB/m", "1 MiB/s", 1.5, -1, True, None])
def test_other_values_are_no_rates(written: object) -> None:
    with pytest.raises(ValueError, match="not a"):
        rate(written)


@pytest.mark.parametrize(
    ("written", "hint"),
    [("1MiB", 'did you mean "1MiB/s"?'), ("1mb/s", 'did you mean "1MB/s"?'), ("1Mi/sec", 'did you mean "1MiB/s"?'),
     ("fast", ""), ("10/s", "")],
)  # fmt: skip
def test_the_rate_that_was_meant(written: str, hint: str) -> None:
    assert rate_hint(written) == hint
