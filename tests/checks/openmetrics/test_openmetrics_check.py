"""The check `openmetrics` against endpoints on loopback: names under both vendors, what is chosen, what goes wrong."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from outrider.checks.check import AnswerError, CheckError, DeniedError, Reading, RefusedError, SilentError, run
from outrider.checks.declared import declared
from outrider.checks.openmetrics.check import OpenmetricsCheck
from outrider.checks.openmetrics.settings import OpenmetricsSettings
from outrider.checks.tls import TlsSettings
from outrider.config.secrets import Secret
from outrider.model.clock import ManualClock
from outrider.model.points import GoogleName, Histogram, Point, Report, Status, Subject
from tests.support.certificates import self_signed
from tests.support.pages import Page, Pages, pages
from tests.support.raw_server import answer, raw_server, silent, trickle
from tests.support.server import free_port

DECLARED = declared("outrider.checks.openmetrics")
OWN = "outrider.openmetrics.series_left_out"


@pytest.fixture
def endpoint() -> Iterator[Pages]:
    with pages() as served:
        yield served


def _settings(url: str, **more: Any) -> OpenmetricsSettings:
    return OpenmetricsSettings(url=url, namespace="app", **{"timeout": 10.0, **more})


def _run(check: OpenmetricsCheck) -> tuple[Report, Reading, CheckError | None]:
    return run(check, DECLARED, Subject(), ManualClock())


def _read(endpoint: Pages, text: str, content_type: str = "text/plain", **settings: Any) -> Report:
    endpoint.at["/metrics"] = Page(text, content_type=content_type)
    check = OpenmetricsCheck(_settings(endpoint.url + "/metrics", **settings))
    report, _, trouble = _run(check)
    check.close()
    assert trouble is None, trouble
    return replace(report, points=tuple(p for p in report.points if p.metric.key != "series_left_out"))


def _datadog(report: Report) -> set[tuple[object, ...]]:
    """Name, how it is submitted, type, value, and tags without the endpoint's."""
    found = set()
    for p in report.points:
        name = p.metric.datadog
        if name is not None:
            tags = {f"{name.spelling.get(key, key)}:{value}" for key, value in p.attributes}
            assert {tag for tag in tags if tag.startswith("endpoint:http")}
            rest = " ".join(sorted(tag for tag in tags if not tag.startswith("endpoint:http")))
            found.add((name.name, name.submit, name.type, p.value, rest))
    return found


def _google(report: Report) -> set[tuple[object, ...]]:
    """Type, kind, value type, value, and labels without the endpoint."""
    found = set()
    for p in report.points:
        name = p.metric.google
        if name is not None:
            labels = {str(name.spelling.get(key, key)): value for key, value in p.attributes}
            assert labels.pop("endpoint").startswith("http://127.0.0.1")
            told = " ".join(sorted(f"{key}:{value}" for key, value in labels.items()))
            found.add((name.type.removeprefix("workload.googleapis.com/"), name.kind, name.value_type, p.value, told))
    return found


GAUGE, COUNT = ("gauge", "gauge"), ("monotonic_count", "count")
CASES = [
    (
        '# TYPE hits_total counter\nhits_total{code="200"} 3',
        {("app.hits.count", *COUNT, 3.0, "code:200")},
        {("hits_total", "CUMULATIVE", "DOUBLE", 3.0, "code:200")},
    ),
    ("# TYPE hits counter\nhits 3", {("app.hits.count", *COUNT, 3.0, "")}, {("hits", "CUMULATIVE", "DOUBLE", 3.0, "")}),
    ("# TYPE len gauge\nlen -1.5", {("app.len", *GAUGE, -1.5, "")}, {("len", "GAUGE", "DOUBLE", -1.5, "")}),
    (
        '# TYPE job:len gauge\njob:len{endpoint="e"} 1',
        {("app.job_len", *GAUGE, 1.0, "endpoint:e")},
        {("job_len", "GAUGE", "DOUBLE", 1.0, "exported_endpoint:e")},
    ),
    (
        '# TYPE t_seconds histogram\nt_seconds_bucket{m="a",le="0.5"} 1\nt_seconds_bucket{m="a",le="2"} 3\n'
        't_seconds_bucket{m="a",le="+Inf"} 4\nt_seconds_sum{m="a"} 9.5\nt_seconds_count{m="a"} 4',
        {
            ("app.t_seconds.bucket", *COUNT, 1.0, "m:a upper_bound:0.5"),
            ("app.t_seconds.bucket", *COUNT, 3.0, "m:a upper_bound:2.0"),
            ("app.t_seconds.sum", *COUNT, 9.5, "m:a"),
            ("app.t_seconds.count", *COUNT, 4.0, "m:a"),
        },
        {("t_seconds", "CUMULATIVE", "DISTRIBUTION", Histogram((0.5, 2.0), (1, 2, 1), 4, 9.5), "m:a")},
    ),
    (
        '# TYPE r summary\nr{quantile="0.5"} 2\nr{quantile="0"} 1\nr{quantile="0.9"} NaN\nr_sum 9\nr_count 4',
        {
            ("app.r.quantile", *GAUGE, 2.0, "quantile:0.5"),
            ("app.r.quantile", *GAUGE, 1.0, "quantile:0"),
            ("app.r.sum", *COUNT, 9.0, ""),
            ("app.r.count", *COUNT, 4.0, ""),
        },
        {
            ("r", "GAUGE", "DOUBLE", 2.0, "quantile:0.5"),
            ("r", "GAUGE", "DOUBLE", 1.0, "quantile:0"),
            ("r_sum", "CUMULATIVE", "DOUBLE", 9.0, ""),
            ("r_count", "CUMULATIVE", "DOUBLE", 4.0, ""),
        },
    ),
    ("# TYPE a gauge\na NaN\na +Inf\nb 1", set(), set()),
]


@pytest.mark.parametrize(("text", "datadog", "google"), CASES)
def test_names_types_and_labels(
    endpoint: Pages, text: str, datadog: set[tuple[object, ...]], google: set[tuple[object, ...]]
) -> None:
    report = _read(endpoint, text)
    assert _datadog(report) == datadog
    assert _google(report) == google


@pytest.mark.parametrize(
    ("family", "units"),
    [
        ("# TYPE up_seconds gauge\nup_seconds 1", ("second", "s")),
        ("# TYPE sent_bytes_total counter\nsent_bytes_total 1", ("byte", "By")),
        ("# TYPE up gauge\nup 1", ("", "1")),
    ],
)
def test_units_that_a_name_tells(endpoint: Pages, family: str, units: tuple[str, str]) -> None:
    [point] = _read(endpoint, family).points
    assert point.metric.datadog is not None
    assert point.metric.google is not None
    assert (point.metric.datadog.unit, point.metric.google.unit) == units


def test_openmetrics_says_since_when_something_counts(endpoint: Pages) -> None:
    text = (
        "# HELP hits All hits.\n# TYPE hits counter\nhits_total 3\nhits_created 1780000000.5\n"
        '# TYPE build info\nbuild_info{v="1"} 1\n# TYPE state stateset\nstate{state="on"} 1\n# EOF\n'
    )
    report = _read(endpoint, text, "application/openmetrics-text; version=1.0.0; charset=utf-8")
    hits, build, state = report.points
    assert (hits.start, hits.value, hits.metric.description) == (1_780_000_000_500_000_000, 3.0, "All hits.")
    assert [p.metric.key for p in (build, state)] == ["app.build_info", "app.state"]


def test_a_histogram_that_contradicts_itself_is_no_distribution(endpoint: Pages) -> None:
    text = '# TYPE h histogram\nh_bucket{le="1"} 5\nh_bucket{le="+Inf"} 2\nh_sum 9\nh_count 2'
    assert [p.metric.key for p in _read(endpoint, text).points] == ["app.h.bucket", "app.h.sum", "app.h.count"]


MANY = "\n".join(f"# TYPE {name} gauge\n{name} 1" for name in ("go_threads", "go_gc", "http_open", "cargo_weight"))


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, {"go_threads", "go_gc", "http_open", "cargo_weight"}),
        ({"metrics": ["go_gc", "http"]}, {"go_gc"}),
        ({"metrics": ["go_.*"]}, {"go_threads", "go_gc", "cargo_weight"}),
        ({"metrics": ["^go_", "http_open"]}, {"go_threads", "go_gc", "http_open"}),
        ({"metrics": [".+"], "exclude_metrics": ["^go_", "http_open"]}, {"cargo_weight"}),
        ({"metrics": ["go_gc"], "rename_metrics": {"go_gc": "runtime.gc"}}, {"runtime.gc"}),
    ],
)
def test_which_metrics_are_reported(endpoint: Pages, settings: dict[str, Any], names: set[str]) -> None:
    assert {row[0] for row in _datadog(_read(endpoint, MANY, **settings))} == {f"app.{name}" for name in names}


def test_google_keeps_the_name_of_the_endpoint(endpoint: Pages) -> None:
    report = _read(endpoint, MANY, metrics=["go_gc"], rename_metrics={"go_gc": "runtime.gc"})
    assert _google(report) == {("go_gc", "GAUGE", "DOUBLE", 1.0, "")}


def test_what_has_no_type_is_reported_when_it_is_given_one(endpoint: Pages) -> None:
    endpoint.at["/metrics"] = Page("seen 1\nasked_total 2\nlost 3")
    types: Any = {"seen": "gauge", "asked_total": "counter"}
    report, reading, _ = _run(OpenmetricsCheck(_settings(endpoint.url + "/metrics", metric_types=types)))
    assert {p.metric.key for p in report.points} == {"app.seen", "app.asked_total.count", "series_left_out"}
    assert reading.missing == {"lost": "the endpoint gives it no type: give it one in metric_types"}


def test_labels_are_renamed_and_left_out_and_what_falls_together_is_added_up(endpoint: Pages) -> None:
    text = (
        '# TYPE hits_total counter\nhits_total{pod="a",code="200"} 3\nhits_total{pod="b",code="200"} 4\n'
        '# TYPE r summary\nr{pod="a",quantile="0.5"} 2\nr{pod="b",quantile="0.5"} 5\nr_sum{pod="a"} 1\nr_sum{pod="b"} 1'
    )
    report = _read(endpoint, text, exclude_labels=["pod"], rename_labels={"code": "status"})
    assert _datadog(report) == {
        ("app.hits.count", *COUNT, 7.0, "status:200"),
        ("app.r.quantile", *GAUGE, 5.0, "quantile:0.5"),
        ("app.r.sum", *COUNT, 2.0, ""),
    }


def _series(*users: str) -> str:
    return "# TYPE logins_total counter\n" + "\n".join(f'logins_total{{user="{user}"}} 1' for user in users)


def _users(report: Report) -> set[str]:
    return {dict(p.attributes)["user"] for p in report.points if "user" in dict(p.attributes)}


@pytest.mark.parametrize("limit", ["max_series", "max_series_per_metric"])
def test_the_number_of_series_is_limited_said_once_and_counted(
    endpoint: Pages, caplog: pytest.LogCaptureFixture, limit: str
) -> None:
    check = OpenmetricsCheck(_settings(endpoint.url + "/metrics", **{limit: 3}))
    endpoint.at["/metrics"] = Page(_series("a", "b", "c", "d", "e"))
    report, reading, _ = _run(check)
    assert _users(report) == {"a", "b", "c"}
    assert {p.metric.datadog.name: p.value for p in report.points if p.metric.datadog}[OWN] == 2
    assert "2 of its series" in reading.missing["logins"]

    endpoint.at["/metrics"] = Page(_series("new", "a", "b", "d"))
    assert _users(_run(check)[0]) == {"a", "b"}, "what was reported before keeps its place"
    assert _users(_run(check)[0]) == {"a", "b", "new"}, "what is gone has made room"
    assert len([r for r in caplog.records if r.levelno == logging.WARNING]) == 1
    assert limit in caplog.text


def test_a_histogram_comes_whole_or_not_at_all(endpoint: Pages) -> None:
    rows = "".join(
        f'h_bucket{{m="{m}",le="1"}} 1\nh_bucket{{m="{m}",le="+Inf"}} 2\nh_sum{{m="{m}"}} 3\nh_count{{m="{m}"}} 2\n'
        for m in "abc"
    )
    report = _read(endpoint, "# TYPE h histogram\n" + rows, max_series=5)
    assert {dict(p.attributes)["m"] for p in report.points} == {"a", "b"}
    assert len([p for p in report.points if isinstance(p.value, Histogram)]) == 2


def test_the_service_check_and_the_names_without_a_namespace(endpoint: Pages) -> None:
    endpoint.at["/m?x=1"] = Page("# TYPE up gauge\nup 1")
    url = endpoint.url + "/m?x=1"
    report, _, _ = _run(OpenmetricsCheck(OpenmetricsSettings(url=url)))
    [health] = report.service_checks
    assert (health.name, health.status, health.tags) == ("openmetrics.health", Status.OK, (("endpoint", url),))
    point: Point = report.points[0]
    assert point.metric.key == "up"
    assert isinstance(point.metric.google, GoogleName)


@pytest.mark.parametrize(
    ("settings", "header", "value"),
    [
        ({"username": "u", "password": Secret("p")}, "authorization", "Basic dTpw"),
        ({"token": Secret("t")}, "authorization", "Bearer t"),
        ({"headers": {"X-Scope": "acme"}}, "x-scope", "acme"),
    ],
)
def test_who_asks(endpoint: Pages, settings: dict[str, Any], header: str, value: str) -> None:
    _read(endpoint, "# TYPE up gauge\nup 1", **settings)
    assert endpoint.asked[0][header] == value


def test_the_text_format_is_asked_for_before_openmetrics(endpoint: Pages) -> None:
    _read(endpoint, "# TYPE up gauge\nup 1")
    assert endpoint.asked[0]["accept"].startswith("text/plain;version=0.0.4, application/openmetrics-text")


def test_a_token_that_is_renewed_is_used(endpoint: Pages, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("old")
    endpoint.at["/metrics"] = Page("# TYPE up gauge\nup 1")
    check = OpenmetricsCheck(_settings(endpoint.url + "/metrics", token=Secret.from_file(str(tmp_path / "token"))))
    _run(check)
    (tmp_path / "token").write_text("renewed")
    _run(check)
    assert [asked["authorization"] for asked in endpoint.asked] == ["Bearer old", "Bearer renewed"]


TROUBLES: list[tuple[Page, type[CheckError], str]] = [
    (Page("", 401), DeniedError, "set `username` and `password`, or `token`"),
    (Page("", 403), DeniedError, "refuses this user"),
    (Page("", 404), AnswerError, "there is nothing at"),
    (Page("", 302, headers={"Location": "/elsewhere"}), AnswerError, "/elsewhere"),
    (Page("", 503), CheckError, "HTTP 503"),
    (Page("<html><body>Welcome</body></html>", content_type="text/html"), AnswerError, "line 1"),
    (Page("up 1", content_type="application/openmetrics-text"), AnswerError, "# EOF"),
    (Page(b"\xff\xfe\x00"), AnswerError, "line 1"),
]


@pytest.mark.parametrize(("page", "error", "words"), TROUBLES)
def test_an_answer_that_is_no_metrics(endpoint: Pages, page: Page, error: type[CheckError], words: str) -> None:
    endpoint.at["/metrics"] = page
    report, _, trouble = _run(OpenmetricsCheck(_settings(endpoint.url + "/metrics")))
    assert type(trouble) is error
    assert words in str(trouble)
    [health] = report.service_checks
    assert (health.name, health.status, health.message) == ("app.openmetrics.health", Status.CRITICAL, str(trouble))


def test_what_was_said_before_the_trouble_stays(endpoint: Pages) -> None:
    endpoint.at["/metrics"] = Page("# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\nbroken")
    report, _, trouble = _run(OpenmetricsCheck(_settings(endpoint.url + "/metrics")))
    assert isinstance(trouble, AnswerError)
    assert [p.metric.key for p in report.points] == ["app.a"]


def test_nobody_listens() -> None:
    _, _, trouble = _run(OpenmetricsCheck(_settings(f"http://127.0.0.1:{free_port()}/metrics")))
    assert isinstance(trouble, RefusedError)
    assert "nobody listens at 127.0.0.1" in str(trouble)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"


@pytest.mark.parametrize(
    ("behave", "error"),
    [
        (silent, SilentError),
        (trickle(HEAD, b"up 1\n"), SilentError),
        (trickle(b"HTTP/1.1 200 OK\r\n", b"X-Drip: 1\r\n"), SilentError),
        (answer(b""), RefusedError),
        (answer(b"-ERR unknown command 'GET'\r\n"), AnswerError),
        (answer(HEAD.replace(b"\r\n\r\n", b"\r\nContent-Length: 100\r\n\r\n") + b"up 1\n"), AnswerError),
    ],
    ids=["silent", "drips", "drips headers", "hangs up", "not HTTP", "cut"],
)
def test_a_server_that_does_not_answer_as_it_should(behave: Any, error: type[CheckError]) -> None:
    with raw_server(behave) as address:
        check = OpenmetricsCheck(_settings(f"http://{address}/metrics", timeout=0.3))
        _, _, trouble = _run(check)
    assert type(trouble) is error


def test_tls_with_a_certificate_that_is_trusted_or_not(tmp_path: Path) -> None:
    context, ca = self_signed(tmp_path)
    with pages(context) as endpoint:
        endpoint.at["/metrics"] = Page("# TYPE up gauge\nup 1")
        url = endpoint.url + "/metrics"
        _, _, trouble = _run(OpenmetricsCheck(_settings(url)))
        assert isinstance(trouble, RefusedError)
        assert "not trusted" in str(trouble)
        for tls in (TlsSettings(ca=str(ca)), TlsSettings(verify=False)):
            report, _, trouble = _run(OpenmetricsCheck(_settings(url, tls=tls)))
            assert trouble is None
            assert len(report.points) == 2
