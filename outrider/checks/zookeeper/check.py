"""ZooKeeper, read by its four-letter words, each on a connection of its own.

    ruok            is it there?
    mntr            everything that it counts
    stat or srvr    the transaction that it is at; and what `mntr` tells as well, if that is not in the whitelist

What is not in the whitelist costs what only that word tells (`Reading.lacks`). Only if none of them answers there is
nothing to be had. A server without a quorum is no failure of the check: it is `inactive`, and says nothing else.

Names and tags are those of Datadog's check `zk`, and at Google those of OpenTelemetry's receiver `zookeeper`.
"""

import time

from outrider.checks.check import AnswerError, DeniedError, Reading, RefusedError, SilentError
from outrider.checks.numbers import Number, number
from outrider.checks.stream import called
from outrider.checks.uptime import Uptime
from outrider.checks.zookeeper.settings import ZookeeperSettings
from outrider.checks.zookeeper.words import CURE, IdleError, UnlistedError, monitored, said, told
from outrider.model.points import Status

MODE = "zookeeper.mode"
STATES = ("leader", "follower", "observer", "standalone", "down", "inactive")
"""What Datadog's check counts servers as; anything else, such as `read-only`, is `unknown`."""
TWICE = {
    "latency.min": "min_latency",
    "latency.avg": "avg_latency",
    "latency.max": "max_latency",
    "received": "packets_received",
    "sent": "packets_sent",
    "connections": "num_alive_connections",
    "outstanding": "outstanding_requests",
    "nodes": "znode_count",
}
"""What `stat` tells that `mntr` tells too: under these names."""


class ZookeeperCheck:
    """Reads one server."""

    Settings = ZookeeperSettings
    can_connect = "zookeeper.ruok"

    def __init__(self, settings: ZookeeperSettings) -> None:
        self._settings = settings
        self._where = (settings.host, settings.port)
        self._uptime = Uptime()
        self._timeouts = 0

    def read(self, reading: Reading) -> None:
        """Everything of one server. Raises CheckError."""
        deadline = time.monotonic() + self._settings.timeout
        try:
            mode = self._read(reading, deadline)
            reading.instance()
            self._state(reading, mode)
        except (RefusedError, SilentError):
            self._timeouts += 1
            reading.instance()
            self._state(reading, "down")
            raise
        finally:  # service checks alone tell of whom
            reading.instance(host=self._settings.host, port=self._settings.port)
        self._expect(reading, mode)

    def close(self) -> None:
        """There is nothing to let go."""

    def _read(self, reading: Reading, deadline: float) -> str:
        """Reports what the server says, and returns its mode."""
        try:
            answer = said(self._where, "ruok", deadline, self._settings.tls)
            if answer != "imok":
                words = f"{called(self._where)} does not answer ruok as ZooKeeper does (it says {answer[:60]!r})"
                raise AnswerError(words, "is this its clientPort?")
        except UnlistedError:
            pass  # what else answers tells the same
        mode: str | None = None
        values: dict[str, str] = {}
        try:
            values = monitored(said(self._where, "mntr", deadline, self._settings.tls), self._where)
            mode = values.get("server_state", "").lower()
            self._monitored(reading, mode, values)
        except UnlistedError:
            reading.lacks_all("mntr.", f"mntr is not in the whitelist: {CURE}")
        except IdleError:
            return self._idle(reading)
        try:
            found = self._stat(reading, deadline, values)
        except IdleError:
            return self._idle(reading)
        if mode is None and found is None:
            raise DeniedError(f"{called(self._where)} has none of mntr, stat and srvr in its whitelist", CURE)
        return mode or found or "unknown"

    def _monitored(self, reading: Reading, mode: str, values: dict[str, str]) -> None:
        uptime = number(values.get("uptime"))
        if uptime is not None:  # milliseconds; since 3.6
            reading.start = self._uptime.start(uptime / 1000, reading.time)
        reading.instance(mode=mode)
        for name, value in values.items():
            key = f"mntr.{name}"
            if key in reading.declared.metrics:
                reading.add(key, number(value))
        reading.add("unsynced_followers", _unsynced(values))

    def _stat(self, reading: Reading, deadline: float, monitored: dict[str, str]) -> str | None:
        """The mode, and what `stat` or `srvr` tell; None if neither may be asked."""
        for word in ("stat", "srvr"):
            try:
                mode, values = told(said(self._where, word, deadline, self._settings.tls), word, self._where)
            except UnlistedError:
                continue
            reading.instance(mode=mode)
            for name, value in values.items():
                reading.add(f"stat.{name}", value)
                twin = TWICE.get(name)
                if twin is not None and twin not in monitored:
                    reading.add(f"mntr.{twin}", value)
                    reading.missing.pop(f"mntr.{twin}", None)
            return mode
        reading.lacks_all("stat.", f"stat is not in the whitelist, nor is srvr: {CURE}")
        return None

    def _idle(self, reading: Reading) -> str:
        why = "it serves nobody: it has no quorum, or is still looking for a leader"
        reading.lacks_all("mntr.", why)
        reading.lacks_all("stat.", why)
        return "inactive"

    def _state(self, reading: Reading, mode: str) -> None:
        state = mode if mode in STATES else "unknown"
        reading.add("timeouts", self._timeouts)
        reading.add("instances", 1, mode=state)
        reading.add(f"instances.{state}", 1)

    def _expect(self, reading: Reading, mode: str) -> None:
        expected = self._settings.expected_mode
        if expected:
            right = mode in expected
            message = "" if right else f"{called(self._where)} is {mode}, and should be {' or '.join(expected)}"
            reading.service_check(MODE, Status.OK if right else Status.CRITICAL, message)


def _unsynced(values: dict[str, str]) -> Number | None:
    """How many followers of a leader are not up to date. Both names of what follows it, the one until 3.5 and the one
    since, are of followers and observers together; so those observers that are up to date are left out.
    """
    learners, synced = number(values.get("learners", values.get("followers"))), number(values.get("synced_followers"))
    if learners is None or synced is None:
        return None
    return max(learners - synced - (number(values.get("synced_observers")) or 0), 0)
