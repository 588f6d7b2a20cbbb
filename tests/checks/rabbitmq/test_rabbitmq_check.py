"""The check `rabbitmq` against a real broker: everything that is declared, under its tags, with the broker's values."""

import logging
import math
from collections.abc import Callable
from typing import Any

import pytest

from outrider.checks.declared import WORKLOAD
from outrider.checks.rabbitmq.check import RabbitmqCheck
from outrider.model.points import Report, Status
from tests.checks.rabbitmq.asking import DECLARED, ask, ask_once, labels, points, settings_of, tags, the_one
from tests.checks.rabbitmq.traffic import Traffic
from tests.support.server import free_port
from tests.support.servers.rabbitmq import Rabbitmq
from tests.support.wait import until

PER_OBJECT = {
    "rabbitmq_queue_consumer_capacity",
    "rabbitmq_queue_head_message_timestamp",
    "rabbitmq_queue_messages_persistent_bytes",
}
DETAILED = {"rabbitmq_cluster_vhost_status", "rabbitmq_cluster_exchange_name", "rabbitmq_cluster_exchange_bindings"}
MOVING = {
    "overview.message_stats.publish",
    "overview.message_stats.confirm",
    "overview.message_stats.drop_unroutable",
    "overview.message_stats.return_unroutable",
    "overview.queue_totals.messages",
    "exchange.message_stats.publish_in",
    "exchange.message_stats.publish_out",
    "queue.messages",
    "queue.messages_ready",
    "queue.message_stats.publish",
    "queue.message_stats.publish_details.rate",
    "queue.message_stats.ack",
    "queue.message_stats.deliver",
    "queue.message_stats.deliver_get",
    "queue.message_stats.redeliver",
    "rabbitmq_channel_messages_published_total",
    "rabbitmq_channel_messages_confirmed_total",
    "rabbitmq_channel_messages_delivered_ack_total",
    "rabbitmq_channel_messages_acked_total",
    "rabbitmq_channel_messages_redelivered_total",
    "rabbitmq_channel_messages_unroutable_dropped_total",
    "rabbitmq_channel_messages_unroutable_returned_total",
    "rabbitmq_connection_incoming_packets_total",
    "rabbitmq_connection_outgoing_packets_total",
    "rabbitmq_global_messages_received_total",
    "rabbitmq_queue_messages",
    "rabbitmq_queue_messages_published_total",
    "rabbitmq_erlang_uptime_seconds",
}
"""What grows, or changes, while there is traffic."""


def test_everything_declared_is_seen_and_moves(broker: Rabbitmq, shop: Traffic) -> None:
    check = RabbitmqCheck(settings_of(broker))
    seen: dict[str, set[float]] = {}
    wanted = {key for key in DECLARED.metrics if key not in DECLARED.needs}

    def read() -> bool:
        shop.go_on()
        report, _, trouble = ask(check)
        assert trouble is None, trouble
        for p in report.points:
            assert isinstance(p.value, int | float)
            assert math.isfinite(p.value)
            seen.setdefault(p.metric.key, set()).add(p.value)
        return wanted <= seen.keys() and all(len(seen[key]) > 1 for key in MOVING)

    try:
        until(read, 60, every=0.1)
    except AssertionError:
        still = {key for key in MOVING if len(seen.get(key, ())) < 2}
        raise AssertionError(f"not seen: {wanted - seen.keys()}; not moving: {still}") from None
    finally:
        check.close()
    assert not DECLARED.needs.keys() & seen.keys(), "what needs something is not seen without it"
    negative = {key for key, values in seen.items() if min(values) < 0 and not key.endswith("_details.rate")}
    assert not negative


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("/per-object", PER_OBJECT),
        ("/detailed?family=vhost_status&family=exchange_names&family=exchange_bindings", DETAILED),
    ],
)
def test_what_other_paths_of_the_plugin_have(broker: Rabbitmq, shop: Traffic, path: str, keys: set[str]) -> None:
    check = RabbitmqCheck(settings_of(broker, url=None, prometheus_url=broker.prometheus_url + path))

    def read() -> bool:
        shop.go_on()
        report, _, trouble = ask(check)
        assert trouble is None
        return keys <= {p.metric.key for p in report.points}

    until(read, 30, every=0.1)
    check.close()


def _eventually(broker: Rabbitmq, work: Callable[[], None], met: Callable[[Report], bool]) -> Report:
    """The first report that is as it should be: a broker's counters come to its API one after the other."""
    check = RabbitmqCheck(settings_of(broker))

    def read() -> Report | None:
        work()
        report, _, trouble = ask(check)
        assert trouble is None
        return report if met(report) else None

    report = until(read, 30, every=0.1)
    check.close()
    assert report is not None
    return report


def test_tags_are_those_of_the_agent(broker: Rabbitmq, shop: Traffic) -> None:
    node = f"rabbit{broker.amqp}@localhost"
    cluster = broker.api("GET", "overview")["cluster_name"]
    mail = {"rabbitmq_queue": "mail", "rabbitmq_vhost": "shop", "rabbitmq_node": node}
    orders = {**mail, "rabbitmq_queue": "orders", "rabbitmq_policy": "short"}
    cases: list[tuple[str, dict[str, str], dict[str, str]]] = [
        ("rabbitmq.queue.messages", mail, mail),
        ("rabbitmq.queue.messages.ack.rate", {"rabbitmq_queue": "mail"}, mail),
        ("rabbitmq.queue.consumers", {"rabbitmq_queue": "mail"}, mail),
        ("rabbitmq.queue.bindings.count", {"rabbitmq_queue": "mail"}, mail),
        ("rabbitmq.queue.memory", {"rabbitmq_queue": "orders"}, orders),
        ("rabbitmq.node.running", {}, {"rabbitmq_node": node}),
        ("rabbitmq.exchange.messages.publish_in.count", {"rabbitmq_vhost": "shop"}, {"rabbitmq_vhost": "shop"}),
        ("rabbitmq.overview.object_totals.queues", {}, {"rabbitmq_cluster": cluster}),
        ("rabbitmq.connections", {"rabbitmq_vhost": "shop"}, {"rabbitmq_vhost": "shop"}),
        ("rabbitmq.connections.state", {"rabbitmq_conn_state": "running"}, {"rabbitmq_conn_state": "running"}),
    ]
    expected = [[told] for _, _, told in cases]
    report = _eventually(
        broker,
        shop.go_on,
        lambda report: [[tags(p) for p in points(report, name, **told)] for name, told, _ in cases] == expected,
    )
    of_plugin = tags(the_one(report, "rabbitmq.channels"))
    assert of_plugin.keys() == {"endpoint", "rabbitmq_node", "rabbitmq_cluster", "rabbitmq_cluster_permanent_id"}
    assert (of_plugin["endpoint"], of_plugin["rabbitmq_node"]) == (broker.prometheus_url, node)
    assert tags(the_one(report, "rabbitmq.build_info")).keys() > {"rabbitmq_version", "erlang_version"}


VALUES: list[tuple[str, dict[str, str], int]] = [
    ("rabbitmq.queue.messages.publish.count", {"rabbitmq_queue": "letters"}, 3),
    ("rabbitmq.queue.messages", {"rabbitmq_queue": "letters"}, 3),
    ("rabbitmq.queue.messages_ready", {"rabbitmq_queue": "letters"}, 3),
    ("rabbitmq.queue.bindings.count", {"rabbitmq_queue": "letters"}, 1),
    ("rabbitmq.queue.consumers", {"rabbitmq_queue": "letters"}, 0),
    ("rabbitmq.node.running", {}, 1),
    ("rabbitmq.node.partitions", {}, 0),
    ("rabbitmq.connections", {"rabbitmq_vhost": "shop"}, 1),
    ("rabbitmq.connections", {"rabbitmq_vhost": "still"}, 0),
]


@pytest.mark.usefixtures("shop")
def test_values_are_those_of_the_broker(broker: Rabbitmq) -> None:
    broker.vhost("still")
    broker.queue("still", "letters")
    broker.publish("still", "letters", 3)
    expected = [[value] for _, _, value in VALUES]
    report = _eventually(
        broker,
        lambda: None,
        lambda report: [[p.value for p in points(report, name, **told)] for name, told, _ in VALUES] == expected,
    )
    current = [
        p for p in report.points if p.metric.google and p.metric.google.type.endswith("rabbitmq.message.current")
    ]
    of_letters = [p for p in current if labels(p)["queue_name"] == "letters"]
    assert {p.metric.google and p.metric.google.type for p in of_letters} == {f"{WORKLOAD}rabbitmq.message.current"}
    same = {"node_name": f"rabbit{broker.amqp}@localhost", "queue_name": "letters", "vhost_name": "still"}
    assert {(labels(p)["state"], p.value) for p in of_letters} == {("ready", 3), ("unacknowledged", 0)}
    assert all(labels(p).items() > same.items() for p in of_letters)
    assert {(p.name, p.status, p.tags) for p in report.service_checks} >= {
        ("rabbitmq.aliveness", Status.OK, (("vhost", "still"),)),
        ("rabbitmq.aliveness", Status.OK, (("vhost", "shop"),)),
        ("rabbitmq.openmetrics.health", Status.OK, (("endpoint", broker.prometheus_url),)),
        ("rabbitmq.status", Status.OK, ()),
    }


def test_which_queues_are_reported_and_their_family(broker: Rabbitmq) -> None:
    broker.vhost("zoo")
    for name in ("lion.1", "lion.2", "zebra.1", "pond"):
        broker.queue("zoo", name)

    def read() -> set[tuple[str, str | None]]:
        report, _, trouble = ask_once(
            broker, vhosts=["^zoo$"], queues=[r"^zoo/(\w+)\.", "^pond$"], prometheus_url="none"
        )
        assert trouble is None
        found = [tags(p) for p in points(report, "rabbitmq.queue.messages")]
        assert {told["rabbitmq_vhost"] for told in found} <= {"zoo"}
        return {(told["rabbitmq_queue"], told.get("rabbitmq_queue_family")) for told in found}

    expected = {("lion.1", "lion"), ("lion.2", "lion"), ("zebra.1", "zebra"), ("pond", None)}
    until(lambda: read() == expected, 20)


@pytest.mark.parametrize("source", ["management", "plugin"])
def test_queues_beyond_the_budget_are_one(broker: Rabbitmq, caplog: pytest.LogCaptureFixture, source: str) -> None:
    vhost = f"crowd-{source}"
    broker.vhost(vhost)
    for i in range(6):
        broker.queue(vhost, f"q{i}")
    broker.publish(vhost, "q3", 4)
    broker.publish(vhost, "q4", 2)
    broker.publish(vhost, "q5", 1)
    if source == "management":
        # The queue of the aliveness test is busier than these.
        settings: dict[str, Any] = {"vhosts": [f"^{vhost}$"], "queues": ["^q"], "prometheus_url": "none"}
        names = "rabbitmq_queue"
    else:
        path = f"/detailed?vhost={vhost}&family=queue_coarse_metrics"
        settings = {"url": None, "prometheus_url": broker.prometheus_url + path}
        names = "queue"

    def read() -> dict[str, float]:
        caplog.clear()
        check = RabbitmqCheck(settings_of(broker, max_queues=2, **settings))
        found: dict[str, float] = {}
        for _ in range(2):
            report, _, trouble = ask(check)
            assert trouble is None
            found = {tags(p)[names]: float(str(p.value)) for p in points(report, "rabbitmq.queue.messages")}
        check.close()
        return found

    def told() -> bool:
        found = read()
        if source == "management":
            return found == {"q3": 4, "q4": 2, "other": 1}
        return found.keys() > {"other"} and len(found) == 3 and sum(found.values()) == 7

    until(told, 20)
    assert len([r for r in caplog.records if r.levelno == logging.WARNING and "max_queues" in r.message]) == 1


def test_many_queues_come_page_by_page(broker: Rabbitmq, monkeypatch: pytest.MonkeyPatch) -> None:
    broker.vhost("pages")
    for i in range(5):
        broker.queue("pages", f"q{i}")
    monkeypatch.setattr("outrider.checks.rabbitmq.management.PAGE", 2)

    def read() -> set[str]:
        report, _, trouble = ask_once(broker, vhosts=["^pages$"], prometheus_url="none")
        assert trouble is None
        found = {tags(p)["rabbitmq_queue"] for p in points(report, "rabbitmq.queue.messages")}
        return found - {"aliveness-test"}

    until(lambda: read() == {f"q{i}" for i in range(5)}, 20)


def test_the_plugin_is_found_on_its_usual_port_or_not_missed(broker: Rabbitmq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outrider.checks.rabbitmq.plugin.PORT", broker.prometheus)
    report, _, trouble = ask_once(broker, prometheus_url=None)
    assert trouble is None
    assert points(report, "rabbitmq.identity_info")

    monkeypatch.setattr("outrider.checks.rabbitmq.plugin.PORT", free_port())
    report, reading, trouble = ask_once(broker, prometheus_url=None)
    assert trouble is None
    assert not points(report, "rabbitmq.identity_info")
    assert points(report, "rabbitmq.node.running")
    assert "rabbitmq-plugins enable rabbitmq_prometheus" in reading.missing["rabbitmq_identity_info"]
    assert "rabbitmq.openmetrics.health" not in {check.name for check in report.service_checks}
