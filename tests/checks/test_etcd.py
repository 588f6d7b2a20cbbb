"""The check `etcd` against a real member, and against answers that members give in other states and versions."""

import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from outrider.checks.check import AnswerError, Reading, RefusedError
from outrider.checks.etcd.check import HEALTH, HEALTHY, EtcdCheck
from outrider.checks.etcd.settings import EtcdSettings
from outrider.checks.tls import TlsSettings
from outrider.model.points import Histogram, Status
from tests.checks.coverage import spelled
from tests.checks.product import Asked, ask, once
from tests.checks.products.etcd import PRODUCT
from tests.checks.reading import datadog
from tests.support.certificates import self_signed
from tests.support.pages import Page, Pages, pages
from tests.support.servers.etcd import Etcd, shared

METRICS = """\
# TYPE etcd_server_has_leader gauge
etcd_server_has_leader 1
# TYPE etcd_server_is_leader gauge
etcd_server_is_leader {leads}
# TYPE etcd_debugging_mvcc_put_total counter
etcd_debugging_mvcc_put_total 7
# TYPE etcd_network_peer_sent_bytes_total counter
etcd_network_peer_sent_bytes_total{{To="a4081436d7aba43"}} 2446
# TYPE process_start_time_seconds gauge
process_start_time_seconds 1.7e+09
"""
STATISTICS = {
    "self": {"state": "StateLeader", "recvAppendRequestCnt": 3, "sendAppendRequestCnt": 9, "sendPkgRate": 6.5},
    "store": {"getsSuccess": 3, "getsFail": 2, "compareAndSwapFail": 1, "expireCount": 0, "watchers": 4},
    "leader": {
        "leader": "423b42ce2ce66e49",
        "followers": {
            "a4081436d7aba43": {"latency": {"current": 0.5, "average": 0.25}, "counts": {"fail": 1, "success": 9}}
        },
    },
}


@pytest.fixture(scope="module")
def member() -> Etcd:
    return shared()


@pytest.fixture
def answers() -> Iterator[Pages]:
    """A leader, without the interface v2."""
    with pages() as served:
        served.at["/metrics"] = Page(METRICS.format(leads=1))
        served.at["/health"] = Page('{"health":"true"}')
        yield served


def _ask(url: str, **settings: Any) -> Asked:
    return once(PRODUCT, EtcdCheck(EtcdSettings(url=url, timeout=20.0, **settings)))


def _datadog(reading: Reading) -> dict[tuple[str, str], Any]:
    return datadog(reading, prefix="etcd.")


def _checks(asked: Asked) -> dict[str, tuple[Status, dict[str, str]]]:
    return {check.name: (check.status, dict(check.tags)) for check in asked.report.service_checks}


def test_names_and_tags_of_a_real_member(member: Etcd) -> None:
    asked = _ask(member.url)
    assert asked.trouble is None
    found = _datadog(asked.reading)
    assert found["server.has_leader", "is_leader:true"] == 1
    assert found["server.version", "is_leader:true server_version:3.4.23"] == 1
    assert found["disk.wal.fsync.duration.seconds.count", "is_leader:true upper_bound:none"] > 0
    assert found["disk.wal.fsync.duration.seconds.count", "is_leader:true upper_bound:0.001"] >= 0
    assert found["disk.wal.fsync.duration.seconds.sum", "is_leader:true"] > 0
    ok = Status.OK, {"url": member.url}
    assert _checks(asked) == {
        "etcd.can_connect": ok,
        HEALTHY: ok,
        HEALTH: (Status.OK, {"endpoint": f"{member.url}/metrics"}),
    }


def test_cloud_monitoring_gets_etcds_names_and_whole_distributions(member: Etcd) -> None:
    google = {p.metric.google.type.rpartition("/")[2]: p for p in _ask(member.url).report.points if p.metric.google}
    fsync = google["etcd_disk_wal_fsync_duration_seconds"]
    assert isinstance(fsync.value, Histogram) and sum(fsync.value.counts) == fsync.value.count > 0
    assert fsync.start is not None and fsync.start < fsync.time
    assert spelled(fsync, "google") == []
    assert google["process_resident_memory_bytes"].start is None


def test_what_nobody_has_called_is_left_out(member: Etcd) -> None:
    member.put("abcd", "abcd")
    methods = {
        dict(p.attributes)["grpc_method"]: p.value
        for p in _ask(member.url).report.points
        if p.metric.key == "grpc_server_started_total"
    }
    assert methods["Put"] >= 1
    assert "LeaseGrant" not in methods


def test_what_has_two_names_comes_once(member: Etcd, answers: Pages) -> None:
    for url in (member.url, answers.url):  # one has both, the other the older one
        named = [
            p for p in _ask(url).report.points if p.metric.datadog and p.metric.datadog.name.endswith("mvcc.put.total")
        ]
        assert len(named) == 1


def test_without_the_interface_v2_its_statistics_are_missing_and_it_is_not_asked_again(answers: Pages) -> None:
    check = EtcdCheck(EtcdSettings(url=answers.url))
    first = ask(PRODUCT, check)
    assert "--enable-v2" in first.reading.missing["store.getsSuccess"]
    asked = len(answers.asked)
    second = ask(PRODUCT, check)
    assert second.reading.missing == first.reading.missing
    assert len(answers.asked) - asked == 2  # metrics and health
    check.close()


def test_the_statistics_of_a_leader(answers: Pages) -> None:
    for name, document in STATISTICS.items():
        answers.at[f"/v2/stats/{name}"] = Page(json.dumps(document))
    asked = _ask(answers.url)
    assert asked.trouble is None and asked.reading.missing == {}
    found = _datadog(asked.reading)
    tags = f"etcd_state:leader url:{answers.url}"
    assert found["self.send.pkgrate", tags] == 6.5
    assert found["self.recv.appendrequest.count", tags] == 3
    assert found["store.compareandswap.fail", tags] == 1
    assert found["store.watchers", tags] == 4
    assert found["leader.counts.success", f"etcd_state:leader follower:a4081436d7aba43 url:{answers.url}"] == 9
    assert found["leader.latency.avg", f"etcd_state:leader follower:a4081436d7aba43 url:{answers.url}"] == 0.25


def test_the_statistics_of_a_follower(answers: Pages) -> None:
    answers.at["/metrics"] = Page(METRICS.format(leads=0))
    answers.at["/v2/stats/self"] = Page(json.dumps({"state": "StateFollower", "recvPkgRate": 6}))
    answers.at["/v2/stats/store"] = Page(json.dumps(STATISTICS["store"]))
    found = _datadog(_ask(answers.url).reading)
    assert found["self.recv.pkgrate", f"etcd_state:follower url:{answers.url}"] == 6
    assert found["network.peer.sent.bytes.total", "To:a4081436d7aba43 is_leader:false"] == 2446
    assert not any(name.startswith("leader.") for name, _ in found)


def test_statistics_that_make_no_sense_are_missing_and_no_failure(answers: Pages) -> None:
    answers.at["/v2/stats/self"] = Page("[" * 100_000)
    asked = _ask(answers.url)
    assert asked.trouble is None
    assert "/v2/stats/self answers with the status 200" in asked.reading.missing["self.sendPkgRate"]


@pytest.mark.parametrize(
    ("page", "status", "words"),
    [
        (Page('{"health":"true"}'), Status.OK, ""),
        (Page('{"health":true}'), Status.OK, ""),
        (Page('{"health":"false"}', 503), Status.CRITICAL, "it says that it is not healthy"),
        (Page('{"health":"false","reason":"RAFT NO LEADER"}', 503), Status.CRITICAL, "RAFT NO LEADER"),
        (Page("not found", 404), Status.UNKNOWN, "/health does not answer as etcd does"),
        (Page("[" * 100_000), Status.UNKNOWN, "/health does not answer as etcd does"),
    ],
)
def test_health(answers: Pages, page: Page, status: Status, words: str) -> None:
    answers.at["/health"] = page
    asked = _ask(answers.url)
    (check,) = [check for check in asked.report.service_checks if check.name == HEALTHY]
    assert check.status is status
    assert words in check.message
    assert asked.trouble is None and asked.report.points


def test_an_endpoint_of_something_else_is_called_so(answers: Pages) -> None:
    answers.at["/metrics"] = Page("# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds 1\n")
    asked = _ask(answers.url)
    assert isinstance(asked.trouble, AnswerError)
    assert "has no metrics of etcd: set url to where it serves clients" in str(asked.trouble)
    assert _checks(asked)[HEALTH] == (Status.CRITICAL, {"endpoint": f"{answers.url}/metrics"})


def test_a_member_that_wants_a_certificate_of_its_clients(tmp_path: Path) -> None:
    context, certificate = self_signed(tmp_path)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certificate)
    ca, key = str(certificate), str(tmp_path / "kubelet.key")
    with pages(context) as served:
        served.at["/metrics"] = Page(METRICS.format(leads=1))
        assert _ask(served.url, tls=TlsSettings(ca=ca, cert=ca, key=key)).trouble is None
        for url, tls, words in (
            (served.url, TlsSettings(), r"the certificate of 127.0.0.1:\d+ is not trusted \(self.signed.*tls\.ca"),
            (served.url, TlsSettings(ca=ca), r"127.0.0.1:\d+ .*a certificate of the client.*tls\.cert"),
            (served.url.replace("https", "http"), TlsSettings(), "hung up .*does it expect TLS.* then say https$"),
        ):
            with pytest.raises(RefusedError, match=words):
                raise _ask(url, tls=tls).trouble or AssertionError
