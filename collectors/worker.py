"""What a worker does beside being a node: it takes its configuration from the line, and answers there.

The first message is the configuration to begin with. A later one replaces the node as a changed file does elsewhere
(`reload.py`); the supervisor has judged it, so nothing is judged again. Questions are answered one after the other by
a thread that does nothing else. When the line ends the supervisor is dead, and the process is left at once, as by
kill -9: whoever takes the supervisor's place starts others for the same logs, and two that write the same cursors must
not meet.
"""

import logging
import os
import threading
from collections.abc import Callable
from typing import Any

from collectors.line import LAST_WORDS, Line, LineError
from collectors.node import Node, Place, Trouble
from collectors.reload import Nodes
from collectors.tapping import TappedWorker
from outrider.config import Config
from outrider.model.clock import Clock
from outrider.model.counters import Counters, Readings
from outrider.model.shard import Shard
from outrider.pipeline.ceilings import SharedBuckets
from outrider.pipeline.taps import Tapped, Taps
from outrider.pipeline.telemetry import TapFor

log = logging.getLogger(__name__)

ORPHANED = 1
"""The exit code when the supervisor is no more."""
_TAKES = 5.0
"""Seconds in which the supervisor takes an answer."""
_LAST_WORDS_TAKE = 1.0


class Worker:
    """One of several processes; made when the supervisor has said the first thing. `nodes` is what it runs."""

    def __init__(self, path: str, shard: Shard, line: int, buckets: int) -> None:
        """`line` and `buckets` are inherited descriptors. Raises LineError if the supervisor is gone, OSError."""
        self._line = Line.inherited(line)
        os.set_inheritable(buckets, False)
        self._place = Place(shard, SharedBuckets(buckets), self._serve)
        self._now: _Answering | None = None
        self._text = self._text_of(self._line.hear(None))
        self.nodes = Nodes(path, None, self._make, check=lambda *_: (), handed=lambda: self._text)

    def run(self) -> None:
        """Work until `nodes` is told to end. Raises what `Nodes.run` raises."""
        threading.Thread(target=self._attend, name="outrider-line", daemon=True).start()
        self.nodes.run()
        counted = self.nodes.counters.heir().families()  # no gauges: what they are of has ended
        try:
            self._line.say((LAST_WORDS, counted), _LAST_WORDS_TAKE)
        except LineError:
            log.debug("nobody wants to know what was counted")

    def _make(self, config: Config, clock: Clock, counters: Counters) -> Node:
        return Node(config, clock, counters, self._place)

    def _serve(
        self,
        _listen: str,
        readings: Readings,
        health: Trouble,
        ready: Trouble,
        ledger: Callable[[], object],
        taps: Tapped,
        _tap_for: TapFor,
    ) -> Any:
        assert isinstance(taps, Taps), "a node's own"
        return _Answering(self, readings, health, ready, ledger, taps)

    @staticmethod
    def _text_of(message: Any) -> bytes:
        return str(message["config"]).encode("utf-8", "surrogateescape")

    def _attend(self) -> None:
        try:
            while True:
                message = self._line.hear(None)
                if "config" in message:
                    self._text = self._text_of(message)
                    self.nodes.reload()
                else:
                    self._line.say((message["number"], self._answer(message["ask"], message["about"])), _TAKES)
        except LineError as e:
            log.error("the supervisor is gone (%s): this worker ends at once", e)
        except Exception:
            log.exception("the supervisor makes no sense; this worker ends")
        os._exit(ORPHANED)

    def _answer(self, what: str, about: Any) -> Any:
        now = self._now
        if what == "families":
            return self.nodes.counters.families()
        if now is None:
            return "it has not begun yet" if what == "ready" else None
        if what == "tap":
            return now.tapped.answer(about)
        answers: dict[str, Callable[[], object]] = {"health": now.health, "ready": now.ready, "ledger": now.ledger}
        return answers[what]()


class _Answering:
    """Takes the place of `Telemetry`: between `start` and `stop` its node is the one that is asked."""

    def __init__(
        self,
        worker: Worker,
        readings: Readings,
        health: Trouble,
        ready: Trouble,
        ledger: Callable[[], object],
        taps: Taps,
    ) -> None:
        self._worker = worker
        self.tapped = TappedWorker(taps)
        self.readings, self.health, self.ready, self.ledger = readings, health, ready, ledger

    def start(self) -> None:
        self._worker._now = self

    def stop(self) -> None:
        if self._worker._now is self:
            self._worker._now = None
