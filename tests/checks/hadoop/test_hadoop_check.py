"""The check `hadoop` against what HDFS, YARN and MapReduce say by their documentation, in two versions."""

from typing import Any

import pytest

from outrider.checks.check import AnswerError, CheckError, DeniedError, RefusedError, SilentError
from outrider.config.secrets import Secret
from outrider.model.points import Status
from tests.checks.coverage import spelled
from tests.checks.hadoop.asking import APPS, AT_WORK, ask_at, ask_once, check_of, datadog, of, statuses
from tests.checks.products.hadoop import NOW, manager, no_jobs
from tests.support.raw_server import answer, raw_server, silent
from tests.support.server import free_port
from tests.support.servers.recorded import recorded, server

HISTORY = "/ws/v1/history/mapreduce/jobs"
SLEEP = "app_name:sleep job_name:sleep user_name:ada"


@pytest.mark.parametrize(("version", "used"), [("2.7", 2250000000), ("3.3", 4500000000)])
def test_a_namenode(version: str, used: int) -> None:
    with server(recorded(f"hadoop/namenode-{version}.json")) as namenode:
        asked = ask_once(namenode_url=namenode.url)
    found = datadog(asked)
    assert found["hdfs.namenode.capacity_used", ""] == used
    assert found["hdfs.namenode.capacity_in_use", ""] == used / 9000000000
    assert found["hdfs.namenode.missing_blocks", ""] == 1
    assert found["hdfs.namenode.num_stale_storages", ""] == 6
    assert {dict(spelled(p, "datadog"))["namenode_url"] for p in asked.report.points} == {namenode.url}
    assert statuses(asked, "hdfs.namenode.jmx.can_connect", "namenode_url") == {namenode.url: Status.OK}


def test_a_namenode_at_google() -> None:
    with server(recorded("hadoop/namenode-2.7.json")) as namenode:
        asked = ask_once(namenode_url=namenode.url)
    found = {
        (p.metric.google.type.rpartition("/")[2], tuple(spelled(p, "google"))): p.value
        for p in asked.report.points
        if p.metric.google is not None
    }
    name = ("node_name", "namenode-0")
    assert found["hadoop.name_node.data_node.count", (name, ("state", "dead"))] == 1
    assert found["hadoop.name_node.data_node.count", (name, ("state", "live"))] == 3
    assert found["hadoop.name_node.block.corrupt", (name,)] == 9
    assert found["hadoop.name_node.file.load", (name,)] == 7


@pytest.mark.parametrize(("version", "cached"), [("2.7", 2), ("3.3", 5)])
def test_a_datanode(version: str, cached: int) -> None:
    with server(recorded(f"hadoop/datanode-{version}.json")) as datanode:
        asked = ask_once(datanode_url=datanode.url)
        assert datanode.requests[0].path == "/jmx?qry=Hadoop:service=DataNode,name=FSDatasetState*"
    assert of(asked, "hdfs.datanode.num_blocks_cached") == {"": cached}
    assert of(asked, "hdfs.datanode.num_blocks_failed_to_uncache") == {"": 3}
    assert {dict(spelled(p, "datadog"))["datanode_url"] for p in asked.report.points} == {datanode.url}


@pytest.mark.parametrize(
    ("name", "tags", "value"),
    [
        ("yarn.metrics.apps_pending", "", 1),
        ("yarn.metrics.reserved_mb", "", 1024),
        ("yarn.node.used_virtual_cores", "node_id:node-2:45454", 2),
        ("yarn.apps.progress", "app_name:word count", 40.0),
        ("yarn.apps.progress_gauge", "app_name:word count", 40.0),
        ("yarn.queue.root.used_capacity", "queue_name:root", 37.5),
        ("yarn.queue.absolute_used_capacity", "queue_name:work", 37.5),
        ("yarn.queue.num_applications", "queue_name:etl", 3),
        ("yarn.queue.max_active_applications", "queue_name:etl", 10),
        ("yarn.queue.used_am_resource.memory", "queue_name:deepest", 512),
        ("mapreduce.job.maps_running", "app_name:word count job_name:word count user_name:ada", 3),
        ("mapreduce.job.elapsed_time.max", "app_name:word count job_name:word count user_name:ada", 58000),
    ],
)
def test_a_resource_manager(name: str, tags: str, value: float) -> None:
    with manager("2.7") as found:
        assert datadog(ask_once(resourcemanager_url=found.url))[name, tags] == value


def test_tags_of_the_cluster_are_those_of_the_agents_checks() -> None:
    with manager("2.7") as found:
        asked = ask_once(resourcemanager_url=found.url, cluster_name="lake")
    for point in asked.report.points:
        tags = dict(spelled(point, "datadog"))
        which = "mapreduce_cluster" if "job_name" in tags else "yarn_cluster"
        assert (tags["cluster_name"], tags[which]) == ("lake", "lake")


def test_applications_of_one_name_are_added_up_and_the_rest_is_of_the_first() -> None:
    with manager("2.7") as found:
        asked = ask_once(resourcemanager_url=found.url)
    assert of(asked, "yarn.apps.allocated_mb")["app_name:stream"] == 1024 + 3072
    assert of(asked, "yarn.apps.elapsed_time_gauge")["app_name:stream"] == 59000
    assert of(asked, "yarn.apps.progress")["app_name:stream"] == 10.0
    assert "app_name:nightly" not in of(asked, "yarn.apps.allocated_mb")  # it does not run yet


def test_the_service_check_of_an_application_is_about_its_last_run() -> None:
    with manager("2.7") as found:
        asked = ask_once(resourcemanager_url=found.url)
        since = [r.path for r in found.requests if "finishedTimeBegin" in r.path]
    assert since == [f"{APPS}?states=FINISHED,FAILED,KILLED&finishedTimeBegin={int(NOW - 3600) * 1000}"]
    assert statuses(asked, "yarn.application.status", "app_name") == {
        "word count": Status.OK,
        "stream": Status.OK,
        "nightly": Status.OK,  # it failed, and waits to run again
        "report": Status.CRITICAL,
        "load": Status.OK,
    }


def test_queues_of_one_name_are_told_apart_by_their_path() -> None:
    with manager("3.3") as found:
        counts = of(ask_once(resourcemanager_url=found.url), "yarn.queue.num_applications")
    assert counts == {"queue_name:etl": 2, "queue_name:work": 1, "queue_name:root.work.etl": 4}


def test_queues_can_be_left_out() -> None:
    with manager("2.7") as found:
        counts = of(ask_once(resourcemanager_url=found.url, exclude_queues=["deep*", "default"]), "yarn.queue.capacity")
    assert counts.keys() == {"queue_name:work", "queue_name:etl"}


def test_what_is_no_number_is_not_reported() -> None:
    with manager("2.7") as found:
        used = of(ask_once(resourcemanager_url=found.url), "yarn.queue.used_capacity")
    assert "queue_name:default" not in used  # it says "NaN"
    assert "queue_name:etl" in used


def test_another_scheduler_is_said_to_have_no_queues() -> None:
    with manager("2.7") as found:
        found.answers["/ws/v1/cluster/scheduler"] = {"scheduler": {"schedulerInfo": {"type": "fairScheduler"}}}
        asked = ask_once(resourcemanager_url=found.url)
    assert asked.trouble is None
    assert of(asked, "yarn.queue.capacity") == {}
    assert asked.reading.missing["queue.capacity"] == "the scheduler is not the capacity scheduler"


def test_beyond_the_most_the_rest_is_other() -> None:
    with manager("2.7") as found:
        asked = ask_once(resourcemanager_url=found.url, top=1)
    assert of(asked, "yarn.apps.allocated_mb") == {"app_name:stream": 4096, "app_name:other": 2048}
    assert of(asked, "yarn.apps.progress") == {"app_name:stream": 10.0}
    assert of(asked, "yarn.node.num_containers") == {"node_id:node-1:45454": 4, "node_id:other": 2}
    assert of(asked, "yarn.queue.num_applications") == {"queue_name:work": 5, "queue_name:other": 3 + 1}
    assert len(statuses(asked, "yarn.application.status", "app_name")) == 1


def test_a_manager_on_standby_is_well_and_has_nothing_to_tell() -> None:
    body = b"This is standby RM. Redirecting to the current active RM: http://rm-2:8088/ws/v1/cluster/metrics"
    head = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: %d\r\n\r\n" % len(body)
    with raw_server(answer(head + body)) as address:
        asked = ask_once(resourcemanager_url=f"http://{address}")
    assert (asked.trouble, asked.report.points) == (None, ())
    assert "on standby" in asked.reading.missing["cluster.totalMB"]


def test_jobs_that_ended_come_once_from_the_history() -> None:
    with server(no_jobs()) as history:
        check = check_of(history_url=history.url)
        assert ask_at(check).report.points == ()
        history.answers.update(recorded("hadoop/history-3.3.json"))
        asked = ask_at(check)
        again = ask_at(check)
        check.close()
        assert [r.path for r in history.requests] == [f"{HISTORY}?finishedTimeBegin={int(NOW - 900) * 1000}"] * 3
    assert of(asked, "mapreduce.job.maps_completed")[SLEEP] == 2 + 3
    assert of(asked, "mapreduce.job.elapsed_time.count")[SLEEP] == 2
    assert of(asked, "mapreduce.job.elapsed_time.avg")[SLEEP] == (4000 + 1000) / 2
    assert of(asked, "mapreduce.job.elapsed_time.max")[SLEEP] == 4000
    assert of(asked, "mapreduce.job.elapsed_time.median")[SLEEP] == 1000
    assert of(asked, "mapreduce.job.reduces_total")["app_name:join job_name:join user_name:bob"] == 0
    assert again.report.points == ()
    assert statuses(asked, "hadoop.history_server.can_connect", "url") == {history.url: Status.OK}


def test_jobs_that_ended_before_the_first_run_are_not_reported() -> None:
    with server(recorded("hadoop/history-3.3.json")) as history:
        check = check_of(history_url=history.url)
        assert [ask_at(check).report.points for _ in range(2)] == [(), ()]
        check.close()


def test_running_jobs_are_read_unless_told_otherwise() -> None:
    with manager("2.7") as found:
        asked = ask_once(resourcemanager_url=found.url, mapreduce_jobs=False)
        assert not any("/proxy/" in r.path for r in found.requests)
    assert not any(name.startswith("mapreduce.") for name, _ in datadog(asked))
    assert not any(c.name.startswith("mapreduce.") for c in asked.report.service_checks)


def test_a_master_that_is_away_is_told_and_is_no_trouble_of_the_manager() -> None:
    away = f"http://127.0.0.1:{free_port()}"
    with manager("3.3") as found:
        found.answers[AT_WORK]["apps"]["app"][0]["trackingUrl"] = f"{away}/"
        asked = ask_once(resourcemanager_url=found.url)
    assert asked.trouble is None
    assert statuses(asked, "mapreduce.application_master.can_connect", "url") == {away: Status.CRITICAL}
    assert statuses(asked, "mapreduce.resource_manager.can_connect", "url") == {found.url: Status.OK}


def test_one_daemon_that_is_away_costs_the_others_nothing() -> None:
    away = f"http://127.0.0.1:{free_port()}"
    with server(recorded("hadoop/datanode-3.3.json")) as datanode:
        asked = ask_once(namenode_url=away, datanode_url=datanode.url)
    assert isinstance(asked.trouble, RefusedError)
    assert of(asked, "hdfs.datanode.cache_used") == {"": 4096}
    assert statuses(asked, "hdfs.namenode.jmx.can_connect", "namenode_url") == {away: Status.CRITICAL}
    assert statuses(asked, "hdfs.datanode.jmx.can_connect", "datanode_url") == {datanode.url: Status.OK}


def test_one_daemon_that_is_silent_leaves_the_others_their_time() -> None:
    with raw_server(silent) as mute, manager("3.3") as found:
        found.answers[AT_WORK]["apps"]["app"][0]["trackingUrl"] = f"http://{mute}/"
        found.answers[HISTORY] = {"jobs": {}}
        urls = {"namenode_url": f"http://{mute}", "resourcemanager_url": found.url, "history_url": found.url}
        asked = ask_once(**urls, timeout=4.0)
    assert isinstance(asked.trouble, SilentError)
    assert statuses(asked, "yarn.can_connect", "url") == {found.url: Status.OK}
    assert statuses(asked, "mapreduce.application_master.can_connect", "url") == {f"http://{mute}": Status.CRITICAL}
    assert statuses(asked, "hadoop.history_server.can_connect", "url") == {found.url: Status.OK}


@pytest.mark.parametrize(
    ("setting", "answers", "kind", "words"),
    [
        ("namenode_url", recorded("hadoop/datanode-3.3.json"), AnswerError, "is not a NameNode: .*9870"),
        ("namenode_url", {}, AnswerError, "status 404.*: which of Hadoop's daemons is it"),
        ("datanode_url", recorded("hadoop/namenode-3.3.json"), AnswerError, "is not a DataNode: .*9864"),
        ("resourcemanager_url", {}, AnswerError, "is not YARN's ResourceManager"),
        ("resourcemanager_url", {"/ws/v1/cluster/metrics": [1]}, AnswerError, "tells of no `clusterMetrics`"),
        ("resourcemanager_url", {"/ws/v1/cluster/metrics": 401}, DeniedError, "set username and password"),
        ("history_url", {}, AnswerError, "is not the history server of MapReduce"),
        ("history_url", {HISTORY: {}}, AnswerError, "tells of no `jobs`"),
    ],
)
def test_what_is_amiss_is_said(setting: str, answers: dict[str, Any], kind: type[CheckError], words: str) -> None:
    with server(answers) as found, pytest.raises(kind, match=words):
        raise ask_once(**{setting: found.url}).trouble or AssertionError("nothing is amiss")


def test_without_a_url_there_is_nothing_to_read() -> None:
    with pytest.raises(CheckError, match="no daemon to read: set one of namenode_url, datanode_url"):
        raise ask_once().trouble or AssertionError("nothing is amiss")


def test_a_user_and_a_password() -> None:
    with server(recorded("hadoop/namenode-3.3.json")) as namenode:
        ask_once(namenode_url=namenode.url, username="reader", password=Secret("pw"))
        assert [r.headers["Authorization"] for r in namenode.requests] == ["Basic cmVhZGVyOnB3"]
