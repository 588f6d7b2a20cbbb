"""The books of several processes as those of one."""

from outrider.model.counters import Counters, Family, exposition
from outrider.pipeline.merging import merged


def family(name: str, kind: str, **values: float) -> Family:
    return Family(name, kind, "Words.", [((("exporter", e),), v) for e, v in values.items()])  # type: ignore[arg-type]


def test_counters_with_equal_labels_are_added_up() -> None:
    one = [family("outrider_lines_read_total", "counter", google=3, datadog=1)]
    other = [family("outrider_lines_read_total", "counter", google=4, late=7)]
    assert merged([one, other]) == [family("outrider_lines_read_total", "counter", google=7, datadog=1, late=7)]


def test_a_counter_stays_whole_however_large() -> None:
    big = 10**18 + 1
    (found,) = merged(
        [[family("outrider_bytes_total", "counter", a=big)], [family("outrider_bytes_total", "counter", a=1)]]
    )
    assert found.samples == [((("exporter", "a"),), big + 1)]


def test_what_a_sum_would_be_wrong_for() -> None:
    ages = [[family("outrider_lag_seconds", "gauge", google=age)] for age in (3.0, 40.0, 0.0)]
    assert merged(ages) == [family("outrider_lag_seconds", "gauge", google=40.0)]
    valid = [[Family("outrider_config_valid", "gauge", "Words.", [((), v)])] for v in (1.0, 0.0, 1.0)]
    assert merged(valid)[0].samples == [((), 0.0)]
    reloads = [[family("outrider_reloads_total", "counter", applied=n)] for n in (2, 2, 1)]
    assert merged(reloads)[0].samples[0][1] == 2


def test_streams_are_put_side_by_side() -> None:
    def stream(pod: str, n: int) -> Family:
        labels = (("exporter", "google"), ("pod", pod), ("state", "behind"))
        return Family("outrider_stream_bytes", "gauge", "Bytes.", [(labels, n)])

    (found,) = merged([[stream("a", 1)], [stream("b", 2)]])
    assert found.samples == [*stream("a", 1).samples, *stream("b", 2).samples]


def test_a_name_comes_once_in_the_text() -> None:
    registries = [Counters(), Counters()]
    for registry in registries:
        registry.counter("outrider_lines_read_total", "Lines.").add(2)
        registry.gauge("outrider_streams", "Streams.", lambda: 3)
    lines = exposition(merged([registry.families() for registry in registries])).splitlines()
    assert [line for line in lines if line[0] != "#"] == ["outrider_lines_read_total 4", "outrider_streams 6"]
    assert len(lines) == 6
    assert merged([]) == []
