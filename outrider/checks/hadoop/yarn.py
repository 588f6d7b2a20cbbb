"""YARN: what the ResourceManager tells of the cluster, its applications, nodes and queues.

    GET /ws/v1/cluster/metrics                          the cluster
    GET /ws/v1/cluster/apps?states=RUNNING,...          applications that run or wait
    GET /ws/v1/cluster/apps?states=FINISHED,...         those that ended within the last hour, for their service check
    GET /ws/v1/cluster/nodes                            nodes
    GET /ws/v1/cluster/scheduler                        queues, of the capacity scheduler

The Agent's check asks for all applications that the ResourceManager remembers, ten thousand if nobody says otherwise,
and tells the end of each again and again. Here an end is told for an hour. Datadog knows applications by their names:
of several that run under one name the resources are added up, and the rest is that of the one which began first; the
service check is about the one that began last.

A ResourceManager on standby knows nothing of the cluster, and says where the active one is. That is no failure, and it
is not followed: the active one has a check of its own.

Source: hadoop.apache.org, hadoop-yarn/hadoop-yarn-site/ResourceManagerRest.html, of 2.7 to 3.4.
"""

from collections import deque
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from outrider.checks.budget import Values
from outrider.checks.check import AnswerError, Reading
from outrider.checks.hadoop.rows import Key, Rows
from outrider.checks.hadoop.settings import HadoopSettings
from outrider.checks.rest import Members, NotFoundError, Rest, bare, lacks, number, objects
from outrider.model.points import Status

APPLICATION = "yarn.application.status"
ENDED = 3600
"""Seconds that the end of an application is told."""
AT_WORK = "NEW,NEW_SAVING,SUBMITTED,ACCEPTED,RUNNING"
AT_REST = "FINISHED,FAILED,KILLED"
STATUS = {
    **dict.fromkeys([*AT_WORK.split(","), "FINISHED"], Status.OK),
    **dict.fromkeys(["FAILED", "KILLED"], Status.CRITICAL),
}
"""The service check of an application by its state, as the Agent has it."""
STANDBY = "this is standby rm"
THINGS = ("cluster", "app", "node", "root_queue", "queue")
"""What YARN's keys in metrics.yaml begin with."""

APP_SUMS = {f"app.{name}" for name in ("allocatedMB", "allocatedVCores", "runningContainers", "memorySeconds")} | {
    "app.vcoreSeconds"
}
NODE_SUMS = {
    f"node.{name}"
    for name in ("usedMemoryMB", "availMemoryMB", "usedVirtualCores", "availableVirtualCores", "numContainers")
}
QUEUE_SUMS = {
    f"queue.{name}"
    for name in (
        *("numApplications", "numActiveApplications", "numPendingApplications", "numContainers"),
        *("resourcesUsed.memory", "resourcesUsed.vCores", "usedAMResource.memory", "usedAMResource.vCores"),
    )
}


class StandbyError(AnswerError):
    """The ResourceManager is not the active one."""


class Yarn:
    """Reads the ResourceManager at `url`."""

    def __init__(self, url: str, settings: HadoopSettings, rest: Rest) -> None:
        self._url, self._rest = url, rest
        self._excluded = settings.exclude_queues
        self._top = settings.top
        self._apps = Rows("applications", settings.top, ("app_name",), APP_SUMS)
        self._nodes = Rows("nodes", settings.top, ("node_id",), NODE_SUMS)
        self._queues = Rows("queues", settings.top, ("queue_name",), QUEUE_SUMS)
        self.applications: list[dict[str, Any]] = []
        """Those that run or wait, as of the last run."""

    def read(self, reading: Reading) -> None:
        """Raises CheckError; StandbyError if there is nothing to be had, and nothing amiss."""
        self.applications = []
        members = Members(reading.declared)
        cluster = self._get("metrics").get("clusterMetrics")
        if not isinstance(cluster, dict):
            raise AnswerError(f"{bare(self._url)} is not YARN's ResourceManager: it tells of no `clusterMetrics`")
        for key, value in members.values("cluster", cluster).items():
            reading.add(key, value)
        self._read_applications(reading, members)
        nodes: dict[Key, Values] = {
            (str(node.get("id")),): members.values("node", node)
            for node in objects(self._get("nodes"), "nodes", "node")
        }
        self._nodes.report(reading, nodes, lambda values: values.get("node.usedMemoryMB"))
        self._read_queues(reading, members)

    def _read_applications(self, reading: Reading, members: Members) -> None:
        self.applications = objects(self._get(f"apps?states={AT_WORK}"), "apps", "app")
        since = reading.time // 10**6 - ENDED * 1000
        ended = objects(self._get(f"apps?states={AT_REST}&finishedTimeBegin={max(since, 0)}"), "apps", "app")
        last: dict[str, dict[str, Any]] = {}
        for app in sorted([*ended, *self.applications], key=_began):
            last[str(app.get("name"))] = app
        for name, app in sorted(last.items(), key=lambda item: -_began(item[1]))[: self._top]:
            state = str(app.get("state"))
            reading.service_check(APPLICATION, STATUS.get(state, Status.UNKNOWN), app_name=name)
        rows: dict[Key, dict[str, int | float]] = {}
        for app in sorted(self.applications, key=_began):
            if app.get("state") == "RUNNING":
                found = rows.setdefault((str(app.get("name")),), {})
                for key, value in members.values("app", app).items():
                    found[key] = found.get(key, 0) + value if key in APP_SUMS else found.get(key, value)
        self._apps.report(reading, rows, lambda values: values.get("app.allocatedMB"))

    def _read_queues(self, reading: Reading, members: Members) -> None:
        said = self._get("scheduler")
        root = said.get("scheduler")
        root = root.get("schedulerInfo") if isinstance(root, dict) else None
        if not isinstance(root, dict) or root.get("type") != "capacityScheduler":
            lacks(reading, ("root_queue", "queue"), "the scheduler is not the capacity scheduler")
            return
        for key, value in members.values("root_queue", root).items():
            reading.add(key, value, queue_name=str(root.get("queueName")))
        rows: dict[Key, Values] = {}
        for queue in _below(root):
            name = str(queue.get("queueName"))
            if (name,) in rows:  # names are those of leaves, of which there may be several
                name = str(queue.get("queuePath") or name)
            if not any(fnmatchcase(name, glob) for glob in self._excluded):
                rows[name,] = members.values("queue", queue)
        self._queues.report(reading, rows, _queue_activity)

    def _get(self, what: str) -> dict[str, Any]:
        try:
            said = self._rest.json(f"{self._url}/ws/v1/cluster/{what}")
        except NotFoundError as e:
            raise AnswerError(f"{bare(self._url)} is not YARN's ResourceManager ({e.words})") from None
        except AnswerError as e:
            if STANDBY in e.words.lower():
                raise StandbyError(f"{bare(self._url)} is a ResourceManager on standby") from None
            raise
        return said if isinstance(said, dict) else {}


def _began(app: dict[str, Any]) -> int | float:
    return number(app, "startedTime") or 0


def _below(queue: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All queues below a queue, at whatever depth."""
    waiting = deque(objects(queue, "queues", "queue"))
    while waiting:
        one = waiting.popleft()
        yield one
        waiting += objects(one, "queues", "queue")


def _queue_activity(values: Values) -> float:
    return (values.get("queue.numApplications") or 0) + (values.get("queue.absoluteUsedCapacity") or 0) / 1000
