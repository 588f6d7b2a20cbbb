"""The check `spark` against what a real driver said: names, tags and values at both vendors."""

from collections.abc import Iterator

import pytest

from outrider.checks.spark.check import SparkCheck
from outrider.checks.spark.settings import SparkSettings
from outrider.exporters.datadog.conversion import Conversion
from outrider.model.clock import ManualClock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.points import Status
from tests.checks.coverage import spelled
from tests.checks.product import Asked, ask
from tests.checks.products.spark import PRODUCT
from tests.checks.spark.asking import DRIVER, PATH, Found, ask_once, datadog, driver, google, of
from tests.support.servers.recorded import Recorded, server

NAMELESS = "bc00bf53-4705-4b27-b9b2-1d5a7812037f"
"""The query without a name."""


@pytest.fixture(scope="module")
def spark() -> Iterator[Recorded]:
    with server(driver()) as found:
        yield found


@pytest.fixture(scope="module")
def asked(spark: Recorded) -> Asked:
    return ask_once(spark.url, executor_level_metrics=True)


@pytest.fixture(scope="module")
def at_datadog(asked: Asked) -> Found:
    return datadog(asked)


@pytest.fixture(scope="module")
def at_google(asked: Asked) -> Found:
    return google(asked)


@pytest.mark.parametrize(
    ("name", "tags", "value"),
    [
        ("spark.job.count", "job_id:11 stage_id:19 status:failed", 1),
        ("spark.job.num_tasks", "job_id:0 stage_id:0 stage_id:1 status:succeeded", 8),
        ("spark.job.num_skipped_tasks", "job_id:8 stage_id:12 stage_id:13 stage_id:14 status:succeeded", 3),
        ("spark.job.num_skipped_stages", "job_id:8 stage_id:12 stage_id:13 stage_id:14 status:succeeded", 2),
        ("spark.job.num_failed_tasks", "job_id:11 stage_id:19 status:failed", 1),
        ("spark.job.num_active_stages", "job_id:20 stage_id:31 status:running", 1),
        ("spark.stage.count", "stage_id:335 status:pending", 1),
        ("spark.stage.count", "stage_id:22 status:skipped", 1),
        ("spark.stage.output_bytes", "stage_id:7 status:complete", 288890),
        ("spark.stage.shuffle_write_bytes", "stage_id:9 status:complete", 266547),
        ("spark.stage.shuffle_read_bytes", "stage_id:11 status:complete", 266547),
        ("spark.stage.num_failed_tasks", "stage_id:19 status:failed", 1),
        ("spark.streaming.statistics.batch_duration", "", 1000),
        ("spark.streaming.statistics.num_active_receivers", "", 1),
        ("spark.structured_streaming.used_bytes", "", 769488),
        ("spark.rdd.count", "", 2),
        ("spark.rdd.num_partitions", "", 6),
        ("spark.rdd.disk_used", "", 82053),
        ("spark.executor.count", "", 3),
    ],
)
def test_names_and_tags_are_those_of_the_agents_check(at_datadog: Found, name: str, tags: str, value: int) -> None:
    assert at_datadog[name, tags] == value


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("spark.job.task.result", "job_id:8 result:skipped", 3),
        ("spark.job.stage.result", "job_id:8 result:skipped", 2),
        ("spark.job.stage.active", "job_id:20", 1),
        ("spark.stage.io.size", "direction:out stage_attempt_id:0 stage_id:7", 288890),
        ("spark.stage.task.result", "result:killed stage_attempt_id:0 stage_id:19", 1),
        ("spark.stage.shuffle.blocks_fetched", "source:local stage_attempt_id:0 stage_id:18", 16),
        ("spark.executor.task.limit", "executor_id:1", 1),
        ("spark.executor.task.limit", "executor_id:driver", 0),
    ],
)
def test_at_google_names_are_those_of_opentelemetry(at_google: Found, name: str, labels: str, value: int) -> None:
    assert at_google[name, labels] == value


def test_everything_is_told_of_the_cluster_and_the_application(asked: Asked) -> None:
    for point in asked.report.points:
        if point.metric.datadog is not None:
            cluster = {"spark_cluster": "default_cluster", "cluster_name": "default_cluster", "app_name": "shop"}
            assert cluster.items() <= dict(spelled(point, "datadog")).items()
        else:
            labels = dict(spelled(point, "google"))
            assert (labels["application_name"], labels["application_id"]) == ("shop", PATH.rpartition("/")[2])
            assert not {"spark_cluster", "cluster_name", "status"} & labels.keys()


def test_executors_are_added_up_without_the_driver(at_datadog: Found) -> None:
    both = [e for e in DRIVER[f"{PATH}/executors"] if e["id"] != "driver"]
    (of_driver,) = [e for e in DRIVER[f"{PATH}/executors"] if e["id"] == "driver"]
    assert len(both) == 2
    for name, member in [("completed_tasks", "completedTasks"), ("disk_used", "diskUsed"), ("max_memory", "maxMemory")]:
        assert of(at_datadog, f"spark.executor.{name}") == {"": sum(e[member] for e in both)}
        assert of(at_datadog, f"spark.driver.{name}") == {"": of_driver[member]}
        assert of(at_datadog, f"spark.executor.id.{name}") == {f"executor_id:{e['id']}": e[member] for e in both}
    peak = [e["peakMemoryMetrics"]["JVMHeapMemory"] for e in both]
    assert of(at_datadog, "spark.executor.peak_mem.jvm_heap_memory") == {"": sum(peak)}


def test_what_is_free_for_storage_is_what_is_not_used(at_google: Found) -> None:
    for executor in DRIVER[f"{PATH}/executors"]:
        memory, which = executor["memoryMetrics"], f"executor_id:{executor['id']} location:on_heap"
        usage = of(at_google, "spark.executor.storage_memory.usage")
        assert usage[f"{which} state:used"] + usage[f"{which} state:free"] == memory["totalOnHeapStorageMemory"]


def test_totals_count_since_the_application_began(asked: Asked) -> None:
    began = DRIVER["/api/v1/applications"][0]["attempts"][0]["startTimeEpoch"]
    starts = {point.start for point in asked.report.points if point.metric.kind == "counter"}
    assert {start and start // 10**6 for start in starts} == {began}
    assert {point.start for point in asked.report.points if point.metric.kind == "gauge"} == {None}


def test_each_executor_is_datadogs_only_on_demand(spark: Recorded) -> None:
    assert not any(name.startswith("spark.executor.id.") for name, _ in datadog(ask_once(spark.url)))


def test_queries_are_told_apart_on_demand_if_they_have_a_name(spark: Recorded) -> None:
    gauges = DRIVER["/metrics/json/"]["gauges"]
    by_query = {query: _gauge(gauges, query, "inputRate-total") for query in ("orders", NAMELESS)}
    apart = of(datadog(ask_once(spark.url, query_name_tag=True)), "spark.structured_streaming.input_rate")
    assert apart == {"query_name:orders": by_query["orders"], "": by_query[NAMELESS]}


def test_queries_taken_together_are_summed_but_for_the_latency(at_datadog: Found) -> None:
    gauges = DRIVER["/metrics/json/"]["gauges"]
    both = [_gauge(gauges, query, "latency") for query in ("orders", NAMELESS)]
    assert of(at_datadog, "spark.structured_streaming.latency") == {"": max(both)}
    rates = [_gauge(gauges, query, "processingRate-total") for query in ("orders", NAMELESS)]
    assert of(at_datadog, "spark.structured_streaming.processing_rate") == {"": pytest.approx(sum(rates))}


def _gauge(gauges: dict[str, dict[str, float]], query: str, what: str) -> float:
    (value,) = [g["value"] for name, g in gauges.items() if name.endswith(f".spark.streaming.{query}.{what}")]
    return value


@pytest.mark.parametrize(
    ("settings", "asks_not"),
    [
        ({"stage_metrics": False}, ["/stages"]),
        ({"streaming_metrics": False}, ["/streaming/statistics", "/metrics/json/"]),
    ],
)
def test_what_is_not_wanted_is_not_asked_for(settings: dict[str, bool], asks_not: list[str]) -> None:
    with server(driver()) as spark:
        assert ask_once(spark.url, **settings).trouble is None
        assert [r.path for r in spark.requests if any(r.path.endswith(path) for path in asks_not)] == []
        assert len(spark.requests) == 7 - len(asks_not) - (0 if asks_not else 1)


def test_beyond_the_most_those_that_run_stay_and_the_rest_are_other_by_status(spark: Recorded) -> None:
    every = of(datadog(ask_once(spark.url)), "spark.job.num_tasks")
    found = datadog(ask_once(spark.url, max_jobs=5, max_stages=4))
    some = of(found, "spark.job.num_tasks")
    running = {tags for tags in every if "status:running" in tags}
    assert running <= some.keys()
    assert len(some) == 5 + 2  # one that has ended, and the others by how they did
    assert {tags for tags in some if "other" in tags} == {"job_id:other status:failed", "job_id:other status:succeeded"}
    assert sum(some.values()) == sum(every.values())
    assert sum(of(found, "spark.job.count").values()) == len(every)
    assert len([tags for tags in of(found, "spark.stage.count") if "other" not in tags]) == 4


def test_at_google_the_rest_is_left_out(spark: Recorded) -> None:
    found = google(ask_once(spark.url, max_jobs=5, max_executors=1))
    assert len(of(found, "spark.job.task.active")) == 5
    assert len(of(found, "spark.executor.memory.usage")) == 1
    assert not any("other" in labels for _, labels in found)


def test_attempts_of_a_stage_with_one_status_are_one_at_datadog_and_two_at_google() -> None:
    one = {"status": "FAILED", "stageId": 3, "attemptId": 0, "inputBytes": 5}
    with server(driver(stages=[one, {**one, "attemptId": 1, "inputBytes": 7}])) as spark:
        asked = ask_once(spark.url)
    assert of(datadog(asked), "spark.stage.input_bytes") == {"stage_id:3 status:failed": 12}
    assert of(google(asked), "spark.stage.io.size") == {
        "direction:in stage_attempt_id:0 stage_id:3": 5,
        "direction:in stage_attempt_id:1 stage_id:3": 7,
    }


def test_what_is_counted_arrives_as_a_count_in_every_run_as_from_the_agent(spark: Recorded) -> None:
    clock = ManualClock()
    conversion = Conversion("datadog", Cluster("acme", "c", "z", "n"), (), clock, Counters())
    check = SparkCheck(SparkSettings(url=spark.url, timeout=20.0))
    for _ in range(2):
        series = conversion.series([ask(PRODUCT, check, clock).report])
        assert [(s.type, s.value) for s in series if s.name == "spark.executor.count"] == [("count", 3.0)]
        clock.advance(15)
    check.close()


def test_the_service_checks_say_that_all_is_well(asked: Asked, spark: Recorded) -> None:
    told = {"url": spark.url, "spark_cluster": "default_cluster", "cluster_name": "default_cluster"}
    assert [(c.name, c.status, dict(c.tags)) for c in asked.report.service_checks] == [
        ("spark.application_master.can_connect", Status.OK, told),
        ("spark.driver.can_connect", Status.OK, told),
    ]
