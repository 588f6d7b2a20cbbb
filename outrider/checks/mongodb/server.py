"""The server itself: serverStatus, its host, what blocks it, and what only the top of a sharded cluster knows."""

from datetime import UTC

from outrider.checks.mongodb.asking import Asking, number
from outrider.checks.mongodb.connection import Document

OPERATIONS = {
    "reads": ("query", "getmore"),
    "writes": ("insert", "update", "delete"),
    "commands": ("command",),
}
"""Which opcounters Datadog's check takes for the operations of each kind of opLatencies."""
LOST_WITH_STATUS = ("serverStatus.", "latency.", "cache.", "process.")
SLACK = 0.1
"""Seconds by which two clocks may run apart between two runs."""


class Start:
    """When the server was started (`value`, nanoseconds since 1970), which is what it counts from.

    The server's wall clock may be set, and within a pod its process always has the same number. So another process is
    told by its uptime, which is less than that of the one before plus the time since.
    """

    def __init__(self) -> None:
        self.value: int | None = None
        self._host, self._uptime, self._seen = "", 0.0, 0.0

    def see(self, status: Document, asked: float, answered: float) -> bool:
        """Take an answer to serverStatus, with the monotonic times around it; True if it is of another process."""
        if "uptimeMillis" not in status or "localTime" not in status:
            return False  # what speaks the protocol without being MongoDB need not say
        host, uptime = str(status.get("host")), status["uptimeMillis"] / 1000
        least = self._uptime + (asked - self._seen) - SLACK
        same = self.value is not None and host == self._host and uptime >= least
        self._host, self._uptime, self._seen = host, uptime, answered
        if not same:
            now = int(status["localTime"].replace(tzinfo=UTC).timestamp() * 1000)
            self.value = (now - int(status["uptimeMillis"])) * 1_000_000
        return not same


def read_status(asking: Asking, status: Document) -> None:
    """Everything of an answer to serverStatus."""
    commands = status.get("metrics", {})
    if not asking.wants("metrics.commands"):
        commands.pop("commands", None)
    asking.numbers("serverStatus.", status)
    reading = asking.reading
    for kind, names in OPERATIONS.items():
        latency = number(status, ("opLatencies", kind, "latency"))
        operations = sum(number(status, ("opcounters", name)) or 0 for name in names)
        if latency is not None and operations:
            reading.add(f"latency.{kind}", round(latency / operations, 1))
    asked = number(status, ("wiredTiger", "cache", "pages requested from the cache"))
    misses = number(status, ("wiredTiger", "cache", "pages read into cache"))
    if asked is not None and misses is not None:
        reading.add("cache.misses", misses)
        reading.add("cache.hits", asked - misses)
    times = [number(status, ("extra_info", f"{mode}_time_us")) for mode in ("user", "system")]
    if None not in times:
        reading.add("process.cpu", sum(time for time in times if time is not None))


def read_host(asking: Asking) -> None:
    info = asking.command("hostInfo", "hostInfo.")
    if info is not None:
        asking.numbers("hostInfo.", info)


def read_pools(asking: Asking) -> None:
    """Connections to the other servers of a sharded cluster."""
    pools = asking.command("connPoolStats", "connPoolStats.")
    if pools is not None:
        asking.numbers("connPoolStats.", pools)


def read_lock(asking: Asking) -> None:
    """Whether fsyncLock blocks writes, which the list of operations says beside the operations; none is asked for."""
    found = asking.command("currentOp", "fsyncLocked", opid=-1)
    if found is not None:
        asking.reading.add("fsyncLocked", 1 if found.get("fsyncLock") else 0)


def read_sessions(asking: Asking) -> None:
    """The sessions that every server of the deployment notes in one collection, every five minutes."""
    pipeline: list[Document] = [{"$listSessions": {"allUsers": True}}, {"$count": "total"}]
    found = asking.aggregate("listSessions", "config", "system.sessions", pipeline, "sessions")
    if found is not None:
        asking.reading.add("sessions", found[0]["total"] if found else 0)


def read_chunks(asking: Asking) -> None:
    """Of all sharded collections. Jumbo chunks are those that cannot be split."""
    chunks = asking.client["config"]["chunks"]
    asking.reading.add("chunks.total", asking.ask("count config.chunks", lambda: chunks.count_documents({}), "chunks."))
    jumbo = asking.ask("count config.chunks", lambda: chunks.count_documents({"jumbo": True}), "chunks.")
    asking.reading.add("chunks.jumbo", jumbo)
