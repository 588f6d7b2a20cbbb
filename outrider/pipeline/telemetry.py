"""The program's own state over HTTP: `/metrics` (Prometheus text), `/healthz` (alive?), `/readyz` (at work?) and
`/ledger` (JSON: what became of every byte and record, per exporter and stream; `outrider audit` reads it). And, for as
long as somebody listens, `/tap` (lines of JSON: what is being shipped, see `taps.py`; `outrider tap` reads it).

`/tap` shows what pods have written, so it is for who is inside of the pod, unless it is configured otherwise. kubelet's
probes need the port to be open to others; therefore the address of who asks decides. The name by which he asks has to
be a local one too: a page that a browser shows might ask at 127.0.0.1 under a name of its own.
"""

import logging
import re
import threading
from collections.abc import Callable, Generator
from functools import partial
from typing import Literal
from urllib.parse import parse_qs

import orjson

from outrider.model.counters import Readings, exposition
from outrider.model.patterns import PatternError, compiled
from outrider.pipeline.pages import Asked, Page, PageServer
from outrider.pipeline.taps import Tapped, Taps, Wish

log = logging.getLogger(__name__)

TAPS = 8
"""How many may follow at the same time."""
_LOCAL_PEER = re.compile(r"::1|(::ffff:)?127\.[0-9.]+")
_LOCAL_HOST = re.compile(r"(localhost|127\.[0-9.]+|\[::1\])(:[0-9]+)?|", re.IGNORECASE)
TapFor = Literal["loopback", "anybody", "nobody"]


class NoLedgerError(Exception):
    """The books cannot be shown now; the text says why."""


class Telemetry:
    """Serves until `stop`. `health` and `ready` answer None, or what is wrong; `ledger` what orjson can write, or it
    raises NoLedgerError. `taps` is what can be followed, by those whom `tap_for` names.
    """

    def __init__(
        self,
        listen: str,
        readings: Readings,
        health: Callable[[], str | None],
        ready: Callable[[], str | None],
        ledger: Callable[[], object] = dict,
        taps: Tapped | None = None,
        tap_for: TapFor = "loopback",
    ) -> None:
        self._listen, self._tap_for = listen, tap_for
        self._taps, self._following, self._lock = taps or Taps(), 0, threading.Lock()
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
        self._taps.close()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def _answer(self, asked: Asked) -> Page:
        path, _, query = asked.path.partition("?")
        if path == "/metrics":
            return 200, "text/plain; version=0.0.4; charset=utf-8", exposition(self.readings.families()).encode()
        if path == "/ledger":
            try:
                return 200, "application/json", orjson.dumps(self.ledger())
            except NoLedgerError as e:
                return 503, "text/plain", f"{e}\n".encode()
        if path == "/tap":
            refusal = may_not_follow(self._tap_for, asked)
            return self._tap(query) if refusal is None else (403, "text/plain", f"{refusal}\n".encode())
        probes = {"/healthz": self.health, "/readyz": self.ready}
        if path in probes:
            trouble = probes[path]()
            return (503, "text/plain", f"{trouble}\n".encode()) if trouble else (200, "text/plain", b"ok\n")
        return 404, "text/plain", b"there are /metrics, /healthz, /readyz, /ledger and /tap\n"

    # -- following ----------------------------------------------------------------------------------------------------

    def _tap(self, query: str) -> Page:
        told = parse_qs(query)
        wish = Wish(tuple(told.get("namespace", ())), tuple(told.get("exporter", ())), told.get("grep", [""])[-1])
        if strangers := sorted(set(wish.exporters) - set(self._taps.exporters)):
            there = ", ".join(self._taps.exporters) or "none"
            return 400, "text/plain", f"there is no exporter {', '.join(strangers)} (there are: {there})\n".encode()
        try:
            compiled(wish.grep)
        except PatternError as e:
            return 400, "text/plain", f"the pattern {wish.grep!r} cannot be used: {e}\n".encode()
        if self._following >= TAPS:
            return 503, "text/plain", b"%d follow already, which is as many as may; end one of them\n" % TAPS
        return 200, "application/jsonl", self._follow(wish)

    def _follow(self, wish: Wish) -> Generator[bytes, None, None]:
        with self._lock:
            self._following += 1
        try:
            yield from self._taps.follow(wish)
        finally:
            with self._lock:
                self._following -= 1


def may_not_follow(tap_for: TapFor, asked: Asked) -> str | None:
    """Why whoever `asked` may not follow, and the way out; None if he may."""
    if tap_for == "nobody":
        return "telemetry.tap is `nobody`: what is shipped cannot be followed"
    local = _LOCAL_PEER.fullmatch(asked.peer) and _LOCAL_HOST.fullmatch(asked.host)
    if tap_for == "loopback" and not local:
        return (
            "what is shipped can be followed from inside the pod only (kubectl exec, kubectl port-forward); "
            "`telemetry: {tap: anybody}` opens it"
        )
    return None
