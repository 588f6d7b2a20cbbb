"""The statistics that every HAProxy has: a table of frontends, backends, servers and listeners, as CSV.

    GET /stats;csv;norefresh                        the page of `stats uri`
    show info, show stat, show table                the runtime API, at a Unix socket or a TCP port

Reported are the frontends and the backends, as Datadog's check does it; each server is told of by the service check
`haproxy.backend_up`. The runtime API tells since when it runs, and of stick tables.
"""

import csv
import io
import re
from collections.abc import Mapping
from itertools import islice
from urllib.parse import urlsplit

from outrider.checks.budget import OTHER, Budget, Number
from outrider.checks.check import AnswerError, DeniedError, Reading
from outrider.checks.haproxy.settings import HaproxySettings
from outrider.checks.http import HttpServer, authorization
from outrider.checks.numbers import number
from outrider.checks.oneshot import ask
from outrider.checks.stream import Where
from outrider.checks.uptime import Uptime
from outrider.model.points import Status

UP = "haproxy.backend_up"
LARGEST = 8 << 20
"""Bytes of an answer. A thousand servers take half a megabyte."""
MOST = 20_000
"""Rows of the table, and stick tables."""
STATES = {"up": Status.OK, "down": Status.CRITICAL, "no check": Status.UNKNOWN, "maint": Status.OK}
"""What a state means, by what it begins with; of others (`drain`, `nolb`) nothing is said."""
PAGE = "set url to what follows `stats uri`, in a frontend with `stats enable`"
SERVER = "2"
"""The field `type` of one; listeners, which are 3, have no state that matters."""
_UPTIME = re.compile("^Uptime_sec: ([0-9]{1,20})$", re.MULTILINE)
_TABLE = re.compile(r"# table: ([^ ,]+), type: ([^ ,]+), size:([0-9]{1,20}), used:([0-9]{1,20})")

Row = Mapping[str, str]
Named = tuple[str, str]


class Statistics:
    """Reads those at `url`."""

    def __init__(self, url: str, settings: HaproxySettings) -> None:
        self._settings, self.url = settings, url
        parts = urlsplit(url)
        self._server: HttpServer | None = None
        self._where: Where = parts.path
        if parts.scheme == "tcp":
            self._where = (parts.hostname or "", parts.port or 0)
        elif parts.scheme != "unix":
            self._server = HttpServer(url, settings.timeout, settings.tls)
            self.url = self._server.url
        self._uptime = Uptime()
        self._budgets: dict[str, Budget[Named]] = {}

    def read(self, reading: Reading, deadline: float) -> None:
        """Raises CheckError."""
        reading.start = None
        text = self._page(deadline) if self._server is not None else self._runtime(reading, deadline)
        rows = self._rows(text)
        self._service_checks(rows, reading)
        reading.instance(instance_url=self.url)
        for kind in ("FRONTEND", "BACKEND"):
            self._report(kind, [row for row in rows if row["svname"] == kind], reading)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    def _page(self, deadline: float) -> str:
        assert self._server is not None
        headers = authorization(self._settings.username, self._settings.password)
        parts = urlsplit(self.url)
        uri = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        answer = self._server.ask(deadline, LARGEST, headers, f"{uri};csv;norefresh")
        if answer.status == 401:
            raise DeniedError(f"{self.url} asks for a user and a password", "set username and password")
        if answer.status != 200:
            raise AnswerError(f"{self.url} answers with the status {answer.status}", PAGE)
        return answer.body.decode("utf-8", "replace")

    def _runtime(self, reading: Reading, deadline: float) -> str:
        """What `show stat` says; with what the other commands tell it is done here."""
        info = self._command("show info", deadline)
        uptime = _UPTIME.search(info)
        if uptime is None:
            raise AnswerError(f"{self.url} is no runtime API of HAProxy (it says {info[:60]!r})")
        reading.start = self._uptime.start(int(uptime[1]), reading.time)
        tables = _TABLE.finditer(self._command("show table", deadline, may_be_empty=True))
        for name, kind, size, used in (table.groups() for table in islice(tables, MOST)):
            reading.add("table.size", number(size), haproxy_service=name, service=name, stick_type=kind)
            reading.add("table.used", number(used), haproxy_service=name, service=name, stick_type=kind)
        return self._command("show stat", deadline)

    def _command(self, command: str, deadline: float, may_be_empty: bool = False) -> str:
        said = ask(self._where, command.encode() + b"\n", deadline, LARGEST).decode("utf-8", "replace")
        if not said.endswith("\n\n") and not (may_be_empty and said == "\n"):
            raise AnswerError(f"{self.url} does not answer `{command}` to the end (it says {said[:60]!r})")
        return said

    def _rows(self, text: str) -> list[Row]:
        if not text.startswith("# pxname,svname,"):
            raise AnswerError(f"{self.url} has no statistics of HAProxy (it says {text[:60]!r})", PAGE)
        table = csv.reader(io.StringIO(text.removeprefix("# "), newline=""))
        found: list[Row] = []
        try:
            fields = next(table)
            for i, cells in enumerate(table):
                if i == MOST:
                    raise AnswerError(f"{self.url} has statistics of more than {MOST:,} rows")
                row = {field: cell for field, cell in zip(fields, cells, strict=False) if cell}
                if "pxname" in row and "svname" in row and "status" in row:
                    found.append(row)
        except csv.Error as e:
            raise AnswerError(f"{self.url} has statistics that are no CSV ({e})") from None
        return found

    def _report(self, kind: str, rows: list[Row], reading: Reading) -> None:
        scope = kind.lower()
        numbers = {(row["pxname"], row["svname"]): _numbers(row, scope, reading) for row in rows}
        if kind not in self._budgets:
            of = {k: m[0].kind for k, m in reading.declared.metrics.items() if k.startswith(f"{scope}.")}
            counters = {key for key, what in of.items() if what == "counter"}
            gauges = {f"{scope}.{field}" for field in ("qcur", "scur", "req_rate", "conn_rate")} & of.keys()
            what = f"{scope}s of HAProxy at {self.url}"
            self._budgets[kind] = Budget(what, "top", self._settings.top, counters, gauges)
        for one in self._budgets[kind].rows(numbers, lambda values: values.get(f"{scope}.stot"), reading.time):
            proxy = OTHER if one.key is None else one.key[0]
            where = {"type": kind, "haproxy_service": proxy, "service": proxy}
            if kind == "BACKEND":
                where["backend"] = kind
            for key, value in one.values.items():
                reading.add(key, value, one.start, **where)

    def _service_checks(self, rows: list[Row], reading: Reading) -> None:
        """Of backends, and of as many servers as are reported one by one elsewhere."""
        backends = [row for row in rows if row["svname"] == "BACKEND"]
        servers = [row for row in rows if row.get("type") == SERVER]
        for row in (*backends, *servers[: self._settings.top]):
            self._service_check(row, reading)
        if len(servers) > self._settings.top:
            reading.lacks(UP, f"{len(servers) - self._settings.top} of the servers are more than `top`")

    def _service_check(self, row: Row, reading: Reading) -> None:
        state = row["status"].lower()
        status = next((status for begin, status in STATES.items() if state.startswith(begin)), None)
        if status is None:
            return
        proxy, name = row["pxname"], row["svname"]
        message = "" if status is Status.OK else f"{proxy}/{name} is {row['status']}"
        reading.service_check(UP, status, message, haproxy_service=proxy, service=proxy, backend=name)


def _numbers(row: Row, scope: str, reading: Reading) -> dict[str, Number]:
    """What is declared and there, by key."""
    found: dict[str, Number] = {}
    for field, text in row.items():
        key = f"{scope}.{field}"
        if key in reading.declared.metrics and (value := number(text)) is not None:
            found[key] = value
    limit = found.get(f"{scope}.slim")
    if limit and f"{scope}.scur" in found:
        found[f"{scope}.spct"] = 100 * found[f"{scope}.scur"] / limit
    return found
