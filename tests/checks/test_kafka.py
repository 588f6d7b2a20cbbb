"""The check `kafka` against a server that speaks the protocol, and against brokers that say what they are told to."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from outrider.checks.check import AnswerError, CheckError, DeniedError, Reading, RefusedError, SilentError
from outrider.checks.kafka.check import KafkaCheck
from outrider.checks.kafka.lag import Ends
from outrider.checks.kafka.messages import Spot
from outrider.checks.kafka.sasl import SaslError, Scram
from outrider.checks.kafka.settings import KafkaSettings, SaslSettings
from outrider.checks.kafka.wire import Reader, WireError
from outrider.checks.tls import TlsSettings
from outrider.config.secrets import Secret
from outrider.model.clock import ManualClock
from outrider.model.points import Status
from tests.checks.coverage import spelled
from tests.checks.product import Asked, ask
from tests.checks.products.kafka import PRODUCT
from tests.support.certificates import self_signed
from tests.support.servers.fake_kafka import FakeGroup, FakeKafka
from tests.support.servers.noida import Noida, shared

MEMBERS = "group.members"


def _check(*servers: str, **settings: Any) -> KafkaCheck:
    return KafkaCheck(KafkaSettings(**{"bootstrap_servers": list(servers), "timeout": 20.0, **settings}))


def _ask(*servers: str, **settings: Any) -> Asked:
    with contextlib.closing(_check(*servers, **settings)) as check:
        return ask(PRODUCT, check)


def _values(reading: Reading, vendor: str, *without: str) -> dict[tuple[str, str], Any]:
    """Values by name and tags, without those tags."""
    found = {}
    for point in reading.points:
        name = getattr(point.metric, vendor)
        if name is not None:
            tags = " ".join(f"{k}={v}" for k, v in spelled(point, vendor) if k not in without)
            found[name.name if vendor == "datadog" else name.type.rpartition("/")[2], tags] = point.value
    return found


def _datadog(reading: Reading) -> dict[tuple[str, str], Any]:
    return _values(reading, "datadog", "kafka_cluster_id", "leader_broker_id", "bootstrap_servers")


@pytest.fixture(scope="module")
def broker() -> Noida:
    return shared()


@pytest.fixture(scope="module")
def address(broker: Noida) -> Iterator[str]:
    broker.topic("orders", 2)
    broker.topic("mail", 1)
    broker.produce("orders", 0, 10)
    broker.produce("orders", 1, 3)
    broker.commit("shipping", {("orders", 0): 4, ("orders", 1): 3})
    broker.commit("billing", {("orders", 0): 9})
    yield f"127.0.0.1:{broker.kafka}"


THREE = {"orders": [(1, [1, 2], [1, 2]), (2, [2, 3], [2]), (-1, [3], [])], "__consumer_offsets": [(3, [3], [3])]}
"""Three partitions, each with a leader, replicas, and those in step: all well, one behind, no leader."""


def _three(**more: Any) -> FakeKafka:
    offsets = {("orders", 0): (10, 100), ("orders", 1): (0, 50)}
    groups = {
        "shipping": FakeGroup(node=2, members=3, commits={("orders", 0): 90, ("orders", 1): 50, ("orders", 2): 7}),
        "workers": FakeGroup(node=1, kind="connect"),
        "new": FakeGroup(node=3, state="Dead", members=0, commits={("orders", 0): 99}),
    }
    return FakeKafka(nodes=(1, 2, 3), topics=THREE, offsets=offsets, groups=groups, **more)


def test_how_far_groups_are_behind(address: str) -> None:
    asked = _ask(address, groups=["^shipping$", "^billing$"], topics=["^(orders|mail)$"])
    assert asked.trouble is None
    found = _datadog(asked.reading)
    of_groups = {where: value for where, value in found.items() if where[0].startswith("kafka.consumer_")}
    assert of_groups == {
        ("kafka.consumer_group.count", ""): 2,
        ("kafka.consumer_group.members", "consumer_group=shipping consumer_group_state=Empty coordinator=1"): 0,
        ("kafka.consumer_group.members", "consumer_group=billing consumer_group_state=Empty coordinator=1"): 0,
        ("kafka.consumer_offset", "consumer_group=shipping partition=0 topic=orders"): 4,
        ("kafka.consumer_offset", "consumer_group=shipping partition=1 topic=orders"): 3,
        ("kafka.consumer_offset", "consumer_group=billing partition=0 topic=orders"): 9,
        ("kafka.consumer_lag", "consumer_group=shipping partition=0 topic=orders"): 6,
        ("kafka.consumer_lag", "consumer_group=shipping partition=1 topic=orders"): 0,
        ("kafka.consumer_lag", "consumer_group=billing partition=0 topic=orders"): 1,
    }
    assert found["kafka.broker_offset", "partition=0 topic=orders"] == 10
    assert found["kafka.broker_offset", "partition=0 topic=mail"] == 0
    google = _values(asked.reading, "google")
    assert google["kafka.consumer_group.lag", "group=shipping partition=0 topic=orders"] == 6
    assert google["kafka.consumer_group.lag_sum", "group=shipping topic=orders"] == 6
    assert google["kafka.consumer_group.offset_sum", "group=shipping topic=orders"] == 7
    assert google["kafka.partition.current_offset", "partition=1 topic=orders"] == 3


def test_the_tags_are_those_of_the_agents_check(address: str) -> None:
    asked = _ask(address, topics=["^orders$"], groups=["^shipping$"])
    tags = {p.metric.datadog.name: dict(spelled(p, "datadog")) for p in asked.report.points if p.metric.datadog}
    assert tags["kafka.broker_offset"].keys() == {"kafka_cluster_id", "topic", "partition"}
    assert tags["kafka.consumer_lag"].keys() == {"kafka_cluster_id", "topic", "partition", "consumer_group"}
    assert tags["kafka.partition.isr"].keys() == {"kafka_cluster_id", "topic", "partition", "leader_broker_id"}
    assert tags["kafka.broker.leader_count"].keys() == {"kafka_cluster_id", "broker_id", "broker_host", "broker_port"}
    assert dict(asked.can_connect.tags) == {"bootstrap_servers": address}
    assert asked.can_connect.status is Status.OK


def test_what_is_written_is_counted_from_the_first_run_on(broker: Noida) -> None:
    broker.topic("counted", 1)
    broker.produce("counted", 0, 4)
    with contextlib.closing(_check(f"127.0.0.1:{broker.kafka}", topics=["^counted$"])) as check:
        first = ask(PRODUCT, check).reading
        broker.produce("counted", 0, 7)
        second = ask(PRODUCT, check).reading
    assert "kafka.messages_in.rate" not in {name for name, _ in _datadog(first)}
    assert _datadog(second)["kafka.topic.messages_in.rate", "topic=counted"] == 7
    [counted] = [p for p in second.points if p.metric.google and p.metric.google.type.endswith("kafka.message.count")]
    assert (counted.value, counted.start) == (7, first.time)


def test_a_cluster_of_three_is_asked_where_the_answers_are() -> None:
    cluster = _three()
    with cluster.running() as address:
        asked = _ask(address)
    assert asked.trouble is None
    found = _datadog(asked.reading)
    assert found["kafka.broker.count", ""] == 3
    assert found["kafka.replication.under_replicated_partitions", ""] == 2
    assert found["kafka.replication.offline_partitions_count", ""] == 1
    members = {where: value for (name, where), value in found.items() if name == "kafka.consumer_group.members"}
    assert members == {"consumer_group=shipping consumer_group_state=Stable coordinator=2": 3}
    by_partition = {
        name: [found.get((f"kafka.partition.{name}", f"partition={i} topic=orders")) for i in range(3)]
        for name in ("replicas", "isr", "under_replicated", "offline", "size", "beginning_offset")
    }
    assert by_partition == {
        "replicas": [2, 2, 1],
        "isr": [2, 1, 0],
        "under_replicated": [0, 1, 1],
        "offline": [0, 0, 1],
        "size": [90, 50, None],
        "beginning_offset": [10, 0, None],
    }
    lag = {where: value for (name, where), value in found.items() if name == "kafka.consumer_lag"}
    assert lag == {
        "consumer_group=shipping partition=0 topic=orders": 10,
        "consumer_group=shipping partition=1 topic=orders": 0,
        "consumer_group=new partition=0 topic=orders": 1,
    }
    google = _values(asked.reading, "google")
    assert [google[f"kafka.partition.{name}", ""] for name in ("count", "offline", "under_replicated")] == [4, 1, 2]
    assert not [where for where in found if "workers" in where[1] or "__consumer_offsets" in where[1]]
    assert sorted(node for node, name in cluster.asked if name == "list_offsets") == [1, 1, 2, 2]
    assert [node for node, name in cluster.asked if name == "offset_fetch"] == [2, 3]


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        ({"down": {2}}, RefusedError),
        (
            {
                "silent": {2},
            },
            SilentError,
        ),
    ],
    ids=["down", "silent"],
)
def test_a_broker_that_is_away_costs_what_it_has(trouble: dict[str, Any], kind: type[CheckError]) -> None:
    cluster = _three(**trouble)
    with cluster.running() as address:
        begun = time.monotonic()
        asked = _ask(address, timeout=2.0)
        assert time.monotonic() - begun < 6
    assert isinstance(asked.trouble, kind), asked.trouble
    assert f"127.0.0.1:{cluster.ports[2]}" in str(asked.trouble)
    found = _datadog(asked.reading)
    assert found["kafka.broker_offset", "partition=0 topic=orders"] == 100
    assert ("kafka.broker_offset", "partition=1 topic=orders") not in found
    assert found["kafka.consumer_lag", "consumer_group=new partition=0 topic=orders"] == 1
    assert {"group.lag", "partition.end_offset"} <= asked.reading.missing.keys()


def test_another_bootstrap_server_is_asked_if_one_is_down() -> None:
    cluster = FakeKafka(nodes=(1, 2), down={1}, topics={"a": [(2, [2], [2])]})
    with cluster.running() as address:
        asked = _ask(f"127.0.0.1:{cluster.ports[1]}", address)
    assert isinstance(asked.trouble, RefusedError)  # the other broker is asked too
    assert _datadog(asked.reading)["kafka.broker_offset", "partition=0 topic=a"] == 0


def test_a_broker_that_calls_itself_otherwise_is_reached_as_the_settings_say() -> None:
    cluster = FakeKafka(topics={"a": [(1, [1], [1])]}, offsets={("a", 0): (0, 5)})
    with cluster.running() as address:
        cluster.ports[1] = 1  # as behind a port that is forwarded
        asked = _ask(address)
    assert asked.trouble is None
    assert _datadog(asked.reading)["kafka.broker_offset", "partition=0 topic=a"] == 5


@pytest.mark.parametrize(
    ("api", "code", "kind", "words", "missing"),
    [
        (
            "list_offsets",
            29,
            DeniedError,
            "does not let us see topics .*--operation Describe",
            "partition.size",
        ),
        ("list_groups", 31, DeniedError, "does not let us see the cluster .*--cluster", "group.lag"),
        ("offset_fetch", 30, DeniedError, "does not let us see groups .*OffsetFetch of shipping", "group.lag"),
        ("describe_groups", 30, DeniedError, "DescribeGroups of shipping.*--group", "group.members"),
        ("list_offsets", -1, AnswerError, "answers ListOffsets with the error -1", "partition.end_offset"),
        ("offset_fetch", 14, None, "", "group.lag"),
        ("list_offsets", 6, None, "", "partition.end_offset"),
    ],
)
def test_what_a_broker_refuses_is_told_with_its_cure(
    api: str, code: int, kind: type[CheckError] | None, words: str, missing: str
) -> None:
    with _three(errors={api: code}).running() as address:
        asked = _ask(address)
    assert missing in asked.reading.missing
    assert _datadog(asked.reading)["kafka.broker.count", ""] == 3
    if kind is None:
        assert asked.trouble is None  # it passes by itself
    else:
        with pytest.raises(kind, match=words):
            raise asked.trouble or AssertionError("nothing is amiss")


def test_many_groups_are_described_in_several_answers() -> None:
    cluster = FakeKafka(groups={f"g{i}": FakeGroup(members=i) for i in range(45)})
    with cluster.running() as address:
        asked = _ask(address)
    assert [api for _, api in cluster.asked].count("describe_groups") == 3
    members = {dict(p.attributes)["consumer_group"]: p.value for p in asked.report.points if p.metric.key == MEMBERS}
    assert members == {f"g{i}": i for i in range(45)}


def test_a_broker_that_knows_no_groups_is_no_trouble() -> None:
    with _three(missing={"list_groups"}).running() as address:
        asked = _ask(address)
    assert asked.trouble is None
    assert "has no ListGroups" in asked.reading.missing["group.lag"]
    assert _datadog(asked.reading)["kafka.broker_offset", "partition=0 topic=orders"] == 100


def test_what_does_not_fit_in_the_budgets_is_other() -> None:
    topics = {f"t{i}": [(1, [1], [1]), (1, [1, 2], [1])] for i in range(3)}
    offsets = {(f"t{i}", p): (0, 10 * (i + 1)) for i in range(3) for p in (0, 1)}
    groups = {f"g{i}": FakeGroup(members=i, commits={(f"t{i}", 0): 1}) for i in range(3)}
    cluster = FakeKafka(topics=topics, offsets=offsets, groups=groups)
    with cluster.running() as address:
        asked = _ask(address, max_topics=1, max_partitions=3, max_groups=1, max_offsets=1)
    found = _datadog(asked.reading)
    assert {where: v for (name, where), v in found.items() if name == "kafka.topic.size"} == {
        "topic=t2": 60,
        "topic=other": 60,
    }
    replicas = {where: v for (name, where), v in found.items() if name == "kafka.partition.under_replicated"}
    assert replicas == {**{f"partition=1 topic=t{i}": 1 for i in range(3)}, "partition=other topic=other": 0}
    assert {where: v for (name, where), v in found.items() if name == "kafka.consumer_lag"} == {
        "consumer_group=g2 partition=0 topic=t2": 29,
        "consumer_group=other partition=other topic=other": 28,
    }
    assert found["kafka.consumer_group.members", "consumer_group=other"] == 1
    assert ("kafka.broker_offset", "partition=other topic=other") not in found


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_users(mechanism: Any) -> None:
    cluster = FakeKafka(topics={"a": [(1, [1], [1])]}, user=(mechanism, "monitor", "pw"))

    def sasl(password: str = "pw", mechanism: Any = mechanism) -> SaslSettings:
        return SaslSettings(username="monitor", password=Secret(password), mechanism=mechanism)

    with cluster.running() as address:
        assert _ask(address, sasl=sasl()).trouble is None
        with pytest.raises(DeniedError, match=r"refuses the user monitor \(Authentication failed\): correct sasl"):
            raise _ask(address, sasl=sasl("no")).trouble or AssertionError("it is let in")
        with pytest.raises(RefusedError, match=r"hung up.*does it ask for a user"):
            raise _ask(address).trouble or AssertionError("it is let in")
        other = "PLAIN" if mechanism != "PLAIN" else "SCRAM-SHA-256"
        with pytest.raises(DeniedError, match=f"does not take {other}: set sasl.mechanism .*: {mechanism}"):
            raise _ask(address, sasl=sasl(mechanism=other)).trouble or AssertionError("it is let in")


def test_scram_is_that_of_the_standard() -> None:
    """The exchange that RFC 7677, 3 shows."""
    scram = Scram("SCRAM-SHA-256", "user", "pencil", nonce="rOprNGfwEbeRWgbNEkqO")
    assert scram.first() == b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    nonce = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    assert scram.final(nonce + b",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096") == (
        b"c=biws," + nonce + b",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )
    scram.verify(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    with pytest.raises(SaslError):
        scram.verify(b"v=AAAATRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


@pytest.mark.parametrize(
    "challenge",
    [b"", b"\xff", b"r=abc,s=AAAA,i=1", b"r=mine,s=AAAA,i=1", b"r=mineX,s=AAAA,i=99999999", b"r=mineX,i=1"],
)
def test_a_challenge_that_is_none_is_refused(challenge: bytes) -> None:
    with pytest.raises(SaslError):
        Scram("SCRAM-SHA-256", "user", "pencil", nonce="mine").final(challenge)


def test_tls(tmp_path: Path) -> None:
    context, certificate = self_signed(tmp_path)
    cluster = FakeKafka(topics={"a": [(1, [1], [1])]}, tls=context)
    with cluster.running() as address:
        assert _ask(address, tls=TlsSettings(ca=str(certificate))).trouble is None
        with pytest.raises(RefusedError, match=r"certificate .* is not trusted"):
            raise _ask(address, tls=TlsSettings()).trouble or AssertionError("it is trusted")
        with pytest.raises(RefusedError, match="does it expect TLS"):
            raise _ask(address).trouble or AssertionError("it speaks without")


@pytest.mark.parametrize(
    ("ends", "offset", "seconds"),
    [
        ([(0, 100)], 100, 0),
        ([(0, 100)], 90, None),
        ([(0, 100), (10, 200)], 200, 0),
        ([(0, 100), (10, 200)], 150, 5),
        ([(0, 100), (10, 200), (20, 300)], 200, 10),
        ([(0, 100), (10, 200), (20, 400)], 300, 5),
        ([(0, 100), (10, 200)], 0, 20),  # before what is known: as fast as since then
        ([(0, 100), (10, 200), (20, 200), (30, 200), (40, 200)], 150, 35),
        ([(0, 100), (10, 100), (20, 100)], 90, None),
        ([(0, 100), (10, 5)], 5, 0),
        ([(0, 100), (10, 5)], 3, None),  # the topic was made anew
    ],
)
def test_how_many_seconds_behind(ends: list[tuple[float, int]], offset: int, seconds: float | None) -> None:
    spot, known = Spot("orders", 0), Ends()
    for now, end in ends:
        known.see({spot: end}, now)
    assert known.seconds_behind(spot, offset) == seconds


def test_seconds_behind_come_from_the_runs_before() -> None:
    clock = ManualClock()
    cluster = FakeKafka(
        topics={"a": [(1, [1], [1])]}, offsets={("a", 0): (0, 100)}, groups={"g": FakeGroup(commits={("a", 0): 100})}
    )
    with cluster.running() as address, contextlib.closing(_check(address)) as check:
        ask(PRODUCT, check, clock)
        cluster.offsets["a", 0] = (0, 200)
        clock.advance(10)
        found = _datadog(ask(PRODUCT, check, clock).reading)
    assert found["kafka.estimated_consumer_lag", "consumer_group=g partition=0 topic=a"] == 10


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (b"\x00", Reader.int16),
        (b"\x00\x05abc", Reader.string),
        (b"\x7f\xff\xff\xff", Reader.blob),
        (b"\x7f\xff\xff\xff", lambda r: r.array(Reader.int8)),
        (b"\x00\x00\x00\x02\x00", lambda r: r.array(Reader.int8)),
    ],
)
def test_a_message_that_is_cut_is_none(data: bytes, read: Any) -> None:
    with pytest.raises(WireError):
        read(Reader(data))
