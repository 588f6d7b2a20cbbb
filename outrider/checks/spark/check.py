"""Spark, read: every application's jobs, stages, executors, cached RDDs and streams.

    GET /api/v1/applications/<id>/jobs, stages, executors, storage/rdd, streaming/statistics
    GET /metrics/json/                            the gauges of structured streams, if the application reports them

First it is found out where the drivers are (`apps.py`). Then each is asked by itself: one that cannot be asked is told
by its own service check, and costs the others nothing but its part of the time. Names, tags and types are those of
Datadog's check `spark`, whose counts are of what there is at the moment (`sums.py`); at Google those of
OpenTelemetry's receiver `apachespark`.
"""

import re
import time
from typing import Any, ClassVar
from urllib.parse import quote

from outrider.checks.check import AnswerError, CheckError, Reading
from outrider.checks.rest import Members, NotFoundError, Rest, bare, lacks, number, objects, origin
from outrider.checks.spark.apps import App, drivers, reachable
from outrider.checks.spark.listing import DRIVER, Item, Key, Listing, executor, job, stage
from outrider.checks.spark.settings import SparkSettings
from outrider.checks.sums import Sums
from outrider.model.points import Attributes, Status

CAN_CONNECT = {
    "driver": "spark.driver.can_connect",
    "standalone": "spark.standalone_master.can_connect",
    "yarn": "spark.resource_manager.can_connect",
}
APPLICATION = "spark.application_master.can_connect"
_STREAM = ".driver.spark.streaming."
"""What stands between an application and the query in the name of a gauge."""
_NAMELESS = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
MOST = 10_000
"""Things of one kind of an application. Spark keeps a thousand of them unless it is told otherwise."""
_LARGEST = "latency"
"""The gauge of which several queries have no sum."""


class _Found:
    """What one run finds."""

    def __init__(self) -> None:
        self.sums = Sums()
        self.jobs: dict[Key, Item] = {}
        self.stages: dict[Key, Item] = {}
        self.executors: dict[Key, Item] = {}


class SparkCheck:
    """Reads one driver, or all that a master or YARN knows."""

    Settings: ClassVar = SparkSettings

    def __init__(self, settings: SparkSettings) -> None:
        self._settings = settings
        self._url = settings.url.rstrip("/")
        self.can_connect = CAN_CONNECT[settings.mode]
        self._rest = Rest([settings.url], settings.timeout, settings.tls, settings.username, settings.password)
        self._jobs = Listing("jobs", "max_jobs", settings.max_jobs, "job", "each_job")
        self._stages = Listing("stages", "max_stages", settings.max_stages, "stage", "each_stage")
        level = "executor_level" if settings.executor_level_metrics else None
        self._executors = Listing("executors", "max_executors", settings.max_executors, level, "each_executor")

    def read(self, reading: Reading) -> None:
        """Everything of all applications. Raises CheckError; in the mode `driver` also if one cannot be read."""
        self._rest.begin(time.monotonic() + self._settings.timeout)
        self._tell(reading)
        self._say_what_is_left_out(reading)
        found, members = _Found(), Members(reading.declared)
        try:
            trouble = self._read_drivers(reading, found, members)
            self._jobs.report(found.jobs, members, found.sums, reading.time)
            self._stages.report(found.stages, members, found.sums, reading.time)
            self._executors.report(found.executors, members, found.sums, reading.time)
            found.sums.report(reading)
        finally:
            self._tell(reading, url=bare(self._url))
        if trouble is not None and self._settings.mode == "driver":
            raise trouble

    def close(self) -> None:
        self._rest.close()

    def _tell(self, reading: Reading, **more: str) -> None:
        name = self._settings.cluster_name
        reading.instance(spark_cluster=name, cluster_name=name, **more)

    def _say_what_is_left_out(self, reading: Reading) -> None:
        wanted = {
            "executor_level_metrics": ("executor_level",),
            "stage_metrics": ("stage", "each_stage"),
            "streaming_metrics": ("streaming", "structured"),
        }
        for setting, things in wanted.items():
            if not getattr(self._settings, setting):
                lacks(reading, things, f"{setting} is false")

    def _read_drivers(self, reading: Reading, found: _Found, members: Members) -> CheckError | None:
        """The first trouble with a driver; each address at which there are some has its service check."""
        troubles: dict[str, CheckError | None] = {}
        urls = [*dict.fromkeys(drivers(self._rest, self._url, self._settings.mode))]
        for i, url in enumerate(urls):
            self._rest.share(len(urls) - i)
            apps, trouble = reachable(self._rest, url)
            for app in apps:
                try:
                    self._read_app(app, found, members)
                except NotFoundError:
                    continue  # it has ended since the list was made
                except CheckError as e:
                    trouble = e
                    break
            if apps and trouble is None and self._settings.streaming_metrics:
                trouble = self._read_gauges(apps[0], found.sums)
            troubles[origin(url)] = troubles.get(origin(url)) or trouble
        for server, trouble in troubles.items():
            status = Status.OK if trouble is None else Status.CRITICAL
            reading.service_check(APPLICATION, status, str(trouble or ""), url=server)
        return next((trouble for trouble in troubles.values() if trouble is not None), None)

    def _read_app(self, app: App, found: _Found, members: Members) -> None:
        found.jobs.update(job(app, said) for said in self._list(app, "jobs"))
        if self._settings.stage_metrics:
            found.stages.update(stage(app, said) for said in self._list(app, "stages"))
        executors = self._list(app, "executors")
        for said in executors:
            thing = DRIVER if said.get("id") == DRIVER else "executor"
            found.sums.add(members.values(thing, said), app.tags)
            found.executors.update([executor(app, said)])
        _count(found.sums, "executor.count", executors, app.tags)
        rdds = self._list(app, "storage/rdd")
        for said in rdds:
            found.sums.add(members.values("rdd", said), app.tags)
        _count(found.sums, "rdd.count", rdds, app.tags)
        if self._settings.streaming_metrics:
            try:
                said = self._ask(app, "streaming/statistics")
            except NotFoundError:
                return  # it has no stream
            found.sums.put(members.values("streaming", said), app.tags, app.start)

    def _read_gauges(self, app: App, sums: Sums) -> CheckError | None:
        """The gauges of structured streams. They are at the driver's address, not at the application's."""
        try:
            said = self._rest.json(f"{app.url}/metrics/json/")
        except NotFoundError:
            return None  # its servlet is turned off
        except CheckError as e:
            return e
        gauges = said.get("gauges") if isinstance(said, dict) else None
        together: dict[Attributes, dict[str, int | float]] = {}
        for name, gauge in gauges.items() if isinstance(gauges, dict) else ():
            query, _, what = name.partition(_STREAM)[2].rpartition(".")
            value = number(gauge, "value")
            if not query or value is None:
                continue
            named = self._settings.query_name_tag and not _NAMELESS.fullmatch(query)
            values = together.setdefault((*app.tags, ("query_name", query)) if named else app.tags, {})
            key, before = f"structured.{what}", values.get(f"structured.{what}", 0)
            values[key] = max(before, value) if what == _LARGEST else before + value
        for attributes, values in together.items():
            sums.put(values, attributes)
        return None

    def _list(self, app: App, what: str) -> list[dict[str, Any]]:
        found = objects(self._ask(app, what))
        if len(found) > MOST:
            raise AnswerError(f"the application {app.id} tells of more than {MOST:,} {what}")
        return found

    def _ask(self, app: App, what: str) -> Any:
        return self._rest.json(f"{app.url}/api/v1/applications/{quote(app.id, safe='')}/{what}")


def _count(sums: Sums, key: str, things: list[dict[str, Any]], tags: Attributes) -> None:
    """How many there are; nothing if there are none, as at the Agent."""
    if things:
        sums.add({key: len(things)}, tags)
