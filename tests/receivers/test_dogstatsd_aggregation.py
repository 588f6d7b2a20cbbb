"""What lines add up to within an interval: for Datadog as its Agent has it, for Google since the beginning."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.model.clock import ManualClock
from outrider.model.counters import Counters
from outrider.model.points import Histogram, Increase, Report, Sketch, Subject
from outrider.receivers.dogstatsd import aggregation
from outrider.receivers.dogstatsd.aggregation import REASONS, Aggregation
from outrider.receivers.dogstatsd.lines import Origin

BEGIN = 1_780_000_000
NEAR = pytest.approx


class Rig:
    """An aggregation whose clock a test moves."""

    def __init__(self) -> None:
        self.clock, self.counters = ManualClock(BEGIN), Counters()
        self.aggregation = Aggregation(self._subject, self.clock, self.counters)
        self.containers: dict[str, str] = {}
        """Names of containers of the pod u-1 by their ids."""

    def _subject(self, origin: Origin) -> Subject:
        node, name = origin.host or "node-1", self.containers.get(origin.container_id)
        if name is not None:
            return Subject(node=node, pod="u-1", uid="u-1", container=name)
        return Subject(node=node, pod=origin.pod, uid=origin.pod, container=origin.container)

    def take(self, *lines: str) -> None:
        self.aggregation.take("\n".join(lines).encode("utf-8", "surrogateescape"))

    def close(self, after: float = 10.0) -> list[Report]:
        self.clock.advance(after)
        assert self.aggregation.due() <= 0
        return list(self.aggregation.close())

    def dropped(self) -> dict[str, int]:
        found = {reason: self.counters.value("outrider_dogstatsd_dropped_total", reason=reason) for reason in REASONS}
        return {reason: n for reason, n in found.items() if n}

    def taken(self) -> int:
        return self.counters.value("outrider_dogstatsd_lines_total")


@pytest.fixture
def rig() -> Rig:
    return Rig()


def datadog(reports: Sequence[Report]) -> dict[str, Any]:
    """What Datadog gets, by name: a number for a gauge, a number per second for a rate, or a sketch."""
    found: dict[str, Any] = {}
    for report in reports:
        found |= {p.metric.datadog.name: p.value for p in report.points if p.metric.datadog is not None}
        for recent in report.recent:
            value = recent.value
            assert value is not None
            if isinstance(value, Increase):
                assert recent.name.type == "rate"
                found[recent.name.name] = value.by / value.seconds
            else:
                found[recent.name.name] = value
    return found


def google(reports: Sequence[Report]) -> dict[str, Any]:
    """What Google gets, by name: kind and value."""
    return {
        p.metric.google.type.removeprefix("workload.googleapis.com/"): (p.metric.google.kind, p.value)
        for report in reports
        for p in report.points
        if p.metric.google is not None
    }


@pytest.mark.parametrize(
    ("lines", "of_datadog", "of_google"),
    [
        (["a:1|c", "a:2|c", "a:7|c"], {"a": 1.0}, {"a": ("CUMULATIVE", 10.0)}),
        (["a:1|c|@0.1", "a:5|c"], {"a": 1.5}, {"a": ("CUMULATIVE", 15.0)}),
        (["a:1:2:3:4|c"], {"a": 1.0}, {"a": ("CUMULATIVE", 10.0)}),
        (["a:-5|c"], {"a": -0.5}, {"a": ("CUMULATIVE", 0.0)}),
        (["a:1|g", "a:2.5|g"], {"a": 2.5}, {"a": ("GAUGE", 2.5)}),
        (["a:1:2:9|g"], {"a": 9.0}, {"a": ("GAUGE", 9.0)}),
        (["a:x|s", "a:y|s", "a:x|s", "a:1:2|s"], {"a": 3}, {"a": ("GAUGE", 3)}),
    ],
)
def test_values_of_one_number(rig: Rig, lines: list[str], of_datadog: Any, of_google: Any) -> None:
    rig.take(*lines)
    reports = rig.close()
    assert datadog(reports) == of_datadog
    assert google(reports) == of_google
    assert rig.dropped() == {}


@pytest.mark.parametrize("kind", ["h", "ms"])
def test_histograms_and_timers_are_what_the_agent_makes_of_them(rig: Rig, kind: str) -> None:
    rig.take(*(f"a:{value}|{kind}" for value in range(1, 101)))
    reports = rig.close()
    assert datadog(reports) == {
        "a.max": 100,
        "a.median": NEAR(50, rel=0.01),
        "a.avg": 50.5,
        "a.95percentile": NEAR(95, rel=0.01),
        "a.count": 10.0,
    }
    kind_, value = google(reports)["a"]
    assert (kind_, value.count, value.total) == ("CUMULATIVE", 100, 5050)
    units = {p.metric.datadog.unit for r in reports for p in r.points if p.metric.datadog is not None}
    assert units == {"millisecond" if kind == "ms" else ""}


def test_a_sampled_histogram_counts_what_was_left_out(rig: Rig) -> None:
    rig.take("a:10|h|@0.1", "a:40|h|@0.5")
    found = datadog(rig.close())
    assert (found["a.count"], found["a.avg"]) == (1.2, NEAR((10 * 10 + 2 * 40) / 12))


@pytest.mark.parametrize("rate", [0.7, 0.3, 0.15, 0.011])
def test_a_sample_rate_makes_no_average_above_the_values(rig: Rig, rate: float) -> None:
    rig.take(f"a:10|h|@{rate}", f"b:10:10|d|@{rate}")
    reports = rig.close()
    found, counted = datadog(reports), google(reports)["b"][1]
    assert (found["a.avg"], found["a.max"], found["a.count"]) == (10, 10, int(1 / rate) / 10)
    assert found["b"].total / found["b"].count == counted.total / counted.count == 10


def test_what_no_number_holds_spoils_one_interval_only(rig: Rig) -> None:
    rig.take("a:1e308:1e308|c", "b:1e308:1e308|d", "c:1e308:1e308|h")
    rig.close()
    rig.take("a:5|c", "b:5|d", "c:5|h")
    found = google(rig.close())
    assert (found["a"][1], found["b"][1].total, found["c"][1].total) == (5, 5, 5)


def test_a_distribution_is_a_sketch_of_the_interval_and_a_histogram_of_all_times(rig: Rig) -> None:
    rig.take("a:1:2:32|d")
    first = rig.close()
    rig.take("a:4|d")
    second = rig.close()
    sketches = [datadog(reports)["a"] for reports in (first, second)]
    assert [(s.count, s.total, s.low, s.high) for s in sketches] == [(3, 35, 1, 32), (1, 4, 4, 4)]
    assert all(isinstance(s, Sketch) for s in sketches)
    totals = [google(reports)["a"][1] for reports in (first, second)]
    assert [(t.count, t.total) for t in totals] == [(3, 35), (4, 39)]
    assert all(isinstance(t, Histogram) for t in totals)


def test_intervals_end_at_multiples_of_ten_seconds(rig: Rig) -> None:
    rig.clock.advance(3)
    rig.take("a:1|c", "b:1|g")
    reports = rig.close(7)
    assert {p.time for r in reports for p in (*r.points, *r.recent)} == {(BEGIN + 10) * 10**9}
    rig.take("c:1|c")
    starts = {p.metric.key: p.start for r in rig.close() for p in r.points if p.metric.kind == "counter"}
    # the program before this one may have told of the first interval, up to its middle
    assert starts == {"a": (BEGIN + 5) * 10**9 + 10**6, "c": (BEGIN + 10) * 10**9}


def test_an_interval_that_ends_early_has_a_time_of_its_own(rig: Rig) -> None:
    """Or what the next program reports of the same ten seconds would overwrite it."""
    rig.take("a:1|c", "b:1|g")
    rig.clock.advance(3.5)
    reports = list(rig.aggregation.close())
    assert {p.time for r in reports for p in (*r.points, *r.recent)} == {(BEGIN + 5) * 10**9}
    rig.take("a:1|c")
    rig.clock.advance(5)
    assert {p.time for r in rig.aggregation.close() for p in (*r.points, *r.recent)} == {(BEGIN + 8) * 10**9}
    successor = Rig()
    successor.take("a:1|c")
    assert {p.time for r in successor.close() for p in (*r.points, *r.recent)} == {(BEGIN + 10) * 10**9}


def test_a_count_is_nothing_while_nothing_comes_and_forgotten_after_five_minutes(rig: Rig) -> None:
    rig.take("a:10|c", "b:1|g", "c:1|d")
    rig.close()
    for _ in range(30):
        reports = rig.close()
        assert (datadog(reports), google(reports)) == ({"a": 0.0}, {"a": ("CUMULATIVE", 10.0)})
    assert rig.close() == []
    assert rig.aggregation.series == 0
    rig.take("a:5|c")
    [report] = rig.close()
    assert (google([report]), report.points[0].start) == ({"a": ("CUMULATIVE", 5.0)}, (BEGIN + 320) * 10**9)


def test_the_order_of_tags_is_of_no_matter(rig: Rig) -> None:
    rig.take("a:1|c|#x:1,y:2", "a:1|c|#y:2,x:1", "a:1|c|@0.5|#x:1,y:2,x:1", "a:1|c|#x:1")
    [report] = rig.close()
    by_tags = {p.attributes: p.value for p in report.points}
    assert by_tags == {(("x", "1"), ("y", "2")): 4.0, (("x", "1"),): 1.0}


def test_reports_are_of_one_origin_and_have_the_tags_that_are_just_words(rig: Rig) -> None:
    rig.take(
        "a:1|g", "a:2|g|#shell", "a:3|g|#host:db-1", "a:4|g|card:none", "a:5|g|e:it-false,cn-web,pu-7",
        "_sc|check|0|#shell", "_e{1,1}:a|b|card:none",
    )  # fmt: skip
    found = {
        (r.subject.node, r.subject.pod, r.subject.container, r.tags, r.cardinality): (
            [p.value for p in r.points], len(r.service_checks), len(r.events),
        )
        for r in merge(rig.close())
    }  # fmt: skip
    assert found == {
        ("node-1", "", "", (), ""): ([1], 0, 0),
        ("node-1", "", "", ("shell",), ""): ([2], 1, 0),
        ("db-1", "", "", (), ""): ([3], 0, 0),
        ("node-1", "", "", (), "none"): ([4], 0, 1),
        ("node-1", "7", "web", (), ""): ([5], 0, 0),
    }


def by_pod(reports: Sequence[Report]) -> dict[tuple[str, str], dict[str, Any]]:
    """What Datadog gets, by pod and container."""
    subjects = {(r.subject.uid, r.subject.container) for r in reports}
    return {who: datadog([r for r in reports if (r.subject.uid, r.subject.container) == who]) for who in subjects}


def test_who_is_the_same_counts_together_whatever_he_says_of_himself(rig: Rig) -> None:
    """Two series with one name and the same tags would overwrite each other at the vendors."""
    rig.containers = {"1": "web", "2": "db"}
    rig.take("a:1|c|c:ci-1", "a:2|c|e:cn-web,pu-u-1", "a:4|c|c:ci-1|e:it-false", "a:8|c|c:ci-2")
    rig.take("a:16|c|c:ci-9", "a:32|c|c:in-4026", "a:64|c", "e:1|s|c:ci-8", "e:2|s|c:ci-9")
    reports = rig.close()
    assert by_pod(reports) == {("u-1", "web"): {"a": 0.7}, ("u-1", "db"): {"a": 0.8}, ("", ""): {"a": 11.2, "e": 2}}
    assert len(reports) == 3


def test_a_container_that_becomes_known_is_itself_from_then_on(rig: Rig) -> None:
    """The list of pods is seconds behind."""
    rig.take("a:1|c|c:ci-1", "b:1|g")
    assert by_pod(rig.close()) == {("", ""): {"a": 0.1, "b": 1.0}}
    rig.containers = {"1": "web"}
    rig.take("a:2|c|c:ci-1", "b:2|g")
    assert by_pod(rig.close()) == {("", ""): {"a": 0.2, "b": 2.0}}, "it is looked up when an interval ends"
    rig.take("a:4|c|c:ci-1", "b:4|g")
    assert by_pod(rig.close()) == {("u-1", "web"): {"a": 0.4}, ("", ""): {"a": 0.0, "b": 4.0}}


def test_more_origins_than_are_remembered(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregation, "MAX_ORIGINS", 2)
    for _ in range(3):
        rig.take(*(f"a:1|c|c:ci-{i}" for i in range(5)))
    rig.containers = {"0": "web"}
    rig.close()
    rig.take(*(f"a:1|c|c:ci-{i}" for i in range(5)))
    assert by_pod(rig.close()) == {("", ""): {"a": 0.4}, ("u-1", "web"): {"a": 0.1}}


def test_the_last_value_is_the_last_one_however_it_is_spelled(rig: Rig) -> None:
    rig.take("a:1|g|#x:1,y:2", "a:2|g|#y:2,x:1|@0.5", "a:3|g|#x:1,y:2")
    assert datadog(rig.close()) == {"a": 3.0}


def test_another_host_is_a_label_for_google_and_no_tag_for_datadog(rig: Rig) -> None:
    """Google's resource of a pod has no host: the totals of two would be one series."""
    rig.take("a:1|c|#host:db-1,x:1", "a:2|c|#host:db-2,x:1", "g:1|g|#host:db-1", "h:1|h|#host:db-1")
    reports = rig.close()
    points = [p for r in reports for p in r.points]
    labels = {(p.metric.key, *dict(p.attributes).items()) for p in points if p.metric.google is not None}
    assert labels == {
        ("a", ("host", "db-1"), ("x", "1")), ("a", ("host", "db-2"), ("x", "1")), ("g", ("host", "db-1")),
        ("h", ("host", "db-1")),
    }  # fmt: skip
    names = [p.metric.datadog for p in points if p.metric.datadog] + [one.name for r in reports for one in r.recent]
    assert {name.spelling["host"] for name in names} == {None}


@pytest.mark.parametrize("end", ["\r", ""])
def test_lines_may_end_as_in_windows(rig: Rig, end: str) -> None:
    rig.take(f"a:1|c|#x:y{end}", f"a:2|c|#x:y{end}")
    rig.take(f"_e{{1,1}}:a|b{end}", f"_sc|db|0|m:fine{end}", f"b:1|g{end}", end)
    reports = rig.close()
    assert datadog(reports) == {"a": 0.3, "b": 1.0}
    assert [(e.title, e.text) for r in reports for e in r.events] == [("a", "b")]
    assert [c.message for r in reports for c in r.service_checks] == ["fine"]
    assert rig.dropped() == {}


def merge(reports: Sequence[Report]) -> list[Report]:
    """One report for each source: what is told by itself comes in a report of its own."""
    found: dict[Any, Report] = {}
    for r in reports:
        key = r.subject, r.tags, r.cardinality
        before = found.get(key, Report("dogstatsd", r.subject, tags=r.tags, cardinality=r.cardinality))
        found[key] = Report(
            "dogstatsd", r.subject, before.points + r.points, before.service_checks + r.service_checks,
            before.events + r.events, r.tags, before.recent + r.recent, r.cardinality,
        )  # fmt: skip
    return list(found.values())


def test_values_with_a_time_are_not_added_up(rig: Rig) -> None:
    rig.take(f"a:15|c|#x:1|T{BEGIN - 60}", f"a:5:6|c|#x:1|T{BEGIN - 50}", f"b:4|g|T{BEGIN - 60}")
    reports = rig.close()
    recent = [(r.value.by, r.value.seconds, r.time // 10**9) for one in reports for r in one.recent]  # type: ignore[union-attr]
    assert recent == [(15, 10, BEGIN - 60), (5, 10, BEGIN - 50), (6, 10, BEGIN - 50)]
    times = {p.metric.key: p.time // 10**9 for one in reports for p in one.points}
    assert times == {"a": BEGIN + 10, "b": BEGIN - 60}
    assert google(reports)["a"] == ("CUMULATIVE", 26.0), "Google takes points in order alone"
    assert rig.close() == [], "no zeros are made up in between"


def test_garbage_is_counted_and_takes_nothing_with_it(rig: Rig) -> None:
    rig.take("a:1|c", "a:x|c", "a:|c", "a:nan|c", "a:1:x|c", "a:2|c")
    rig.take("garbage", "b:1|q", "c:1|c|@7", "_e{9,9}:x|y", "_sc|x", "nobody:|s", "no.number:x|d")
    reports = rig.close()
    assert datadog(reports) == {"a": 0.3}
    assert rig.dropped() == {"value": 6, "form": 2, "rate": 1, "event": 1, "service_check": 1}
    assert rig.taken() == 2


@given(st.lists(st.binary(max_size=40) | st.sampled_from([b"a:1|c", b"a:2|h", b"b:x|s", b"_sc|a|1"]), max_size=30))
def test_every_line_is_taken_or_dropped(lines: list[bytes]) -> None:
    rig = Rig()
    rig.aggregation.take(b"\n".join(lines))
    for report in rig.close():
        assert report.points or report.recent or report.events or report.service_checks
    given_ = [line for part in lines for line in part.split(b"\n") if line not in (b"", b"\r")]
    assert rig.taken() + sum(rig.dropped().values()) == len(given_)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-5, 50), st.booleans()), min_size=1, max_size=60))
def test_counts_come_out_as_they_went_in_however_they_are_cut(lines: list[tuple[str, int, bool]]) -> None:
    """Across intervals, and across the emptying of lists."""
    rig, sums = Rig(), dict.fromkeys("abc", 0.0)
    for name, value, closes in lines:
        rig.take(f"{name}:{value}|c")
        if closes:
            for key, rate in datadog(rig.close()).items():
                sums[key] += rate * 10
    for key, rate in datadog(rig.close()).items():
        sums[key] += rate * 10
    assert sums == NEAR({key: sum(v for name, v, _ in lines if name == key) for key in "abc"})


@pytest.mark.parametrize(
    ("room", "size", "lines", "found", "dropped"),
    [
        # one alone may have half, and what he asks for last may be beyond it
        ("SERIES_ROOM", 4000, ["a:1|c", "b:1|c", "c:1|c"], {"a": 0.1}, {"too_many_series": 2}),
        ("SERIES_ROOM", 6500, [f"a:1|c|#x:{'y' * 3000}", "b:1|c"], {"a": 0.1}, {"too_many_series": 1}),
        ("HELD_ROOM", 300, ["a:1|s", "a:2|s", "a:3|s", "a:1|s"], {"a": 2}, {"too_many_values": 1}),
        ("HELD_ROOM", 2000, [f"a:{'x' * 2000}|s", "a:2|s", "b:1|d", "c:1|g"], {"a": 1, "c": 1}, {"too_many_values": 2}),
        ("TOLD_ROOM", 1200, [*["_sc|a|0"] * 4, f"a:1:2|g|T{BEGIN}"], {}, {"too_many_values": 3}),
        ("TOLD_ROOM", 5000, [f"_e{{1,4000}}:a|{'x' * 4000}", "_sc|a|0"], {}, {"too_many_values": 1}),
    ],
)
def test_what_programs_can_make_without_end_is_bounded(
    monkeypatch: pytest.MonkeyPatch, room: str, size: int, lines: list[str], found: Any, dropped: dict[str, int]
) -> None:
    monkeypatch.setattr(aggregation, room, size)
    rig = Rig()
    rig.take(*lines)
    assert datadog(rig.close()) == found
    assert rig.dropped() == dropped
    if room != "SERIES_ROOM":
        rig.take("a:9|s", "_sc|b|0")
        reports = rig.close()
        assert (datadog(reports), [c.name for r in reports for c in r.service_checks]) == ({"a": 1}, ["b"])
        assert rig.dropped() == dropped, "in the next interval there is room again"


@pytest.mark.parametrize(
    ("room", "lines", "reason", "name"),
    [
        ("SERIES_ROOM", ["a:1|c", "b:1|c", "c:1|c"], "too_many_series", "a"),
        ("HELD_ROOM", ["a:1:2|d", "a:2|d", "b:1|s", "c:1|h"], "too_many_values", "b"),
        ("TOLD_ROOM", ["_sc|a|0", "_e{5,1}:title|b", "_sc|c|0"], "too_many_values", "title"),
    ],
)
def test_who_has_no_more_room_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    room: str, lines: list[str], reason: str, name: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(aggregation, room, 0 if room == "SERIES_ROOM" else 300)
    rig = Rig()
    rig.take(*(f"{line}|#dd.internal.entity_id:u-9" for line in lines))
    rig.close()
    rig.take(*(f"{line}|#dd.internal.entity_id:u-9" for line in lines))
    rig.close()
    [words] = caplog.messages
    assert words.startswith(f"dogstatsd: {reason}: no room for all that /u-9 sends, such as {name!r} (said once;")


def test_there_is_room_again_when_series_are_forgotten(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregation, "SERIES_ROOM", 4000)
    rig = Rig()
    rig.take("a:1|c", "b:1|c")
    for _ in range(31):
        rig.close()
    rig.take("b:1|c")
    assert datadog(rig.close()) == {"b": 0.1}
    assert rig.dropped() == {"too_many_series": 1}


@pytest.mark.parametrize(
    ("room", "size", "line"),
    [("SERIES_ROOM", 20_000, "n{i}:1|c"), ("HELD_ROOM", 1000, "a:{i}|s"), ("TOLD_ROOM", 5000, "_sc|{i}|0")],
)
def test_one_who_takes_all_he_can_get_leaves_room_to_others(
    monkeypatch: pytest.MonkeyPatch, room: str, size: int, line: str
) -> None:
    monkeypatch.setattr(aggregation, room, size)
    rig = Rig()
    for pod, n in (("greedy", 20), ("modest", 1), ("third", 1)):
        rig.take(*(f"{line.format(i=i)}|e:pu-{pod}" for i in range(n)))
    reports = rig.close()
    assert sum(rig.dropped().values()) > 5
    modest = [r for r in reports if r.subject.uid != "greedy"]
    assert [len(r.service_checks) + len(datadog([r])) for r in modest] == [1, 1]


def test_values_that_wait_are_bounded_by_their_bytes(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregation, "FOLD_AT", 1000)
    rig.take("a:" + ":".join(["1"] * 600) + "|d")
    assert rig.taken() == 1, "it was added up at once"
    rig.take("a:1|d")
    assert rig.taken() == 1


def test_heads_beyond_the_limit_are_read_anew(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregation, "HEADS_ROOM", 900)
    for _ in range(3):
        rig.take(*(f"n{i}:1|c" for i in range(5)))
    assert datadog(rig.close()) == NEAR({f"n{i}": 0.3 for i in range(5)})
    assert len(rig.aggregation._adds) <= 3


def test_a_series_that_comes_back_while_its_end_is_near_is_not_lost(rig: Rig) -> None:
    """Lines are taken between the reports of an interval, at whose end it would be forgotten."""
    rig.take("a:1|c")
    for _ in range(30):
        rig.close()
    rig.clock.advance(10)
    reports = rig.aggregation.close()
    rig.take("a:5|c")
    assert datadog(list(reports)) == {"a": 0.0}
    assert datadog(rig.close()) == {"a": 0.5}


def test_reports_come_in_portions_between_which_lines_are_taken(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregation, "PORTION", 2)
    rig.take(*(f"n{i}:1|c" for i in range(5)))
    rig.clock.advance(10)
    reports = rig.aggregation.close()
    first = next(reports)
    rig.take("n4:7|c", "new:1|g")
    rest = list(reports)
    assert datadog([first, *rest]) == NEAR({f"n{i}": 0.1 for i in range(5)})
    later = datadog(rig.close())
    assert (later["n4"], later["new"], later["n0"]) == (0.7, 1.0, 0.0)


def test_a_clock_that_is_set_back_ends_the_interval(rig: Rig) -> None:
    rig.take("a:1|g")
    rig.clock.jump(-3600)
    assert rig.aggregation.due() == 0
    reports = list(rig.aggregation.close())
    assert datadog(reports) == {"a": 1.0}
    assert reports[0].points[0].time == (BEGIN - 3600 + 1) * 10**9, "vendors take nothing of the future"
    rig.clock.advance(1)
    assert 0 < rig.aggregation.due() <= 10
