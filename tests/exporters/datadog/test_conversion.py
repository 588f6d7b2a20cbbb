"""What Datadog gets of what servers report, as tables: one row is one history of a series and what comes out."""

import math
from dataclasses import replace
from typing import Any

import pytest

from outrider.exporters.datadog.conversion import Conversion, Series
from outrider.exporters.datadog.growth import REMEMBERED
from outrider.exporters.datadog.tags import container_tags
from outrider.model.clock import ManualClock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.pod import Container, Owner, Pod
from outrider.model.points import Event, Histogram, Metric, Report, ServiceCheck, Status, Subject
from outrider.model.stream import Stream
from tests.support.reports import NOW, SUBJECT, metric, ns, point, report

CLUSTER = Cluster("acme", "on-prem-1", "europe-north1", "node-of-the-program")
GAUGE, COUNT = metric("x"), metric("x", "counter")
RATE = metric("x", "counter", "rate")
RAW = metric("x", "counter", "gauge")


class Converted:
    """A conversion whose clock goes along with the points."""

    def __init__(self, began: float = NOW, tags: tuple[str, ...] = ()) -> None:
        self.clock, self.counters = ManualClock(began), Counters()
        self.conversion = Conversion("dd", CLUSTER, tags, self.clock, self.counters)

    def at(self, now: float) -> None:
        self.clock.advance(now - self.clock.now())

    def series(self, *reports: Report) -> list[Series]:
        return self.conversion.series(reports)

    def left_out(self) -> dict[str, int]:
        """Reasons and how often, where it was at least once."""
        [family] = self.counters.families("outrider_points_left_out_total")
        return {dict(labels)["reason"]: int(n) for labels, n in family.samples if n}


# A history: values with the seconds since the exporter began at which they were read, and since when they count.
HISTORIES: list[tuple[str, Metric, list[tuple[Any, ...]], list[tuple[float, int]]]] = [
    # (name, metric, [(seconds, value, start?)], [(value, interval) of every point that comes out])
    ("a gauge is what it is", GAUGE, [(0, 5), (15, 3)], [(5, 0), (3, 0)]),
    ("a total may be wanted as it is", RAW, [(0, 500), (15, 530)], [(500, 0), (530, 0)]),
    ("a first total says nothing", COUNT, [(0, 500)], []),
    ("a count is the growth", COUNT, [(0, 500), (15, 530), (30, 530)], [(30, 15), (0, 15)]),
    ("its interval is whole seconds", COUNT, [(0, 1), (14.6, 2), (14.7, 3)], [(1, 15), (1, 1)]),
    ("started before us: says nothing", COUNT, [(15, 500, -1)], []),
    ("started after us: all of it", COUNT, [(15, 500, 5)], [(500, 10)]),
    ("started this very moment", COUNT, [(15, 3, 15)], [(3, 1)]),
    ("a start to come is none", COUNT, [(15, 3, 16)], []),
    ("a start that trembles means nothing", COUNT, [(0, 5, -99.5), (15, 7, -98.7), (30, 9, -99.9)], [(2, 15), (2, 15)]),
    ("reset, who knows when: as the Agent, 0", COUNT, [(0, 500), (15, 20), (30, 25)], [(0, 15), (5, 15)]),
    ("reset by hand, the server runs on", COUNT, [(0, 500, -60), (15, 20, -60)], [(0, 15)]),
    ("started again: all since then", COUNT, [(0, 500, -60), (15, 20, 5)], [(20, 10)]),
    ("started again, and more than before", COUNT, [(0, 500, -60), (15, 700, 5)], [(700, 10)]),
    ("a rate needs two values", RATE, [(0, 100), (10, 150), (15, 150)], [(5, 0), (0, 0)]),
    ("a rate leaves out a reset", RATE, [(0, 100), (10, 50), (20, 60)], [(1, 0)]),
    ("a rate leaves out a start", RATE, [(0, 100, -60), (10, 500, 5), (20, 510, 5)], [(1, 0)]),
    ("a rate does not begin with a start", RATE, [(10, 500, 5)], []),
    ("rate as a type has the seconds", metric("x", "counter", "rate", type="rate"), [(0, 0), (10, 50)], [(5, 10)]),
    ("scaled gauge", metric("x", scale=0.5), [(0, 5)], [(2.5, 0)]),
    ("scaled count", metric("x", "counter", scale=1000), [(0, 1), (15, 3)], [(2000, 15)]),
    ("scaled rate", metric("x", "counter", "rate", scale=0.1), [(0, 0), (10, 100)], [(1, 0)]),
    ("the clock was set back: from there", COUNT, [(60, 100), (15, 110), (30, 130)], [(20, 15)]),
    ("forgotten after an hour", COUNT, [(0, 100), (REMEMBERED + 1, 130), (REMEMBERED + 16, 131)], [(1, 15)]),
    ("not forgotten within it", COUNT, [(0, 100), (REMEMBERED - 1, 130)], [(30, 3599)]),
    ("was it reported before it was forgotten?", COUNT, [(60, 9, 30), (REMEMBERED + 90, 12, 30)], [(9, 30)]),
    ("started while nobody looked", COUNT, [(0, 9), (REMEMBERED + 90, 12, REMEMBERED)], [(12, 90)]),
    ("not a number", GAUGE, [(0, math.nan), (15, math.inf), (30, 1)], [(1, 0)]),
    ("no number between two totals", COUNT, [(0, 1), (15, math.nan), (30, 4)], [(3, 30)]),
    ("a number beyond all", GAUGE, [(0, 10**400)], []),
    ("a product beyond all", metric("x", scale=1e300), [(0, 1e300)], []),
]


@pytest.mark.parametrize(("of", "history", "expected"), [h[1:] for h in HISTORIES], ids=[h[0] for h in HISTORIES])
def test_histories(of: Metric, history: list[tuple[Any, ...]], expected: list[tuple[float, int]]) -> None:
    made = Converted()
    found = []
    for seconds, value, *start in history:
        if NOW + seconds > made.clock.now():
            made.at(NOW + seconds)
        since = NOW + start[0] if start else None
        found += made.series(report(point(of, value, NOW + seconds, since)))
    assert [(s.value, s.interval) for s in found] == [(pytest.approx(value), interval) for value, interval in expected]
    assert all(s.type == of.datadog.type for s in found if of.datadog)


def test_series_are_told_by_name_host_and_tags() -> None:
    made = Converted()
    other = Subject(node="node-2", namespace="shop", pod="web-0", uid="u-1", container="redis")
    one, two = point(COUNT, 10, db="0"), point(COUNT, 20, db="1")
    assert made.series(report(one, two), report(one, subject=other), report(one, tags=("team:a",))) == []
    later = [point(COUNT, n, NOW + 15, db=db) for n, db in ((11, "0"), (22, "1"))]
    found = made.series(
        report(*later), report(point(COUNT, 14, NOW + 15, db="0"), subject=other), report(later[0], tags=("team:b",))
    )
    assert [(s.host, s.value, [t for t in s.tags if t.startswith("db")]) for s in found] == [
        ("node-1", 1, ["db:0"]),
        ("node-1", 2, ["db:1"]),
        ("node-2", 4, ["db:0"]),
    ]


CUMULATED = Histogram((0.0, 0.5, 1.0), (0, 2, 3, 4), 9, 12.5)
GROWN = Histogram((0.0, 0.5, 1.0), (0, 3, 5, 4), 12, 14.5)


def test_a_histogram_is_what_the_openmetrics_check_makes_of_it() -> None:
    of = metric("rpc.latency", "histogram", unit="second")
    made = Converted()
    assert made.series(report(point(of, CUMULATED, path="/a"))) == []
    found = made.series(report(point(of, GROWN, NOW + 15, path="/a")))
    assert all((s.type, s.interval, "path:/a" in s.tags) == ("count", 15, True) for s in found)
    assert {(s.name, *(t for t in s.tags if t.startswith("upper_bound"))): s.value for s in found} == {
        ("rpc.latency.count",): 3,
        ("rpc.latency.sum",): 2,
        ("rpc.latency.bucket", "upper_bound:0"): 0,
        ("rpc.latency.bucket", "upper_bound:0.5"): 1,
        ("rpc.latency.bucket", "upper_bound:1.0"): 3,  # everything up to it; above the last bound is .count's
    }


def test_a_histogram_in_another_unit() -> None:
    of = metric("rpc", "histogram", scale=1000)
    found = Converted(NOW - 60).series(report(point(of, CUMULATED, NOW, NOW - 30)))
    sums = {s.name: s.value for s in found if s.name != "rpc.bucket"}
    assert sums == {"rpc.count": 9, "rpc.sum": 12_500}
    assert [t for s in found for t in s.tags if t.startswith("upper")] == [
        "upper_bound:0",
        "upper_bound:500.0",
        "upper_bound:1000.0",
    ]


def test_a_histogram_as_a_distribution_is_its_values_as_far_as_its_bounds_tell() -> None:
    of = metric("rpc", "histogram", "distribution", scale=1000)
    made = Converted()
    assert made.series(report(point(of, Histogram((-1.0, 0.5, 1.0), (1, 2, 3, 4), 10, 12.5), path="/a"))) == []
    [series] = made.series(report(point(of, Histogram((-1.0, 0.5, 1.0), (2, 2, 7, 6), 17, 20), NOW + 15, path="/a")))
    assert (series.name, series.type, series.time, series.interval) == ("rpc", "distribution", NOW + 15, 0)
    assert series.value == (-1000, 562.5, 687.5, 812.5, 937.5, 1000, 1000)
    assert series.tags[-1] == "path:/a"
    assert made.series(report(point(of, Histogram((-1.0, 0.5, 1.0), (2, 2, 7, 6), 17, 20), NOW + 30, path="/a"))) == []


def test_a_positive_histogram_begins_at_nought() -> None:
    of = metric("rpc", "histogram", "distribution")
    [series] = Converted(NOW - 60).series(report(point(of, Histogram((4.0,), (4, 0), 4, 8), NOW, NOW - 30)))
    assert series.value == (0.5, 1.5, 2.5, 3.5)


def test_too_many_values_are_thinned_and_counted() -> None:
    of = metric("rpc", "histogram", "distribution")
    made = Converted(NOW - 60)
    [series] = made.series(report(point(of, Histogram((1.0, 2.0), (20_000, 5_000, 0), 25_000, 9), NOW, NOW - 30)))
    assert isinstance(series.value, tuple)
    assert (len(series.value), sum(v <= 1 for v in series.value)) == (8332, 6666)
    assert made.left_out() == {"too_many_values": 25_000 - 8332}


MAIN = Container("registry:5000/web:1.2", "sha256:aa", "containerd://c2", "containerd://c1", 2, {"DD_ENV": "prod"})
POD = Pod(
    *("u-1", "web-0", "shop"),
    labels={"tags.datadoghq.com/service": "shop", "app.kubernetes.io/name": "web"},
    annotations={"ad.datadoghq.com/tags": '{"team":"a"}'},
    owner=Owner("StatefulSet", "web"),
    phase="Running",
    containers={"redis": MAIN},
)


def test_the_tags_of_a_pod_are_those_of_its_logs_but_for_runs_and_files() -> None:
    subject = Subject("node-1", "shop", "web-0", "u-1", "redis", POD)
    [series] = Converted().series(report(point(GAUGE, 1), subject=subject))
    of_logs = container_tags(Stream("shop", "web-0", "u-1", "redis", 2), POD, CLUSTER).tags
    only_logs = {tag.partition(":")[0] for tag in set(of_logs) - set(series.tags)}
    assert set(series.tags) <= set(of_logs)
    assert only_logs == {"container_id", "container_name", "display_container_name", "filename", "dirname"}
    assert {
        *("env:prod", "service:shop", "kube_cluster_name:on-prem-1", "kube_namespace:shop", "pod_name:web-0"),
        *("kube_container_name:redis", "kube_stateful_set:web", "team:a", "kube_app_name:web", "image_tag:1.2"),
    } <= set(series.tags)


@pytest.mark.parametrize(
    ("subject", "host", "tags"),
    [
        (SUBJECT, "node-1", ["kube_namespace:shop", "pod_name:web-0", "kube_container_name:redis"]),
        (Subject(namespace="shop", pod="web-0"), CLUSTER.node, ["kube_namespace:shop", "pod_name:web-0"]),
        (Subject(node="node-1"), "node-1", []),
    ],
)
def test_who_was_measured(subject: Subject, host: str, tags: list[str]) -> None:
    [series] = Converted().series(report(point(GAUGE, 1), subject=subject))
    assert (series.host, list(series.tags)) == (host, ["kube_cluster_name:on-prem-1", *tags])


def test_where_tags_come_from() -> None:
    of = metric("x", tags=(("state", "used"),), spelling={"db": "redis_db", "redis_host": None})
    made = Converted(tags=("env:prod", "bare"))
    [series] = made.series(
        report(point(of, 1, db="0", redis_host="h", role="primary", none=""), tags=("team:a", "env:prod"))
    )
    assert [t for t in series.tags if not t.startswith(("kube", "pod"))] == [
        *("team:a", "env:prod", "bare", "state:used", "redis_db:0", "role:primary"),
    ]


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        ("a,b|c", "q:a_b_c"),
        ("two\nlines\r\n", "q:two_lines"),
        (" blank ", "q: blank"),
        ("x" * 300, "q:" + "x" * 198),
        ("é", "q:é"),
        ("half \ud83d", "q:half ?"),
    ],
)
def test_odd_tags(value: str, tag: str) -> None:
    made = Converted()
    [series] = made.series(report(point(GAUGE, 1, q=value)))
    assert series.tags[-1] == tag
    assert made.counters.value("outrider_tags_shed_total", exporter="dd") == (len(value) > 200)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("redis.net.clients", "redis.net.clients"),
        ("http requests/total", "http_requests_total"),
        ("a_._b__.c", "a.b.c"),
        ("_total", "total"),
        ("9lives.x", "lives.x"),
        ("größe", "gr_e"),
        ("Case.Kept", "Case.Kept"),
        ("x" * 200, "x" * 200),
        ("x" * 201, None),
        ("_9.", None),
        ("", None),
    ],
)
def test_names(name: str, expected: str | None) -> None:
    made = Converted()
    assert [s.name for s in made.series(report(point(metric(name), 1)))] == ([expected] if expected else [])
    assert made.left_out() == ({} if expected else {"name": 1})


@pytest.mark.parametrize(
    ("age", "reason"),
    [(0, None), (3600, None), (3601, "too_old"), (-600, None), (-601, "too_far_ahead")],
)
def test_what_datadog_would_drop_is_counted(age: int, reason: str | None) -> None:
    made = Converted()
    assert len(made.series(report(point(GAUGE, 1, NOW - age)))) == (reason is None)
    assert made.left_out() == ({} if reason is None else {reason: 1})


def test_every_reason_is_counted() -> None:
    made = Converted()
    made.series(report(point(COUNT, math.nan), point(COUNT, 1), point(COUNT, 2), point(GAUGE, math.inf)))
    assert made.left_out() == {"not_finite": 2, "out_of_order": 1}


def test_what_has_no_name_at_datadog_is_not_for_it() -> None:
    made = Converted()
    assert made.series(report(point(Metric("x"), 1))) == []
    assert made.left_out() == {}


def test_a_total_too_many_is_counted_and_those_known_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outrider.exporters.datadog.growth.MAX_SERIES", 2)
    made = Converted()
    points = [point(COUNT, 1, db=str(i)) for i in range(3)]
    made.series(report(*points))
    later = [point(COUNT, 3, NOW + 15, db=str(i)) for i in range(3)]
    assert [s.value for s in made.series(report(*later))] == [2, 2]
    assert made.left_out() == {"too_many_series": 2}
    made.at(NOW + 15 + REMEMBERED + 1)  # the two are gone, and there is room
    assert made.series(report(point(COUNT, 1, NOW + 3616, db="2"), point(COUNT, 2, NOW + 3617, db="2"))) != []


def test_labels_that_are_made_up_all_the_time_keep_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outrider.exporters.datadog.growth.MAX_SERIES", 8)
    made, known = Converted(), point(COUNT, 1, db="known")
    made.series(report(known))
    for i in range(1, 20):
        made.at(NOW + 15 * i)
        odd = point(COUNT, 1, NOW + 15 * i, db=str(i))
        [grown] = made.series(report(point(COUNT, 1 + i, NOW + 15 * i, db="known"), odd))
        assert grown.value == 1
    assert made.left_out() == {}


SPOOFS = [
    ({"kube_namespace": "bank"}, {"exported_kube_namespace:bank"}),
    ({"Kube_Namespace": "bank"}, {"exported_Kube_Namespace:bank"}),
    ({"_kube_namespace": "bank"}, {"exported__kube_namespace:bank"}),
    ({"pod_name": "web-1"}, {"exported_pod_name:web-1"}),
    ({"kube_stateful_set": "vault"}, {"exported_kube_stateful_set:vault"}),
    ({"kube_namespace": "shop"}, set[str]()),
    ({"namespace": "bank", "kube_service": "web"}, {"namespace:bank", "kube_service:web"}),
]


@pytest.mark.parametrize(("said", "told"), SPOOFS, ids=[" ".join(f"{k}={v}" for k, v in s.items()) for s, _ in SPOOFS])
def test_nothing_that_a_server_says_passes_for_another_pods(said: dict[str, str], told: set[str]) -> None:
    made = Converted()
    pod = Pod("u-1", "web-0", "shop", owner=Owner("StatefulSet", "web"))
    subject = replace(SUBJECT, details=pod)
    pairs = tuple(said.items())
    check, event = ServiceCheck("x", Status.OK, ns(NOW), pairs), Event("t", "x", ns(NOW), tags=pairs)
    of = report(point(GAUGE, 1, **said), subject=subject, service_checks=(check,), events=(event,))
    tagged = report(point(GAUGE, 1), subject=subject, tags=tuple(f"{key}:{value}" for key, value in pairs))
    found = [*made.series(of, tagged), *made.conversion.service_checks([of]), *made.conversion.events([of])]
    [usual] = made.series(report(point(GAUGE, 1), subject=subject))
    assert [set(one.tags) - set(usual.tags) for one in found] == [told] * 4
    [of_no_pod] = made.series(report(point(GAUGE, 1, **said), subject=Subject("node-1")))
    assert {f"{key}:{value}" for key, value in pairs} <= set(of_no_pod.tags), "it may say whose it is"


@pytest.mark.parametrize(("age", "kept"), [(0, True), (600, True), (601, False)])
def test_service_checks(age: int, kept: bool) -> None:
    made = Converted(tags=("env:prod",))
    check = ServiceCheck("redis.can_connect", Status.CRITICAL, ns(NOW - age), (("redis_host", "h"),), "refused")
    found = made.conversion.service_checks([report(service_checks=(check,), tags=("team:a",))])
    if not kept:
        assert (found, made.left_out()) == ([], {"too_old": 1})
        return
    [told] = found
    assert (told.host, told.what) == ("node-1", check)
    assert told.tags[-3:] == ("team:a", "env:prod", "redis_host:h")
    assert "pod_name:web-0" in told.tags


@pytest.mark.parametrize(("age", "kept"), [(0, True), (18 * 3600, True), (18 * 3600 + 1, False)])
def test_events(age: int, kept: bool) -> None:
    made = Converted()
    event = Event("failover", "b took over", ns(NOW - age), (("redis_host", "h"),))
    found = made.conversion.events([report(events=(event,))])
    assert [(told.host, told.what, told.tags[-1]) for told in found] == [("node-1", event, "redis_host:h")] * kept
    assert made.left_out() == ({} if kept else {"too_old": 1})
