"""Metrics through an Agent: what arrives on real sockets, and an Agent that is away, dies or hangs."""

import subprocess
import sys
from pathlib import Path

import pytest

from outrider.config.secrets import Secret
from outrider.exporters.answer import Answer, Verdict
from outrider.exporters.datadog.metrics import DatadogMetrics
from outrider.model.clock import ManualClock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.points import Event, Histogram, Report, ServiceCheck, Status, Subject
from tests.support.dogstatsd import dogstatsd
from tests.support.reports import NOW, metric, ns, point, report

KINDS = ("udp", "unixgram", "unixstream")
TAGS = "kube_cluster_name:c,kube_namespace:shop,pod_name:web-0,kube_container_name:redis"
GAUGE, COUNT, RATE = metric("mem"), metric("ops", "counter"), metric("net", "counter", "rate", type="rate")


def exporter(address: str) -> DatadogMetrics:
    cluster = Cluster("acme", "c", "l", "node-0")
    return DatadogMetrics("dd", cluster, "", Secret(), ManualClock(NOW), Counters(), statsd=address)


def send(destination: DatadogMetrics, *reports: Report) -> list[Answer]:
    return [destination.send(payload) for payload in destination.encode(reports)]


def gauges(n: int) -> Report:
    return report(*(point(GAUGE, i, i=str(i)) for i in range(n)))


@pytest.mark.parametrize("kind", KINDS)
def test_everything_of_a_report_arrives(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DD_SERVICE", "the-sidecar")  # which the package would add
    monkeypatch.setenv("DATADOG_TAGS", "more:tags")
    with dogstatsd(kind, tmp_path) as agent:
        destination = exporter(agent.address)
        assert send(destination, report(point(COUNT, 10), point(RATE, 10))) == []
        check = ServiceCheck("redis.can_connect", Status.CRITICAL, ns(NOW), (("redis_host", "h"),), "a|b\nm:c")
        event = Event("failover", "b took\nover | or so", ns(NOW), (("redis_host", "h"),), "warning", "key|k")
        points = (point(GAUGE, 2.5, db="a,b"), point(COUNT, 14, NOW + 10), point(RATE, 40, NOW + 10))
        said = send(destination, report(*points, service_checks=(check,), events=(event,)))
        assert [a.verdict for a in said] == [Verdict.ACCEPTED] * 3
        assert agent.lines(5) == [
            f"mem:2.5|g|#{TAGS},db:a_b|T{NOW}",
            f"ops:4.0|c|#{TAGS}|T{NOW + 10}",
            f"net:3.0|g|#{TAGS}|T{NOW + 10}",
            f"_sc|redis.can_connect|2|d:{NOW}|h:node-1|#{TAGS},redis_host:h|m:a|b\\nm\\:c",
            f"_e{{8,20}}:failover|b took\\nover | or so|d:{NOW}|h:node-1|k:key_k|t:warning|#{TAGS},redis_host:h",
        ]


def test_values_of_a_distribution(tmp_path: Path) -> None:
    of = metric("rpc", "histogram", "distribution")
    counted = point(of, Histogram((1.0,), (2, 1), 3, 3), NOW + 15, NOW + 5)
    with dogstatsd("unixgram", tmp_path) as agent:
        assert [a.verdict for a in send(exporter(agent.address), report(counted))] == [Verdict.ACCEPTED]
        assert agent.lines(3) == [f"rpc:{value}|d|#{TAGS}" for value in (0.25, 0.75, 1.0)]


@pytest.mark.parametrize("kind", ["unixgram", "unixstream"])
def test_a_unix_socket_of_either_kind_is_found(kind: str, tmp_path: Path) -> None:
    with dogstatsd(kind, tmp_path) as agent:
        address = agent.address.replace(kind, "unix")
        assert [a.verdict for a in send(exporter(address), gauges(1))] == [Verdict.ACCEPTED]
        assert len(agent.lines(1)) == 1


@pytest.mark.parametrize(("kind", "most"), [("udp", 1432), ("unixgram", 8192), ("unixstream", 8192)])
def test_many_values_share_datagrams_of_the_size_that_agents_read(kind: str, most: int, tmp_path: Path) -> None:
    with dogstatsd(kind, tmp_path) as agent:
        assert [a.verdict for a in send(exporter(agent.address), gauges(200))] == [Verdict.ACCEPTED]
        lines = agent.lines(200)
        assert [int(line.split(":")[1].split(".")[0]) for line in lines] == list(range(200))
        assert max(map(len, agent.datagrams)) <= most
        assert len(agent.datagrams) < 200 / 5


def test_a_payload_is_what_is_sent_again() -> None:
    payloads = exporter("udp://127.0.0.1:9").encode([gauges(1001)])
    assert [(p.what, p.items, p.expires) for p in payloads] == [
        ("points", 1000, NOW + 3600),
        ("points", 1, NOW + 3600),
    ]
    assert all(p.size > 200 * p.items for p in payloads)


@pytest.mark.parametrize("kind", KINDS)
def test_an_agent_that_is_not_there_is_told_and_found_again(kind: str, tmp_path: Path) -> None:
    with dogstatsd(kind, tmp_path) as agent:
        address = agent.address
    port = int(address.rpartition(":")[2]) if kind == "udp" else 0
    destination = exporter(address)
    payloads = destination.encode([gauges(1)])
    for _ in range(2):
        said = destination.send(payloads[0])
        assert said.verdict is Verdict.RETRY
        assert address in said.words
    with dogstatsd(kind, tmp_path, port) as agent:
        assert destination.send(payloads[0]).verdict is Verdict.ACCEPTED
        assert len(agent.lines(1)) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_an_agent_that_starts_again_is_found_again(kind: str, tmp_path: Path) -> None:
    with dogstatsd(kind, tmp_path) as agent:
        destination = exporter(agent.address)
        assert [a.verdict for a in send(destination, gauges(1))] == [Verdict.ACCEPTED]
        agent.lines(1)
    [payload] = destination.encode([gauges(20)])
    said = destination.send(payload)
    assert said.verdict is Verdict.RETRY, "nothing of it arrived, and somebody has to know"
    port = int(agent.address.rpartition(":")[2]) if kind == "udp" else 0
    with dogstatsd(kind, tmp_path, port) as agent:
        assert destination.send(payload).verdict is Verdict.ACCEPTED
        assert len(agent.lines(20)) == 20, "what was left of the first attempt went out as well"


@pytest.mark.parametrize("kind", ["unixgram", "unixstream"])
def test_an_agent_that_does_not_read_costs_one_timeout(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outrider.exporters.datadog.statsd.TIMEOUT", 0.2)
    many = [point(GAUGE, i, i=str(i), pad="x" * 190, more="y" * 190) for i in range(1000)]
    with dogstatsd(kind, tmp_path) as agent:
        destination = exporter(agent.address)
        agent.reading.clear()
        payloads = destination.encode([report(*many)] * 3)
        said = [destination.send(p) for p in payloads]
        assert Verdict.RETRY in {a.verdict for a in said}
        assert any("does not read" in a.words for a in said)
        agent.reading.set()
        monkeypatch.setattr("outrider.exporters.datadog.statsd.TIMEOUT", 10)
        destination.close()
        assert [destination.send(p).verdict for p in payloads] == [Verdict.ACCEPTED] * 3


def test_no_such_host() -> None:
    [said] = send(exporter("udp://no-such-host.invalid:8125"), gauges(1))
    assert said.verdict is Verdict.RETRY
    assert "no-such-host.invalid" in said.words


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_is_cut_to_what_an_agent_reads(kind: str, tmp_path: Path) -> None:
    wide = Event("t", "ü" * 9000, ns(NOW))
    broken = Event("t", "\n" * 9000, ns(NOW))
    tagged = Event("t", "x", ns(NOW), tuple((f"k{i}", "v" * 190) for i in range(50)))
    with dogstatsd(kind, tmp_path) as agent:
        [said] = send(exporter(agent.address), report(events=(wide, tagged, broken)))
        assert said.verdict is Verdict.PARTIAL
        assert list(said.rejected) == [1]
        assert "too big" in said.rejected[1]
        lines = agent.lines(2)
        assert [len(line.encode()) <= 8192 for line in lines] == [True, True]
        assert lines[0].count("ü") > 3500


def test_a_node_without_a_name_is_left_to_the_agent(tmp_path: Path) -> None:
    cluster = Cluster("acme", "c", "l", "")
    with dogstatsd("unixgram", tmp_path) as agent:
        destination = DatadogMetrics("dd", cluster, "", Secret(), ManualClock(NOW), Counters(), statsd=agent.address)
        check = ServiceCheck("c", Status.OK, ns(NOW))
        send(destination, report(subject=Subject(pod="web-0"), service_checks=(check,)))
        assert agent.lines(1) == [f"_sc|c|0|d:{NOW}|#kube_cluster_name:c,pod_name:web-0"]


def test_closing_gives_the_socket_back(tmp_path: Path) -> None:
    with dogstatsd("unixstream", tmp_path) as agent:
        destination = exporter(agent.address)
        send(destination, gauges(1))
        destination.close()
        destination.close()
        assert [a.verdict for a in send(destination, gauges(1))] == [Verdict.ACCEPTED]
        assert len(agent.lines(2)) == 2


def test_without_the_package_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "outrider.exporters.datadog.statsd", raising=False)
    for name in [name for name in sys.modules if name.partition(".")[0] == "datadog"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"exporters\.dd\.statsd: .*pip install 'outrider\[statsd\]'"):
        exporter("udp://127.0.0.1:8125")


def test_the_package_is_loaded_only_for_an_agent() -> None:
    code = (
        "import sys, outrider.exporters.datadog.metrics;"
        "print([n for n in sys.modules if n.partition('.')[0] == 'datadog'])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
