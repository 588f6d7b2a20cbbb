"""MapReduce: jobs that run, of their application masters, and jobs that have ended, of the history server.

    GET <trackingUrl>/ws/v1/mapreduce/jobs                                   running: YARN tells the URL, its own proxy
    GET /ws/v1/history/mapreduce/jobs?finishedTimeBegin=<ms since 1970>      ended

The Agent's check sees a job only while it runs. A job that begins and ends between two runs is in the history alone, so
each job that has ended is reported once more from there. Jobs of one name, user and application are added up, as the
Agent does; of the time that they took it makes a histogram, which is here the same five numbers.

The history server learns of a job a while after its end. So it is asked for the last quarter of an hour in every run,
and what it said the time before is left out. What ended before the first run is not reported.

Source: hadoop.apache.org, MapredAppMasterRest.html and HistoryServerRest.html, of 2.7 to 3.4.
"""

import math
from collections.abc import Iterable
from typing import Any

from outrider.checks.budget import Values
from outrider.checks.check import AnswerError, CheckError, Reading
from outrider.checks.hadoop.rows import Key, Rows
from outrider.checks.rest import Members, NotFoundError, Rest, bare, linked, number, objects, origin
from outrider.model.points import Status

MASTER = "mapreduce.application_master.can_connect"
WINDOW = 900_000
"""Milliseconds that the history server may take to learn of a job's end."""
TOLD = ("app_name", "user_name", "job_name")
ELAPSED = {"max": 1.0, "median": 0.5, "95percentile": 0.95}


class Jobs:
    """The jobs of one run."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self._rows: dict[Key, dict[str, int | float]] = {}
        self._elapsed: dict[Key, list[int | float]] = {}

    def take(self, said: dict[str, Any], app: str) -> None:
        """A job of the application `app`."""
        key = (app, str(said.get("user")), str(said.get("name")))
        row = self._rows.setdefault(key, {})
        for name, value in self._members.values("job", said).items():
            row[name] = row.get(name, 0) + value
        elapsed = number(said, "elapsedTime")
        if elapsed is not None:
            self._elapsed.setdefault(key, []).append(elapsed)

    def rows(self) -> dict[Key, Values]:
        for key, times in self._elapsed.items():
            times.sort()
            row = self._rows[key]
            for name, part in ELAPSED.items():
                row[f"elapsed.{name}"] = times[max(math.ceil(len(times) * part) - 1, 0)]
            row["elapsed.avg"], row["elapsed.count"] = sum(times) / len(times), len(times)
        return dict(self._rows)


class Mapreduce:
    """Reads what runs and what has ended."""

    def __init__(self, rest: Rest, top: int, sums: Iterable[str]) -> None:
        self._rest = rest
        self._rows = Rows("MapReduce jobs", top, TOLD, [*sums, "elapsed.count"])
        self._told: set[str] | None = None
        """The jobs of the history server's last answer; None before the first one."""

    def running(self, reading: Reading, url: str, apps: Iterable[dict[str, Any]], jobs: Jobs, waiting: int) -> None:
        """Those of the applications that the ResourceManager at `url` tells of. If one cannot be asked, the service
        check of its master's address tells. `waiting`: how many others have to be asked after that.
        """
        troubles: dict[str, CheckError | None] = {}
        at_work = [app for app in apps if app.get("applicationType") == "MAPREDUCE" and app.get("state") == "RUNNING"]
        masters = [(app, linked(url, app["trackingUrl"])) for app in at_work if app.get("trackingUrl")]
        for i, (app, master) in enumerate(masters):
            self._rest.share(len(masters) - i + waiting)
            trouble: CheckError | None = None
            try:
                for said in objects(self._rest.json(f"{master}/ws/v1/mapreduce/jobs"), "jobs", "job"):
                    jobs.take(said, str(app.get("name")))
            except NotFoundError:
                continue  # it has ended since the list was made
            except CheckError as e:
                trouble = e
            troubles[origin(master)] = troubles.get(origin(master)) or trouble
        for server, trouble in troubles.items():
            status = Status.OK if trouble is None else Status.CRITICAL
            reading.service_check(MASTER, status, str(trouble or ""), url=server)

    def ended(self, url: str, reading: Reading, jobs: Jobs) -> None:
        """Those that the history server at `url` has learnt of since the run before. Raises CheckError."""
        since = max(reading.time // 10**6 - WINDOW, 0)
        try:
            said = self._rest.json(f"{url}/ws/v1/history/mapreduce/jobs?finishedTimeBegin={since}")
        except NotFoundError as e:
            raise AnswerError(f"{bare(url)} is not the history server of MapReduce ({e.words})") from None
        if not isinstance(said, dict) or "jobs" not in said:
            raise AnswerError(f"{bare(url)} is not the history server of MapReduce: it tells of no `jobs`")
        found = {str(job.get("id")): job for job in objects(said, "jobs", "job")}
        for name in found.keys() - self._told if self._told is not None else ():
            job = found[name]
            began, finished = number(job, "startTime"), number(job, "finishTime")
            took = {} if began is None or finished is None else {"elapsedTime": max(finished - began, 0)}
            jobs.take({**job, **took}, str(job.get("name")))
        self._told = set(found)

    def report(self, reading: Reading, jobs: Jobs) -> None:
        self._rows.report(reading, jobs.rows(), _activity)


def _activity(values: Values) -> float:
    return (values.get("job.mapsRunning") or 0) + (values.get("job.reducesRunning") or 0)
