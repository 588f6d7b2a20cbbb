"""What came within an interval: increases as rates, and sketches, over the API, to the intake, and through an Agent."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from outrider.config.secrets import Secret
from outrider.exporters.answer import Verdict
from outrider.exporters.datadog import metrics_api, sketches
from outrider.exporters.datadog.metrics import DatadogMetrics
from outrider.intake import Intake
from outrider.model.bins import Bins
from outrider.model.clock import ManualClock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.pod import Owner, Pod
from outrider.model.points import DatadogName, Increase, Recent, Report, Sketch, Subject
from tests.support.datadog_api import SKETCHES, DatadogApi
from tests.support.dogstatsd import dogstatsd
from tests.support.reports import NOW, ns, report

TAGS = ["kube_cluster_name:c", "kube_namespace:shop", "pod_name:web-0", "kube_container_name:redis"]
RPC = DatadogName("rpc", "distribution")


@pytest.fixture
def api() -> Iterator[DatadogApi]:
    with DatadogApi() as api:
        yield api
        assert api.complaints == []


def exporter(url: str, counters: Counters | None = None, **more: str) -> DatadogMetrics:
    cluster = Cluster("acme", "c", "l", "node-0")
    key = Secret(value="0123456789abcdef0123456789abcdef")
    return DatadogMetrics("dd", cluster, url, key, ManualClock(NOW), counters or Counters(), **more)  # type: ignore[arg-type]


def sketch(*values: float) -> Sketch:
    bins = Bins()
    bins.add(values)
    return bins.sketch()


def recent(*found: Recent, **more: object) -> Report:
    return report(recent=found, **more)  # type: ignore[arg-type]


def of(value: Increase | Sketch, name: DatadogName = RPC, at: float = NOW, **attributes: str) -> Recent:
    return Recent(name, value, ns(at), tuple(sorted(attributes.items())))


def send(destination: DatadogMetrics, *reports: Report) -> None:
    for payload in destination.encode(reports):
        assert destination.send(payload).verdict is Verdict.ACCEPTED


def test_an_increase_is_a_rate_or_a_count(api: DatadogApi) -> None:
    rate, count = DatadogName("views", type="rate", unit="page"), DatadogName("jobs", type="count")
    send(exporter(api.url), recent(of(Increase(5, 10), rate, page="a"), of(Increase(5, 10), count)))
    found = [(s["metric"], s["type"], s["interval"], s["points"], s.get("unit"), s["tags"]) for s in api.series]
    assert found == [
        ("views", 2, 10, [{"timestamp": NOW, "value": 0.5}], "page", [*TAGS, "page:a"]),
        ("jobs", 1, 10, [{"timestamp": NOW, "value": 5.0}], None, TAGS),
    ]


def test_a_sketch_is_the_agents_message(api: DatadogApi) -> None:
    send(exporter(api.url), recent(of(sketch(-1.0, 0.0, 1.0, 1.0, 300.0), page="ü"), tags=("team:a",)))
    [found] = api.sketches
    assert (found["metric"], found["host"]) == ("rpc", "node-1")
    assert found["tags"] == [*TAGS, "team:a", "page:ü"]
    assert found["dogsketches"] == [
        {
            "ts": NOW, "cnt": 5, "min": -1.0, "max": 300.0, "avg": pytest.approx(60.2), "sum": pytest.approx(301.0),
            "k": [-1338, 0, 1338, 1706], "n": [1, 1, 2, 1],
        }
    ]  # fmt: skip


def test_the_intake_reads_it_as_well() -> None:
    clock = ManualClock(NOW)
    with Intake(clock=clock) as intake:
        send(exporter(intake.url), recent(of(sketch(1.0, 2.0, 2.0), page="a")))
        [point] = intake.points()
    assert (point["metric"], point["type"], point["timestamp"]) == ("rpc", "sketch", NOW)
    assert point["value"] == {
        "count": 3,
        "sum": 5.0,
        "min": 1.0,
        "max": 2.0,
        "avg": pytest.approx(5 / 3),
        "keys": [1338, 1383],
        "counts": [1, 2],
    }


@pytest.mark.parametrize(
    ("module", "limit", "most"), [(sketches, "MAX_UNPACKED", 10_000), (metrics_api, "MAX_PACKED", 2_000)]
)
def test_many_sketches_are_many_requests(
    api: DatadogApi, module: Any, limit: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, limit, most)
    wide = [sketch(*(1.1 ** (i + k / 100) for i in range(-50, 50))) for k in range(100)]
    send(exporter(api.url), recent(*(of(one, n=str(i)) for i, one in enumerate(wide))))
    requests = [r for r in api.requests if r.path == SKETCHES]
    assert len(requests) > 1
    assert max(r.unpacked if limit == "MAX_UNPACKED" else r.packed for r in requests) <= most
    assert [one["tags"][-1] for one in api.sketches] == [f"n:{i}" for i in range(100)]


def test_what_datadog_would_not_take_is_left_out(api: DatadogApi) -> None:
    counters = Counters()
    send(
        exporter(api.url, counters),
        recent(of(sketch(1.0), at=NOW - 3700), of(Increase(1, 10), at=NOW + 700), of(sketch(1.0), DatadogName("1234"))),
        recent(of(Increase(float("inf"), 10)), of(sketch(2.0))),
    )
    assert len(api.sketches) == 1
    assert api.series == []
    reasons = ("too_old", "too_far_ahead", "name", "not_finite")
    assert [counters.value("outrider_points_left_out_total", reason=r) for r in reasons] == [1, 1, 1, 1]


def test_an_agent_gets_the_values_that_a_sketch_stands_for(tmp_path: Path) -> None:
    with dogstatsd("unixgram", tmp_path) as agent:
        send(exporter("", statsd=agent.address), recent(of(sketch(1.0, 1.0, 4.0))))
        values = [float(line.split(":")[1].split("|")[0]) for line in agent.lines(3)]
    assert values == pytest.approx([1.0, 1.0, 4.0], rel=0.01)


POD = Pod("u-1", "web-0", "shop", owner=Owner("Job", "nightly-28000"))


@pytest.mark.parametrize(
    ("cardinality", "without", "with_"),
    [
        ("none", ["kube_namespace", "pod_name", "kube_container_name"], []),
        ("low", ["pod_name", "kube_job", "kube_ownerref_name", "display_container_name"], ["kube_namespace"]),
        ("", ["display_container_name"], ["kube_namespace", "pod_name", "kube_job"]),
        ("orchestrator", ["display_container_name"], ["kube_namespace", "pod_name", "kube_job"]),
        ("high", ["filename"], ["kube_namespace", "pod_name", "display_container_name"]),
    ],
)
def test_a_program_says_how_much_of_its_pod_is_to_be_seen(
    api: DatadogApi, cardinality: str, without: list[str], with_: list[str]
) -> None:
    subject = Subject("node-1", "shop", "web-0", "u-1", "redis", POD)
    send(exporter(api.url), recent(of(Increase(1, 10)), subject=subject, cardinality=cardinality))
    keys = {tag.partition(":")[0] for tag in api.series[0]["tags"]}
    assert keys.isdisjoint(without)
    assert keys >= set(with_)
