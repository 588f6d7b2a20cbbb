"""etcd, read: one member, by what it says of itself over HTTP.

    GET /metrics           everything that it counts
    GET /health            whether it is healthy: it has a leader, and no alarm
    GET /v2/stats/...      what versions before 3.6 also tell, with `enable-v2`

Whether it is the leader (the tag `is_leader`) is among the metrics too, so it is known where only those are served, and
without a call of `/v3/maintenance/status`. Names and tags are those of Datadog's check `etcd`, of both its modes; Cloud
Monitoring gets etcd's own names.
"""

import time
from collections.abc import Iterable

from outrider.checks.check import AnswerError, CheckError, Reading
from outrider.checks.etcd.settings import EtcdSettings
from outrider.checks.etcd.statistics import Statistics
from outrider.checks.http import HttpServer
from outrider.checks.openmetrics.declared import Found, found, report
from outrider.checks.parsed import JsonError, parsed
from outrider.model.points import Status

HEALTH = "etcd.prometheus.health"
HEALTHY = "etcd.healthy"
START = "process_start_time_seconds"
LEADER = "etcd_server_is_leader"
STARTED = "grpc_server_started_total"
LARGEST = 1 << 20
"""Bytes of an answer about health."""
MOST = 50_000
"""Series, of which a member has a thousand."""


class EtcdCheck:
    """Reads one member."""

    Settings = EtcdSettings
    can_connect = "etcd.can_connect"

    def __init__(self, settings: EtcdSettings) -> None:
        self._timeout = settings.timeout
        base = settings.url.rstrip("/").removesuffix("/metrics")
        self._server = HttpServer(f"{base}/metrics", settings.timeout, settings.tls)
        self._url = self._server.url.removesuffix("/metrics")
        self._statistics = Statistics(self._server)

    def read(self, reading: Reading) -> None:
        """Everything of one member. Raises CheckError."""
        deadline = time.monotonic() + self._timeout
        try:
            self._metrics(reading, deadline)
            reading.instance(url=self._url)
            self._health(reading, deadline)
            self._statistics.read(reading, deadline)
        finally:
            reading.instance(url=self._url)

    def close(self) -> None:
        self._server.close()
        self._statistics.forget()

    def _metrics(self, reading: Reading, deadline: float) -> None:
        reading.instance(endpoint=self._server.url)
        try:
            values = list(found(self._server, deadline, {}, reading.declared.metrics, MOST))
            if not any(one.key.startswith("etcd_") for one in values):
                raise AnswerError(f"{self._server.url} has no metrics of etcd", "set url to where it serves clients")
        except CheckError as e:
            reading.service_check(HEALTH, Status.CRITICAL, str(e))
            raise
        reading.service_check(HEALTH, Status.OK)
        said = {one.key: one.value for one in values if one.key in (START, LEADER)}
        start = said.get(START)
        if isinstance(start, float):
            reading.start = min(int(start * 1e9), reading.time)
        reading.instance(**({"is_leader": "true" if said[LEADER] else "false"} if LEADER in said else {}))
        for one in _told(values):
            report(reading, one)

    def _health(self, reading: Reading, deadline: float) -> None:
        """A service check, and no failure: a member without a leader has numbers all the same."""
        try:
            answer = self._server.ask(deadline, LARGEST, target="/health")
            status, message = _healthy(answer.body)
        except CheckError as e:
            status, message = Status.UNKNOWN, str(e)
        reading.service_check(HEALTHY, status, message)


def _healthy(body: bytes) -> tuple[Status, str]:
    """What an answer of /health means: `{"health": "true"}`, of some versions `{"health": true}`."""
    try:
        said = parsed(body)
    except JsonError:
        said = None
    if not isinstance(said, dict) or "health" not in said:
        return Status.UNKNOWN, f"/health does not answer as etcd does (it says {body[:60]!r})"
    if said["health"] in (True, "true"):
        return Status.OK, ""
    return Status.CRITICAL, str(said.get("reason") or "it says that it is not healthy: no leader, or an alarm")


def _told(values: Iterable[Found]) -> Iterable[Found]:
    """`values` without what is there twice, and without what nobody has ever called: 17 statuses of each method."""
    values = list(values)
    keys = {one.key for one in values}
    begun = [one for one in values if one.key == STARTED]
    uncalled = {_method(one) for one in begun if one.value == 0} - {_method(one) for one in begun if one.value != 0}
    for one in values:
        newer = one.key.replace("etcd_debugging_", "etcd_", 1)
        if newer != one.key and newer in keys:
            continue
        if one.key.startswith("grpc_server_") and _method(one) in uncalled:
            continue
        yield one


def _method(one: Found) -> tuple[str, str]:
    labels = dict(one.labels)
    return labels.get("grpc_service", ""), labels.get("grpc_method", "")
