"""What a node says of its cluster: health, changes that wait, templates, disks, snapshots.

Every node says the same, as the master has it; without a master it cannot say. The service check `cluster_health` tells
that too.
"""

from collections import Counter

from outrider.checks.check import CheckError, Reading
from outrider.checks.elasticsearch.api import Api
from outrider.checks.elasticsearch.members import Members, at, number, objects
from outrider.model.points import Event, Status

HEALTH = "elasticsearch.cluster_health"
STATES = {
    "green": (Status.OK, 2, "success"),
    "yellow": (Status.WARNING, 1, "warning"),
    "red": (Status.CRITICAL, 0, "error"),
}
"""By the cluster's own word: what the service check says, the number, and the kind of an event."""
OWN_TEMPLATES = ("logs", "metrics", "synthetics", ".monitoring", ".slm-", ".deprecation")
"""How the names of templates begin that come with the product; Datadog's check leaves them out as well."""
DISKS = ("shards", "disk.indices", "disk.used", "disk.avail", "disk.total", "disk.percent")
SHARDS = ("active_shards", "initializing_shards", "relocating_shards", "unassigned_shards")


class Health:
    """Reads the health, and knows what it was before."""

    def __init__(self, events: bool) -> None:
        self._events, self._before = events, ""
        self._members: Members | None = None

    def report(self, reading: Reading, api: Api, tags: dict[str, str], where: dict[str, str]) -> None:
        """`tags` are those of the cluster, `where` those of the service check. Raises CheckError."""
        if self._members is None:
            self._members = Members(reading.declared, "health")
        try:
            said = api.mapping("/_cluster/health")
        except CheckError as e:
            _check(reading, Status.CRITICAL, str(e), tags, where)
            raise
        self._members.report(reading, said)
        status = str(said.get("status", "")).lower()
        known, value, _ = STATES.get(status, (Status.CRITICAL, -1, ""))
        reading.add("health.cluster_status", value)
        for one in STATES:
            reading.add("health.status", int(one == status), status=one)
        told = ", ".join(f"{said.get(name)} {name.replace('_', ' ')}" for name in SHARDS)
        words = f"the cluster {tags['cluster_name']} is {status or 'of no health'}: {told}"
        _check(reading, known, "" if known is Status.OK else words, tags, where)
        self._event(reading, status, words, tags)
        self._before = status

    def _event(self, reading: Reading, status: str, words: str, tags: dict[str, str]) -> None:
        """Tell a change; a cluster that is green when it is first seen is none."""
        if not self._events or status not in STATES or status == (self._before or "green"):
            return
        title = f"Elasticsearch: {tags['cluster_name']} is {status}"
        spelled = tuple(sorted(tags.items()))
        reading.events.append(
            Event(title, words, reading.time, spelled, STATES[status][2], f"elasticsearch {tags['cluster_name']}")
        )


def _check(reading: Reading, status: Status, words: str, tags: dict[str, str], where: dict[str, str]) -> None:
    """The service check, which has the tags of the cluster without the URL."""
    reading.instance(**{key: value for key, value in tags.items() if key != "url"}, **where)
    reading.service_check(HEALTH, status, words)
    reading.instance(**tags)


def report_pending(reading: Reading, api: Api) -> None:
    """Raises CheckError."""
    said = api.mapping("/_cluster/pending_tasks").get("tasks")
    tasks = [task for task in said if isinstance(task, dict)] if isinstance(said, list) else []
    priorities = Counter(str(task.get("priority", "")).lower() for task in tasks)
    waited = sum(number(task.get("time_in_queue_millis")) or 0 for task in tasks)
    reading.add("pending.pending_tasks_total", len(tasks))
    reading.add("pending.pending_tasks_priority_high", priorities["high"])
    reading.add("pending.pending_tasks_priority_urgent", priorities["urgent"])
    reading.add("pending.pending_tasks_time_in_queue", waited // (len(tasks) or 1))


def report_templates(reading: Reading, api: Api) -> None:
    """Raises CheckError."""
    names = [str(row.get("name", "")) for row in api.rows("/_cat/templates?format=json&h=name")]
    reading.add("templates.count", sum(not name.startswith(OWN_TEMPLATES) for name in names))


def report_allocation(reading: Reading, api: Api, tags: dict[str, str]) -> None:
    """Raises CheckError."""
    for row in api.rows(f"/_cat/allocation?format=json&bytes=b&h=node,{','.join(DISKS)}"):
        name = str(row.get("node") or "")
        reading.instance(**tags, node_name=name.lower())
        for column in DISKS:
            reading.add(f"allocation.{column}", number(row.get(column)))
    reading.instance(**tags)


def report_snapshots(reading: Reading, api: Api) -> None:
    """Raises CheckError."""
    members = Members(reading.declared, "slm")
    for policy, said in objects(api.mapping("/_slm/policy")):
        repository = at(said, "policy", "repository")
        members.report(reading, said.get("stats"), policy=policy, repository=str(repository or "unknown"))
