"""What nodes say of themselves: `_nodes/_local/stats`, or `_nodes/stats` for all of the cluster.

Only the parts that are reported are asked for, since the whole has what each client of the last minutes asked for, and
much else. The names of parts are patterns of `filter_path`, which passes over what a version does not have.

What there is any number of (thread pools, breakers, pipelines, updates of the cluster's state) is reported by name.
Datadog's check has names of its own for the well-known thread pools and breakers: those are members like any other.
"""

from itertools import islice
from typing import Any

from outrider.checks.budget import OTHER, Budget, Values
from outrider.checks.check import AnswerError, Reading
from outrider.checks.elasticsearch.api import Api
from outrider.checks.elasticsearch.members import Members, at, number, objects
from outrider.checks.elasticsearch.settings import ElasticsearchSettings

PARTS = (
    "name",
    "timestamp",
    "indices",
    "os.cpu",
    "os.mem",
    "os.cgroup.cpu",
    "process",
    "jvm.uptime_in_millis",
    "jvm.mem",
    "jvm.threads",
    "jvm.gc",
    "jvm.classes",
    "thread_pool",
    "fs.total",
    "fs.io_stats.total",
    "transport.*_count",
    "transport.*_in_bytes",
    "transport.server_open",
    "http.current_open",
    "http.total_opened",
    "breakers",
    "discovery.cluster_state_queue",
    "discovery.published_cluster_states",
    "discovery.cluster_state_update",
    "indexing_pressure",
    "ingest.total",
    "ingest.pipelines.*.count",
    "ingest.pipelines.*.current",
    "ingest.pipelines.*.failed",
    "script",
)
FILTER = ",".join(["cluster_name", *(f"nodes.*.{part}" for part in PARTS)])
"""Together less than the 4,096 bytes that a request's first line may have."""
UPDATES = ("computation", "context_construction", "commit", "completion", "master_apply", "notification")
"""What time is spent on when the cluster's state is updated."""
MOST, MOST_NAMES = 1000, 100
"""Nodes, and thread pools or breakers of a node."""
SAME = 5000
"""Milliseconds by which two reckonings of one start may differ, since clocks are set."""


class Nodes:
    """Reads one node or all."""

    def __init__(self, settings: ElasticsearchSettings) -> None:
        self._all, self._most = settings.cluster_stats, settings.max_pipelines
        self._members: Members | None = None
        self._pipelines: dict[str, Budget[str]] = {}
        self._starts: dict[str, int] = {}

    def ask(self, api: Api) -> tuple[str, dict[str, Any]]:
        """The name of the cluster, and what its nodes say. Raises CheckError."""
        said = api.mapping(f"/_nodes/{'stats' if self._all else '_local/stats'}?filter_path={FILTER}")
        cluster, nodes = said.get("cluster_name"), dict(objects(said, "nodes"))
        if not isinstance(cluster, str) or not nodes:
            raise AnswerError(f"{api.url} is no Elasticsearch: it tells of no nodes")
        if len(nodes) > MOST:
            raise AnswerError(f"{api.url} tells of more than {MOST:,} nodes", "set cluster_stats: false")
        return cluster, nodes

    def report(self, reading: Reading, nodes: dict[str, Any], tags: dict[str, str]) -> None:
        """Add everything of `nodes`; `tags` are those of the cluster."""
        if self._members is None:
            self._members = Members(reading.declared, "node")
        for gone in self._starts.keys() - nodes.keys():
            del self._starts[gone]
            self._pipelines.pop(gone, None)
        for ident, node in nodes.items():
            name = str(node.get("name") or ident)
            apart = {"node": name} if self._all else {}
            reading.instance(**tags, node_name=name, **apart)
            reading.start = self._start(ident, node)
            self._members.report(reading, node)
            _by_name(reading, node)
            self._of_pipelines(reading, ident, node)
        reading.instance(**tags)
        reading.start = None

    def _start(self, ident: str, node: dict[str, Any]) -> int | None:
        """Since when a node counts, in nanoseconds: in whole seconds, so that it is the same in every run."""
        now, uptime = node.get("timestamp"), at(node, "jvm", "uptime_in_millis")
        if not isinstance(now, int) or not isinstance(uptime, int):
            return None
        started = (now - uptime) // 1000 * 1000
        known = self._starts.get(ident)
        if known is None or abs(started - known) > SAME:
            self._starts[ident] = started
        return self._starts[ident] * 1_000_000

    def _of_pipelines(self, reading: Reading, ident: str, node: dict[str, Any]) -> None:
        budget = self._pipelines.get(ident)
        if budget is None:
            what = "ingest pipelines of Elasticsearch"
            budget = Budget(what, "max_pipelines", self._most, counters={"count", "failed"}, gauges={"current"})
            self._pipelines[ident] = budget
        rows: dict[str, Values] = {
            name: {member: number(pipeline.get(member)) for member in ("count", "current", "failed")}
            for name, pipeline in objects(node, "ingest", "pipelines")
        }
        for row in budget.rows(rows, lambda values: values["count"], reading.time):
            for member, value in row.values.items():
                reading.add(f"pipeline.{member}", value, row.start, name=row.key or OTHER)


def _by_name(reading: Reading, node: dict[str, Any]) -> None:
    """What is reported by name. A thread pool that never had a thread is not: most of a node's are like that."""
    for name, pool in islice(objects(node, "thread_pool"), MOST_NAMES):
        threads, active = number(pool.get("threads")), number(pool.get("active"))
        if threads is None or active is None or not (threads or pool.get("largest")):
            continue
        reading.add("pool.threads", active, pool=name, state="active")
        reading.add("pool.threads", max(threads - active, 0), pool=name, state="idle")
        reading.add("pool.queue", number(pool.get("queue")), pool=name)
        reading.add("pool.finished", number(pool.get("completed")), pool=name, state="completed")
        reading.add("pool.finished", number(pool.get("rejected")), pool=name, state="rejected")
    for name, breaker in islice(objects(node, "breakers"), MOST_NAMES):
        reading.add("breaker.estimated", number(breaker.get("estimated_size_in_bytes")), name=name)
        reading.add("breaker.limit", number(breaker.get("limit_size_in_bytes")), name=name)
        reading.add("breaker.tripped", number(breaker.get("tripped")), name=name)
    for state, update in islice(objects(node, "discovery", "cluster_state_update"), MOST_NAMES):
        reading.add("state_update.count", number(update.get("count")), state=state)
        for what in UPDATES:
            reading.add("state_update.time", number(update.get(f"{what}_time_millis")), state=state, type=what)
