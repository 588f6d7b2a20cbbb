"""What the intake remembers and shows: de-duplication, counters, paging, its own endpoints, its life as an object."""

import http.client
import json
import socket
from typing import Any

import pytest

from outrider.intake import Intake
from outrider.model.clock import ManualClock
from tests.support.intake_http import K8S, LOG, call, entry, iso, listed, refusal, write


def test_a_repeat_is_one_row_in_a_query_and_counted(intake: Intake) -> None:
    one = entry("first", insertId="a", timestamp=iso())
    for sent in (one, one, {**one, "textPayload": "another"}):
        assert write(intake, sent)[0] == 200
    stats = intake.stats()
    counted = {name: stats[name] for name in ("received", "unique", "repeated", "conflicting")}
    assert counted == {"received": 3, "unique": 1, "repeated": 2, "conflicting": 1}
    assert [kept["textPayload"] for kept in listed(intake)] == ["first"]
    assert [kept["textPayload"] for kept in intake.entries()] == ["first"]
    status, raw = call(intake, "/intake/entries")
    assert status == 200
    assert [(kept["seq"], kept.get("repeated", False)) for kept in raw] == [(1, False), (2, True), (3, True)]


@pytest.mark.parametrize("key", ["logName", "resource", "labels"])
def test_a_repeat_that_has_its_common_parts_from_the_request_does_not_conflict(intake: Intake, key: str) -> None:
    one = entry("first", insertId="a", timestamp=iso(), labels={"k8s-pod/app": "web"})
    assert write(intake, one)[0] == 200
    common = {key: one.pop(key)}
    assert write(intake, one, **common)[0] == 200
    stats = intake.stats()
    assert (stats["unique"], stats["repeated"], stats["conflicting"]) == (1, 1, 0)


DIFFERENT: list[dict[str, Any]] = [
    {"insertId": "b"},
    {"timestamp": "2026-05-16T09:19:06.000000001Z"},
    {"logName": "projects/other/logs/stdout"},
]


@pytest.mark.parametrize("change", DIFFERENT)
def test_another_project_time_or_id_is_another_entry(change: dict[str, Any]) -> None:
    with Intake(clock=ManualClock(1_778_923_146.0)) as intake:  # 2026-05-16T09:19:06Z
        first = entry(insertId="a", timestamp="2026-05-16T09:19:06Z")
        write(intake, first, {**first, **change})
        assert intake.stats()["unique"] == 2


@pytest.mark.parametrize("change", [{"logName": "projects/acme/logs/stderr"}, {"severity": "ERROR"}])
def test_another_log_or_severity_is_the_same_entry(intake: Intake, change: dict[str, Any]) -> None:
    first = entry(insertId="a", timestamp=iso())
    write(intake, first, {**first, **change})
    assert intake.stats()["repeated"] == 1


def test_the_counters_outlive_the_kept_entries() -> None:
    with Intake(keep=3) as intake:
        sent = [entry(str(number), insertId=f"{number}", timestamp=iso()) for number in range(10)]
        write(intake, *sent)
        write(intake, sent[0])
        stats = intake.stats()
        assert (stats["unique"], stats["repeated"], stats["kept"], stats["last_seq"]) == (10, 1, 3, 11)
        assert [kept["textPayload"] for kept in intake.entries()] == ["8", "9"]


def test_entries_older_than_the_retention_are_taken_but_not_found(intake: Intake) -> None:
    assert write(intake, entry("old", timestamp=iso(-31 * 86_400)), entry("new", timestamp=iso(-29 * 86_400))) == (
        200,
        {},
    )
    assert [kept["textPayload"] for kept in listed(intake)] == ["new"]
    assert intake.stats()["too_old"] == 1
    assert [kept.get("tooOld") for kept in call(intake, "/intake/entries")[1]] == [True, None]


def test_namespaces_bytes_rate_and_lag_are_counted() -> None:
    clock = ManualClock(1_780_000_000.0)
    with Intake(clock=clock) as intake:
        other = {**K8S, "labels": {**K8S["labels"], "namespace_name": "bank"}}  # type: ignore[dict-item]
        late = "2026-05-28T20:26:30Z"  # ten seconds before the clock
        body = {
            "entries": [entry(), entry(), entry(resource=other, timestamp=late), entry(resource={"type": "global"})]
        }
        assert call(intake, "/v2/entries:write", body, zipped=True) == (200, {})
        stats = intake.stats()
        assert stats["namespaces"] == {"shop": 2, "bank": 1, "": 1}
        assert stats["bytes"]["uncompressed"] == len(json.dumps(body))
        assert 0 < stats["bytes"]["compressed"] < stats["bytes"]["uncompressed"]
        assert stats["per_second"] == [0] * 59 + [4]
        clock.advance(2)
        write(intake, entry(timestamp="2026-05-28T20:26:32Z"))
        clock.advance(1)
        stats = intake.stats()
        assert stats["per_second"][-4:] == [4, 0, 1, 0]
        assert stats["rate"] == 1.0
        assert stats["lag"] == 10.0
        assert stats["uptime"] == 3.0
        clock.advance(60)
        assert intake.stats()["per_second"] == [0] * 60


def test_pages_neither_shift_nor_repeat_while_entries_arrive(intake: Intake) -> None:
    base = iso()[:19]
    write(intake, *(entry(f"{number:02}", timestamp=f"{base}.{number:02}Z") for number in range(10)))
    seen: list[str] = []
    token = ""
    for page in range(10):
        body = {"resourceNames": ["projects/acme"], "pageSize": 4, "pageToken": token, "orderBy": "timestamp desc"}
        status, answer = call(intake, "/v2/entries:list", body)
        assert status == 200
        seen += [kept["textPayload"] for kept in answer["entries"]]
        token = answer.get("nextPageToken", "")
        if not token:
            break
        write(intake, entry(f"new {page}", timestamp=f"{base}.9{page}Z"))
    assert seen == [f"{number:02}" for number in range(9, -1, -1)]


def test_equal_times_are_ordered_by_insert_id(intake: Intake) -> None:
    now = iso()
    write(intake, *(entry(name, insertId=name, timestamp=now) for name in ("b", "c", "a")))
    assert [kept["insertId"] for kept in listed(intake)] == ["a", "b", "c"]
    assert [kept["insertId"] for kept in listed(intake, orderBy="timestamp desc")] == ["c", "b", "a"]


def test_a_list_sees_only_the_projects_it_names(intake: Intake) -> None:
    write(intake, entry("ours"), entry("theirs", logName="projects/other/logs/x"))
    assert [kept["textPayload"] for kept in listed(intake)] == ["ours"]
    both = ["projects/acme", "projects/other/locations/global/buckets/_Default/views/_AllLogs"]
    assert len(listed(intake, resourceNames=both)) == 2
    assert len(listed(intake, resourceNames=[], projectIds=["other"])) == 1


BAD_LISTS: list[tuple[dict[str, Any], str]] = [
    ({"resourceNames": []}, "resource_names"),
    ({"resourceNames": ["acme"]}, "Invalid resource name"),
    ({"resourceNames": [f"projects/{number}" for number in range(101)]}, "at most 100"),
    ({"orderBy": "severity"}, "order_by must be"),
    ({"pageSize": -1}, "page_size must not be negative"),
    ({"pageToken": "zzz"}, "page_token is not one of this service"),
    ({"filter": "severity=LOUD"}, "no such severity"),
    ({"filter": 5}, "Invalid value at 'filter' (TYPE_STRING), 5"),
    ({"what": 1}, 'Unknown name "what": Cannot find field.'),
]


@pytest.mark.parametrize(("body", "text"), BAD_LISTS, ids=[row[1] for row in BAD_LISTS])
def test_lists_that_make_no_sense_are_refused(intake: Intake, body: dict[str, Any], text: str) -> None:
    assert text in refusal(call(intake, "/v2/entries:list", {"resourceNames": ["projects/acme"], **body}))


def test_a_page_token_belongs_to_its_query(intake: Intake) -> None:
    write(intake, entry("a"), entry("b"))
    body: dict[str, Any] = {"resourceNames": ["projects/acme"], "pageSize": 1}
    token = call(intake, "/v2/entries:list", body)[1]["nextPageToken"]
    other = {**body, "pageToken": token, "filter": "severity=ERROR"}
    assert "page_token doesn't match" in refusal(call(intake, "/v2/entries:list", other))


def test_logs_are_listed_and_deleted(intake: Intake) -> None:
    write(intake, entry(), entry(logName="projects/acme/logs/a%2Fb"), entry(logName="projects/other/logs/x"))
    assert call(intake, "/v2/projects/acme/logs") == (200, {"logNames": ["projects/acme/logs/a%2Fb", LOG]})
    assert call(intake, "/v2/projects/acme/logs/a%2Fb", method="DELETE") == (200, {})
    assert call(intake, "/v2/projects/acme/logs") == (200, {"logNames": [LOG]})
    status, body = call(intake, "/v2/projects/acme/logs/a%2Fb", method="DELETE")
    assert (status, body["error"]["status"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v2/entries:write"), ("POST", "/v2/entries:tail"), ("GET", "/nothing"), ("PUT", "/"), ("PATCH", "/v2/x")],
)
def test_what_is_unknown_is_not_found_in_the_form_of_the_api(intake: Intake, method: str, path: str) -> None:
    status, body = call(intake, path, b"", method=method)
    assert status == 404
    assert (body["error"]["code"], body["error"]["status"]) == (404, "NOT_FOUND")


def test_entries_are_read_in_steps(intake: Intake) -> None:
    write(intake, *(entry(str(number)) for number in range(5)))
    page = call(intake, "/intake/entries?since=1&limit=2")[1]
    assert [(kept["seq"], kept["textPayload"]) for kept in page] == [(2, "1"), (3, "2")]
    assert all(kept["receiveTimestamp"].endswith("Z") for kept in page)
    assert call(intake, "/intake/entries?since=5") == (200, [])
    assert "since must be a number" in refusal(call(intake, "/intake/entries?since=x"))


def test_a_connection_serves_many_requests_also_after_a_refusal(intake: Intake) -> None:
    connection = http.client.HTTPConnection(intake.host, intake.port, timeout=5)
    statuses = []
    for body in (b"{", json.dumps({"entries": [entry()]}).encode(), b"[]", json.dumps({"entries": [entry()]}).encode()):
        connection.request("POST", "/v2/entries:write", body)
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
        port = connection.sock.getsockname()
    assert statuses == [400, 200, 400, 200]
    assert port == connection.sock.getsockname()
    connection.close()


def test_a_chunked_body_is_read(intake: Intake) -> None:
    raw = json.dumps({"entries": [entry()]}).encode()
    connection = http.client.HTTPConnection(intake.host, intake.port, timeout=5)
    for _ in range(2):
        connection.request("POST", "/v2/entries:write", iter([raw[:10], raw[10:]]), encode_chunked=True)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"{}")
    connection.close()


def test_a_client_that_expects_100_continue_gets_it(intake: Intake) -> None:
    body = json.dumps({"entries": [entry()]}).encode()
    head = b"POST /v2/entries:write HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    with socket.create_connection((intake.host, intake.port), 5) as connection:
        connection.sendall(head % len(body))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_it_comes_back_on_its_ports_with_what_it_knew() -> None:
    intake = Intake(grpc_port=0)
    with intake:
        url, target = intake.url, intake.grpc_target
        write(intake, entry())
    with pytest.raises(ConnectionRefusedError):
        write(intake, entry())
    with intake:
        assert (intake.url, intake.grpc_target) == (url, target)
        write(intake, entry())
        assert intake.wait_for(2, timeout=1)
        assert not intake.wait_for(3, timeout=0.01)


def test_a_stop_ends_idle_connections() -> None:
    with Intake() as intake:
        connection = http.client.HTTPConnection(intake.host, intake.port, timeout=5)
        connection.request("GET", "/intake/stats")
        connection.getresponse().read()
        sock = connection.sock
    assert sock.recv(1) == b""
    connection.close()


def test_a_taken_port_is_an_os_error_and_leaves_nothing_open() -> None:
    with Intake(grpc_port=0) as first:
        with pytest.raises(OSError):
            Intake(port=first.port).start()
        second = Intake(grpc_port=first.grpc_port)
        with pytest.raises(OSError, match="gRPC cannot listen"):
            second.start()
        with pytest.raises(ConnectionRefusedError):
            write(second, entry())


def test_grpc_is_off_unless_asked_for(intake: Intake) -> None:
    with pytest.raises(ValueError, match="grpc_port"):
        _ = intake.grpc_target
