"""Jobs, stages and executors: things that come and go by the thousand, of which a number is reported one by one.

Those that run come first, and those that were reported before stay as long as there is room. At Datadog the others are
added up as `other`, by application and status. At Google, where most values are totals, there is no `other`: a sum
over whoever is left would fall whenever Spark forgets a job.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from outrider.checks.budget import OTHER, Budget
from outrider.checks.rest import Members, number
from outrider.checks.spark.apps import App
from outrider.checks.sums import Sums
from outrider.model.points import Attributes

Key = tuple[str, ...]
RUNNING = ("RUNNING", "ACTIVE", "PENDING")
DRIVER = "driver"
"""How the driver is called among the executors."""


@dataclass(frozen=True)
class Item:
    """One thing as Spark tells of it. `tags` are Datadog's (none: it gets nothing of this), `rest` those that it has
    among the others; `labels` are Google's.
    """

    app: App
    said: Mapping[str, Any]
    tags: Attributes
    rest: Attributes
    labels: Attributes
    activity: float


class Listing:
    """Things of one kind, of which `most` are reported one by one. What Datadog gets of them is declared under
    `datadog.*`, if anything, and what Google gets under `google.*`.
    """

    def __init__(self, what: str, setting: str, most: int, datadog: str | None, google: str) -> None:
        self._budget: Budget[Key] = Budget(f"{what} of Spark", setting, most)
        self._datadog, self._google = datadog, google

    def report(self, items: Mapping[Key, Item], members: Members, sums: Sums, time: int) -> None:
        rows = self._budget.rows(
            {key: {"activity": item.activity} for key, item in items.items()}, lambda values: values["activity"], time
        )
        alone = {row.key for row in rows}
        for key, item in items.items():
            if self._datadog is not None and item.tags:
                values = members.values(self._datadog, item.said)
                sums.add(values, tuple(sorted(item.tags if key in alone else item.rest)))
            if key in alone:
                sums.add(members.values(self._google, item.said), tuple(sorted(item.labels)), item.app.start)


def job(app: App, said: Mapping[str, Any]) -> tuple[Key, Item]:
    """A job. It has a tag for each of its stages, as at the Agent."""
    number_of, status = str(said.get("jobId")), _status(said)
    stages = said.get("stageIds")
    own = {("job_stage_id", str(stage)) for stage in stages} if isinstance(stages, list) else set()
    common = (*app.tags, ("status", status))
    return (app.id, number_of), Item(
        app,
        {**said, "count": 1},
        (*common, ("job_id", number_of), *own),
        (*common, ("job_id", OTHER)),
        (*app.labels, ("job_id", number_of)),
        _activity(said),
    )


def stage(app: App, said: Mapping[str, Any]) -> tuple[Key, Item]:
    """One attempt of a stage. At Datadog attempts are told apart by their status alone."""
    number_of, attempt = str(said.get("stageId")), str(said.get("attemptId", 0))
    common = (*app.tags, ("status", _status(said)))
    return (app.id, number_of, attempt), Item(
        app,
        {**said, "count": 1},
        (*common, ("stage_id", number_of)),
        (*common, ("stage_id", OTHER)),
        (*app.labels, ("stage_id", number_of), ("attempt_id", attempt)),
        _activity(said),
    )


def executor(app: App, said: Mapping[str, Any]) -> tuple[Key, Item]:
    """An executor. The driver is one too, but not among those that Datadog gets one by one."""
    name = str(said.get("id"))
    memory = {}
    for where in ("OnHeap", "OffHeap"):
        total, used = (number(said, "memoryMetrics", f"{what}{where}StorageMemory") for what in ("total", "used"))
        if total is not None and used is not None:
            memory[f"free{where}"] = max(total - used, 0)
    return (app.id, name), Item(
        app,
        {**said, **memory},
        () if name == DRIVER else (*app.tags, ("executor_id", name)),
        (*app.tags, ("executor_id", OTHER)),
        (*app.labels, ("executor_id", name)),
        (number(said, "activeTasks") or 0) + (number(said, "completedTasks") or 0) / 1e6,
    )


def _status(said: Mapping[str, Any]) -> str:
    return str(said.get("status")).lower()


def _activity(said: Mapping[str, Any]) -> float:
    return 1 + (number(said, "numActiveTasks") or 0) if said.get("status") in RUNNING else 0
