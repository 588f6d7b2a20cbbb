"""The program's own state over HTTP: `/metrics` (Prometheus text), `/healthz` (alive?), `/readyz` (at work?) and
`/ledger` (JSON: what became of every byte and record, per exporter and stream; `outrider audit` reads it).
"""

import logging
import threading
from collections.abc import Callable
from functools import partial

import orjson

from outrider.model.counters import Readings, exposition
from outrider.pipeline.pages import Page, PageServer

log = logging.getLogger(__name__)


class NoLedgerError(Exception):
    """The books cannot be shown now; the text says why."""


class Telemetry:
    """Serves until `stop`. `health` and `ready` answer None, or what is wrong; `ledger` what orjson can write, or it
    raises NoLedgerError.
    """

    def __init__(
        self,
        listen: str,
        readings: Readings,
        health: Callable[[], str | None],
        ready: Callable[[], str | None],
        ledger: Callable[[], object] = dict,
    ) -> None:
        self._listen = listen
        self.readings, self.health, self.ready, self.ledger = readings, health, ready, ledger
        self._server: PageServer | None = None

    def start(self) -> None:
        """Begin to listen. An address that cannot be had is said and lived without: delivery matters more."""
        host, _, port = self._listen.rpartition(":")
        try:
            self._server = PageServer(host, int(port), self._answer)
        except OSError as e:
            log.error("telemetry.listen %s: %s; metrics and probes are not served", self._listen, e.strerror or e)
            return
        serve = partial(self._server.serve_forever, poll_interval=0.1)  # what `stop` waits for at most
        threading.Thread(target=serve, name="outrider-telemetry", daemon=True).start()
        log.info("metrics and probes at http://%s:%d", host, self._server.server_address[1])

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def _answer(self, path: str) -> Page:
        path = path.partition("?")[0]
        if path == "/metrics":
            return 200, "text/plain; version=0.0.4; charset=utf-8", exposition(self.readings.families()).encode()
        if path == "/ledger":
            try:
                return 200, "application/json", orjson.dumps(self.ledger())
            except NoLedgerError as e:
                return 503, "text/plain", f"{e}\n".encode()
        probes = {"/healthz": self.health, "/readyz": self.ready}
        if path in probes:
            trouble = probes[path]()
            return (503, "text/plain", f"{trouble}\n".encode()) if trouble else (200, "text/plain", b"ok\n")
        return 404, "text/plain", b"there are /metrics, /healthz, /readyz and /ledger\n"
