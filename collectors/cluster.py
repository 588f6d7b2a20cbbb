"""`outrider cluster`: what there is once in a cluster. Kubernetes' events (`outrider.pipeline.telling`), and the checks
of `metrics.checks` for services that no single pod stands for (`outrider.pipeline.measuring`).

A composition and nothing more. Several replicas may run; one of them leads (`outrider.kube.election`), and only it does
anything. Each of its terms has parts of its own: they are made when it begins to lead, with what the Lease says of the
events that were told, and ended when it does not lead any more, at once and whatever was under way: somebody else may
begin five seconds later. An end in order takes its time to tell what was read, and then gives the Lease back.

What is measured belongs to the cluster, not to the node that this happens to run on.
"""

import logging
import os
import socket
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from outrider.config import Config
from outrider.config.model import DogStatsd
from outrider.config.problems import UnusableError
from outrider.kube.client import KubeClient
from outrider.kube.election import Election
from outrider.kube.lease import Lease, home_namespace
from outrider.kube.platform import resolve
from outrider.kube.pods import access
from outrider.model.clock import Clock, SystemClock
from outrider.model.counters import Counters
from outrider.model.stream import Stream
from outrider.pipeline.destinations import key_file, used
from outrider.pipeline.measuring import Measuring
from outrider.pipeline.pauses import GRACE
from outrider.pipeline.process import prepare
from outrider.pipeline.taps import Taps
from outrider.pipeline.telemetry import Telemetry
from outrider.pipeline.telling import Telling

log = logging.getLogger(__name__)

LOOK = 0.25
"""Seconds between two looks at whether this replica leads."""


class ClusterCollector:
    """The cluster program. `run` returns when `stop` is set; `last` says that none follows."""

    def __init__(
        self,
        config: Config,
        clock: Clock | None = None,
        counters: Counters | None = None,
        env: Mapping[str, str] = os.environ,
    ) -> None:
        """Raises UnusableError (nothing to do, no API server, no namespace, a check that cannot be made) and
        PlatformError (cluster names unknown); asks the network only for what `cluster` leaves out, for two seconds at
        most.
        """
        # Of the node's configuration, which may be the same file, neither its receivers nor its kubelet are ours.
        kube = config.kube
        if kube.source != "api":
            kube = msgspec.structs.replace(kube, source="api", url=None)
        self.config = msgspec.structs.replace(config, kube=kube, dogstatsd=DogStatsd())
        self.clock = clock or SystemClock()
        self.counters = counters or Counters()
        self.stop, self.last = threading.Event(), False
        if not config.events.enabled and not config.metrics.checks:
            raise UnusableError("events.enabled is false and metrics.checks is empty: there is nothing to do")
        key_files = [f for f in map(key_file, config.exporters.values()) if f is not None]
        found = resolve(config.cluster, env, credentials=key_files[0] if key_files else "adc")
        self.cluster = replace(found, node="")
        self._access = access(self.config.kube, env)
        self._started = self.clock.now()
        lease = Lease(self._client(), _namespace(env), config.kube.lease)
        self._election = Election(lease, _identity(env), self._note, self.clock, self.counters)
        self._term = 0
        # Made now, so that what cannot be made is known at the start; the parts of the first term.
        self._measuring = self._make_measuring()
        self._telling: Telling | None = None
        self._told_in = 0  # the term that `_telling` is of
        self._taps = Taps(used(config), self.counters)
        telemetry = config.telemetry
        self._telemetry = Telemetry(
            telemetry.listen, self.counters, self._health, self._ready, self.ledger, self._taps, telemetry.tap
        )
        _warn(config)

    def inherit(self, before: "ClusterCollector") -> None:
        """Take over from one that has ended: its name, so that the Lease is still ours."""
        self._election.identity = before._election.identity

    def run(self) -> None:
        """Work until `stop` is set, then end in order."""
        prepare(Path(self.config.state))
        self._telemetry.start()
        self._election.start()
        while not self.clock.wait(self.stop, LOOK):
            self._look()
        self._end()

    def _look(self) -> None:
        """Begin a term, or end one."""
        leads, term = self._election.leads, self._election.term
        if self._term and not (leads and term == self._term):
            self._end_term(0.0)
            log.info("ended what only the leader may do")
        if leads and not self._term:
            self._begin_term(term)

    def _begin_term(self, term: int) -> None:
        self._term = term
        self._measuring = self._measuring or self._make_measuring()
        if self._measuring is not None:
            self._measuring.start()
        if self.config.events.enabled:
            told = self._election.told
            telling = Telling(self.config, self.cluster, self._client, told, self.clock, self.counters, self._taps)
            self._telling, self._told_in = telling, term
            telling.start()

    def _end_term(self, grace: float) -> None:
        telling, measuring = self._telling, self._measuring
        ends = [threading.Thread(target=measuring.end, args=(True,))] if measuring is not None else []
        ends += [threading.Thread(target=telling.end, args=(grace,))] if telling is not None else []
        for end in ends:
            end.start()
        for end in ends:
            end.join()
        self._term, self._measuring = 0, None

    def _end(self) -> None:
        if self._term:
            log.info("ending: what has been read is told, for at most %g s", GRACE)
            self._end_term(GRACE)
        self._election.end(self.last)
        self._telemetry.stop()

    # -- parts --------------------------------------------------------------------------------------------------------

    def _client(self) -> KubeClient:
        url, token, ca, verify = self._access
        return KubeClient(url, token, ca, self.clock, verify=verify)

    def _make_measuring(self) -> Measuring | None:
        if not self.config.metrics.checks:
            return None
        nobody = Stream("", "", "", "", 0)
        return Measuring(self.config, self.cluster, nobody, "", lambda: None, self.clock, self.counters)

    def _note(self) -> str:
        """What a successor has to know: what the Lease said when the term began, as long as there is nothing newer."""
        telling = self._telling
        return telling.note() if telling is not None and self._told_in == self._election.term else self._election.told

    def ledger(self) -> dict[str, Any]:
        """What `/ledger` shows: nothing that is read here has an end that could be counted."""
        return {"time": self.clock.now(), "started": self._started, "exporters": {}}

    # -- health -------------------------------------------------------------------------------------------------------

    def _parts(self) -> Iterator[Telling | Measuring]:
        """Those that work now."""
        if self._term:
            yield from (part for part in (self._telling, self._measuring) if part is not None)

    def _health(self) -> str | None:
        """What a restart may cure."""
        found = (part.health() for part in self._parts())
        return self._election.health(self.clock.monotonic()) or next(filter(None, found), None)

    def _ready(self) -> str | None:
        """What keeps events or metrics from arriving; a replica that does not lead is ready once it could."""
        return self._election.ready() or next(filter(None, (part.ready() for part in self._parts())), None)


def _namespace(env: Mapping[str, str]) -> str:
    """The one that this pod is in. Raises UnusableError."""
    namespace = home_namespace(env)
    if namespace:
        return namespace
    raise UnusableError(
        "POD_NAMESPACE is not set, and this is no pod with a service account: say in which namespace the Lease "
        "is that the replicas share"
    )


def _identity(env: Mapping[str, str]) -> str:
    """What no other replica is called: the pod, which has one process of ours at a time."""
    pod = env.get("POD_NAME") or socket.gethostname()
    return f"{pod}_{env.get('POD_UID') or uuid.uuid4()}"


def _warn(config: Config) -> None:
    if config.events.enabled and any(route.labels or route.annotations for route in config.routes):
        log.warning("routes that ask for labels or annotations match no events: the pods of those are not looked at")
