"""The check `zookeeper` against a real server, and against answers that one gives in other roles and versions."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from outrider.checks.check import AnswerError, CheckError, DeniedError, Reading, RefusedError, SilentError
from outrider.checks.tls import TlsSettings
from outrider.checks.zookeeper.check import MODE, ZookeeperCheck
from outrider.checks.zookeeper.settings import ZookeeperSettings
from outrider.model.points import Status
from tests.checks.coverage import spelled
from tests.checks.product import Asked, ask
from tests.checks.products.zookeeper import PRODUCT
from tests.checks.reading import datadog, google
from tests.support.raw_server import raw_server, silent
from tests.support.server import free_port
from tests.support.servers.zookeeper import Zookeeper, shared

UNLISTED = "{} is not executed because it is not in the whitelist.\n"
IDLE = "This ZooKeeper instance is not currently serving requests\n"
MNTR = """\
zk_version\t3.8.0, built on 2024-12-29 17:54 UTC
zk_server_state\t{mode}
zk_avg_latency\t0.25
zk_packets_received\t12
zk_packets_sent\t11
zk_outstanding_requests\t0
zk_uptime\t60000
zk_znode_count\t5
zk_followers\t2
zk_p99_readlatency\tNaN
"""
STAT = """\
Zookeeper version: 3.8.0, built on 2024-12-29 17:54 UTC
Clients:
 /127.0.0.1:53608[0](queued=0,recved=1,sent=0)

Latency min/avg/max: 0/0.25/7
Received: 12
Sent: 11
Connections: 1
Outstanding: 0
Zxid: 0x500000002
Mode: {mode}
Node count: 5
"""
SRVR = "".join(line for line in STAT.splitlines(True) if not line.startswith((" ", "Clients", "\n")))


@pytest.fixture(scope="module")
def server() -> Zookeeper:
    return shared()


def _ask(port: int, check: ZookeeperCheck | None = None, **settings: Any) -> Asked:
    return ask(PRODUCT, check or ZookeeperCheck(ZookeeperSettings(port=port, **{"timeout": 20.0, **settings})))


@contextmanager
def _answering(answers: Mapping[str, str]) -> Iterator[int]:
    """The port of a server that has these answers, and of which the other words are not in the whitelist."""

    def serve(connection: socket.socket, over: threading.Event) -> None:
        del over
        word = connection.recv(4).decode()
        connection.sendall(answers.get(word, UNLISTED.format(word)).encode())

    with raw_server(serve) as address:
        yield int(address.rpartition(":")[2])


def _datadog(reading: Reading) -> dict[tuple[str, str], Any]:
    return datadog(reading, prefix="zookeeper.")


def test_names_tags_and_values_are_those_of_the_server(server: Zookeeper) -> None:
    with server.client():
        asked = _ask(server.port)
        said = dict(line.split("\t") for line in server.word("mntr").splitlines()[1:])
    assert asked.trouble is None
    found = _datadog(asked.reading)
    assert found["znode_count", "mode:standalone"] == found["nodes", "mode:standalone"] == int(said["zk_znode_count"])
    assert found["max_file_descriptor_count", "mode:standalone"] == int(said["zk_max_file_descriptor_count"])
    assert found["num_alive_connections", "mode:standalone"] >= 2
    assert 0 < found["packets_received", "mode:standalone"] < int(said["zk_packets_received"])
    assert found["instances", "mode:standalone"] == found["instances.standalone", ""] == 1
    assert found["timeouts", ""] == 0
    assert asked.can_connect.tags == (("host", "127.0.0.1"), ("port", str(server.port)))


def test_what_google_gets(server: Zookeeper) -> None:
    told = {
        (p.metric.google.type.rpartition("/")[2], tuple(spelled(p, "google"))): p
        for p in _ask(server.port).report.points
        if p.metric.google
    }
    received = told["zookeeper.packet.count", (("direction", "received"),)]
    assert received.start is not None and received.start < received.time
    assert ("zookeeper.packet.count", (("direction", "sent"),)) in told
    assert told["zookeeper.znode.count", ()].value == 5


def test_tls(server: Zookeeper) -> None:
    trusted = TlsSettings(ca=str(server.certificate))
    assert _ask(server.tls_port, tls=trusted).trouble is None
    with pytest.raises(RefusedError, match=r"is not trusted .*tls\.ca"):
        raise _ask(server.tls_port, tls=TlsSettings()).trouble or AssertionError
    with pytest.raises(RefusedError, match=r"no TLS with .*does it expect TLS at this port"):
        raise _ask(server.port, tls=trusted).trouble or AssertionError
    with pytest.raises(SilentError, match=r"ruok was not finished in time: does it expect TLS\? then set tls: \{\}; "):
        raise _ask(server.tls_port, timeout=0.5).trouble or AssertionError


@pytest.mark.parametrize(
    ("listed", "has", "lacks"),
    [
        ("ruok mntr stat", {"znode_count", "followers", "zxid.epoch", "latency.max"}, set()),
        ("mntr srvr", {"znode_count", "followers", "zxid.epoch", "latency.max"}, set()),
        ("ruok mntr", {"znode_count", "followers"}, {"stat.zxid.epoch"}),
        ("ruok stat", {"znode_count", "zxid.epoch", "avg_latency"}, {"mntr.followers"}),
        ("srvr", {"znode_count", "zxid.epoch", "avg_latency"}, {"mntr.followers"}),
    ],
)
def test_a_word_that_is_not_in_the_whitelist_costs_what_only_it_tells(
    listed: str, has: set[str], lacks: set[str]
) -> None:
    whole = {"ruok": "imok", "mntr": MNTR, "stat": STAT, "srvr": SRVR}
    with _answering({word: whole[word].format(mode="leader") for word in listed.split()}) as port:
        asked = _ask(port)
    assert asked.trouble is None
    names = {name for name, tags in _datadog(asked.reading) if tags == "mode:leader"}
    assert has <= names
    assert lacks <= asked.reading.missing.keys()
    seen = {p.metric.key for p in asked.report.points}
    assert not seen & asked.reading.missing.keys()
    assert all("4lw.commands.whitelist=ruok, mntr, stat in zoo.cfg" in why for why in asked.reading.missing.values())


def test_a_server_that_answers_no_word_says_what_to_whitelist() -> None:
    for answers in ({}, {"ruok": "imok"}):
        with _answering(answers) as port:
            trouble = _ask(port).trouble
        assert isinstance(trouble, DeniedError)
        assert "whitelist: 4lw.commands.whitelist=ruok, mntr, stat in zoo.cfg" in str(trouble)


def test_a_value_that_both_tell_comes_once_and_what_is_no_number_not_at_all() -> None:
    with _answering(
        {"ruok": "imok", "mntr": MNTR.format(mode="follower"), "stat": STAT.format(mode="follower")}
    ) as port:
        reading = _ask(port).reading
    keys = [p.metric.key for p in reading.points]
    assert keys.count("mntr.outstanding_requests") == 1
    assert "mntr.p99_readlatency" not in keys
    found = _datadog(reading)
    assert found["zxid.epoch", "mode:follower"] == 5
    assert found["zxid.count", "mode:follower"] == 2
    assert found["bytes_received", "mode:follower"] == found["packets.received", "mode:follower"] == 12
    assert reading.start == reading.time - 60 * 10**9


@pytest.mark.parametrize(
    ("lines", "synced", "unsynced"),
    [
        ("zk_learners\t3\nzk_synced_followers\t1\nzk_synced_observers\t1\n", 1, 1),  # 3.8
        ("zk_learners\t2\nzk_synced_followers\t1\nzk_synced_observers\t1\n", 1, 0),
        ("zk_followers\t4\nzk_synced_followers\t2\n", 2, 2),  # 3.4
    ],
)
def test_what_google_gets_of_a_leader(lines: str, synced: int, unsynced: int) -> None:
    said = MNTR.format(mode="leader").replace("zk_followers\t2\n", f"{lines}zk_pending_syncs\t5\n")
    with _answering({"ruok": "imok", "mntr": said, "srvr": SRVR.format(mode="leader")}) as port:
        found = google(_ask(port).reading)
    assert found["zookeeper.follower.count", "state=synced"] == synced
    assert found["zookeeper.follower.count", "state=unsynced"] == unsynced
    assert found["zookeeper.sync.pending", ""] == 5


def test_a_server_without_a_quorum_is_inactive_and_no_failure() -> None:
    with _answering({"ruok": "imok", "mntr": IDLE, "stat": IDLE}) as port:
        asked = _ask(port, expected_mode=["leader", "follower"])
    assert asked.trouble is None
    assert set(_datadog(asked.reading)) == {
        ("instances", "mode:inactive"),
        ("instances.inactive", ""),
        ("timeouts", ""),
    }
    assert "it has no quorum" in asked.reading.missing["mntr.znode_count"]
    (mode,) = [check for check in asked.report.service_checks if check.name == MODE]
    assert mode.status is Status.CRITICAL
    assert mode.message == f"127.0.0.1:{port} is inactive, and should be leader or follower"


@pytest.mark.parametrize(("mode", "state"), [("observer", "observer"), ("read-only", "unknown")])
def test_modes(mode: str, state: str) -> None:
    with _answering({"ruok": "imok", "mntr": MNTR.format(mode=mode), "stat": STAT.format(mode=mode)}) as port:
        asked = _ask(port, expected_mode=["observer"])
    assert _datadog(asked.reading)[f"instances.{state}", ""] == 1
    (check,) = [check for check in asked.report.service_checks if check.name == MODE]
    assert check.status is (Status.OK if mode == "observer" else Status.CRITICAL)
    assert dict(check.tags).keys() == {"host", "port"}


def test_a_server_that_does_not_answer_is_down_and_counted() -> None:
    with raw_server(silent) as address:
        port = int(address.rpartition(":")[2])
        check = ZookeeperCheck(ZookeeperSettings(port=port, timeout=0.2))
        for times in (1, 2):
            asked = _ask(port, check)
            assert isinstance(asked.trouble, SilentError)
            found = _datadog(asked.reading)
            assert found == {("instances", "mode:down"): 1, ("instances.down", ""): 1, ("timeouts", ""): times}
    refused = _ask(free_port())
    assert _datadog(refused.reading)["instances.down", ""] == 1


@pytest.mark.parametrize(
    ("answers", "kind", "words"),
    [
        ({"ruok": "imnot"}, AnswerError, "does not answer ruok .*'imnot'.*is this its clientPort"),
        ({"ruok": ""}, AnswerError, "hung up on ruok without a word: does it expect TLS"),
        ({"ruok": "imok", "mntr": MNTR[:120]}, AnswerError, "mntr .*not to the end"),
        ({"ruok": "imok", "mntr": "hello\n"}, AnswerError, "does not answer mntr"),
        ({"ruok": "imok", "stat": STAT[:-5]}, AnswerError, "stat .*not to the end"),
        ({"ruok": "imok", "stat": STAT.replace("Sent: 11", "Sent: many")}, AnswerError, "does not answer stat"),
    ],
)
def test_an_answer_that_makes_no_sense_or_was_cut_is_an_error(
    answers: dict[str, str], kind: type[CheckError], words: str
) -> None:
    with _answering(answers) as port, pytest.raises(kind, match=words):
        raise _ask(port).trouble or AssertionError
