"""The check `elasticsearch` against a server that speaks its API, and against answers in the documented form of what
that server has not got: older versions, disks that are counted, several nodes, users, trouble.
"""

import contextlib
import copy
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from outrider.checks.check import AnswerError, CheckError, DeniedError, Reading, RefusedError
from outrider.checks.elasticsearch.check import ElasticsearchCheck
from outrider.checks.elasticsearch.indices import COUNTED
from outrider.checks.elasticsearch.nodes import FILTER
from outrider.checks.elasticsearch.settings import ElasticsearchSettings
from outrider.checks.tls import TlsSettings
from outrider.config.secrets import Secret
from outrider.model.points import Status
from tests.checks.coverage import spelled
from tests.checks.product import Asked, ask
from tests.checks.products.elasticsearch import PRODUCT, fill, read
from tests.checks.reading import google
from tests.support.certificates import self_signed
from tests.support.http_server import HttpRequest, Said, http_server
from tests.support.servers.noida import Noida, noida

EVERYTHING = dict.fromkeys(("pshard_stats", "index_stats", "cat_allocation_stats", "slm_stats"), True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Noida]:
    with noida(tmp_path_factory.mktemp("elasticsearch") / "server") as found:
        fill(found)
        yield found


def _check(url: str, **settings: Any) -> ElasticsearchCheck:
    return ElasticsearchCheck(ElasticsearchSettings(**{"url": url, "timeout": 20.0, **settings}))


def _ask(url: str, **settings: Any) -> Asked:
    with contextlib.closing(_check(url, **settings)) as check:
        return ask(PRODUCT, check)


OF_ALL = ("url", "elastic_cluster", "cluster_name", "node_name")


def _datadog(reading: Reading) -> dict[tuple[str, str], Any]:
    """Values by name and tags, without those of the node."""
    return {
        (
            p.metric.datadog.name.removeprefix("elasticsearch."),
            " ".join(f"{k}:{v}" for k, v in spelled(p, "datadog") if k not in OF_ALL),
        ): p.value * p.metric.datadog.scale
        for p in reading.points
        if p.metric.datadog is not None and not isinstance(p.value, tuple)
    }


def test_the_tags_are_those_of_the_agents_check(server: Noida) -> None:
    url = f"http://127.0.0.1:{server.elasticsearch}"
    asked = _ask(url, **EVERYTHING)
    cluster = {"url": url, "elastic_cluster": "docker-cluster", "cluster_name": "docker-cluster"}
    tags = {p.metric.datadog.name: dict(spelled(p, "datadog")) for p in asked.report.points if p.metric.datadog}
    assert tags["elasticsearch.docs.count"] == {**cluster, "node_name": "noida-db"}
    assert tags["elasticsearch.active_shards"] == cluster
    assert tags["elasticsearch.primaries.docs.count"] == {**cluster, "index_name": "_all"}
    assert tags["elasticsearch.indices.count"] == cluster
    assert tags["elasticsearch.index.docs.count"] == {**cluster, "index_name": "books"}
    assert tags["elasticsearch.disk.total"].keys() == {*cluster, "node_name"}
    checks = {check.name: dict(check.tags) for check in asked.report.service_checks}
    where = {"host": "127.0.0.1", "port": str(server.elasticsearch)}
    assert checks == {
        "elasticsearch.can_connect": where,
        "elasticsearch.cluster_health": {
            **where,
            "elastic_cluster": "docker-cluster",
            "cluster_name": "docker-cluster",
        },
    }


def test_what_load_moves_moves(server: Noida) -> None:
    before = read(server, index_stats=True, pshard_stats=True)
    for i in range(5):
        server.call("PUT", f"/moved/_doc/{i}?refresh=true", {"n": i})
    server.call("POST", "/moved/_search", {"query": {"match_all": {}}})
    after = read(server, index_stats=True, pshard_stats=True)
    old, new = _datadog(before), _datadog(after)
    assert new["indexing.index.total", ""] - old["indexing.index.total", ""] == 5
    assert new["docs.count", ""] - old["docs.count", ""] == 5
    assert new["primaries.docs.count", "index_name:_all"] - old["primaries.docs.count", "index_name:_all"] == 5
    assert new["indices.count", ""] - old["indices.count", ""] == 1
    assert new["search.query.total", ""] > old["search.query.total", ""]
    assert new["index.search.query.total", "index_name:moved"] == 1
    assert new["index.docs.count", "index_name:moved"] == 5
    assert new["index.health", "index_name:moved"] == new["index.health.reverse", "index_name:moved"] == 1
    ours = google(after)
    operations = ("elasticsearch.node.operations.completed", "operation=index")
    assert ours[operations] == new["indexing.index.total", ""]
    assert ours["elasticsearch.node.documents", "state=active"] == new["docs.count", ""]


def test_health_is_a_number_a_check_and_an_event_when_it_changes(tmp_path: Path) -> None:
    with noida(tmp_path) as server:
        check = _check(f"http://127.0.0.1:{server.elasticsearch}")
        told = []
        for change in (None, ("PUT", "/books"), None, ("DELETE", "/books"), None):
            if change is not None:
                server.call(*change)
            asked = ask(PRODUCT, check)
            [health] = [c for c in asked.report.service_checks if c.name == "elasticsearch.cluster_health"]
            shown = {k: v for k, v in google(asked.reading).items() if k[0] == "elasticsearch.cluster.health"}
            colour = next(where.partition("=")[2] for (_, where), value in shown.items() if value)
            events = [event.alert for event in asked.report.events]
            told.append((_datadog(asked.reading)["cluster_status", ""], health.status, colour, events))
            assert sum(shown.values()) == 1
        check.close()
    assert told == [
        (2, Status.OK, "green", []),
        (1, Status.WARNING, "yellow", ["warning"]),
        (1, Status.WARNING, "yellow", []),
        (2, Status.OK, "green", ["success"]),
        (2, Status.OK, "green", []),
    ]


def test_a_node_counts_from_one_start(server: Noida) -> None:
    with contextlib.closing(_check(f"http://127.0.0.1:{server.elasticsearch}")) as check:
        starts = {p.start for _ in range(3) for p in ask(PRODUCT, check).report.points if p.metric.kind == "counter"}
    [start] = starts
    assert start is not None
    assert start % 1_000_000_000 == 0


def test_indices_that_do_not_fit_in_the_budget_are_other(server: Noida) -> None:
    for i in range(3):
        for name in ("large", "small", "tiny")[i:]:
            server.call("PUT", f"/{name}/_doc/{i}?refresh=true", {"text": name * 20})
    found = _datadog(read(server, index_stats=True, max_indices=1))
    indices = {where: value for (name, where), value in found.items() if name == "index.docs.count"}
    assert len(indices) == 2
    assert indices["index_name:other"] + max(v for w, v in indices.items() if "other" not in w) == sum(
        value for (name, _), value in _datadog(read(server, index_stats=True)).items() if name == "index.docs.count"
    )
    assert ("index.health", "index_name:other") not in found


def test_only_what_is_reported_is_asked_for(server: Noida) -> None:
    path = f"/_nodes/_local/stats?filter_path={FILTER}"
    assert len(path) < 4000  # of the 4,096 bytes of a first line
    [node] = server.call("GET", path)["nodes"].values()
    assert {"jvm", "indices", "thread_pool", "breakers", "name"} <= node.keys()
    assert node["http"].keys() == {"current_open", "total_opened"}
    assert "attributes" not in node


@contextlib.contextmanager
def _api(documents: dict[str, Any], key: str = "", tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The URL of a server of these documents, by path, a status instead of one; 404 for all else; 401 without `key`. It
    begins with `http` even if the server expects TLS.
    """

    def respond(request: HttpRequest) -> Said:
        found = documents.get(request.path.partition("?")[0], 404)
        if key and request.headers["Authorization"] != key:
            found = 401
        if isinstance(found, int):
            return found, {"error": {"type": "t", "reason": f"reason {found}"}}
        return 200, found

    with http_server(respond, tls) as url:
        yield url.replace("https:", "http:")


NODES, HEALTH = "/_nodes/_local/stats", "/_cluster/health"
POOL = {"threads": 4, "queue": 1, "active": 2, "rejected": 3, "largest": 4, "completed": 50}
OLDER: dict[str, Any] = {
    "thread_pool": {"bulk": POOL, "index": POOL, "listener": POOL},
    "breakers": {"in_flight_requests": {"estimated_size_in_bytes": 9, "overhead": 1.0, "tripped": 2}},
    "indices": {"segments": {"index_writer_max_memory_in_bytes": 7}},
    "os": {"cgroup": {"cpu": {"stat": {"number_of_elapsed_periods": 5, "number_of_times_throttled": 1}}}},
    "fs": {
        "io_stats": {
            "total": {
                "operations": 30,
                "read_operations": 10,
                "write_operations": 20,
                "read_kilobytes": 100,
                "write_kilobytes": 200,
            }
        }
    },
    "ingest": {"pipelines": {"stamp": {"count": 8, "current": 1, "failed": 2, "time_in_millis": 4}}},
}
"""What the server of these tests does not tell, as the references of Elasticsearch 6.2 and 7.17 have it."""
POLICIES = {
    "nightly": {
        "policy": {"repository": "backups"},
        "stats": {
            "policy": "nightly",
            "snapshots_taken": 9,
            "snapshots_failed": 1,
            "snapshots_deleted": 4,
            "snapshot_deletion_failures": 2,
        },
    }
}


@pytest.fixture(scope="module")
def documents(server: Noida) -> dict[str, Any]:
    """What a real one says, by path."""
    paths = (NODES, HEALTH, "/_cluster/pending_tasks", "/_cat/templates", "/_stats", "/_cat/indices", "/_stats/search")
    return {path: server.call("GET", f"{path}?format=json") for path in paths}


def _merged(into: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    for key, value in more.items():
        into[key] = _merged(dict(into.get(key, {})), value) if isinstance(value, dict) else value
    return into


def _with(documents: dict[str, Any], more: dict[str, Any], **others: Any) -> dict[str, Any]:
    """The documents with `more` in their node."""
    found = copy.deepcopy(documents)
    [node] = found[NODES]["nodes"].values()
    _merged(node, more)
    return {**found, **{f"/{path}": document for path, document in others.items()}}


def test_every_metric_that_needs_another_version_comes_from_its_documents(documents: dict[str, Any]) -> None:
    with _api({**_with(documents, OLDER), "/_slm/policy": POLICIES}) as url:
        asked = _ask(url, slm_stats=True)
    assert asked.trouble is None
    assert PRODUCT.load()[1].needs.keys() - {p.metric.key for p in asked.report.points} == set()
    found, ours = _datadog(asked.reading), google(asked.reading)
    assert found["thread_pool.bulk.queue", ""] == 1
    assert found["thread_pool.bulk.rejected", ""] == found["thread_pool.bulk.rejected.count", ""] == 3
    assert found["breakers.inflight_requests.tripped", ""] in (0, 2)
    assert found["slm.snapshots_taken", "policy:nightly repository:backups"] == 9
    assert found["fs.total.disk_reads", ""] == 10
    assert ours["elasticsearch.node.disk.io.write", ""] == 200
    assert ours["elasticsearch.node.pipeline.ingest.documents.preprocessed", "name=stamp"] == 8
    assert ours["elasticsearch.node.thread_pool.threads", "state=idle thread_pool_name=bulk"] == 2
    assert ours["elasticsearch.node.thread_pool.tasks.finished", "state=rejected thread_pool_name=bulk"] == 3


def test_pipelines_that_do_not_fit_in_the_budget_are_other(documents: dict[str, Any]) -> None:
    pipelines = {f"p{i}": {"count": i, "current": 1, "failed": 0} for i in range(1, 4)}
    with _api(_with(documents, {"ingest": {"pipelines": pipelines}})) as url:
        ours = google(_ask(url, max_pipelines=1).reading)
    current = {w: v for (name, w), v in ours.items() if name == "elasticsearch.node.pipeline.ingest.documents.current"}
    assert current == {"name=p3": 1, "name=other": 2}


def test_pools_that_never_had_a_thread_and_numbers_that_are_not_known_are_left_out(documents: dict[str, Any]) -> None:
    idle = dict.fromkeys(POOL, 0)
    with _api(_with(documents, {"thread_pool": {"idle": idle}, "process": {"cpu": {"percent": -1}}})) as url:
        reading = _ask(url).reading
    assert not [where for _, where in google(reading) if "thread_pool_name=idle" in where]
    assert ("process.cpu.percent", "") not in _datadog(reading)


def test_all_nodes_of_a_cluster_are_told_apart(documents: dict[str, Any]) -> None:
    [node] = documents[NODES]["nodes"].values()
    nodes = {**documents[NODES], "nodes": {"a1": {**node, "name": "a"}, "b1": {**node, "name": "b"}}}
    with _api({**documents, "/_nodes/stats": nodes}) as url:
        reading = _ask(url, cluster_stats=True).reading
    points = [p for p in reading.points if p.metric.key == "node.indices.docs.count"]
    assert sorted(dict(spelled(p, "google"))["node_name"] for p in points if p.metric.google) == ["a", "b"]
    assert sorted(dict(spelled(p, "datadog"))["node_name"] for p in points if p.metric.datadog) == ["a", "b"]


def test_tasks_that_wait_are_counted_by_their_priority(documents: dict[str, Any]) -> None:
    tasks = [
        {"insert_order": i, "priority": priority, "source": "s", "time_in_queue_millis": waited}
        for i, (priority, waited) in enumerate([("URGENT", 10), ("HIGH", 20), ("HIGH", 60), ("NORMAL", 30)])
    ]
    with _api({**documents, "/_cluster/pending_tasks": {"tasks": tasks}}) as url:
        found = _datadog(_ask(url).reading)
    assert {
        name.removeprefix("pending_tasks_"): v for (name, _), v in found.items() if name.startswith("pending_")
    } == {
        "total": 4,
        "priority_high": 2,
        "priority_urgent": 1,
        "time_in_queue": 30,
    }


def test_templates_of_the_product_itself_are_not_counted(documents: dict[str, Any]) -> None:
    names = ["logs", "metrics-default", ".slm-history", "mine", "other"]
    with _api({**documents, "/_cat/templates": [{"name": name} for name in names]}) as url:
        assert _datadog(_ask(url).reading)["templates.count", ""] == 2


@pytest.mark.parametrize(
    ("changed", "settings", "kind", "words", "missing"),
    [
        ({NODES: 403}, {}, DeniedError, r"does not let us read /_nodes/_local/stats \(reason 403\): a role with", ""),
        ({NODES: 401}, {}, DeniedError, "asks for a user: set username and password, or api_key", ""),
        ({NODES: 404}, {}, AnswerError, r"has no /_nodes/_local/stats \(HTTP 404\)", ""),
        ({NODES: {"nodes": {}}}, {}, AnswerError, "is no Elasticsearch: it tells of no nodes", ""),
        ({NODES: []}, {}, AnswerError, "is no Elasticsearch: it answers with something else than an object", ""),
        ({HEALTH: 503}, {}, AnswerError, r"answers /_cluster/health with HTTP 503 \(reason 503\)", "health.status"),
        ({HEALTH: 403}, {}, DeniedError, "does not let us read /_cluster/health", "health.active_shards"),
        ({"/_cat/indices": 403}, {"index_stats": True}, DeniedError, "a role with", "index.docs.count"),
        ({"/_cat/templates": {}}, {}, AnswerError, "something else than a table", "templates.count"),
        ({"/_cat/templates": 400}, {}, None, "", "templates.count"),
        ({}, {"slm_stats": True}, None, "", "slm.snapshots_taken"),
    ],
)
def test_what_is_amiss_is_told_when_the_rest_is_read(
    documents: dict[str, Any],
    changed: dict[str, Any],
    settings: dict[str, Any],
    kind: type[CheckError] | None,
    words: str,
    missing: str,
) -> None:
    with _api({**documents, **changed}) as url:
        asked = _ask(url, **settings)
    if kind is None:
        assert asked.trouble is None
    else:
        with pytest.raises(kind, match=words):
            raise asked.trouble or AssertionError("nothing is amiss")
    assert asked.reading.missing.keys() == {
        key for key in PRODUCT.load()[1].metrics if missing and key.startswith(missing.partition(".")[0] + ".")
    }
    if missing:
        assert ("docs.count", "") in _datadog(asked.reading)
        assert ("pending_tasks_total", "") in _datadog(asked.reading)


def test_a_cluster_without_a_master_has_no_health(documents: dict[str, Any]) -> None:
    with _api({**documents, HEALTH: 503}) as url:
        asked = _ask(url)
    [health] = [c for c in asked.report.service_checks if c.name == "elasticsearch.cluster_health"]
    assert (health.status, "HTTP 503" in health.message) == (Status.CRITICAL, True)


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"username": "monitor", "password": Secret("pw")}, "Basic bW9uaXRvcjpwdw=="),
        ({"api_key": Secret("aWQ6a2V5\n")}, "ApiKey aWQ6a2V5"),
    ],
    ids=["password", "key"],
)
def test_who_asks_is_shown(documents: dict[str, Any], settings: dict[str, Any], key: str) -> None:
    with _api(documents, key) as url:
        assert _ask(url, **settings).trouble is None
        wrong = {name: Secret("no") if isinstance(value, Secret) else value for name, value in settings.items()}
        with pytest.raises(DeniedError, match=r"refuses (monitor|this API key) \(reason 401\)"):
            raise _ask(url, **wrong).trouble or AssertionError("it is let in")


def test_who_takes_https_for_http_or_the_other_way_round_is_told(documents: dict[str, Any], tmp_path: Path) -> None:
    """Since 8 a new cluster speaks TLS."""
    context, certificate = self_signed(tmp_path)
    with _api(documents, tls=context) as url:
        with pytest.raises(RefusedError, match=r"hung up .*: does it expect TLS\? then say https$"):
            raise _ask(url).trouble or AssertionError("it answers")
        secured = url.replace("http:", "https:")
        with pytest.raises(RefusedError, match=r"is not trusted .*: give its authority in tls\.ca"):
            raise _ask(secured).trouble or AssertionError("it is trusted")
        assert _ask(secured, tls=TlsSettings(ca=str(certificate))).trouble is None
    with (
        _api(documents) as url,
        pytest.raises(RefusedError, match=r"no TLS with .*: does it expect TLS at this port"),
    ):
        raise _ask(url.replace("http:", "https:")).trouble or AssertionError("it answers")


def test_indices_are_counted_where_they_have_no_uuid(server: Noida) -> None:
    """As before Elasticsearch 6.4."""
    server.call("PUT", "/counted")
    there = {row["index"] for row in server.call("GET", "/_cat/indices?format=json&h=index")}
    for pattern in COUNTED:
        assert server.call("GET", f"/_stats?filter_path={pattern}")["indices"].keys() == there


def test_an_answer_that_is_too_large_is_refused(documents: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outrider.checks.elasticsearch.api.MAX_ANSWER", 1 << 10)
    with _api(documents) as url, pytest.raises(AnswerError, match="answers with more than"):
        raise _ask(url).trouble or AssertionError("it is taken")


def test_an_elasticsearch_behind_a_path(documents: dict[str, Any]) -> None:
    with _api({f"/es{path}": document for path, document in documents.items()}) as url:
        assert _ask(f"{url}/es/").trouble is None


@pytest.mark.parametrize("nonsense", [None, 7, "x", [1], {"a": 1}, {"nodes": {"n": 5}}, {"nodes": {"n": {"jvm": [1]}}}])
def test_nonsense_in_the_documents_harms_nothing(documents: dict[str, Any], nonsense: Any) -> None:
    """Whatever an answer holds, the run ends with an error that says so, or without what made no sense."""
    served = dict(documents)
    with _api(served) as url, contextlib.closing(_check(url, pshard_stats=True, index_stats=True)) as check:
        for path in documents:
            served |= documents | {path: nonsense}
            if path == NODES and isinstance(nonsense, dict):
                served[NODES] = {"cluster_name": "c", **nonsense}
            asked = ask(PRODUCT, check)
            assert asked.trouble is None or isinstance(asked.trouble, AnswerError)
