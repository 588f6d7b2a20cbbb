"""The check `nginx` against a real server, and against answers in the documented form of NGINX Plus's API."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from outrider.checks.check import AnswerError, CheckError, DeniedError, Reading, RefusedError
from outrider.checks.nginx.check import NginxCheck
from outrider.checks.nginx.settings import NginxSettings
from outrider.checks.tls import TlsSettings
from outrider.config.secrets import Secret
from outrider.model.points import Status
from tests.checks.coverage import spelled
from tests.checks.product import Asked, once
from tests.checks.products.nginx import PRODUCT
from tests.checks.reading import datadog, google
from tests.support.http_server import HttpRequest, Said, http_server
from tests.support.raw_server import answer, raw_server
from tests.support.servers.nginx import Nginx, nginx
from tests.support.wait import until

DOCUMENTS: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "nginx_plus.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with nginx(tmp_path_factory.mktemp("nginx") / "server") as found:
        yield found


def _ask(url: str, **settings: Any) -> Asked:
    return once(PRODUCT, NginxCheck(NginxSettings(url=url, timeout=20.0, **settings)))


def _page(server: Nginx, path: str = "/nginx_status", scheme: str = "http") -> str:
    return f"{scheme}://127.0.0.1:{server.tls_port if scheme == 'https' else server.port}{path}"


def _datadog(reading: Reading) -> dict[tuple[str, str], Any]:
    """Values by name and tags, without those of the server."""
    return datadog(reading, ("nginx_host", "port"))


def test_the_tags_are_those_of_the_agents_check(server: Nginx) -> None:
    asked = _ask(_page(server))
    where = {"nginx_host": "127.0.0.1", "port": str(server.port)}
    assert {tuple(spelled(p, "datadog")) for p in asked.report.points if p.metric.datadog} == {tuple(where.items())}
    assert dict(asked.can_connect.tags) == {**where, "host": "127.0.0.1"}
    assert asked.can_connect.status is Status.OK


def test_what_load_moves_moves(server: Nginx) -> None:
    before = _ask(_page(server)).reading
    for _ in range(20):
        server.get()
    with socket.create_connection(("127.0.0.1", server.port)) as reading_now:
        reading_now.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")  # and no end
        after = until(lambda: _with_one_that_reads(server), 10)
    old, new = _datadog(before), _datadog(after)
    grown = {name: new[name, ""] - old[name, ""] for name, _ in old}
    assert grown["nginx.net.request_per_s"] >= 21
    assert grown["nginx.net.conn_opened_per_s"] >= 21
    assert grown["nginx.net.conn_dropped_per_s"] == 0
    assert new["nginx.net.connections", ""] >= 2
    assert new["nginx.net.writing", ""] >= 1
    assert google(after)["nginx.requests", ""] == new["nginx.net.request_per_s", ""]
    assert google(after)["nginx.connections_accepted", ""] == google(after)["nginx.connections_handled", ""]
    states = {labels: value for (name, labels), value in google(after).items() if name == "nginx.connections_current"}
    assert states.keys() == {"state=active", "state=reading", "state=waiting", "state=writing"}
    assert states["state=reading"] >= 1


def _with_one_that_reads(server: Nginx) -> Reading | None:
    reading = _ask(_page(server)).reading
    return reading if _datadog(reading)["nginx.net.reading", ""] else None


def test_dropped_is_what_was_accepted_and_not_handled() -> None:
    page = b"Active connections: 3 \nserver accepts handled requests\n 12 10 31 \nReading: 0 Writing: 1 Waiting: 2 \n"
    with raw_server(answer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(page), page))) as address:
        found = _datadog(_ask(f"http://{address}/status").reading)
    assert found == {
        ("nginx.net.connections", ""): 3,
        ("nginx.net.conn_opened_per_s", ""): 12,
        ("nginx.net.conn_dropped_per_s", ""): 2,
        ("nginx.net.request_per_s", ""): 31,
        ("nginx.net.reading", ""): 0,
        ("nginx.net.writing", ""): 1,
        ("nginx.net.waiting", ""): 2,
    }


def test_a_user_and_a_password(server: Nginx) -> None:
    assert _ask(_page(server, "/guarded"), username="reader", password=Secret("pw")).trouble is None


@pytest.mark.parametrize(
    ("path", "settings", "kind", "words"),
    [
        ("/guarded", {}, DeniedError, "asks for a user and a password: set username"),
        ("/guarded", {"username": "reader", "password": Secret("no")}, DeniedError, "asks for a user and a password"),
        ("/forbidden", {}, DeniedError, "allow the address .* stub_status"),
        ("/", {}, AnswerError, "is no page of stub_status .*hello.*location = /nginx_status"),
        ("/nginx_status", {"use_plus_api": True}, AnswerError, "is not the API of NGINX Plus|does not answer in JSON"),
    ],
)
def test_what_is_amiss_is_said_with_its_cure(
    server: Nginx, path: str, settings: dict[str, Any], kind: type[CheckError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        raise _ask(_page(server, path), **settings).trouble or AssertionError("nothing is amiss")


def test_a_page_that_is_not_there_is_said_with_what_makes_it() -> None:
    with _api({}) as url, pytest.raises(AnswerError, match=r"status 404: location = /nginx_status"):
        raise _ask(f"{url}/status").trouble or AssertionError("nothing is amiss")


def test_tls(server: Nginx) -> None:
    url = _page(server, scheme="https")
    assert _ask(url, tls=TlsSettings(ca=str(server.certificate))).trouble is None
    assert _ask(url, tls=TlsSettings(verify=False)).trouble is None
    with pytest.raises(RefusedError, match="certificate"):
        raise _ask(url).trouble or AssertionError("it is trusted")


@contextmanager
def _api(documents: dict[str, Any]) -> Iterator[str]:
    """The URL of NGINX Plus's API, with these documents by path, and 404 for all else."""

    def respond(request: HttpRequest) -> Said:
        found = documents.get(request.path.removeprefix("/api/"))
        return (404, {"error": {"status": 404, "code": "PathNotFound"}}) if found is None else (200, found)

    with http_server(respond) as url:
        yield f"{url}/api"


def _plus(documents: dict[str, Any], versions: list[int]) -> Asked:
    newest = max(versions)
    with _api({"": versions, **{f"{newest}/{path}": document for path, document in documents.items()}}) as url:
        return _ask(url, use_plus_api=True)


def test_every_metric_of_nginx_plus_comes_from_its_documents() -> None:
    asked = _plus(DOCUMENTS, [1, 2, 3, 4, 5, 6, 7, 8, 9])
    assert asked.trouble is None
    declared = PRODUCT.load()[1]
    needing = {key for key, needs in declared.needs.items() if needs == "NGINX Plus"}
    assert needing - {p.metric.key for p in asked.report.points} == set()


@pytest.mark.parametrize(
    ("name", "tags", "value"),
    [
        ("nginx.connections.idle", "", 117),
        ("nginx.requests.total", "", 10624511),
        ("nginx.requests.total_count", "", 10624511),
        ("nginx.server_zone.responses.4xx", "server_zone:shop", 11),
        ("nginx.server_zone.responses.code", "code:502 server_zone:shop", 3),
        ("nginx.upstream.peers.responses.5xx", "server:10.0.0.1:8088 upstream:backend", 3),
        ("nginx.upstream.peers.backup", "server:10.0.0.2:8088 upstream:backend", 1),
        ("nginx.upstream.peers.health_checks.last_passed", "server:10.0.0.2:8088 upstream:backend", 0),
        ("nginx.upstream.keepalive", "upstream:backend", 7),
        ("nginx.stream.upstream.peers.fails", "server:10.0.0.3:3306 upstream:databases", 2),
        ("nginx.cache.miss.bytes_written", "cache:pages", 187),
        ("nginx.slab.slot.fails", "slab:http_cache slot:64", 1),
        ("nginx.resolver.requests.name", "resolver:dns", 25460),
        ("nginx.limit_req.rejected", "limit_req:per_address", 1),
        ("nginx.stream.limit_conn.passed", "limit_conn:per_address", 17),
        ("nginx.stream.zone_sync.zone.records_pending", "zone:sessions", 2),
        ("nginx.load_timestamp", "", 1767323045),
    ],
)
def test_names_and_tags_of_nginx_plus(name: str, tags: str, value: int) -> None:
    assert _datadog(_plus(DOCUMENTS, [9]).reading)[name, tags] == value


def test_nginx_plus_at_google() -> None:
    found = google(_plus(DOCUMENTS, [9]).reading)
    assert found["nginx.requests", ""] == 10624511
    assert found["nginx.connections_current", "state=waiting"] == 117


def test_what_is_not_configured_is_not_reported_and_no_error() -> None:
    asked = _plus({path: document for path, document in DOCUMENTS.items() if path == "connections"}, [9])
    assert asked.trouble is None
    assert {p.metric.key for p in asked.report.points if p.metric.datadog} == {
        f"plus.connections.{what}" for what in ("accepted", "dropped", "active", "idle")
    }


def test_an_older_version_is_asked_for_what_it_has() -> None:
    keys = {p.metric.key for p in _plus(DOCUMENTS, [1, 2, 3, 4]).report.points}
    assert "plus.server_zone.requests" in keys
    assert not any("location_zone" in key or "resolver" in key or "limit" in key for key in keys)
