"""Hadoop, read: whichever of its daemons have a URL, each with the service check that Datadog's check of it has.

Datadog has four checks, `hdfs_namenode`, `hdfs_datanode`, `yarn` and `mapreduce`; names, tags and types are theirs. At
Google the NameNode has the names of OpenTelemetry's `hadoop`. One daemon that cannot be read does not keep the others
from being read; `hadoop.can_connect` tells the first trouble that there is.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import ClassVar

from outrider.checks.check import CheckError, Reading
from outrider.checks.hadoop.hdfs import read_datanode, read_namenode
from outrider.checks.hadoop.mapreduce import Jobs, Mapreduce
from outrider.checks.hadoop.settings import HadoopSettings
from outrider.checks.hadoop.yarn import THINGS, StandbyError, Yarn
from outrider.checks.rest import Members, Rest, bare, lacks
from outrider.model.points import Status

NAMENODE = "hdfs.namenode.jmx.can_connect"
DATANODE = "hdfs.datanode.jmx.can_connect"
YARN = "yarn.can_connect"
MAPREDUCE = "mapreduce.resource_manager.can_connect"
HISTORY = "hadoop.history_server.can_connect"


class HadoopCheck:
    """Reads the daemons of one Hadoop."""

    Settings: ClassVar = HadoopSettings
    can_connect = "hadoop.can_connect"

    def __init__(self, settings: HadoopSettings) -> None:
        self._settings = settings
        urls: list[str | None] = [getattr(settings, name) for name in settings.addresses]
        self._namenode, self._datanode, self._manager, self._history = (url and url.rstrip("/") for url in urls)
        known = [url for url in urls if url is not None]
        self._waiting = self._daemons = len(known)
        self._rest = Rest(known, settings.timeout, settings.tls, settings.username, settings.password)
        self._yarn = None if self._manager is None else Yarn(self._manager, settings, self._rest)
        self._mapreduce: Mapreduce | None = None

    def read(self, reading: Reading) -> None:
        """Everything of all daemons. Raises CheckError, the first one, after all were asked."""
        self._rest.begin(time.monotonic() + self._settings.timeout)
        self._waiting = self._daemons
        name = self._settings.cluster_name
        troubles = []
        if self._namenode is not None:
            reading.instance(namenode_url=bare(self._namenode))
            troubles.append(self._part(NAMENODE, reading, partial(read_namenode, self._rest, self._namenode, reading)))
        else:
            lacks(reading, ("namenode",), "namenode_url is not set")
        if self._datanode is not None:
            reading.instance(datanode_url=bare(self._datanode))
            troubles.append(self._part(DATANODE, reading, partial(read_datanode, self._rest, self._datanode, reading)))
        else:
            lacks(reading, ("datanode",), "datanode_url is not set")
        troubles += [*self._read_yarn(reading), *self._read_jobs(reading)]
        reading.instance(cluster_name=name)
        if not troubles:
            raise CheckError("there is no daemon to read", f"set one of {', '.join(self._settings.addresses)}")
        for trouble in troubles:
            if trouble is not None:
                raise trouble

    def close(self) -> None:
        self._rest.close()

    def _read_yarn(self, reading: Reading) -> list[CheckError | None]:
        """The ResourceManager. Gives what is amiss, None for nothing, of each daemon that was asked."""
        if self._yarn is None or self._manager is None:
            lacks(reading, THINGS, "resourcemanager_url is not set")
            return []
        name, where = self._settings.cluster_name, bare(self._manager)
        reading.instance(yarn_cluster=name, cluster_name=name)
        trouble = self._part(YARN, reading, partial(_active, self._yarn, reading), url=where)
        if self._settings.mapreduce_jobs:
            status = Status.OK if trouble is None else Status.CRITICAL
            reading.instance()
            reading.service_check(MAPREDUCE, status, str(trouble or ""), url=where)
        return [trouble]

    def _read_jobs(self, reading: Reading) -> list[CheckError | None]:
        """The jobs of MapReduce, wherever they are known. Gives the same."""
        if self._mapreduce is None:
            sums = [key for key in reading.declared.metrics if key.startswith("job.")]
            self._mapreduce = Mapreduce(self._rest, self._settings.top, sums)
        name, jobs = self._settings.cluster_name, Jobs(Members(reading.declared))
        reading.instance()
        if self._yarn is not None and self._manager is not None and self._settings.mapreduce_jobs:
            self._mapreduce.running(reading, self._manager, self._yarn.applications, jobs, self._waiting)
        else:
            lacks(reading, ("job", "elapsed"), "no running jobs are asked for: resourcemanager_url, mapreduce_jobs")
        troubles = []
        if self._history is not None:
            part = partial(self._mapreduce.ended, self._history, reading, jobs)
            troubles.append(self._part(HISTORY, reading, part, url=bare(self._history)))
        reading.instance(mapreduce_cluster=name, cluster_name=name)
        self._mapreduce.report(reading, jobs)
        return troubles

    def _part(self, check: str, reading: Reading, part: Callable[[], None], **tags: str) -> CheckError | None:
        """Read a part; what is amiss with it is told by its service check too."""
        self._rest.share(self._waiting)
        self._waiting -= 1
        trouble: CheckError | None = None
        try:
            part()
        except CheckError as e:
            trouble = e
        reading.service_check(check, Status.OK if trouble is None else Status.CRITICAL, str(trouble or ""), **tags)
        return trouble


def _active(yarn: Yarn, reading: Reading) -> None:
    try:
        yarn.read(reading)
    except StandbyError as e:
        lacks(reading, THINGS, e.words)
