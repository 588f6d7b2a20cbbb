"""The exporter on real connections: against an API whose judge is the official client's model, and that fails."""

import random
import socket
import string
from pathlib import Path
from typing import Any

import pytest

from outrider import __version__
from outrider.config.secrets import Secret
from outrider.exporters.answer import Verdict
from outrider.exporters.datadog.metrics import DatadogMetrics
from outrider.exporters.metric_destination import MetricDestination, Payload
from outrider.model.clock import ManualClock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.points import Event, Histogram, Report, ServiceCheck, Status, Subject
from tests.support.datadog_api import CHECK_RUN, EVENTS, SERIES, DatadogApi, judge
from tests.support.raw_server import answer, raw_server, silent
from tests.support.reports import NOW, metric, ns, point, report
from tests.support.sink import HANG, LOST_ACK, RESET, Fault

GAUGE, COUNT, RATE = metric("redis.mem", unit="byte"), metric("redis.ops", "counter"), metric("r", "counter", "rate")
CHECK = ServiceCheck("redis.can_connect", Status.OK, ns(NOW), (("redis_host", "h"),))
EVENT = Event("failover", "b took over\nfrom a", ns(NOW), (("redis_host", "h"),), "warning", "failover")


def exporter(url: str, key: Secret | None = None, clock: ManualClock | None = None, **more: Any) -> DatadogMetrics:
    cluster = Cluster("acme", "c", "l", "node-0")
    return DatadogMetrics("dd", cluster, url, key or Secret("a1b2"), clock or ManualClock(NOW), Counters(), **more)


def gauges(n: int, at: float = NOW, noise: int = 0) -> Report:
    """`n` points of one report; `noise` characters of each do not compress."""
    r = random.Random(1)
    letters = string.ascii_letters + string.digits
    return report(*(point(GAUGE, i, at, i=f"{i}-{''.join(r.choices(letters, k=noise))}") for i in range(n)))


def deliver(destination: MetricDestination, *reports: Report) -> list[Payload]:
    payloads = destination.encode(reports)
    assert [destination.send(p).verdict for p in payloads] == [Verdict.ACCEPTED] * len(payloads)
    return payloads


@pytest.mark.parametrize("compress", ["gzip", "deflate", "zstd", "none"])
@pytest.mark.parametrize("n", [1, 200])
def test_everything_of_a_report_arrives(compress: str, n: int) -> None:
    with DatadogApi() as api:
        destination = exporter(api.url + "/", compress=compress, tags=["env:prod"])
        deliver(destination, report(point(COUNT, 10)), report(point(RATE, 10)))
        points = [*gauges(n).points, point(COUNT, 14, NOW + 10), point(RATE, 40, NOW + 10)]
        payloads = deliver(destination, report(*points, service_checks=(CHECK,), events=(EVENT,)))
        assert api.complaints == []
        assert [(p.what, p.items) for p in payloads] == [("points", n + 2), ("service_checks", 1), ("events", 1)]
        assert [(r.path, r.headers.get("content-encoding", "none")) for r in api.requests] == [
            *((SERIES, compress), (CHECK_RUN, "none"), (EVENTS, "none")),
        ]
        assert {r.headers["dd-api-key"] for r in api.requests} == {"a1b2"}
        assert {r.headers["user-agent"] for r in api.requests} == {f"outrider/{__version__}"}
        tags = ["kube_cluster_name:c", "kube_namespace:shop", "pod_name:web-0", "kube_container_name:redis", "env:prod"]
        common = {"tags": tags, "resources": [{"type": "host", "name": "node-1"}]}
        assert api.series[-2:] == [
            {
                "metric": "redis.ops",
                "type": 1,
                "points": [{"timestamp": NOW + 10, "value": 4}],
                "interval": 10,
                **common,
            },
            {"metric": "r", "type": 3, "points": [{"timestamp": NOW + 10, "value": 3}], **common},
        ]
        assert (api.series[0]["type"], api.series[0]["unit"]) == (3, "byte")
        tags = [*tags, "redis_host:h"]
        assert api.service_checks == [
            {"check": CHECK.name, "host_name": "node-1", "status": 0, "timestamp": NOW, "tags": tags, "message": ""}
        ]
        assert api.events == [
            {
                "title": "failover",
                "text": EVENT.text,
                "date_happened": NOW,
                "alert_type": "warning",
                "host": "node-1",
                "tags": tags,
                "aggregation_key": "failover",
            }
        ]


@pytest.mark.parametrize(("compress", "coding"), [("gzip", "deflate"), ("zstd", "deflate"), ("none", "none")])
def test_distributions_go_to_their_own_endpoint(compress: str, coding: str) -> None:
    of = metric("rpc", "histogram", "distribution")
    counted = point(of, Histogram((1.0, 2.0), (2, 1, 1), 4, 5), NOW, NOW - 30)
    with DatadogApi() as api:
        destination = exporter(api.url, clock=(clock := ManualClock(NOW - 60)), compress=compress)
        clock.advance(60)
        payloads = deliver(destination, report(point(GAUGE, 1), counted))
        assert [(p.what, p.items) for p in payloads] == [("points", 1), ("points", 1)]
        assert api.requests[1].headers.get("content-encoding", "none") == coding
        [series] = api.distributions
        assert (series["metric"], series["type"], series["host"]) == ("rpc", "distribution", "node-1")
        assert series["points"] == [[NOW, [0.25, 0.75, 1.5, 2.0]]]
        assert (len(api.series), api.complaints) == (1, [])


def test_no_origin_is_claimed_nor_a_unit_per_another_one() -> None:
    with DatadogApi() as api:
        deliver(exporter(api.url), report(point(metric("x", unit="command", per_unit="second"), 1)))
        [series] = api.series
        assert set(series) == {"metric", "type", "points", "tags", "resources"}


def test_without_a_node_there_is_no_host() -> None:
    with DatadogApi() as api:
        cluster, clock = Cluster("acme", "c", "l", ""), ManualClock(NOW)
        destination = DatadogMetrics("dd", cluster, api.url, Secret("k"), clock, Counters())
        event = Event("t", "x", ns(NOW))
        deliver(destination, report(point(GAUGE, 1), subject=Subject(pod="web-0"), events=(event,)))
        assert ("resources" in api.series[0], "host" in api.events[0], api.complaints) == (False, False, [])


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (SERIES, {"series": [{"metric": "x", "type": 9, "points": []}]}),
        (SERIES, {"series": [{"metric": "x", "points": [{"timestamp": 1.5, "value": 1}]}]}),
        (SERIES, {"series": [{"metric": "x", "points": [], "origin": "y"}]}),
        (CHECK_RUN, [{"check": "x", "host_name": "h", "status": 4, "tags": []}]),
        (EVENTS, {"title": "x", "text": "y", "alert_type": "loud"}),
    ],
)
def test_the_judge_judges(path: str, wrong: Any) -> None:
    assert judge(path, wrong) != []


# -- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "noise", "padding", "compress", "requests"),
    [
        (10_000, 0, 0, "gzip", 1),
        (10_001, 0, 0, "gzip", 2),  # points
        (9_000, 0, 380, "gzip", 2),  # bytes unpacked
        (9_000, 180, 0, "gzip", 4),  # bytes packed
        (5_000, 0, 0, "none", 4),
    ],
)
def test_limits_of_a_request(
    n: int, noise: int, padding: int, compress: str, requests: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.support.datadog_api.judge", lambda *_: [])  # it takes a minute for ten thousand
    with DatadogApi() as api:
        payloads = deliver(
            exporter(api.url, compress=compress, tags=["p" * (padding // 2), "q" * (padding // 2)]),
            gauges(n, noise=noise),
        )
        assert sum(p.items for p in payloads) == n == len(api.series)
        assert len({tuple(s["tags"]) for s in api.series}) == n
        assert all(r.packed <= 512_000 and r.unpacked <= 5_242_880 for r in api.requests)
        assert [p.size for p in payloads] == [r.packed for r in api.requests]
        assert len(payloads) == requests


def test_points_far_apart_in_time_wait_apart_since_they_expire_apart() -> None:
    ages = [3000, 50, 0, 2990]
    payloads = exporter("http://127.0.0.1:1").encode([gauges(2, NOW - age) for age in ages])
    assert [(p.items, p.expires) for p in payloads] == [(4, NOW + 600), (4, NOW + 3550)]


def test_when_nobody_wants_it_any_more() -> None:
    found = exporter("http://127.0.0.1:1").encode(
        [report(point(GAUGE, 1, NOW - 5), service_checks=(CHECK,), events=(EVENT,))]
    )
    assert {p.what: p.expires - NOW for p in found} == {"points": 3595, "service_checks": 600, "events": 18 * 3600}


def test_long_texts_are_cut() -> None:
    check = ServiceCheck("c", Status.CRITICAL, ns(NOW), message="m" * 2000)
    event = Event("t" * 2000, "x" * 9000, ns(NOW), aggregation_key="k" * 2000)
    with DatadogApi() as api:
        deliver(exporter(api.url), report(service_checks=(check,), events=(event,)))
        assert len(api.service_checks[0]["message"]) == 500
        assert [len(api.events[0][k]) for k in ("title", "text", "aggregation_key")] == [100, 4000, 100]
        assert api.complaints == []


def test_halves_of_surrogate_pairs_do_no_harm() -> None:
    check = ServiceCheck("c", Status.CRITICAL, ns(NOW), message="\ud83d")
    event = Event("\ud83d", "\ud83d", ns(NOW), (("a", "\ud83d"),), aggregation_key="\ud83d")
    with DatadogApi() as api:
        deliver(exporter(api.url), report(point(GAUGE, 1, a="\ud83d"), service_checks=(check,), events=(event,)))
        assert api.complaints == []
        assert api.series[0]["tags"][-1] == "a:?"


def test_many_service_checks() -> None:
    with DatadogApi() as api:
        payloads = deliver(exporter(api.url), report(service_checks=(CHECK,) * 1001))
        assert [p.items for p in payloads] == [1000, 1]
        assert len(api.service_checks) == 1001


# -- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "verdict", "wait"),
    [
        (Fault(400), Verdict.SPLIT, None),
        (Fault(413), Verdict.SPLIT, None),
        (Fault(401), Verdict.HOLD, None),
        (Fault(403), Verdict.HOLD, None),
        (Fault(404), Verdict.HOLD, None),
        (Fault(408), Verdict.RETRY, None),
        (Fault(429, {"Retry-After": "7"}), Verdict.RETRY, 7.0),
        (Fault(429, {"X-RateLimit-Reset": "9"}), Verdict.RETRY, 9.0),
        (Fault(500), Verdict.RETRY, None),
        (Fault(503), Verdict.RETRY, None),
        (Fault(RESET), Verdict.RETRY, None),
        (Fault(LOST_ACK), Verdict.RETRY, None),
    ],
)
def test_faults_become_verdicts_and_the_exporter_lives_on(fault: Fault, verdict: Verdict, wait: float | None) -> None:
    with DatadogApi() as api:
        destination = exporter(api.url)
        payloads = destination.encode([report(point(GAUGE, 1), service_checks=(CHECK,), events=(EVENT,))])
        api.next(fault, fault, fault)
        for payload in payloads:
            said = destination.send(payload)
            assert (said.verdict, said.retry_after, bool(said.words)) == (verdict, wait, True)
        assert [destination.send(p).verdict for p in payloads] == [Verdict.ACCEPTED] * 3
        assert api.complaints == []


def test_what_was_accepted_with_errors_is_told() -> None:
    with DatadogApi() as api:
        api.says = {"errors": ["a series was left out"]}
        [payload] = exporter(api.url).encode([gauges(3)])
        said = exporter(api.url).send(payload)
        assert (said.verdict, said.rejected) == (Verdict.PARTIAL, {0: "a series was left out"})


@pytest.mark.parametrize("hang", ["api", "silent"])
def test_a_server_that_never_answers_is_given_up(hang: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outrider.exporters.http.ANSWER_TIMEOUT", 0.2)
    [payload] = exporter("http://127.0.0.1:1").encode([gauges(1)])
    if hang == "api":
        with DatadogApi() as api:
            api.next(Fault(HANG))
            said = exporter(api.url).send(payload)
    else:
        with raw_server(silent) as address:
            said = exporter(f"http://{address}").send(payload)
    assert said.verdict is Verdict.RETRY
    assert "TimeoutError" in said.words


def test_nobody_there() -> None:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    destination = exporter(f"http://127.0.0.1:{port}")
    [payload] = destination.encode([gauges(1)])
    said = destination.send(payload)
    assert said.verdict is Verdict.RETRY
    assert str(port) in said.words


def test_a_key_that_is_replaced_in_its_file_is_used_from_the_next_request_on(tmp_path: Path) -> None:
    file = tmp_path / "key"
    with DatadogApi() as api:
        destination = exporter(api.url, Secret(file=str(file)))
        [payload] = destination.encode([gauges(1)])
        missing = destination.send(payload)
        assert missing.verdict is Verdict.HOLD
        assert str(file) in missing.words
        for key in ("first", "second"):
            (tmp_path / "new").write_text(key + "\n")
            (tmp_path / "new").replace(file)
            assert destination.send(payload).verdict is Verdict.ACCEPTED
        destination.refresh()
        assert [r.headers["dd-api-key"] for r in api.requests] == ["first", "second"]


def test_an_answer_that_shows_the_request_does_not_show_the_key() -> None:
    body = b"you sent DD-API-KEY: a1b2"
    said = b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with raw_server(answer(said)) as address:
        destination = exporter(f"http://{address}")
        told = destination.send(destination.encode([gauges(1)])[0])
    assert told.words == "HTTP 403: you sent DD-API-KEY: ***"


def test_an_endpoint_may_have_a_path_of_its_own() -> None:
    with DatadogApi() as api:
        deliver(exporter(api.url + "/proxy/"), gauges(1))
        assert [r.path for r in api.requests] == ["/proxy/api/v2/series"]


def test_connections_are_kept_and_given_back() -> None:
    with DatadogApi() as api:
        destination = exporter(api.url)
        for i in range(3):
            deliver(destination, gauges(1, NOW + i))
        destination.close()
        deliver(destination, gauges(1, NOW + 9))  # and made anew for whoever asks still
        assert len(api.series) == 4
