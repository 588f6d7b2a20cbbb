"""The benchmark of the DogStatsD server, small: a whole sidecar, a real sink. Nothing here asserts a time."""

from pathlib import Path

from bench.statsd import lines, measure, sidecar


def test_what_is_sent_is_counted_on_both_sides(tmp_path: Path) -> None:
    assert len(lines(5)) == 100
    with sidecar(tmp_path / "run") as (one, _):
        result = measure(one, "unixgram", 2000, 0.5, 5)
    assert result.sent == result.received > 100
    assert (result.kernel, result.socket) == (0, "unixgram")
