"""The check `haproxy` against a real server, by its endpoint for Prometheus, its page and its runtime API."""

import re
from typing import Any

import pytest

from outrider.checks.check import AnswerError, CheckError, DeniedError, Reading, RefusedError
from outrider.checks.haproxy.check import HaproxyCheck
from outrider.checks.haproxy.exporter import HEALTH
from outrider.checks.haproxy.settings import STATISTICS, HaproxySettings
from outrider.checks.haproxy.statistics import UP
from outrider.checks.tls import TlsSettings
from outrider.config.secrets import Secret
from outrider.model.points import Status
from tests.checks.coverage import spelled
from tests.checks.product import Asked, ask, once
from tests.checks.products.haproxy import PRODUCT
from tests.checks.reading import datadog
from tests.support.pages import Page, pages
from tests.support.server import free_port
from tests.support.servers.haproxy import Haproxy, shared


@pytest.fixture(scope="module")
def server() -> Haproxy:
    return shared()


def _ask(check: HaproxyCheck | None = None, **settings: Any) -> Asked:
    return once(PRODUCT, check or HaproxyCheck(HaproxySettings(timeout=20.0, **settings)))


def _metrics(server: Haproxy, path: str = "/metrics") -> str:
    return f"http://127.0.0.1:{server.port}{path}"


def _sources(server: Haproxy) -> dict[str, str]:
    return {
        "page": _metrics(server, "/stats"),
        "socket": f"unix://{server.socket}",
        "port": f"tcp://127.0.0.1:{server.api_port}",
    }


def _datadog(reading: Reading) -> dict[tuple[str, str], Any]:
    """Values by name and tags, without those of the source."""
    return datadog(reading, ("endpoint", "instance_url"), "haproxy.")


def test_names_and_tags_of_the_endpoint(server: Haproxy) -> None:
    asked = _ask(prometheus_url=_metrics(server))
    assert asked.trouble is None
    found = _datadog(asked.reading)
    assert found["backend.active.servers", "proxy:web"] == 1
    assert found["server.status", "proxy:web server:down state:DOWN"] == 1
    assert found["server.status", "proxy:web server:up state:UP"] == 1
    assert ("frontend.http.responses.count", "code:2xx proxy:www") in found
    assert ("listener.sessions.count", "listener:sock-1 proxy:www") in found
    assert ("sticktable.size", "name:web type:ip") in found
    assert asked.reading.missing["frontend.stot"] == "only the statistics tell it: set url"
    endpoints = {dict(spelled(p, "datadog"))["endpoint"] for p in asked.report.points}
    assert endpoints == {_metrics(server)}
    (health,) = [check for check in asked.report.service_checks if check.name == HEALTH]
    assert (health.status, health.tags) == (Status.OK, (("endpoint", _metrics(server)),))


def test_whether_it_answers_is_told_of_which_one(server: Haproxy) -> None:
    endpoint, socket = _metrics(server), _sources(server)["socket"]
    assert dict(_ask(prometheus_url=endpoint).can_connect.tags) == {"endpoint": endpoint}
    both = {"endpoint": endpoint, "instance_url": socket}
    assert dict(_ask(prometheus_url=endpoint, url=socket).can_connect.tags) == both
    nobody = f"http://127.0.0.1:{free_port()}/stats"
    assert dict(_ask(url=nobody).can_connect.tags) == {"instance_url": nobody}


def test_a_query_of_the_url_is_asked(server: Haproxy) -> None:
    keys = {p.metric.key for p in _ask(prometheus_url=_metrics(server, "/metrics?scope=frontend")).report.points}
    assert keys and all(key.startswith("haproxy_frontend_") for key in keys)


def test_what_requests_move_moves_under_both_names(server: Haproxy) -> None:
    before = _datadog(_ask(prometheus_url=_metrics(server), url=_sources(server)["socket"]).reading)
    for path in ("/", "/", "/hello", "/denied"):
        server.get(path)
    asked = _ask(prometheus_url=_metrics(server), url=_sources(server)["socket"])
    after = _datadog(asked.reading)
    grown = {name: after[name] - before[name] for name in before}
    legacy = "haproxy_service:web service:web type:BACKEND"
    for name in (
        ("backend.http.responses.count", "code:2xx proxy:web"),
        ("backend.http.responses.total", "code:2xx proxy:web"),
        ("server.sessions.count", "proxy:web server:up"),
        ("backend.response.2xx", f"backend:BACKEND {legacy}"),
        ("backend.session.rate", f"backend:BACKEND {legacy}"),
    ):
        assert grown[name] == 2, name
    assert grown["frontend.requests.denied.count", "proxy:www"] == 1
    assert grown["frontend.denied.req_rate", "haproxy_service:www service:www type:FRONTEND"] == 1
    google = {p.metric.google.type.rpartition("/")[2]: p for p in asked.report.points if p.metric.google}
    assert "haproxy_backend_http_responses_total" in google
    started = google["haproxy_process_connections_total"]
    assert started.start is not None and started.start < started.time


@pytest.mark.parametrize("source", ["page", "socket", "port"])
def test_the_statistics_tell_the_same_wherever_they_are_read(server: Haproxy, source: str) -> None:
    url = _sources(server)[source]
    asked = _ask(url=url)
    assert asked.trouble is None
    found = _datadog(asked.reading)
    assert found["frontend.session.limit", "haproxy_service:www service:www type:FRONTEND"] == 100
    assert found["backend.session.pct", "backend:BACKEND haproxy_service:web service:web type:BACKEND"] == 0
    assert ("backend.queue.time", "backend:BACKEND haproxy_service:quiet service:quiet type:BACKEND") in found
    tables = {tags: value for (name, tags), value in found.items() if name == "sticktable.size"}
    assert tables == ({} if source == "page" else {"haproxy_service:web service:web stick_type:ip": 10240})
    urls = {dict(p.attributes)["instance_url"] for p in asked.report.points if not p.metric.key.startswith("table.")}
    assert urls == {url}
    assert (
        asked.reading.missing["haproxy_process_jobs"] == "only the endpoint for Prometheus tells it: set prometheus_url"
    )
    starts = {p.start is not None for p in asked.report.points if p.metric.kind == "counter"}
    assert starts == {source != "page"}  # which does not say since when


def test_backends_and_servers_that_are_up_and_down(server: Haproxy) -> None:
    told = {
        (dict(c.tags)["service"], dict(c.tags)["backend"]): (c.status, c.message)
        for c in _ask(url=_sources(server)["socket"]).report.service_checks
        if c.name == UP
    }
    assert told == {
        ("web", "up"): (Status.OK, ""),
        ("web", "down"): (Status.CRITICAL, "web/down is DOWN"),
        ("web", "BACKEND"): (Status.OK, ""),
        ("quiet", "only"): (Status.UNKNOWN, "quiet/only is no check"),
        ("quiet", "BACKEND"): (Status.OK, ""),
    }


def test_beyond_top_the_rest_is_reported_together(server: Haproxy) -> None:
    check = HaproxyCheck(
        HaproxySettings(prometheus_url=_metrics(server), url=_sources(server)["port"], top=1, timeout=20)
    )
    server.get("/")
    ask(PRODUCT, check)
    for _ in range(3):
        server.get("/quiet")
    asked = _ask(check)
    found = _datadog(asked.reading)
    servers = {tags for name, tags in found if name == "server.sessions.count"}
    assert servers == {"proxy:web server:up", "proxy:other server:other"}
    assert found["server.sessions.count", "proxy:other server:other"] == 3
    assert found["server.http.responses.count", "code:2xx proxy:other server:other"] == 3
    assert found["server.current.sessions", "proxy:other server:other"] == 0
    assert ("server.max.sessions", "proxy:other server:other") not in found
    assert [c for c in asked.report.service_checks if c.name == UP and ("backend", "only") in c.tags] == []
    assert "2 of the servers are more than `top`" in asked.reading.missing[UP]
    assert found["backend.session.rate", "backend:BACKEND haproxy_service:other service:other type:BACKEND"] == 3


def test_a_user_and_a_password(server: Haproxy) -> None:
    page = f"http://127.0.0.1:{server.guarded_port}/"
    reader = {"username": "reader", "password": Secret("pw")}
    assert _ask(url=page, prometheus_url=_metrics(server, "/guarded"), **reader).trouble is None


def test_tls(server: Haproxy) -> None:
    base = f"https://127.0.0.1:{server.tls_port}"
    trusted = TlsSettings(ca=str(server.certificate))
    assert _ask(prometheus_url=f"{base}/metrics", url=f"{base}/stats", tls=trusted).trouble is None
    with pytest.raises(RefusedError, match="is not trusted"):
        raise _ask(prometheus_url=f"{base}/metrics").trouble or AssertionError


@pytest.mark.parametrize(
    ("settings", "kind", "words"),
    [
        ({"prometheus_url": "/hello"}, AnswerError, "does not answer with metrics.*prometheus-exporter if"),
        ({"prometheus_url": "/guarded"}, DeniedError, "set `username` and `password`"),
        ({"url": "/hello"}, AnswerError, "has no statistics of HAProxy .*inner.*set url to what follows `stats uri`"),
        ({"url": "/denied"}, AnswerError, "status 403: set url to what follows `stats uri`"),
    ],
)
def test_what_is_amiss_is_said_with_its_cure(
    server: Haproxy, settings: dict[str, str], kind: type[CheckError], words: str
) -> None:
    asked = _ask(**{key: _metrics(server, path) for key, path in settings.items()})
    assert isinstance(asked.trouble, kind)
    with pytest.raises(kind, match=words):
        raise asked.trouble


def test_a_page_with_a_password_says_so(server: Haproxy) -> None:
    with pytest.raises(DeniedError, match="asks for a user and a password: set username and password"):
        raise _ask(url=f"http://127.0.0.1:{server.guarded_port}/").trouble or AssertionError


def test_a_socket_that_is_not_there_and_one_of_something_else(server: Haproxy) -> None:
    with pytest.raises(RefusedError, match=r"no connection to /nowhere/admin\.sock"):
        raise _ask(url="unix:///nowhere/admin.sock").trouble or AssertionError
    with pytest.raises(CheckError, match="does not answer `show info` to the end"):
        raise _ask(url=f"tcp://127.0.0.1:{server.port}").trouble or AssertionError


def test_if_one_source_fails_the_other_is_read_and_the_trouble_is_told(server: Haproxy) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/metrics"
    asked = _ask(prometheus_url=nobody, url=_sources(server)["page"])
    assert isinstance(asked.trouble, RefusedError) and nobody.split("/")[2] in str(asked.trouble)
    assert any(p.metric.key == "frontend.stot" for p in asked.report.points)
    (health,) = [check for check in asked.report.service_checks if check.name == HEALTH]
    assert health.status is Status.CRITICAL


def test_metrics_of_something_else_are_called_so() -> None:
    with pages() as served:
        served.at["/metrics"] = Page("# TYPE up gauge\nup 1\n")
        with pytest.raises(AnswerError, match=r"has no metrics of HAProxy: http-request use-service"):
            raise _ask(prometheus_url=f"{served.url}/metrics").trouble or AssertionError


def test_a_field_that_holds_a_comma_and_one_that_is_new() -> None:
    table = """\
# pxname,svname,scur,slim,stot,status,desc,type,new,
web,BACKEND,5,20,7,UP,"a, b",1,1,
web,s1,1,,2,UP 1/2,"",2,1,
"""
    with pages() as served:
        served.at["/admin?stats;csv;norefresh"] = Page(table)
        asked = _ask(url=f"{served.url}/admin?stats")
    assert asked.trouble is None
    found = {name: value for (name, _), value in _datadog(asked.reading).items()}
    assert found == {
        "backend.session.current": 5,
        "backend.session.limit": 20,
        "backend.session.pct": 25,
        "backend.session.rate": 7,
    }
    up = {dict(c.tags)["backend"]: c.status for c in asked.report.service_checks if c.name == UP}
    assert up == {"BACKEND": Status.OK, "s1": Status.OK}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (f'# pxname,svname,scur,status,\nweb,BACKEND,1,"{"x" * 200_000}",\n', "has statistics that are no CSV"),
        ("# svname,pxname,scur,status,\nBACKEND,web,1,UP,\n", "has no statistics of HAProxy"),
    ],
)
def test_statistics_that_make_no_sense(table: str, words: str) -> None:
    with pages() as served:
        served.at["/stats;csv;norefresh"] = Page(table)
        with pytest.raises(AnswerError, match=words):
            raise _ask(url=f"{served.url}/stats").trouble or AssertionError


def test_what_is_no_number_is_left_out_and_rows_may_be_longer_or_shorter_than_the_head() -> None:
    with pages() as served:
        served.at["/stats;csv;norefresh"] = Page(
            "# pxname,svname,scur,stot,qcur,status,\n"
            f"web,BACKEND,\u00b2,{'9' * 5000},3,UP,more,and more\n"
            "short,BACKEND,1\n"
        )
        asked = _ask(url=f"{served.url}/stats")
    assert asked.trouble is None
    assert {name for name, _ in _datadog(asked.reading)} == {"backend.queue.current"}


@pytest.mark.parametrize(
    ("url", "right"),
    [
        ("http://127.0.0.1:8404/stats", True),
        ("http://127.0.0.1/admin?stats", True),
        ("unix:///run/haproxy/admin.sock", True),
        ("tcp://[::1]:9999", True),
        ("/run/haproxy/admin.sock", False),
        ("tcp://127.0.0.1", False),
        ("unix://run", False),
    ],
)
def test_where_statistics_may_be(url: str, right: bool) -> None:

    assert bool(re.search(STATISTICS.pattern, url)) is right
