"""Reports as MetricsData; what OpenTelemetry's own exporters make of it is the judge."""

import json
import math
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from prometheus_client import CollectorRegistry, generate_latest

from outrider.exporters.otel.to_data import Conversion
from outrider.model.cluster import Cluster
from outrider.model.pod import Pod
from outrider.model.points import (
    Attributes,
    DatadogName,
    GoogleName,
    Histogram,
    Kind,
    Metric,
    Point,
    Report,
    Subject,
    Value,
)

CLUSTER = Cluster("acme", "prod", "europe-north1", "node-7")
CART = Subject("node-7", "shop", "cart-1", "u-1", "redis", Pod("u-1", "cart-1", "shop"))
S = 10**9
NOW = 1_780_000_000 * S

SPELLING = {"host": None, "command": "cmd"}
CLIENTS = Metric(
    "clients", "gauge", "Clients.", DatadogName("redis.net.clients"),
    GoogleName("workload.googleapis.com/redis.clients", value_type="INT64", unit="{client}", spelling=SPELLING),
)  # fmt: skip
SYS, USER = (
    Metric("cpu", "counter", "", None,
           GoogleName("workload.googleapis.com/redis.cpu.time", "CUMULATIVE", "DOUBLE", "s", (("state", state),)))
    for state in ("sys", "user")
)  # fmt: skip
LATENCY = Metric(
    "latency", "histogram", "", None,
    GoogleName("workload.googleapis.com/redis.latency", "CUMULATIVE", "DISTRIBUTION", "s", scale=0.001),
)  # fmt: skip
OWN = Metric("own", "gauge", "", DatadogName("redis.own", tags=(("a", "b"),), spelling={"x": "y"}, scale=2))


def convert(*reports: Report, increases: frozenset[Kind] = frozenset()) -> list[Any]:
    """What is exported, as OTLP: the resources."""
    return list(encode_metrics(Conversion(CLUSTER, NOW, increases).data(reports)).resource_metrics)


def point(
    metric: Metric, value: Value, seconds: float = 0, attributes: Attributes = (), start: int | None = None
) -> Point:
    return Point(metric, value, NOW + round(seconds * S), attributes, start)


def attributes(of: Any) -> dict[str, str]:
    return {one.key: one.value.string_value for one in of}


def test_a_report_as_otlp() -> None:
    points = (
        point(CLIENTS, 7, 1, (("command", "get"), ("host", "h"))),
        point(SYS, 1.5, start=NOW - 100 * S),
        point(USER, 2.5),
        point(LATENCY, Histogram((1.0, 5.0), (1, 2, 3), 6, 30.0), start=NOW - 100 * S),
        point(OWN, 3, 0, (("x", "1"),)),
    )
    [resource] = convert(Report("redis", CART, points, tags=("env:prod", "canary")))
    assert attributes(resource.resource.attributes) == {
        "k8s.cluster.name": "prod",
        "k8s.node.name": "node-7",
        "k8s.namespace.name": "shop",
        "k8s.pod.name": "cart-1",
        "k8s.pod.uid": "u-1",
        "k8s.container.name": "redis",
    }
    [scope] = resource.scope_metrics
    assert scope.scope.name == "outrider.checks.redis"
    clients, cpu, latency, own = scope.metrics
    assert (clients.name, clients.unit, clients.description) == ("redis.clients", "{client}", "Clients.")
    [one] = clients.gauge.data_points
    assert (one.as_int, one.time_unix_nano) == (7, NOW + S)
    assert attributes(one.attributes) == {"cmd": "get", "env": "prod", "canary": "true"}
    assert cpu.name == "redis.cpu.time"
    assert cpu.sum.is_monotonic
    assert cpu.sum.aggregation_temporality == 2  # cumulative
    assert [(p.as_double, p.start_time_unix_nano, attributes(p.attributes)["state"]) for p in cpu.sum.data_points] == [
        (1.5, NOW - 100 * S, "sys"),
        (2.5, 0, "user"),
    ]
    [buckets] = latency.histogram.data_points
    assert list(buckets.explicit_bounds) == [0.001, 0.005]
    assert list(buckets.bucket_counts) == [1, 2, 3]
    assert (buckets.count, buckets.sum) == (6, pytest.approx(0.03))
    assert own.name == "redis.own"
    assert own.gauge.data_points[0].as_int == 6
    assert attributes(own.gauge.data_points[0].attributes) == {"a": "b", "y": "1", "env": "prod", "canary": "true"}


def test_a_resource_for_each_pod_and_a_scope_for_each_check() -> None:
    other = Subject("node-7", "shop", "cart-2", "u-2", "redis")
    resources = convert(
        Report("redis", CART, (point(CLIENTS, 1),)),
        Report("redis", other, (point(CLIENTS, 2),)),
        Report("nginx", CART, (point(CLIENTS, 3),)),
        Report("redis", CART, (point(CLIENTS, 4, 15),)),
    )
    found = {
        (attributes(r.resource.attributes)["k8s.pod.name"], s.scope.name.rpartition(".")[2]): [
            p.as_int for m in s.metrics for p in m.gauge.data_points
        ]
        for r in resources
        for s in r.scope_metrics
    }
    assert found == {("cart-1", "redis"): [1, 4], ("cart-1", "nginx"): [3], ("cart-2", "redis"): [2]}


def test_a_value_that_does_not_suit_its_metric_is_left_out() -> None:
    points = (point(CLIENTS, Histogram((1.0,), (1, 1), 2, 1.0)), point(LATENCY, 7), point(CLIENTS, math.nan))
    [resource] = convert(Report("redis", CART, points))
    [clients] = resource.scope_metrics[0].metrics
    assert [math.isnan(p.as_double) for p in clients.gauge.data_points] == [True]


# seconds, total, start in seconds; what was counted since when, None: nothing is exported
INCREASES: dict[str, list[tuple[tuple[float, Value, float | None], tuple[float, Value] | None]]] = {
    "counted before we began": [((0, 100, -50), None), ((15, 130, -50), (0, 30)), ((30, 130, -50), (15, 0))],
    "started after we began": [((15, 4, 10), (10, 4)), ((30, 9, 10), (15, 5))],
    "start not known": [((0, 100, None), None), ((15, 101, None), (0, 1))],
    "fallen": [((0, 9, None), None), ((15, 10, None), (0, 1)), ((30, 4, None), (15.001, 4)), ((45, 6, None), (30, 2))],
    "twice": [((0, 100, None), None), ((15, 110, None), (0, 10)), ((15, 110, None), None), ((30, 111, None), (15, 1))],
    "forgotten": [((0, 100, None), None), ((3601, 110, None), None), ((3616, 115, None), (3601, 5))],
}  # fmt: skip


@pytest.mark.parametrize("case", INCREASES.values(), ids=list(INCREASES))
def test_increases(case: list[Any]) -> None:
    conversion = Conversion(CLUSTER, NOW, frozenset({"counter"}))
    for (seconds, value, start), want in case:
        since = None if start is None else NOW + round(start * S)
        data = conversion.data([Report("redis", CART, (point(SYS, value, seconds, start=since), point(CLIENTS, 1)))])
        cpu, *rest = encode_metrics(data).resource_metrics[0].scope_metrics[0].metrics
        if want is None:
            assert (cpu.name, rest) == ("redis.clients", [])
            continue
        assert cpu.sum.aggregation_temporality == 1  # delta
        [one] = cpu.sum.data_points
        assert ((one.start_time_unix_nano - NOW) / S, one.as_int, one.time_unix_nano) == (*want, NOW + seconds * S)


def test_increases_of_histograms() -> None:
    conversion = Conversion(CLUSTER, NOW, frozenset({"histogram"}))
    counted = []
    for seconds, counts in ((0, (1, 2, 3)), (15, (1, 4, 3)), (30, (5, 5, 5))):
        value = Histogram((1.0, 5.0), counts, sum(counts), 0.0)
        data = conversion.data([Report("redis", CART, (point(LATENCY, value, seconds),))])
        for resource in encode_metrics(data).resource_metrics:
            for metric in resource.scope_metrics[0].metrics:
                counted += [tuple(p.bucket_counts) for p in metric.histogram.data_points]
    assert counted == [(0, 2, 0), (4, 1, 2)]


def test_prometheus_makes_sense_of_it() -> None:
    """Its exporter is asked by others, and so it cannot be a destination; but it can read what one is given."""
    registry = CollectorRegistry()
    reader = PrometheusMetricReader(disable_target_info=True, scope_info_enabled=False, registry=registry)
    points = (
        point(CLIENTS, 7),
        point(SYS, 1.5),
        point(USER, 2.5),
        point(LATENCY, Histogram((1000.0, 5000.0), (1, 2, 3), 6, 30_000.0)),
    )
    reader._receive_metrics(Conversion(CLUSTER, NOW).data([Report("redis", CART, points)]))
    text = generate_latest(registry).decode().splitlines()
    for line in (
        "redis_clients 7.0",
        'redis_cpu_time_seconds_total{state="sys"} 1.5',
        'redis_cpu_time_seconds_total{state="user"} 2.5',
        'redis_latency_seconds_bucket{le="5.0"} 3.0',
        'redis_latency_seconds_bucket{le="+Inf"} 6.0',
        "redis_latency_seconds_sum 30.0",
    ):
        assert line in text
    reader.shutdown()


def test_the_sdk_can_print_it() -> None:
    data = Conversion(CLUSTER, NOW).data([Report("redis", CART, (point(CLIENTS, 7), point(SYS, 1.5)))])
    assert (
        json.loads(data.to_json())["resource_metrics"][0]["scope_metrics"][0]["metrics"][0]["name"] == "redis.clients"
    )
