"""Kubernetes events, from the API server to every exporter that a route names: for each a watch and a mark of its own
(`teller.py`), so that one that is down holds up nobody else.

An event goes by the route of the namespace that it is in, for that is what nobody can lie about; those of nodes and
others that are in no namespace are in `default`. Nothing is asked about the pod, so a route that asks for labels or
annotations is none for events. `logs.select` is about logs and has no say; `logs.redact` has.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from outrider.config import Config, LogExporter
from outrider.kube.client import KubeClient
from outrider.kube.events import Events
from outrider.model.clock import Clock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.happening import Happening
from outrider.model.stream import Stream
from outrider.pipeline.deadletters import DeadLetters
from outrider.pipeline.destinations import event_destination, used
from outrider.pipeline.pauses import UNREADY_AFTER
from outrider.pipeline.redact import Redactor
from outrider.pipeline.routing import Routing
from outrider.pipeline.taps import Taps
from outrider.pipeline.teller import Teller

log = logging.getLogger(__name__)


class Telling:
    """Tells all exporters. `note` is what `note()` of another one was, "" if there was none. Made, started and ended
    once.
    """

    def __init__(
        self,
        config: Config,
        cluster: Cluster,
        client: Callable[[], KubeClient],
        note: str,
        clock: Clock,
        counters: Counters,
        taps: Taps,
    ) -> None:
        self._taps = taps
        self._config, self._cluster, self._clock, self._counters = config, cluster, clock, counters
        self._routing = Routing([], [], config.routes, counters)
        from_end = config.logs.start == "end"
        marks = _marks(note)
        self._tellers = {name: self._teller(name, marks.get(name)) for name in used(config)}
        self._events = {
            name: Events(client(), teller.mark, from_end, teller.hand, clock, counters)
            for name, teller in self._tellers.items()
        }
        self._threads = [
            threading.Thread(target=events.run, name=f"outrider-watch-{name}", daemon=True)
            for name, events in self._events.items()
        ]

    def start(self) -> None:
        """Begin."""
        for teller in self._tellers.values():
            teller.start()
        for thread in self._threads:
            thread.start()
        log.info("telling Kubernetes' events to %s", ", ".join(self._tellers))

    def end(self, grace: float) -> None:
        """Read no more, and tell what was read, for `grace` seconds at most."""
        for events in self._events.values():
            events.stop()
        ends = [threading.Thread(target=teller.stop, args=(grace,)) for teller in self._tellers.values()]
        for end in ends:
            end.start()
        for end in ends:
            end.join()

    def note(self) -> str:
        """What a successor has to know: for each exporter, up to which version it was told."""
        marks = {name: teller.mark for name, teller in self._tellers.items() if teller.mark is not None}
        return msgspec.json.encode(marks).decode()

    def health(self) -> str | None:
        """What a restart may cure. Not: a destination that refuses or does not answer."""
        now = self._clock.monotonic()
        return next(filter(None, self._ailments(now)), None)

    def ready(self) -> str | None:
        """What keeps events from arriving, if it has for a while."""
        now = self._clock.monotonic()
        for name, teller in self._tellers.items():
            trouble = teller.delivery.trouble
            if trouble is not None and now - teller.delivery.trouble_since > UNREADY_AFTER:
                return f"{name}: {trouble}"
        return None

    def _ailments(self, now: float) -> Iterator[str | None]:
        for name, thread in zip(self._events, self._threads, strict=True):
            yield self._tellers[name].health() or self._events[name].health(now)
            yield None if thread.is_alive() else f"{name}: the thread that reads its events has ended"

    def _teller(self, name: str, mark: int | None) -> Teller:
        exporter = self._config.exporters[name]
        assert isinstance(exporter, LogExporter), "the configuration lets no route lead elsewhere"
        return Teller(
            name,
            event_destination(name, exporter, self._cluster, self._clock, self._counters),
            DeadLetters(Path(self._config.state) / "dead-letters", name, self._clock, self._counters),
            Redactor(self._config.logs.redact, self._counters, exporter=name),
            lambda happening: name in self._routing.route(_names(happening), None).exporters,
            exporter.batch,
            mark,
            self._clock,
            self._counters,
            self._taps,
        )


def _names(happening: Happening) -> Stream:
    """What routes go by."""
    pod = happening.name if happening.kind == "Pod" else ""
    return Stream(happening.namespace, pod, happening.object_uid, happening.container, 0)


def _marks(note: str) -> Mapping[str, int]:
    """Of each exporter; none of a note that cannot be read."""
    try:
        return msgspec.json.decode(note or "{}", type=dict[str, int])
    except msgspec.DecodeError as e:
        log.warning("what the Lease says of events that were told cannot be read (%s): all there are are told", e)
        return {}
