"""Counters and their exposition in the Prometheus text format."""

import threading

from outrider.model.counters import Counters, Family


def test_a_counter_is_one_per_name_and_labels() -> None:
    counters = Counters()
    a = counters.counter("outrider_x_total", "X.", exporter="google", kind="a")
    assert counters.counter("outrider_x_total", "X.", kind="a", exporter="google") is a
    b = counters.counter("outrider_x_total", "X.", exporter="google", kind="b")
    a.add()
    b.add(10)
    assert (a.value, b.value) == (1, 10)
    assert counters.value("outrider_x_total") == 11
    assert counters.value("outrider_x_total", kind="b") == 10
    assert counters.value("outrider_x_total", kind="c") == 0
    assert counters.value("outrider_y_total") == 0


def test_the_exposition_is_in_the_text_format() -> None:
    counters = Counters()
    counters.counter("outrider_b_total", "B things.").add(2)
    counters.counter("outrider_a_total", "A things.", path='say "hi"\\\n').add()
    counters.gauge("outrider_g", "G now.", lambda: 1.5, exporter="x")
    counters.gauge("outrider_g", "G now.", lambda: 2.5, exporter="x")
    assert counters.exposition().splitlines() == [
        "# HELP outrider_a_total A things.",
        "# TYPE outrider_a_total counter",
        'outrider_a_total{path="say \\"hi\\"\\\\\\n"} 1',
        "# HELP outrider_b_total B things.",
        "# TYPE outrider_b_total counter",
        "outrider_b_total 2",
        "# HELP outrider_g G now.",
        "# TYPE outrider_g gauge",
        'outrider_g{exporter="x"} 2.5',
    ]


def test_large_gauges_keep_their_digits() -> None:
    counters = Counters()
    counters.gauge("outrider_bytes", "Bytes.", lambda: 123_456_789.0)
    assert "outrider_bytes 123456789\n" in counters.exposition()


def test_many_threads_may_add_and_read_at_once() -> None:
    counters = Counters()

    def add(n: int) -> None:
        for i in range(500):
            counters.counter("outrider_x_total", "X.", thread=str(n), part=str(i % 5)).add()
            counters.exposition() if i % 100 == 0 else None

    threads = [threading.Thread(target=add, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counters.value("outrider_x_total") == 2000
    assert counters.value("outrider_x_total", thread="3") == 500


def test_an_heir_counts_on_and_has_gauges_of_its_own() -> None:
    first = Counters()
    first.counter("outrider_x_total", "X.").add(3)
    first.gauge("outrider_g", "G.", lambda: 1, exporter="old")
    first.gauge("outrider_only_then", "Only then.", lambda: 1)
    second = first.heir()
    second.counter("outrider_x_total", "X.").add(4)
    second.counter("outrider_y_total", "Y.").add()
    second.gauge("outrider_g", "G.", lambda: 2, exporter="new")
    assert first.value("outrider_x_total") == second.value("outrider_x_total") == 7
    assert first.value("outrider_y_total") == 1
    assert [line for line in second.exposition().splitlines() if line[0] != "#"] == [
        'outrider_g{exporter="new"} 2',
        "outrider_x_total 7",
        "outrider_y_total 1",
    ]
    assert "outrider_only_then" not in second.exposition()
    assert 'outrider_g{exporter="old"} 1' in first.exposition()
    assert 'exporter="new"' not in first.exposition()


def test_large_counters_keep_their_digits() -> None:
    counters = Counters()
    counters.counter("outrider_bytes_total", "Bytes.").add(10**18 + 1)
    assert "outrider_bytes_total 1000000000000000001\n" in counters.exposition()


def test_what_is_collected_is_asked_once_and_not_for_others() -> None:
    asked: list[None] = []

    def read() -> list[Family]:
        asked.append(None)
        return [Family("outrider_lag", "gauge", "Lag.", [((("pod", "a"),), 3.0)])]

    counters = Counters()
    counters.counter("outrider_x_total", "X.").add()
    counters.collect(read)
    assert 'outrider_lag{pod="a"} 3' in counters.exposition()
    assert len(asked) == 1
    assert [f.name for f in counters.families("outrider_x_total")] == ["outrider_x_total"]
    assert len(asked) == 1
    assert [f.name for f in counters.families("outrider_lag")] == ["outrider_lag"]
